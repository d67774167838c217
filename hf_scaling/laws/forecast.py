"""The loss of a run that has not been made, from those that have; and which form to trust with it.

Forms are compared by what they are for: fitted to the cheaper runs, how far off are they at the next (rolling origin,
Tashman 2000). R² is no guide: it is high for wrong exponents too. Least squares on log-loss: with a handful of runs
there is no outlier to be robust against.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hf_scaling.laws.fit import Fit, fit
from hf_scaling.laws.forms import Array, Form, Runs
from hf_scaling.laws.interval import Interval

SPARE_RUNS = 2  # beyond the form's parameters: with fewer, an interval says nothing
LEVELS = (0.5, 0.9)


@dataclass(frozen=True)
class Forecast:
    """A predicted loss in nats per token.

    Attributes:
        intervals: of a new run, its noise included, by level.
        rolling_errors: mean absolute error of log-loss of every form that was tried; None where none could be held out.
    """

    form: str
    loss: float
    intervals: dict[float, Interval]
    n_points: int
    rolling_errors: dict[str, float | None]


def rolling_errors(form: Form, runs: Runs, loss: Array, order: Array, least: int | None = None) -> Array:
    """|log predicted - log observed| of each run after the first few, from those that come before it.

    Args:
        form: to judge.
        runs, loss: shape (runs,).
        order: what the runs are sorted by, such as their FLOPs; shape (runs,). Ties are predicted together.
        least: so many runs must come before; two more than the form's parameters if None. Forms that are compared
            must be given one number, or they would be judged by different runs.
    """
    least = least or len(form.parameters) + SPARE_RUNS
    errors: list[float] = []
    for cost in np.unique(order):
        before, now = np.flatnonzero(order < cost), np.flatnonzero(order == cost)
        if len(before) >= least:
            predicted = fit(form, runs.take(before), loss[before], delta=np.inf).predict(runs.take(now))
            errors += np.abs(np.log(predicted / loss[now])).tolist()
    return np.array(errors)


def mean_rolling_errors(forms: Sequence[Form], runs: Runs, loss: Array, order: Array) -> dict[str, float | None]:
    """By form, the mean of its `rolling_errors` over the runs that all of the forms can predict; None without any."""
    least = max(len(form.parameters) for form in forms) + SPARE_RUNS
    found = {form.name: rolling_errors(form, runs, loss, order, least) for form in forms}
    return {name: float(errors.mean()) if len(errors) else None for name, errors in found.items()}


def forecast(forms: Sequence[Form], runs: Runs, loss: Array, order: Array, target: Runs) -> Forecast:
    """Predict one run by the form of least rolling-origin error; by the first where nothing could be held out.

    Args:
        forms: to choose from.
        runs, loss, order: the runs in hand, as in `rolling_errors`.
        target: the run to predict, shape (1,).

    Raises:
        ValueError: no form has 2 runs more than parameters.
    """
    able = [form for form in forms if len(loss) >= len(form.parameters) + SPARE_RUNS]
    if not able:
        least = min(len(form.parameters) for form in forms) + SPARE_RUNS
        raise ValueError(f"{len(loss)} runs in hand, a forecast needs at least {least}")
    errors = mean_rolling_errors(able, runs, loss, order)
    chosen = min(able, key=lambda form: errors[form.name] or 0.0)  # the first of those that nothing tells apart
    fitted = fit(chosen, runs, loss, delta=np.inf)
    return Forecast(
        form=chosen.name,
        loss=float(fitted.predict(target)[0]),
        intervals={level: new_run_interval(fitted, target, level) for level in LEVELS},
        n_points=len(loss),
        rolling_errors=errors,
    )


def new_run_interval(fitted: Fit, target: Runs, level: float) -> Interval:
    """Where the loss of one new run lies with probability `level`, in nats per token."""
    ends = fitted.profile(lambda theta: fitted.form.evaluate(theta, target), level, noise=True)
    if not ends:
        return (None, None)
    low, high = (None if end is None else float(np.exp(end)) for end in ends[0])
    return low, high
