"""What of a study belongs under version control: its evidence, without tunes, weights, audio or the page made of it.

A kept folder is a study folder still: `hf-scaling fit`, `figures` and `report` read it, and a sweep in a copy of it
goes on from its ledger. The tunes stay out because many licences forbid to pass them on, the rest because it can be
made again.
"""

import shutil
from pathlib import Path
from typing import Any

from hf_scaling.records import LEDGER, UserError, atomic_dir, finished_rows

_KEPT = (
    *("*.json", "*.jsonl", "study.yaml", "figures/*", "forecasts/*.json", "music/*"),
    *("dataset/statistics.json", "dataset/leak_report.json", "dataset/baselines.json"),
    *("dataset/corpus.png", "dataset/corpus.svg"),
    *("samples/*.abc", "samples/*.mid", "samples/*.svg", "samples/*.jsonl", "samples/*.txt"),
)


def keep(study: Path, folder: Path, overwrite: bool = False) -> list[Path]:
    """Copy a study's evidence into `folder`, in place of what is there, and return the files as paths below it.

    Raises:
        UserError: it is no study folder, or `folder` exists and `overwrite` is false.
    """
    if not (study / LEDGER).is_file():
        raise UserError(f"{study}: holds no {LEDGER}; expected a study folder, such as outputs/laptop")
    if folder.resolve() == study.resolve() or study.resolve() in folder.resolve().parents:
        raise UserError(f"{folder}: lies in the study itself; expected another folder, such as results/{study.name}")
    if folder.exists() and not overwrite:
        raise UserError(f"{folder}: exists; use --overwrite to replace it")
    patterns = [*_KEPT, *_of_runs(finished_rows(study / LEDGER))]
    kept = sorted({path.relative_to(study) for pattern in patterns for path in study.glob(pattern) if path.is_file()})
    with atomic_dir(folder) as temporary:
        for path in kept:
            (temporary / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(study / path, temporary / path)
    return kept


def _of_runs(rows: list[dict[str, Any]]) -> list[str]:
    """What lies in the folders of runs: losses by tune, and of the longest runs, which figures draw, metrics."""
    longest = max((row["n_tokens"] for row in rows), default=0)
    patterns = ["runs/best-*/config.json", "runs/best-*/metrics.jsonl", "runs/best-*/validation.json"]
    for row in rows:
        patterns += [f"runs/{row['run_id']}/{name}" for name in ("config.json", "validation.json")]
        patterns += [f"runs/{row['run_id']}/metrics.jsonl"] if row["n_tokens"] == longest else []
    return patterns
