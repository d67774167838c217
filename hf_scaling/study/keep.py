"""What of a study belongs under version control: its evidence, without tunes, weights, audio or the page made of it.

A kept folder is a study folder still: `hf-scaling fit`, `figures` and `report` read it, and a sweep in a copy of it
goes on from its ledger. The tunes stay out because many licences forbid to pass them on, the rest because it can be
made again.
"""

import shutil
from pathlib import Path

from hf_scaling.records import LEDGER, UserError, atomic_dir

_KEPT = (
    *("*.json", "*.jsonl", "study.yaml", "figures/*", "forecasts/*.json", "music/*"),
    *("runs/*/config.json", "runs/*/metrics.jsonl", "runs/*/validation.json"),
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
    kept = sorted({path.relative_to(study) for pattern in _KEPT for path in study.glob(pattern) if path.is_file()})
    with atomic_dir(folder) as temporary:
        for path in kept:
            (temporary / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(study / path, temporary / path)
    return kept
