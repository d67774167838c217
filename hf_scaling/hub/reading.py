"""What the Hub is told of a study, read from its folder and checked."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_scaling.records import LEDGER, UserError, read_json, read_jsonl, read_ledger

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
            _check(folder / LEDGER, row, _RUN)
    fits = (_optional(folder / "fits.json", {"fits": list}) or {"fits": []})["fits"]
    for fit in fits:
        _check(folder / "fits.json", fit, _FIT)
    return HubStudy(
        folder,
        rows,
        best=_best(folder / "best.json"),
        statistics=_statistics(folder / "dataset" / "statistics.json"),
        leaks=_leaks(folder / "dataset" / "leak_report.json"),
        samples=_samples(folder / "samples" / "samples.jsonl"),
        fits=fits,
    )


def read_object(path: Path) -> Record:
    """A JSON file that holds an object.

    Raises:
        UserError: it is absent or holds something else.
    """
    value = read_json(path)
    _check(path, value, {})
    return dict(value)


def _check(path: Path, value: Any, fields: Mapping[str, Any]) -> None:
    if not isinstance(value, dict):
        raise UserError(f"{path}: got {type(value).__name__}, expected an object")
    for name, kind in fields.items():
        if not isinstance(value.get(name), kind):
            raise UserError(f"{path}: {name}: got {value.get(name)!r}; delete the file to have it rebuilt")


def _check_run_id(path: Path, row: Record) -> None:
    if not _RUN_ID.fullmatch(row["run_id"]):
        raise UserError(f"{path}: run_id: got {row['run_id']!r}, expected letters, digits, '-', '_' and '.'")


def _optional(path: Path, fields: Mapping[str, Any]) -> Record | None:
    if not path.exists():
        return None
    value = read_object(path)
    _check(path, value, fields)
    return value


def _best(path: Path) -> Record | None:
    best = _optional(path, _BEST)
    if best is not None:
        _check_run_id(path, best)
    return best


def _statistics(path: Path) -> Record:
    statistics = read_object(path)
    _check(path, statistics, _STATISTICS)
    for split in statistics["splits"].values():
        _check(path, split, _SPLIT)
    for licence in statistics["licences"]:
        _check(path, licence, _LICENCE)
    return statistics


def _leaks(path: Path) -> Record | None:
    leaks = _optional(path, _LEAKS)
    if leaks is not None:
        for which in ("test_in_train", "random_split_test_in_train"):
            _check(path, leaks[which], _TWINS)
    return leaks


def _samples(path: Path) -> list[Record]:
    samples = read_jsonl(path) if path.exists() else []
    for sample in samples:
        _check(path, sample, _SAMPLE)
        _check(path, sample["raw_verdict"], _VERDICT)
    return samples
