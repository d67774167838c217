"""What the page says of L(N, D) and the compute-optimal frontier, from `joint.json`."""

import math
from collections.abc import Mapping, Sequence

from hf_scaling.laws.diagnostics import NO_FIT, LackOfFit, lack_of_fit
from hf_scaling.report import formats
from hf_scaling.report.shapes import Record

# parameter -> how it stands in L(N, D) = E + A·N^-alpha + B·D^-beta
_NAMES = {"alpha": "α", "beta": "β", "E": "E", "A": "A", "B": "B"}
_POWERS = ("A", "B")
_BEYOND = 1.01  # times the compute of the largest run, from where on an optimum is said to be extrapolated


def joint_rows(joint: Record) -> list[Record]:
    """One row for each fit of L(N, D): parameters with their intervals, α and β first."""
    rows = []
    for fit in judged(joint):
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
        if fit["n_convention"] == "non_embedding" or (found := _lack(fit)) is None:
            continue
        measured = (
            f"means over seeds lie {formats.percent(found.off, 1)} off it (root mean square), and seeds "
            f"{formats.percent(found.apart, 1)} apart, p = {found.p:.2g} of a test for lack of fit"
        )
        told = f"the form is not found wrong: {measured}"
        if found.certain:
            told = (
                f"{NO_FIT}: {measured}, so it is not that of these runs, whatever the intervals of its parameters, and "
                "its optima are to be distrusted"
            )
        lines.append(f"{formats.family(fit['family'])}: {told}.")
    return lines


def _lack(fit: Record) -> LackOfFit | None:
    points = fit["points"]
    residuals = [math.log(point["loss"] / point["fitted"]) for point in points]
    return lack_of_fit([(point["n"], point["d"]) for point in points], residuals, len(fit["params"]))


def _does_not_fit(fit: Record) -> bool:
    found = _lack(fit)
    return found is not None and found.certain


def judged(joint: Record) -> list[Record]:
    """The fits of L(N, D), with the verdict that the form does not fit in place of one on its exponents."""
    return [fit | {"verdict": NO_FIT if _does_not_fit(fit) else fit["verdict"]} for fit in joint["fits"]]


def verdicts(joint: Record) -> dict[tuple[str, str], str]:
    """(family, convention of N) -> verdict on its L(N, D), which is also that on its frontier."""
    return {(fit["family"], fit["n_convention"]): fit["verdict"] for fit in judged(joint)}


def misfitting(joint: Record) -> list[str]:
    """The families whose L(N, D) does not fit, by any way of counting N."""
    return list(dict.fromkeys(family for (family, _), verdict in verdicts(joint).items() if verdict == NO_FIT))


def joint_figures(joint: Record) -> list[tuple[str, str, str]]:
    """(name, what it shows in words, caption) of the figures that have something to show."""
    found = [
        (
            "residuals",
            "Observed over fitted loss, less 1, against N, a panel a family.",
            "How far each run lies off its fit. A shape in it is what the form does not know.",
        ),
        ("frontier", *_frontier_words(joint)),
    ]
    if no_profiles(joint) is None:
        found.append(
            (
                "iso_flop",
                "Loss against N at several budgets of compute.",
                "IsoFLOP profiles: loss against N at equal C. A star is the minimum of a parabola in log N through the "
                "runs of a budget; a budget without one has no minimum among the sizes tried.",
            )
        )
    return found


def _frontier_words(joint: Record) -> tuple[str, str]:
    counted = [one["flops_convention"] for one in joint["frontiers"]]
    main = "as counted" if "as counted" in counted else next(iter(counted), "")
    profiles = [profile for one in joint["frontiers"] if one["flops_convention"] == main for profile in one["iso_flop"]]
    dots = any(profile["best_n"] is not None for profile in profiles)
    alt = f"Compute-optimal N against compute C, with bands{'; dots are vertices of IsoFLOP profiles' if dots else ''}."
    caption = "N* against C, by each way of counting."
    if dots:
        caption += " Dots are vertices of IsoFLOP profiles, found without the fitted form."
    farthest = max((at["extrapolated"] for one in joint["frontiers"] for at in one["optima"]), default=0)
    if farthest > _BEYOND:
        caption += f" Lines go on to {formats.short(farthest)} times the compute of the largest run: extrapolations."
    if names := [formats.family(family) for family in misfitting(joint)]:
        caption += f" For {formats.listed(names)} {NO_FIT}: its lines and bands are not to be trusted."
    return alt, caption


def no_profiles(joint: Record) -> str | None:
    """Why no IsoFLOP profiles are shown; None where several budgets have some, and one of them a minimum."""
    found = [one["iso_flop"] for one in joint["frontiers"]]
    if any(len(some) > 1 and any(profile["best_n"] is not None for profile in some) for some in found):
        return None
    most = max(map(len, found), default=0)
    if most == 0:
        return "No IsoFLOP profiles are shown: no budget was spent on runs of four sizes."
    if most == 1:
        return "No IsoFLOP profiles are shown: one budget alone was spent on runs of four sizes."
    return "No IsoFLOP profiles are shown: at no budget is there a minimum of the loss among the sizes tried."


def frontier_rows(joint: Record) -> list[Record]:
    """One row for each family and way of counting: how N* and D* grow with C, and what IsoFLOP profiles say of it."""
    rows, told = [], verdicts(joint)
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
                "verdict": told.get((one["family"], one["n_convention"]), formats.DASH),
            }
        )
    return rows


def optimum_rows(joint: Record, runs: Sequence[Record]) -> list[tuple[str, bool, list[Record]]]:
    """(family, whether its form fits, its optima), counting all parameters, and FLOPs as the runs counted them.

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
    rows, unfit = [], misfitting(joint)
    for family, optima in (found | chosen).items():
        mine = [run for run in runs if run["family"] == family]
        seen = [(run["n_params"], run["n_tokens"]) for run in mine]
        spans = {name: (min(values), max(values)) for name, values in zip("nd", zip(*seen, strict=True), strict=False)}
        rows.append((family, family not in unfit, [_optimum(row, spans, mine) for row in optima]))
    return rows


def _optimum(row: Record, spans: Mapping[str, tuple[float, float]], runs: Sequence[Record]) -> Record:
    low, high = ("open" if end is None else formats.short(end) for end in row["n_interval"])
    beyond = [f"C {formats.short(row['extrapolated'])} times"] if row["extrapolated"] > _BEYOND else []
    beyond += [
        f"{name.upper()}*" for name, (low_end, high_end) in spans.items() if not low_end <= row[name] <= high_end
    ]
    within = [run["val_loss"] for run in runs if run["flops"] <= row["budget"] * _BEYOND]
    return {
        "budget": formats.power_of_ten(row["budget"]),
        "n": formats.short(row["n"]),
        "interval": f"[{low}, {high}]",
        "d": formats.short(row["d"]),
        "ratio": formats.short(row["d"] / row["n"]) if row["n"] else formats.DASH,
        "loss": formats.fixed(row["loss"]),
        "observed": formats.fixed(min(within, default=None)),
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
