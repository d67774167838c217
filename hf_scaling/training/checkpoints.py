"""Checkpoints: where a run goes on after an interruption, and the trunks that several horizons share."""

import json
import os
import shutil
from pathlib import Path

from hf_scaling.records import UserError, atomic_dir, first_damaged, vouched
from hf_scaling.training.spec import RunSpec

METRICS = "metrics.jsonl"


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def last_whole_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that is whole. Torn and damaged ones are removed."""
    for checkpoint in sorted(folder.glob("checkpoint-*"), key=_step, reverse=True):
        if _is_whole(checkpoint):
            return checkpoint
        shutil.rmtree(checkpoint)
    return None


def _is_whole(checkpoint: Path) -> bool:
    """Whether it was written to its end (Trainer writes its state last) and is still what it was.

    One without checksums was saved by several processes, or interrupted right before them.
    """
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        damaged = first_damaged(checkpoint, vouched(checkpoint))
    except (OSError, UserError, ValueError):
        return False
    if damaged:
        print(f"{checkpoint / damaged}: damaged; not going on from there", flush=True)
    return damaged is None


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
    return next((path for path in sorted(kept, key=_step, reverse=True) if _is_whole(path)), None)
