"""Checkpoints: where a run goes on after an interruption, and the trunks that several horizons share."""

import json
import os
import shutil
from pathlib import Path

from hf_scaling.records import atomic_dir
from hf_scaling.training.spec import RunSpec

METRICS = "metrics.jsonl"


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def last_whole_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; Trainer writes its state last. Torn ones are removed."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=_step, reverse=True):
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
        else:
            return checkpoint
    return None


def discard_checkpoints(folder: Path) -> None:
    """Remove a run's checkpoints: for when its row stands in the ledger, and not before."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def keep_trunk(spec: RunSpec, checkpoint: Path, metrics: Path, trunks: Path) -> None:
    """Keep the state before a run's cooldown, with the metrics that led there, for runs of a longer horizon.

    Files are linked, not copied: none of them is ever changed after it was written.
    """
    kept = trunks / spec.trunk / checkpoint.name
    if kept.exists():
        return
    kept.parent.mkdir(parents=True, exist_ok=True)
    with atomic_dir(kept) as temporary:
        shutil.copytree(checkpoint, temporary, copy_function=os.link, dirs_exist_ok=True)
        shutil.copy(metrics, temporary / METRICS)


def find_trunk(spec: RunSpec, trunks: Path) -> Path | None:
    """The farthest state of the same trunk that lies before this run's own cooldown."""
    kept = [path for path in (trunks / spec.trunk).glob("checkpoint-*") if spec.trunk and _step(path) <= spec.trunk_end]
    return max(kept, key=_step, default=None)
