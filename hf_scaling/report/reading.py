"""What a report needs from a study folder, read and checked; parts of a study that has not come so far are None."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from hf_scaling.records import LEDGER, UserError, read_ledger, read_optional
from hf_scaling.report import evidence, files
from hf_scaling.report.shapes import Record

_DATA = ("dataset", "tokenizer", "tokens")
_READ = (".arrow", "tokenizer.json", ".npy")


@dataclass(frozen=True)
class Study:
    """One study folder.

    `licences` have a source and its notice; those of an earlier version have no more.
    `attempts` counts the failed ledger rows of each run that has finished since; `seconds` is the wall time of stages,
    `hashes` the SHA-256 of files that models read.
    `alphabet` is how many tokens the tokenizer knows; `has_tunes` is false of what was kept of a study.
    """

    folder: Path
    config: Record
    resolved: Record
    runs: list[Record]
    attempts: Mapping[str, int]
    notes: list[str]
    fits: Record | None
    comparisons: list[Record] | None
    joint: Record | None
    scores: list[Record] | None
    lint: Record | None
    best: Record | None
    statistics: Record | None
    leaks: Record | None
    baselines: Record | None
    licences: list[Record]
    samples: list[Record]
    patterns: Record | None
    worth: Record | None
    rates: Record | None
    alphabet: int | None
    seconds: Record
    hashes: Record
    has_tunes: bool

    @property
    def name(self) -> str:
        """As the configuration has it, or else the folder."""
        return str(self.config.get("name") or self.folder.resolve().name)

    @property
    def finished(self) -> list[Record]:
        """The finished runs."""
        return [run for run in self.runs if run["status"] == "finished"]

    @property
    def horizons(self) -> list[int]:
        """Training tokens D of the finished runs, shortest first, each once."""
        return sorted({run["n_tokens"] for run in self.finished})

    @property
    def longest(self) -> list[Record]:
        """The finished runs of the longest horizon: those that the power law is fitted to."""
        return [run for run in self.finished if run["n_tokens"] == self.horizons[-1]]

    @property
    def elapsed(self) -> float | None:
        """Seconds from the first start of a finished run to the last end, pauses and all; None where not recorded."""
        try:
            begun, ended = (
                [datetime.fromisoformat(run[name]) for run in self.finished if run.get(name)]
                for name in ("started_at", "finished_at")
            )
            return (max(ended) - min(begun)).total_seconds()
        except (TypeError, ValueError):  # no run, or an earlier version that wrote other times
            return None

    @property
    def ran(self) -> float | None:
        """Seconds from start to end of each finished run, added up; None where not recorded."""
        try:
            return sum(
                (datetime.fromisoformat(run["finished_at"]) - datetime.fromisoformat(run["started_at"])).total_seconds()
                for run in self.finished
            )
        except (KeyError, TypeError, ValueError):
            return None

    @property
    def families(self) -> list[str]:
        """Model families that have runs: in the order of the configuration, which is that of the figures."""
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
    runs, attempts = _one_row_a_run(rows, config.get("families"))
    statistics = files.read_statistics(folder / "dataset/statistics.json")
    stages = files.read_stages(folder / "stages.json")
    return Study(
        folder=folder,
        config=config,
        resolved=resolved if isinstance(resolved, dict) else {"resolved": resolved},
        runs=runs,
        attempts=attempts,
        notes=[note.removeprefix(f"{folder}/") for note in notes],
        fits=evidence.read_fits(folder / "fits.json"),
        comparisons=evidence.read_comparisons(folder / "comparison.json"),
        joint=evidence.read_joint(folder / "joint.json"),
        scores=evidence.read_scores(folder / "scores.json"),
        lint=evidence.read_lint(folder / "lint.json"),
        best=files.read_best(folder / "best.json"),
        statistics=statistics,
        leaks=files.read_leaks(folder / "dataset/leak_report.json"),
        baselines=files.read_baselines(folder / "dataset/baselines.json"),
        licences=(statistics or {}).get("licences") or _notices(folder / "dataset/README.md"),
        samples=files.read_samples(folder / "samples/samples.jsonl"),
        patterns=files.read_patterns(folder / "patterns.json"),
        worth=files.read_worth(folder / "music.json"),
        rates=read_optional(folder / "learning_rates.json", {"families": dict}),
        alphabet=_alphabet(folder / "tokenizer/tokenizer.json"),
        seconds=_stage_seconds(stages, runs),
        hashes=_hashes(stages),
        has_tunes=(folder / "dataset/dataset_dict.json").exists(),
    )


def _one_row_a_run(rows: list[Record], families: Any) -> tuple[list[Record], dict[str, int]]:
    """The finished row of each run, or else its latest failure, by family and size; and how often others failed.

    Families that the configuration does not name come last, as the ledger first names them.
    """
    latest: dict[str, Record] = {}
    failures: dict[str, int] = {}
    for row in rows:
        if row["status"] == "failed":
            failures[row["run_id"]] = failures.get(row["run_id"], 0) + 1
        if row["status"] == "finished" or latest.get(row["run_id"], row)["status"] == "failed":
            latest[row["run_id"]] = row
    named = families if isinstance(families, list) else []
    known = list(dict.fromkeys([*named, *(row["family"] for row in rows)]))

    def order(run: Record) -> tuple[int, int, str, int, int]:
        place = known.index(run["family"])
        return place, run.get("n_params") or 0, run["size"], run.get("n_tokens") or 0, run.get("seed") or 0

    runs = sorted(latest.values(), key=order)
    return runs, {run["run_id"]: failures.get(run["run_id"], 0) for run in runs if run["status"] == "finished"}


def _yaml(path: Path) -> Record:
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: got {type(value).__name__}, expected keys and values")
    return value


def _hashes(stages: Record) -> Record:
    made = [stages[name]["files"] for name in _DATA if name in stages]
    return {file: digest for files_of_one in made for file, digest in files_of_one.items() if file.endswith(_READ)}


def _stage_seconds(stages: Record, runs: list[Record]) -> Record:
    """Wall seconds by stage. Training is the sum over runs; the report leaves itself out, being made of the rest."""
    training = [run["wall_seconds"] for run in runs if run.get("wall_seconds") is not None]
    seconds = {name: stage["seconds"] for name, stage in stages.items() if name != "report"}
    return seconds | ({"training, summed over runs": sum(training)} if training else {})


def _alphabet(path: Path) -> int | None:
    """How many tokens a tokenizer knows, or None without one."""
    found = read_optional(path, {"model": dict})
    return None if found is None else len(found["model"].get("vocab", []))


def _notices(card: Path) -> list[Record]:
    """What the data card says under its heading `Licences`, a source an item."""
    if not card.exists():
        return []
    _, _, section = card.read_text(encoding="utf-8", errors="replace").partition("\n## Licences\n")
    items = [line[2:].replace("`", "") for line in section.partition("\n## ")[0].splitlines() if line.startswith("- ")]
    return [{"source": source, "notice": notice} for source, _, notice in (item.partition(": ") for item in items)]
