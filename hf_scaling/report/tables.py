"""Every table of the page, and the numbers behind every figure, as CSV files inside it."""

from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from hf_scaling.report.efficiency import efficiency_rows
from hf_scaling.report.embed import csv_text, data_uri, encoded
from hf_scaling.report.frontier import judged, verdicts
from hf_scaling.report.reading import Study
from hf_scaling.report.shapes import Record


class Table(NamedTuple):
    """A table to download: `uri` is None where the page has no room for it."""

    name: str
    rows: int
    what: str
    uri: str | None


def tables(study: Study, room: int) -> list[Table]:
    """The tables of what has run, and then the CSV of each figure; the lightest of them within `room` bytes."""
    found = [
        Table(f"{name}.csv", len(rows), what, encoded(csv_text(rows).encode("utf-8", "replace"), ".csv"))
        for name, what, rows in _made(study)
        if rows
    ]
    found += _behind_figures(study)
    for place in sorted(range(len(found)), key=lambda place: len(found[place].uri or "")):
        room -= len(found[place].uri or "")
        if room < 0:
            found[place] = found[place]._replace(uri=None)
    return found


def _behind_figures(study: Study) -> Iterator[Table]:
    for path in sorted(chain(study.folder.glob("figures/*.csv"), study.folder.glob("music/*.csv"))):
        rows = max(path.read_bytes().count(b"\n") - 1, 0)
        yield Table(path.name, rows, f"behind the figure {path.stem}", data_uri(path))


def _made(study: Study) -> Iterator[tuple[str, str, list[Record]]]:
    yield "runs", "the ledger, a row a run", [_flat(run, ("versions",)) for run in study.runs]
    yield "laws", "L(N) of each family and way of counting N", _laws((study.fits or {}).get("fits", []))
    yield "local_exponents", "the slope between neighbouring sizes", _local_exponents(study)
    yield (
        "forecasts_scored",
        "sealed forecasts and outcomes",
        [_flat(found, ("basis",)) for found in study.scores or []],
    )
    yield "families", "losses at equal N, multipliers at equal loss, losses by context", _families(study)
    yield (
        "joint_laws",
        "L(N, D) of each family and way of counting N",
        _laws(judged(study.joint) if study.joint else []),
    )
    yield "frontier_optima", "compute-optimal N and D", _optima(study)
    yield "efficiency", "speed, memory and time", efficiency_rows(study)
    yield from _data(study)
    yield "best_model", "the model that was trained on", [_flat(study.best, ("versions",))] if study.best else []
    yield "samples", "how each tune fared", [_sample(sample) for sample in study.samples]
    yield "worth", "musical metrics of every model and of real tunes", _worth(study.worth)
    yield "patterns", "what the samples are like, beside real tunes", _patterns(study.patterns)
    yield "lint", "findings of the linter", list((study.lint or {"findings": []})["findings"])
    yield "stages", "wall seconds of each stage", [{"stage": name, "seconds": s} for name, s in study.seconds.items()]


def _data(study: Study) -> Iterator[tuple[str, str, list[Record]]]:
    statistics = study.statistics or {"splits": {}, "rejected": {}}
    splits = [{"split": name} | _flat(split) for name, split in statistics["splits"].items()]
    yield "splits", "tunes, tune families and characters", splits
    yield "rejected", "tunes left out", [{"reason": name, "tunes": n} for name, n in statistics["rejected"].items()]
    pairs = {name: value for name, value in (study.leaks or {}).items() if "_in_" in name}
    yield "leaks", "twins between splits", [{"pair": name} | _flat(pair) for name, pair in pairs.items()]
    yield (
        "baselines",
        "compressors and n-grams",
        [dict(model) for model in (study.baselines or {"models": []})["models"]],
    )
    yield "licences", "sources and their terms", [dict(terms) for terms in study.licences]


def _flat(record: Mapping[str, Any], without: tuple[str, ...] = ()) -> Record:
    """A record in one row: `{"a": {"b": [1, 2]}}` as `a.b.0` and `a.b.1`."""
    row: Record = {}
    for name, value in record.items():
        if name in without:
            continue
        if isinstance(value, list):
            value = {str(place): item for place, item in enumerate(value)}
        if isinstance(value, dict):
            row |= {f"{name}.{inner}": item for inner, item in _flat(value).items()}
        else:
            row[name] = value
    return row


_OF_FIT = ("family", "n_convention", "form", "n_points", "level", "verdict", "r_squared", "params", "intervals")


def _laws(fits: list[Record]) -> list[Record]:
    return [_flat({name: fit[name] for name in _OF_FIT if name in fit}) for fit in fits]


def _local_exponents(study: Study) -> list[Record]:
    fits = (study.fits or {}).get("fits", [])
    names = ("family", "n_convention")
    return [{name: fit[name] for name in names} | step for fit in fits for step in fit["local_exponents"]]


def _families(study: Study) -> list[Record]:
    rows = []
    for pair in study.comparisons or []:
        names = dict(zip(("first", "second"), pair["families"], strict=False))
        rows += [names | {"kind": "equal N"} | _flat(size, ("sentence",)) for size in pair["sizes"]]
        for cost, found in pair["multipliers"].items():
            rows += [names | {"kind": "equal loss", "cost": cost} | _flat(at) for at in found["at"]]
            if found.get("beyond") is not None:
                bound = {name: found[name] for name in ("behind", "beyond")}
                rows.append(names | {"kind": "equal loss", "cost": cost} | bound)
        rows += [names | {"kind": "by context"} | _flat(one) for one in (pair.get("context") or {"bins": []})["bins"]]
    return rows


def _optima(study: Study) -> list[Record]:
    if study.joint is None:
        return []
    names, told = ("family", "n_convention", "flops_convention", "exponent"), verdicts(study.joint)
    return [
        {name: one[name] for name in names}
        | {"verdict": told.get((one["family"], one["n_convention"]))}
        | _flat(optimum)
        for one in study.joint["frontiers"]
        for optimum in one["optima"]
    ]


def _sample(sample: Record) -> Record:
    names = ("index", "kind", "prompt", "seed", "redraws", "complete", "constrain")
    row = {name: sample.get(name) for name in names}
    for which in ("raw_verdict", "verdict"):
        row |= {f"{which}.{tier}": sample[which][tier] for tier in ("parses", "strict", "playable")}
    midi = sample.get("midi") or {}
    return row | {"repairs": len(sample["repairs"]), "notes": midi.get("notes"), "seconds": midi.get("seconds")}


def _worth(worth: Record | None) -> list[Record]:
    if worth is None:
        return []
    of = ("run_id", "family", "size", "n_params", "n_tokens", "best")
    rows = [{"run_id": "real tunes", "metric": name} | one for name, one in worth["real"].items()]
    for model in worth["models"]:
        who = {name: model.get(name) for name in of}
        rows += [who | {"metric": name} | one for name, one in model["metrics"].items()]
    return rows


def _patterns(patterns: Record | None) -> list[Record]:
    if patterns is None:
        return []
    return [{"pattern": name} | contrast for name, contrast in patterns["contrasts"].items()]
