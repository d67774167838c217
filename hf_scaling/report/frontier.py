"""What the page says of L(N, D) and the compute-optimal frontier, from `joint.json`."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean

from hf_scaling.report import formats
from hf_scaling.report.shapes import Record

# parameter -> how it stands in L(N, D) = E + A·N^-alpha + B·D^-beta
_NAMES = {"alpha": "α", "beta": "β", "E": "E", "A": "A", "B": "B"}
_POWERS = ("A", "B")
_FAR = 2.0  # times the spread of seeds, from where on what a form misses is no matter of chance


def joint_rows(joint: Record) -> list[Record]:
    """One row for each fit of L(N, D): parameters with their intervals, α and β first."""
    rows = []
    for fit in joint["fits"]:
        names = [name for name in _NAMES if name in fit["params"]]
        cells = [(_NAMES[name], *_estimate(name, fit)) for name in names]
        rows.append({**fit, "cells": cells})
    return rows


def _estimate(name: str, fit: Record) -> tuple[str, str]:
    if name in _POWERS:
        ends = ", ".join("open" if end is None else formats.power_of_ten(end) for end in fit["intervals"][name])
        return formats.power_of_ten(fit["params"][name]), f"[{ends}]"
    return formats.fixed(fit["params"][name]), formats.interval(fit["intervals"].get(name))


def misfits(joint: Record) -> list[str]:
    """How far means over seeds lie off the form, beside how far seeds lie apart: a test of the form, not of its fit."""
    lines = []
    for fit in joint["fits"]:
        alike = defaultdict(list)
        for point in fit["points"]:
            alike[point["n"], point["d"]].append(math.log(point["loss"] / point["fitted"]))
        spread = [(off - fmean(same)) ** 2 for same in alike.values() for off in same]
        free = len(spread) - len(alike)
        if fit["n_convention"] == "non_embedding" or not free:
            continue
        off, apart = (
            math.sqrt(value) for value in (fmean(fmean(one) ** 2 for one in alike.values()), sum(spread) / free)
        )
        verdict = (
            "the form is not that of these runs, whatever the intervals of its parameters, and its optima are to be "
            "distrusted"
            if off > _FAR * apart
            else "no more than another seed explains"
        )
        lines.append(
            f"{formats.family(fit['family'])}: means over seeds lie {formats.percent(off, 1)} off this form (root mean "
            f"square), and seeds {formats.percent(apart, 1)} apart: {verdict}."
        )
    return lines


def frontier_rows(joint: Record) -> list[Record]:
    """One row for each family and way of counting: how N* and D* grow with C, and what IsoFLOP profiles say of it."""
    rows = []
    for one in joint["frontiers"]:
        slope, (low, high) = one["iso_flop_exponent"], one["exponent_interval"]
        check = formats.DASH
        if slope is not None:
            inside = (low is None or low <= slope) and (high is None or slope <= high)
            check = f"{formats.fixed(slope)}, {'within' if inside else 'outside'} the interval"
        rows.append(
            {
                "family": one["family"],
                "n_convention": one["n_convention"],
                "flops_convention": one["flops_convention"],
                "exponent": formats.fixed(one["exponent"]),
                "interval": formats.interval(one["exponent_interval"]),
                "d_exponent": formats.fixed(1 - one["flops_exponent"] * one["exponent"]),
                "check": check,
            }
        )
    return rows


def optimum_rows(joint: Record, runs: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """(family, its optima at each budget), by the count of all parameters and of FLOPs as the runs counted them.

    runs: finished ones, which tell what lies beyond them.
    """
    found: dict[str, list[Record]] = {}
    for one in joint["frontiers"]:
        if one["n_convention"] in ("total", "given"):
            found[one["family"]] = one["optima"]  # the simple count comes first, the runs' own replaces it
    chosen = {
        one["family"]: one["optima"]
        for one in joint["frontiers"]
        if one["n_convention"] in ("total", "given") and one["flops_convention"] == "as counted"
    }
    rows = []
    for family, optima in (found | chosen).items():
        seen = [(run["n_params"], run["n_tokens"]) for run in runs if run["family"] == family]
        spans = {name: (min(values), max(values)) for name, values in zip("nd", zip(*seen, strict=True), strict=False)}
        rows.append((family, [_optimum(row, spans) for row in optima]))
    return rows


def _optimum(row: Record, spans: Mapping[str, tuple[float, float]]) -> Record:
    low, high = ("open" if end is None else formats.short(end) for end in row["n_interval"])
    beyond = [f"C {formats.short(row['extrapolated'])} times"] if row["extrapolated"] > 1.01 else []
    beyond += [
        f"{name.upper()}*" for name, (low_end, high_end) in spans.items() if not low_end <= row[name] <= high_end
    ]
    return {
        "budget": formats.power_of_ten(row["budget"]),
        "n": formats.short(row["n"]),
        "interval": f"[{low}, {high}]",
        "d": formats.short(row["d"]),
        "ratio": formats.short(row["d"] / row["n"]) if row["n"] else formats.DASH,
        "loss": formats.fixed(row["loss"]),
        "beyond": ", ".join(beyond) or "no",
    }


def sensitivity(joint: Record) -> list[str]:
    """How far the ways of counting move each family's exponent of N*."""
    lines = []
    for family in dict.fromkeys(one["family"] for one in joint["frontiers"]):
        exponents = [one["exponent"] for one in joint["frontiers"] if one["family"] == family]
        if len(exponents) > 1:
            lines.append(
                f"{formats.family(family)}: by the way of counting N and C alone, the exponent of N* goes from "
                f"{formats.fixed(min(exponents))} to {formats.fixed(max(exponents))}."
            )
    return lines
