"""What the Hub is told of a study, read from its folder and checked."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_scaling.records import LEDGER, UserError, check_fields, read_jsonl, read_ledger, read_object, read_optional

Record = dict[str, Any]

_NUMBER = (int, float)
_RUN = {
    "n_params": int,
    "n_params_non_embedding": int,
    "n_tokens": int,
    "flops": _NUMBER,
    "val_loss": _NUMBER,
    "val_bpc": _NUMBER,
    "versions": dict,
}
_BEST = _RUN | {
    "run_id": str,
    "family": str,
    "size": str,
    "study": str,
    "test_loss": _NUMBER,
    "test_bpc": _NUMBER,
    "epochs": int,
    "from_run_id": str,
}
_STATISTICS = {"splits": dict, "licences": list, "sources": dict}
_SPLIT = {"tunes": int, "tune_families": int, "characters": int}
_LICENCE = {
    "source": str,
    "identifier": str,
    "text": str,
    "notice": str,
    "commercial_use": bool,
    "redistributable": bool,
}
_TWINS = {"tunes": int, "twins": dict}
_LEAKS = {"split_threshold": _NUMBER, "test_in_train": dict, "random_split_test_in_train": dict}
_SAMPLE = {"index": int, "prompt": str, "redraws": int, "abc": str, "title": str, "raw_verdict": dict, "repairs": list}
_VERDICT = {"parses": bool, "strict": bool, "playable": bool}
_FIT = {
    "family": str,
    "n_convention": str,
    "level": _NUMBER,
    "params": dict,
    "intervals": dict,
    "verdict": str,
    "points": list,
}
_RUN_ID = re.compile(r"\w[\w.-]*", re.ASCII)  # becomes part of paths, of repository names and of code in cards


@dataclass(frozen=True)
class HubStudy:
    """One study folder; `rows` are its whole ledger, what is not there yet is None or empty."""

    folder: Path
    rows: list[Record]
    best: Record | None
    statistics: Record
    leaks: Record | None
    samples: list[Record]
    fits: list[Record]

    @property
    def runs(self) -> list[Record]:
        """The finished runs, smallest first."""
        finished = [row for row in self.rows if row["status"] == "finished"]
        return sorted(finished, key=lambda row: (row["family"], row["n_params"], row["run_id"]))

    @property
    def horizon(self) -> int:
        """Training tokens of the longest runs, which the laws of `fits` are of."""
        return max((run["n_tokens"] for run in self.runs), default=0)

    @property
    def name(self) -> str:
        """What the study calls itself."""
        return str(self.rows[0]["study"])

    def run_folder(self, run: Record, is_best: bool) -> Path:
        """Where a run, or the best model trained on, lies."""
        return self.folder / "runs" / (f"best-{run['run_id']}" if is_best else run["run_id"])


def read_study(folder: Path) -> HubStudy:
    """Read a study folder.

    Raises:
        UserError: it is no study folder, no run has ended in it, or a file in it is damaged.
    """
    if not (folder / "study.yaml").is_file():
        raise UserError(f"{folder}: not a study folder; expected a folder with study.yaml, such as outputs/laptop")
    rows, _ = read_ledger(folder / LEDGER)
    if not rows:
        raise UserError(f"{folder / LEDGER}: no run has ended; expected the folder of a study that has trained")
    for row in rows:
        _check_run_id(folder / LEDGER, row)
        if row["status"] == "finished":
            check_fields(folder / LEDGER, row, _RUN)
    fits = (read_optional(folder / "fits.json", {"fits": list}) or {"fits": []})["fits"]
    for fit in fits:
        check_fields(folder / "fits.json", fit, _FIT)
    return HubStudy(
        folder,
        rows,
        best=_best(folder / "best.json"),
        statistics=_statistics(folder / "dataset" / "statistics.json"),
        leaks=_leaks(folder / "dataset" / "leak_report.json"),
        samples=_samples(folder / "samples" / "samples.jsonl"),
        fits=fits,
    )


def _check_run_id(path: Path, row: Record) -> None:
    if not _RUN_ID.fullmatch(row["run_id"]):
        raise UserError(f"{path}: run_id: got {row['run_id']!r}, expected letters, digits, '-', '_' and '.'")


def _best(path: Path) -> Record | None:
    best = read_optional(path, _BEST)
    if best is not None:
        _check_run_id(path, best)
    return best


def _statistics(path: Path) -> Record:
    statistics = read_object(path)
    check_fields(path, statistics, _STATISTICS)
    for split in statistics["splits"].values():
        check_fields(path, split, _SPLIT)
    for licence in statistics["licences"]:
        check_fields(path, licence, _LICENCE)
    return statistics


def _leaks(path: Path) -> Record | None:
    leaks = read_optional(path, _LEAKS)
    if leaks is not None:
        for which in ("test_in_train", "random_split_test_in_train"):
            check_fields(path, leaks[which], _TWINS)
    return leaks


def _samples(path: Path) -> list[Record]:
    samples = read_jsonl(path) if path.exists() else []
    for sample in samples:
        check_fields(path, sample, _SAMPLE)
        check_fields(path, sample["raw_verdict"], _VERDICT)
    return samples
