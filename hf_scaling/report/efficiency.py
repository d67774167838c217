"""What the runs cost, from the ledger: speed, memory, time, and how well the time was foreseen."""

from statistics import fmean, median
from typing import Any

from hf_scaling.report import formats
from hf_scaling.report.reading import Study
from hf_scaling.report.shapes import Record

_MORE = {"learning rates": "tuning", "best": "the best model"}  # stages that train outside the runs


def efficiency_rows(study: Study) -> list[Record]:
    """One row for each family, size and horizon: means over its finished runs; numbers, None where none is known."""
    groups: dict[tuple[str, str, int], list[Record]] = {}
    for run in study.finished:
        groups.setdefault((run["family"], run["size"], run["n_tokens"]), []).append(run)
    return [
        {
            "family": family,
            "size": size,
            "n_params": runs[0]["n_params"],
            "n_tokens": n_tokens,
            "runs": len(runs),
            "tokens_per_second": _mean(runs, "tokens_per_second"),
            "flops_per_second": _ratio(_mean(runs, "flops"), _mean(runs, "wall_seconds")),
            "peak_memory_bytes": _mean(runs, "peak_memory_bytes"),
            "wall_seconds": _mean(runs, "wall_seconds"),
        }
        for (family, size, n_tokens), runs in groups.items()
    ]


def _mean(runs: list[Record], name: str) -> float | None:
    known: list[Any] = [number for run in runs if (number := formats.finite(run.get(name))) is not None]
    return fmean(known) if known else None


def _ratio(one: float | None, other: float | None) -> float | None:
    return one / other if one is not None and other else None


def efficiency_sentences(study: Study) -> list[str]:
    """The whole cost, the families beside each other, and the plan beside what came of it."""
    return [*_total(study), *_speeds(study), *_foreseen(study)]


def _total(study: Study) -> list[str]:
    seconds = [run["wall_seconds"] for run in study.finished if run.get("wall_seconds") is not None]
    if not seconds:
        return []
    devices = list(dict.fromkeys(run["device"] for run in study.finished if run.get("device")))
    flops = sum(run["flops"] for run in study.finished)
    where = f" on {formats.listed(devices)}" if devices else ""
    took = study.ran if study.ran is not None else sum(seconds)
    told = f"{len(seconds)} finished runs took {formats.duration(took)}{where}, their times added up"
    if study.elapsed is not None:
        told += f"; from the first start to the last end {formats.duration(study.elapsed)} passed"
    more = [
        f"{label} took {formats.duration(study.seconds[name])}"
        for name, label in _MORE.items()
        if name in study.seconds
    ]
    told = "; besides, ".join(filter(None, [told, formats.listed(more)]))
    cost = f"They cost {formats.power_of_ten(flops)} training FLOPs"
    if len(study.horizons) == 1:
        return [f"{told}. {cost}."]
    return [
        f"{told}. {cost}; here and below, what a run shares with longer ones, its trunk, was trained once and is "
        "counted in each."
    ]


def _speeds(study: Study) -> list[str]:
    """At the largest size that the first two families have in common."""
    if len(study.families) < 2:
        return []
    one, two = study.families[:2]
    rows = {(row["family"], row["size"]): row["tokens_per_second"] for row in efficiency_rows(study)}
    shared = [size for family, size in rows if family == one and rows[one, size] and rows.get((two, size))]
    if not shared:
        return []
    ratio = formats.fixed(rows[one, shared[-1]] / rows[two, shared[-1]], 2)
    return [
        f"At the size {shared[-1]} and D = {formats.short(study.horizons[-1])} {formats.family(one)} takes in {ratio} "
        f"times the tokens a second of {formats.family(two)}."
    ]


def _foreseen(study: Study) -> list[str]:
    foreseen = study.resolved.get("predicted_seconds")
    if not isinstance(foreseen, dict):
        return []
    pairs = [(run["wall_seconds"], formats.finite(foreseen.get(run["run_id"]))) for run in study.finished]
    ratios = sorted(took / told for took, told in pairs if took is not None and told)
    if not ratios:
        return []
    return [
        f"Runs took {formats.fixed(ratios[0], 2)} to {formats.fixed(ratios[-1], 2)} times the time foreseen, the "
        f"middle one {formats.fixed(median(ratios), 2)} times."
    ]
