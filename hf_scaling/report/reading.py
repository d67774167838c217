"""What a report needs from a study folder, read and checked; parts of a study that has not come so far are None."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hf_scaling.records import LEDGER, UserError, check_fields, read_jsonl, read_ledger, read_optional

Record = dict[str, Any]

_FIT = {
    "family": str,
    "n_convention": str,
    "n_points": int,
    "params": dict,
    "intervals": dict,
    "verdict": str,
    "warnings": list,
    "local_exponents": list,
}
_NUMBER = (int, float)
_BEST = {"family": str, "size": str, "n_params": int, "n_tokens": int, "val_loss": _NUMBER, "val_bpc": _NUMBER}
_BEST |= {"test_loss": _NUMBER, "test_bpc": _NUMBER}
_SAMPLE = {
    "index": int,
    "kind": str,
    "prompt": str,
    "redraws": int,
    "raw": str,
    "abc": str,
    "title": str,
    "raw_verdict": dict,
    "verdict": dict,
    "repairs": list,
}
_VERDICT = {"parses": bool, "strict": bool, "playable": bool}
_SPLIT = {"tunes": int, "tune_families": int, "characters": int}
_LEAKS = {"split_threshold": _NUMBER, "thresholds": list}
_TWINS = {"tunes": int, "twins": dict}
_BASELINES = {"convention": str, "train_characters": int, "models": list}
_BASELINE = {"name": str, "adaptive": bool, "validation": _NUMBER, "test": _NUMBER}
_LICENCE = {"source": str, "identifier": str, "notice": str, "commercial_use": bool, "redistributable": bool}
_WORTH = {"drawing": dict, "level": _NUMBER, "metrics": dict, "real": dict, "models": list, "trends": list}
_WORTH |= {"n_real": int, "n_reference": int, "longest_human": int}
_MODEL = {"family": str, "n_params": int, "best": bool, "metrics": dict}
_TREND = {"family": str, "metric": str, "verdict": str}
_ESTIMATE = {"value": _NUMBER, "low": _NUMBER, "high": _NUMBER}
_FINDING = {"code": str, "where": str, "what": str, "effect": str, "cure": str}
_COMPARISON = {"families": list, "difference": _NUMBER, "interval": list, "level": _NUMBER, "verdict": str}


@dataclass(frozen=True)
class Study:
    """One study folder.

    `licences` have a source and its notice; those of an earlier version have no more.
    `attempts` counts the failed ledger rows of each run that has finished since; `seconds` is the wall time of stages.
    """

    folder: Path
    config: Record
    resolved: Record
    runs: list[Record]
    attempts: Mapping[str, int]
    notes: list[str]
    fits: Record | None
    lint: Record | None
    best: Record | None
    statistics: Record | None
    leaks: Record | None
    baselines: Record | None
    licences: list[Record]
    samples: list[Record]
    worth: Record | None
    seconds: Record

    @property
    def name(self) -> str:
        """The name of the folder."""
        return self.folder.resolve().name

    @property
    def finished(self) -> list[Record]:
        """The finished runs."""
        return [run for run in self.runs if run["status"] == "finished"]

    @property
    def longest(self) -> list[Record]:
        """The finished runs of the longest horizon: those that the power law is fitted to."""
        horizon = max((run["n_tokens"] for run in self.finished), default=0)
        return [run for run in self.finished if run["n_tokens"] == horizon]

    @property
    def families(self) -> list[str]:
        """Model families, in the order in which the ledger first names them."""
        return list(dict.fromkeys(run["family"] for run in self.runs))


def read_study(folder: Path) -> Study:
    """Read a study folder.

    Raises:
        UserError: it is no study folder, or a file in it is damaged.
    """
    if not (folder / "study.yaml").is_file():
        raise UserError(f"{folder}: not a study folder; expected a folder with study.yaml, such as outputs/quick")
    config = _yaml(folder / "study.yaml")
    resolved = config.pop("resolved", None) or {}
    rows, notes = read_ledger(folder / LEDGER)
    runs, attempts = _one_row_a_run(rows)
    statistics = _statistics(folder / "dataset/statistics.json")
    return Study(
        folder=folder,
        config=config,
        resolved=resolved if isinstance(resolved, dict) else {"resolved": resolved},
        runs=runs,
        attempts=attempts,
        notes=[note.removeprefix(f"{folder}/") for note in notes],
        fits=_fits(folder / "fits.json"),
        lint=_lint(folder / "lint.json"),
        best=read_optional(folder / "best.json", _BEST),
        statistics=statistics,
        leaks=_leaks(folder / "dataset/leak_report.json"),
        baselines=_baselines(folder / "dataset/baselines.json"),
        licences=(statistics or {}).get("licences") or _notices(folder / "dataset/README.md"),
        samples=_samples(folder / "samples/samples.jsonl"),
        worth=_worth(folder / "music.json"),
        seconds=_stage_seconds(folder / "stages.json", runs),
    )


def _one_row_a_run(rows: list[Record]) -> tuple[list[Record], dict[str, int]]:
    """The finished row of each run, or else its latest failure, by family and size; and how often others failed."""
    latest: dict[str, Record] = {}
    failures: dict[str, int] = {}
    for row in rows:
        if row["status"] == "failed":
            failures[row["run_id"]] = failures.get(row["run_id"], 0) + 1
        if row["status"] == "finished" or latest.get(row["run_id"], row)["status"] == "failed":
            latest[row["run_id"]] = row
    families = list(dict.fromkeys(row["family"] for row in rows))
    runs = sorted(
        latest.values(),
        key=lambda run: (families.index(run["family"]), run.get("n_params") or 0, run["size"], run.get("seed") or 0),
    )
    return runs, {run["run_id"]: failures.get(run["run_id"], 0) for run in runs if run["status"] == "finished"}


def _yaml(path: Path) -> Record:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: got {type(value).__name__}, expected keys and values")
    return value


def _fits(path: Path) -> Record | None:
    fits = read_optional(path, {"fits": list})
    if fits is not None:
        for fit in fits["fits"]:
            check_fields(path, fit, _FIT)
        for comparison in (fits.get("comparison") or {}).values():
            check_fields(path, comparison, _COMPARISON)
    return fits


def _lint(path: Path) -> Record | None:
    lint = read_optional(path, {"findings": list, "checked": list, "unchecked": list})
    for found in (lint or {"findings": []})["findings"]:
        check_fields(path, found, _FINDING)
    return lint


def _statistics(path: Path) -> Record | None:
    statistics = read_optional(path, {"splits": dict, "rejected": dict})
    if statistics is not None:
        for split in statistics["splits"].values():
            check_fields(path, split, _SPLIT)
            check_fields(path, {"transposed_copies": 0} | split, {"transposed_copies": int})
        check_fields(path, statistics["rejected"], dict.fromkeys(statistics["rejected"], int))
        check_fields(path, {"sources": {}, "licences": []} | statistics, {"sources": dict, "licences": list})
        for licence in statistics.get("licences", []):
            check_fields(path, licence, _LICENCE)
    return statistics


def _leaks(path: Path) -> Record | None:
    leaks = read_optional(path, _LEAKS)
    if leaks is not None:
        for pair in (value for name, value in leaks.items() if "_in_" in name):
            check_fields(path, pair, _TWINS)
    return leaks


def _baselines(path: Path) -> Record | None:
    baselines = read_optional(path, _BASELINES)
    if baselines is not None:
        for model in baselines["models"]:
            check_fields(path, model, _BASELINE)
    return baselines


def _stage_seconds(path: Path, runs: list[Record]) -> Record:
    """Wall seconds by stage. Training is the sum of its runs; the report leaves itself out, being made of the rest."""
    stages = read_optional(path, {}) or {}
    for stage in stages.values():
        check_fields(path, stage, {"seconds": _NUMBER})
    training = [run["wall_seconds"] for run in runs if run.get("wall_seconds") is not None]
    seconds = {name: stage["seconds"] for name, stage in stages.items() if name != "report"}
    return seconds | ({"training of all runs": sum(training)} if training else {})


def _samples(path: Path) -> list[Record]:
    samples = read_jsonl(path) if path.exists() else []
    for sample in samples:
        check_fields(path, sample, _SAMPLE)
        for which in ("raw_verdict", "verdict"):
            check_fields(path, sample[which], _VERDICT)
    return samples


def _worth(path: Path) -> Record | None:
    worth = read_optional(path, _WORTH)
    if worth is not None:
        check_fields(path, worth["drawing"], {"n_tunes": int, "temperature": _NUMBER, "top_p": _NUMBER})
        for model in worth["models"]:
            check_fields(path, model, _MODEL)
        for trend in worth["trends"]:
            check_fields(path, trend, _TREND)
        for metric in worth["metrics"].values():
            check_fields(path, metric, {"label": str, "about": str})
        for measured in (worth["real"], *(model["metrics"] for model in worth["models"])):
            for estimate in measured.values():
                check_fields(path, estimate, _ESTIMATE)
    return worth


def _notices(card: Path) -> list[Record]:
    """What the data card says under its heading `Licences`, a source an item."""
    if not card.exists():
        return []
    _, _, section = card.read_text(encoding="utf-8", errors="replace").partition("\n## Licences\n")
    items = [line[2:].replace("`", "") for line in section.partition("\n## ")[0].splitlines() if line.startswith("- ")]
    return [{"source": source, "notice": notice} for source, _, notice in (item.partition(": ") for item in items)]
