"""What the page says of L(N, D) and the compute-optimal frontier, from `joint.json`."""

from hf_scaling.report import formats
from hf_scaling.report.shapes import Record

# parameter -> how it stands in L(N, D) = E + A·N^-alpha + B·D^-beta
_NAMES = {"alpha": "α", "beta": "β", "E": "E", "A": "A", "B": "B"}
_POWERS = ("A", "B")


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


def optimum_rows(joint: Record) -> list[tuple[str, list[Record]]]:
    """(family, its optima at each budget), by the count of all parameters and of FLOPs as the runs counted them."""
    found: dict[str, list[Record]] = {}
    for one in joint["frontiers"]:
        if one["n_convention"] in ("total", "given"):
            found[one["family"]] = one["optima"]  # the simple count comes first, the runs' own replaces it
    chosen = {
        one["family"]: one["optima"]
        for one in joint["frontiers"]
        if one["n_convention"] in ("total", "given") and one["flops_convention"] == "as counted"
    }
    return [(family, [_optimum(row) for row in optima]) for family, optima in (found | chosen).items()]


def _optimum(row: Record) -> Record:
    low, high = ("open" if end is None else formats.short(end) for end in row["n_interval"])
    beyond = f"{formats.short(row['extrapolated'])} times" if row["extrapolated"] > 1.01 else "no"
    return {
        "budget": formats.power_of_ten(row["budget"]),
        "n": formats.short(row["n"]),
        "interval": f"[{low}, {high}]",
        "d": formats.short(row["d"]),
        "ratio": formats.short(row["d"] / row["n"]) if row["n"] else formats.DASH,
        "loss": formats.fixed(row["loss"]),
        "beyond": beyond,
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
