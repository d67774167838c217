"""From runs to records of any form: parameters, intervals, bootstrap, and what to be wary of."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from hf_scaling.laws.diagnostics import weight_warnings
from hf_scaling.laws.fit import HUBER_DELTA, Fit, fit
from hf_scaling.laws.forms import FORMS, Form, Runs, to_params
from hf_scaling.records import UserError
from hf_scaling.study.points import D_ASSUMED, Point, by_family, dropped_warning, without_highest

OBJECTIVES = {"huber": HUBER_DELTA, "squares": float("inf")}
_CHUNK = 50  # resamples between two steps of a progress bar
_COLUMN_NAMES = {"n": "N", "d": "D", "u": "U"}


@dataclass(frozen=True)
class FormOptions:
    """How a form is fitted.

    Attributes:
        form: name in `laws.forms.FORMS`.
        objective: `huber` on log-loss, or `squares` of it.
        drop: leave out so many runs of highest loss in each group.
        resamples: of the bootstrap; 0 for none.
    """

    form: str
    objective: str = "huber"
    level: float = 0.9
    drop: int = 0
    resamples: int = 0
    seed: int = 0


def fit_forms(
    points: Sequence[Point], options: FormOptions, progress: Callable[[int], object] = lambda _: None
) -> dict[str, Any]:
    """One record per family and convention of N, shaped like those of `fits.json`; see `study.fits`.

    Raises:
        UserError: a column is missing, or there are fewer runs than parameters.
    """
    records = []
    conventions = list(dict.fromkeys(name for point in points for name in point.n))
    if "n" not in FORMS[options.form].columns:
        conventions = conventions[:1]
    for convention in conventions:
        for family, members in by_family(points).items():
            records.append(_record(family, convention, members, options, progress))
    return {"level": options.level, "fits": records, "comparison": None}


def fit_members(members: Sequence[Point], convention: str, options: FormOptions) -> Fit:
    """Fit one group of runs.

    Raises:
        UserError: a column is missing, or there are fewer runs than parameters.
    """
    form = FORMS[options.form]
    kept = without_highest(members, options.drop)
    if (distinct := _distinct(kept, convention, form)) < len(form.parameters):
        raise UserError(
            f"{members[0].family}: the form {form.name} has {len(form.parameters)} parameters and needs as many "
            f"distinct runs, got {distinct}"
        )
    errors = [point.stderr for point in kept if point.stderr is not None]
    stderr = errors if len(errors) == len(kept) else None
    loss = [point.loss for point in kept]
    try:
        return fit(form, _runs(kept, convention, form), loss, stderr, OBJECTIVES[options.objective], options.level)
    except ValueError as error:
        raise UserError(f"{members[0].family}: {error}") from None


def _distinct(members: Sequence[Point], convention: str, form: Form) -> int:
    """How many runs differ in what the form reads."""
    return len({tuple(_cell(point, name, convention) for name in form.columns) for point in members})


def _cell(point: Point, name: str, convention: str) -> float | None:
    value: float | None = point.n[convention] if name == "n" else getattr(point, name)
    return value


def _runs(members: Sequence[Point], convention: str, form: Form) -> Runs:
    columns: dict[str, Any] = {}
    for name in form.columns:
        values = [_cell(point, name, convention) for point in members]
        if any(value is None for value in values):
            role = _COLUMN_NAMES[name]
            raise UserError(f"no column {role}, which the form {form.name} needs; name it with --{name}-column")
        columns[name] = values
    return Runs.of(**columns)


def _record(
    family: str, convention: str, members: Sequence[Point], options: FormOptions, progress: Callable[[int], object]
) -> dict[str, Any]:
    fitted = fit_members(members, convention, options)
    kept = without_highest(members, options.drop)
    return {
        "family": family,
        "n_convention": convention,
        "form": options.form,
        "paper": fitted.form.paper,
        "n_points": fitted.n_points,
        "degrees_of_freedom": fitted.degrees_of_freedom,
        "params": fitted.params,
        "units": {one.name: one.unit for one in fitted.form.parameters},
        "intervals": {name: list(ends) for name, ends in fitted.intervals.items()},
        "level": options.level,
        "loss_function": options.objective,
        "objective": fitted.objective,
        "noise": fitted.noise,
        "r_squared": fitted.r_squared,
        "verdict": fitted.verdict,
        "sentence": fitted.sentence,
        "warnings": fit_warnings(fitted, members, options),
        "bootstrap": _bootstrap(fitted, options, progress) if options.resamples else None,
        "points": [
            {"size": point.size, "n": point.n[convention], "d": point.d, "loss": point.loss, "stderr": point.stderr}
            | {"fitted": float(predicted)}
            for point, predicted in zip(kept, fitted.predict(fitted.runs), strict=True)
        ],
    }


def fit_warnings(fitted: Fit, members: Sequence[Point], options: FormOptions) -> list[str]:
    """What a reader must know of a fit."""
    found = dropped_warning(options.drop)
    if any(point.d_assumed for point in members) and "d" in fitted.form.columns:
        found.append(D_ASSUMED)
    found += weight_warnings(fitted.weights)
    found += lack.warnings if (lack := fitted.lack_of_fit) else []
    found += [f"{name} is at a bound of its search: {fitted.params[name]:.4g}" for name in fitted.at_bounds]
    if 0 < fitted.degrees_of_freedom <= 2:
        found.append(
            f"degrees of freedom: {fitted.degrees_of_freedom} ({fitted.n_points} points, {len(fitted.theta)} "
            "parameters); the noise itself is hardly known, add sizes or seeds"
        )
    if "u" in fitted.form.columns and np.all(fitted.runs.log("d") <= fitted.runs.log("u")):
        found.append("no run repeats its data: what the form says of repetition is not in these runs")
    return found


def _bootstrap(fitted: Fit, options: FormOptions, progress: Callable[[int], object]) -> dict[str, Any]:
    """Percentile intervals of resampled runs."""
    rng = np.random.default_rng(options.seed)
    thetas = []
    for done in range(0, options.resamples, _CHUNK):
        count = min(_CHUNK, options.resamples - done)
        thetas.append(fitted.bootstrap(count, rng))
        progress(count)
    ends = np.quantile(np.concatenate(thetas), [(1 - options.level) / 2, (1 + options.level) / 2], axis=0)
    low, high = (to_params(fitted.form.parameters, end) for end in ends)
    return {
        "resamples": options.resamples,
        "seed": options.seed,
        "intervals": {name: [low[name], high[name]] for name in low},
    }
