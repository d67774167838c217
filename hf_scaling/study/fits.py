"""From runs to `fits.json`: one fit per family and convention of N, and the comparison of two families."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from hf_scaling.laws import N_PARAMETERS, PowerFit, compare_exponents, fit_power, local_exponents
from hf_scaling.laws.forms import POWER
from hf_scaling.records import UserError
from hf_scaling.study.points import D_ASSUMED, Point, by_family, dropped_warning, without_highest

_CURVE_POINTS = 61


def fit_points(points: Sequence[Point], level: float = 0.9, drop: int = 0) -> dict[str, Any]:
    """The content of `fits.json`: one record per family and convention of N, and the comparison of two families.

    A family with fewer than 3 distinct sizes has a record without parameters that says why. `comparison` maps each
    convention to the difference of exponents; it is None unless exactly two families could be fitted. Intervals have
    null for an end that the data do not bound. All numbers are finite. Of each family, `drop` runs of highest loss are
    left out.

    Raises:
        UserError: a value is beyond what the fit accepts, or `level` is not between 0 and 1.
    """
    groups = {family: without_highest(members, drop) for family, members in by_family(points).items()}
    families = list(groups)
    records, comparison = [], {}
    for convention in dict.fromkeys(name for point in points for name in point.n):
        fits: dict[str, PowerFit] = {}
        for family, members in groups.items():
            fit = _fit(members, convention, level)
            if fit:
                fits[family] = fit
            records.append(_record(family, convention, members, fit, level))
            records[-1]["warnings"] += dropped_warning(drop)
        if len(families) == len(fits) == 2:
            first, second = families
            difference = compare_exponents(fits[first], fits[second], (first, second))
            comparison[convention] = {
                "families": families,
                "difference": difference.difference,
                "interval": list(difference.interval),
                "level": level,
                "verdict": difference.verdict,
                "sentence": difference.sentence,
            }
    return {"level": level, "fits": records, "comparison": comparison or None}


def _fit(members: Sequence[Point], convention: str, level: float) -> PowerFit | None:
    n = [point.n[convention] for point in members]
    if len(set(n)) < N_PARAMETERS:
        return None
    errors = [point.stderr for point in members if point.stderr is not None]
    stderr = errors if len(errors) == len(members) else None
    try:
        return fit_power(n, [point.loss for point in members], stderr, level)
    except ValueError as error:
        raise UserError(f"{members[0].family}: {error}") from None


def _record(
    family: str, convention: str, members: Sequence[Point], fit: PowerFit | None, level: float
) -> dict[str, Any]:
    n, loss = [point.n[convention] for point in members], [point.loss for point in members]
    lack = fit.lack_of_fit if fit else None
    return {
        "family": family,
        "n_convention": convention,
        "form": "power",
        "n_points": len(members),
        "degrees_of_freedom": max(len(members) - N_PARAMETERS, 0),
        "params": {name: getattr(fit, name, None) for name in ("a", "alpha", "c")},
        "units": {one.name: one.unit for one in POWER.parameters},
        "intervals": {name: list(fit.intervals[name]) if fit else [None, None] for name in ("alpha", "a", "c")},
        "level": level,
        "objective": fit.objective if fit else None,
        "residual_std": fit.residual_std if fit else None,
        "r_squared": fit.r_squared if fit else None,
        "verdict": fit.verdict if fit else "not resolved",
        "sentence": fit.sentence if fit else _too_few(n),
        "warnings": [*(fit.warnings if fit else ()), *(lack.warnings if lack else ()), *_design_warnings(members)],
        "lack_of_fit": lack._asdict() | {"certain": lack.certain} if lack else None,
        "points": [
            {"size": point.size, "n": point.n[convention], "loss": point.loss, "stderr": point.stderr}
            for point in members
        ],
        "local_exponents": [{"from": a, "to": b, "exponent": slope} for a, b, slope in local_exponents(n, loss)],
        "curve": _curve(fit, n) if fit else None,
        "profile": _profile(fit) if fit else None,
    }


def _too_few(n: Sequence[float]) -> str:
    sizes = len(set(n))
    return (
        f"alpha is not resolved: {sizes} distinct size{'s' * (sizes > 1)}, the power form needs at least {N_PARAMETERS}"
    )


def _design_warnings(members: Sequence[Point]) -> list[str]:
    """What the law assumes of the runs and these do not hold."""
    found = []
    tokens = [point.d for point in members if point.d is not None]
    if not tokens:
        found.append("no column D: L(N) holds at one number of training tokens, which cannot be checked")
    elif min(tokens) != max(tokens):
        found.append(
            f"D varies between {min(tokens):.4g} and {max(tokens):.4g} tokens: "
            "the power form is L(N) at fixed D, alpha mixes both effects"
        )
    if any(point.d_assumed for point in members):
        found.append(D_ASSUMED)
    missing = sum(point.stderr is None for point in members)
    if 0 < missing < len(members):
        found.append(f"{missing} of {len(members)} runs have no standard error: all runs weigh alike")
    return found


def _curve(fit: PowerFit, n: Sequence[float]) -> dict[str, list[float] | None]:
    """The fitted curve with its band, a little beyond the sizes on both sides; what figures draw."""
    grid = np.geomspace(min(n) / 1.5, max(n) * 1.5, _CURVE_POINTS)
    band = fit.band(grid)
    return {
        "n": grid.tolist(),
        "loss": fit.predict(grid).tolist(),
        "lower": band[0].tolist() if band else None,
        "upper": band[1].tolist() if band else None,
    }


def _profile(fit: PowerFit) -> dict[str, list[float]] | None:
    """Misfit over the threshold against alpha, a little beyond the interval; None where there is no interval."""
    if fit.threshold is None or fit.threshold <= fit.objective:
        return None
    low, high = (
        bound if end is None else end for end, bound in zip(fit.alpha_interval, fit.profile.bounds, strict=True)
    )
    grid = np.geomspace(max(low / 1.5, fit.profile.bounds[0]), min(high * 1.5, fit.profile.bounds[1]), _CURVE_POINTS)
    misfit = (fit.profile.solve(grid)[0] - fit.objective) / (fit.threshold - fit.objective)
    return {"alpha": grid.tolist(), "misfit": misfit.tolist()}
