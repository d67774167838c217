"""Compute-optimal N and D of each family, by either way of counting parameters and FLOPs."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from hf_scaling.laws.forms import RANGE, Array
from hf_scaling.laws.frontier import (
    FLOPS_PER_PARAMETER_AND_TOKEN,
    IsoFlop,
    flops_law,
    frontier,
    iso_flop,
    iso_flop_exponent,
)
from hf_scaling.laws.interval import format_interval
from hf_scaling.records import UserError
from hf_scaling.study.fit_text import align
from hf_scaling.study.form_fits import FormOptions, fit_members, fit_warnings
from hf_scaling.study.points import Point, by_family, without_highest

SIMPLE = "6ND"  # the convention that needs no count
_CONVENTIONS = ("n_convention", "flops_convention")
_BEYOND = 100.0  # times the largest run's budget: how far the default budgets reach


def frontiers(points: Sequence[Point], options: FormOptions, budgets: Sequence[float] | None = None) -> dict[str, Any]:
    """One record per family, convention of N and convention of FLOPs: C = 6·N·D, or as the runs counted them, with all
    of the attention or with its causal half.

    Args:
        points: runs at several N and D.
        options: of the form chinchilla.
        budgets: FLOPs; from the smallest run's to a hundred times the largest's if None.

    Raises:
        UserError: a family cannot be fitted, a column is missing, or a budget is not a positive number.
    """
    found = []
    for convention in dict.fromkeys(name for point in points for name in point.n):
        for family, members in by_family(points).items():
            fitted = fit_members(members, convention, options)
            members = without_highest(members, options.drop)
            n, d, loss = _columns(members, convention)
            for name, c in _budgets(members, n * d).items():
                factor, power = (FLOPS_PER_PARAMETER_AND_TOKEN, 1.0) if name == SIMPLE else flops_law(n, d, c)
                far = min(_BEYOND * c.max(), RANGE[1])
                wanted = np.geomspace(c.min(), far, 7).tolist() if budgets is None else budgets
                try:
                    profiles = iso_flop(c.tolist(), n.tolist(), loss.tolist())
                    made = frontier(fitted, wanted, factor, power)
                except ValueError as error:
                    raise UserError(f"{family}, C {name}: {error}") from None
                found.append(
                    {"family": family, "n_convention": convention, "flops_convention": name, "level": options.level}
                    | asdict(made)
                    | {"iso_flop": [_as_json(profile) for profile in profiles]}
                    | {"iso_flop_exponent": iso_flop_exponent(profiles), "fit": fitted.sentence}
                    | {"warnings": fit_warnings(fitted, members, options)}
                )
    return {"level": options.level, "frontiers": found}


def _columns(members: Sequence[Point], convention: str) -> list[Array]:
    columns = ([point.n[convention] for point in members], [p.d for p in members], [p.loss for p in members])
    return [np.array(column, dtype=float) for column in columns]


def _budgets(members: Sequence[Point], nd: Array) -> dict[str, Array]:
    """FLOPs of each run, by convention."""
    found = {SIMPLE: FLOPS_PER_PARAMETER_AND_TOKEN * nd}
    if any(point.d_assumed for point in members):
        return found  # D is C/(6N): there is no other count
    for name, field in (("as counted", "c"), ("causal half", "c_causal")):
        counted = [getattr(point, field) for point in members]
        if None not in counted and not np.allclose(counted, list(found.values())[-1], rtol=1e-3):
            found[name] = np.array(counted)
    return found


def _as_json(profile: IsoFlop) -> dict[str, Any]:
    return asdict(profile) | {"n": profile.n.tolist(), "loss": profile.loss.tolist()}


def describe_frontiers(result: dict[str, Any]) -> str:
    """The frontiers as text."""
    lines = []
    for one in result["frontiers"]:
        title = f"{one['family']}, N {one['n_convention']}, C {one['flops_convention']}"
        power = "" if one["flops_exponent"] == 1 else f"^{one['flops_exponent']:.3f}"
        factor, exponent = f"{one['flops_factor']:.3g}", f"{one['exponent']:.3f}"
        ends = format_interval(tuple(one["exponent_interval"]))
        lines.append(
            f"{title} = {factor} N{power} D: {one['verdict']}: N* grows as C^{exponent} {ends}, "
            f"D* as C^{1 - one['flops_exponent'] * one['exponent']:.3f}"
        )
        rows = [
            ["  C (FLOPs)", "N*", f"{100 * result['level']:g} % interval", "D*", "D*/N*", "loss", "beyond the runs"]
        ]
        for optimum in one["optima"]:
            low, high = ("open" if end is None else f"{end:.3g}" for end in optimum["n_interval"])
            beyond = f"{optimum['extrapolated']:.3g} times" if optimum["extrapolated"] > 1 else "-"
            n, d = optimum["n"], optimum["d"]
            cells = [f"{n:.3g}", f"[{low}, {high}]", f"{d:.3g}", f"{d / n:.1f}"] if n and d else ["-"] * 4
            loss = "-" if optimum["loss"] is None else f"{optimum['loss']:.3f}"
            rows.append([f"  {optimum['budget']:.3g}", *cells, loss, beyond])
        lines += align(rows)
        lines += [f"  IsoFLOP profiles: {len(one['iso_flop'])}; {_cross_check(one)}", f"  the fit: {one['fit']}"]
        lines += [f"  warning: {warning}" for warning in one["warnings"]]
    return "\n".join([*lines, *_sensitivity(result["frontiers"])])


def _cross_check(one: dict[str, Any]) -> str:
    """What the profiles say of the exponent, and whether that is within the interval of the fit's."""
    slope, (low, high) = one["iso_flop_exponent"], one["exponent_interval"]
    if slope is None:
        return "none has a minimum at two budgets, so there is no cross-check"
    inside = (low is None or low <= slope) and (high is None or slope <= high)
    return f"N* grows as C^{slope:.3f}, {'within' if inside else 'outside'} the interval of the fit"


def _sensitivity(frontiers: Sequence[dict[str, Any]]) -> list[str]:
    """How far the conventions of N and of FLOPs move each family's exponent."""
    lines = []
    for family in dict.fromkeys(one["family"] for one in frontiers):
        members = [one for one in frontiers if one["family"] == family]
        exponents = [one["exponent"] for one in members]
        counts = [", ".join(dict.fromkeys(one[name] for one in members)) for name in _CONVENTIONS]
        if len(members) > 1:
            spread = f"from {min(exponents):.3f} to {max(exponents):.3f}"
            lines.append(
                f"sensitivity: {family}: the exponent of N* goes {spread} with N {counts[0]} and C {counts[1]}"
            )
    return lines
