"""Fitting a form to runs: Huber or least squares on log-loss, profile intervals, bootstrap, influence.

The noise. Its size is estimated from the residuals, and a profile is compared with an F(1, n - p) quantile (Bates &
Watts 1988, section 6.1), for seeds move losses far more than the evaluation does. For Huber's function the unit of that
comparison is E[psi²]/E[psi'] (Schrader & Hettmansperger 1980); at delta 1e-3 hardly a run lies within delta, so that
E[psi'] is read off the density of the residuals around 0 instead of being counted.

Standard errors of the evaluation enter as relative weights 1/stderr² only, as in `laws.power`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import fdtri

from hf_scaling.laws.confidence import Profiles
from hf_scaling.laws.diagnostics import LackOfFit, lack_of_fit
from hf_scaling.laws.forms import Array, Form, Runs, positive, to_params
from hf_scaling.laws.interval import Interval, format_interval
from hf_scaling.laws.solve import Problem, Quantities, minimise

HUBER_DELTA = 1e-3
_POLISHED, _FIRST_STEPS, _FINALISTS = 24, 12, 4  # starts searched from, for how long, and how many of them to the end
_MOST_RUNS_OF_STARTS = 2000
_AT_BOUND = 1e-6
_ROUNDING = 1e-15  # relative error of a loss held as a float


@dataclass(frozen=True)
class Fit:
    """A fitted form.

    Attributes:
        theta: of least misfit, shape (parameters,).
        loss: nats per token, shape (runs,).
        weights: relative, averaging 1.
        delta: of Huber's function on log-losses; infinity for least squares.
        objective: sum of weight·huber(residual of log-loss).
        level: of the intervals.
    """

    form: Form
    theta: Array
    runs: Runs
    loss: Array
    weights: Array
    delta: float
    objective: float
    level: float

    @property
    def params(self) -> dict[str, float]:
        """Parameters by name, in the paper's units."""
        return to_params(self.form.parameters, self.theta)

    @property
    def n_points(self) -> int:
        """How many runs."""
        return len(self.loss)

    @property
    def degrees_of_freedom(self) -> int:
        """Runs less parameters."""
        return self.n_points - len(self.theta)

    def predict(self, runs: Runs) -> Array:
        """Loss in nats, shape (runs,)."""
        return np.exp(self.form.evaluate(self.theta[None], runs)[0][0])

    @cached_property
    def residuals(self) -> Array:
        """log L observed less log L fitted, shape (runs,)."""
        return np.log(self.loss) - np.log(self.predict(self.runs))

    @property
    def r_squared(self) -> float | None:
        """Share of the variance of log-loss that is explained: a diagnostic only, wrong exponents reach .999 too."""
        log_loss = np.log(self.loss)
        total = float(self.weights @ (log_loss - np.average(log_loss, weights=self.weights)) ** 2)
        return 1 - float(self.weights @ self.residuals**2) / total if total > 0 else None

    @property
    def lack_of_fit(self) -> LackOfFit | None:
        """Whether runs that are alike say that the form is wrong; None where no two are."""
        cells = np.stack([self.runs.log(name) for name in self.form.columns], axis=1)
        return lack_of_fit(cells, self.residuals, len(self.theta))

    @cached_property
    def noise(self) -> float | None:
        """Standard deviation of log-loss about the curve; robust where the fit is; None without degrees of freedom."""
        if self.degrees_of_freedom < 1:
            return None
        inflated = np.sqrt(self.n_points / self.degrees_of_freedom)
        weighted = np.sqrt(self.weights) * self.residuals
        if self.delta == np.inf:
            return float(inflated * np.sqrt(np.mean(weighted**2)))
        return float(inflated * np.median(np.abs(weighted)) / 0.6745)

    @cached_property
    def _unit(self) -> float:
        """The misfit that stands for one unit of F."""
        assert self.noise is not None
        if self.delta == np.inf:
            return self.noise**2
        size = np.abs(np.sqrt(self.weights) * self.residuals)
        width = max(self.delta, 1.06 * self.noise * self.n_points**-0.2)
        # a robust fit passes through about as many runs as it has parameters: those say nothing of the density
        inside = max(np.sum(size <= width) - len(self.theta), 1) / self.degrees_of_freedom * self.delta / width
        return float(np.mean(np.minimum(size, self.delta) ** 2) * self.n_points / self.degrees_of_freedom / inside)

    def threshold(self, level: float) -> float | None:
        """How much more misfit than the least belongs to the confidence set; None without degrees of freedom."""
        if self.degrees_of_freedom < 1:
            return None
        floor = self.n_points * _ROUNDING**2  # a perfect fit has a set too
        return self._unit * float(fdtri(1, self.degrees_of_freedom, level)) / 2 + floor

    @cached_property
    def intervals(self) -> dict[str, Interval]:
        """Profile interval of each parameter at `level`; None for an end that the data do not bound."""
        return self.intervals_of([one.name for one in self.form.parameters])

    def intervals_of(self, names: Sequence[str]) -> dict[str, Interval]:
        """Those of some parameters, without the cost of the others."""
        return intervals_together([self], names)[0]

    def _shown(self, name: str, end: float | None) -> float | None:
        """An end of theta in the parameter's own units; None where it lies at the bound of the search."""
        (one,) = (one for one in self.form.parameters if one.name == name)
        if end is None or not one.bounds[0] + _AT_BOUND < end < one.bounds[1] - _AT_BOUND:
            return None
        return to_params([one], np.array([end]))[name]

    def profile(self, quantities: Quantities, level: float, noise: bool = False) -> list[Interval]:
        """Interval of each quantity at `level`; none without degrees of freedom.

        With `noise` a quantity must be a log-loss, and the interval is that of a new run's: the set of log-losses that,
        added to the runs as one more, the fit would not find surprising. For a linear form that is the textbook's
        prediction interval.
        """
        if self.degrees_of_freedom < 1:
            return []
        assert self.noise is not None
        new_run = self._unit / max(self.noise, _ROUNDING) ** 2 if noise else np.inf
        return _profiles([self], quantities, level, new_run)[0]

    @property
    def unresolved(self) -> list[str]:
        """Exponents whose interval is open, or wider than the estimate."""
        found = []
        for one in self.form.parameters:
            low, high = self.intervals[one.name]
            if one.exponent and (low is None or high is None or high - low > self.params[one.name]):
                found.append(one.name)
        return found

    @property
    def verdict(self) -> str:
        """`resolved` where all exponents are, else `not resolved`."""
        return "not resolved" if self.unresolved else "resolved"

    @property
    def sentence(self) -> str:
        """The verdict with its reason, for a reader who sees nothing else."""
        told = []
        for one in self.form.parameters:
            if one.exponent:
                told.append(f"{one.name} = {self.params[one.name]:.3f} {format_interval(self.intervals[one.name])}")
        freedom = self.degrees_of_freedom
        if freedom < 1:
            return f"not resolved: {self.n_points} runs leave no degree of freedom beside {len(self.theta)} parameters"
        held = f"{100 * self.level:g} % intervals, F-scaled profile likelihood, {freedom} degrees of freedom"
        if not self.unresolved:
            return f"resolved: {', '.join(told)} ({held})"
        many = len(self.unresolved) > 1
        reason = f"{' and '.join(self.unresolved)}: interval{'s' * many} open or wider than the estimate{'s' * many}"
        return f"not resolved ({reason}): {', '.join(told)} ({held})"

    def bootstrap(self, resamples: int, rng: np.random.Generator) -> Array:
        """Thetas of resampled runs, shape (resamples, parameters), each searched from the estimate."""
        even = np.full(self.n_points, 1 / self.n_points)
        return self._refit(rng.multinomial(self.n_points, even, size=resamples) * self.weights)

    def without_each(self) -> Array:
        """Thetas with each run left out in turn, shape (runs, parameters)."""
        return self._refit((1 - np.eye(self.n_points)) * self.weights)

    def without(self, rows: NDArray[np.intp]) -> Array:
        """Theta with some runs left out, shape (parameters,)."""
        kept = np.ones(self.n_points)
        kept[rows] = 0
        return self._refit((kept * self.weights)[None])[0]

    def _refit(self, weights: Array) -> Array:
        problem = Problem(self.form, self.runs, np.log(self.loss)[None], weights, self.delta)
        return minimise(problem, np.repeat(self.theta[None], len(weights), axis=0))[0]

    @property
    def at_bounds(self) -> list[str]:
        """Parameters that the search left at a bound."""
        found = []
        for one, value in zip(self.form.parameters, self.theta, strict=True):
            if min(value - one.bounds[0], one.bounds[1] - value) < _AT_BOUND:
                found.append(one.name)
        return found


def fit(
    form: Form,
    runs: Runs,
    loss: ArrayLike,
    stderr: ArrayLike | None = None,
    delta: float = HUBER_DELTA,
    level: float = 0.9,
) -> Fit:
    """Fit a form to runs.

    Args:
        form: one of `laws.forms.FORMS`.
        runs: with the form's columns, shape (runs,) each.
        loss: nats per token, shape (runs,).
        stderr: of the evaluation, in nats: relative weights. None weighs all alike.
        delta: of Huber's function on log-losses; infinity for least squares.
        level: of the intervals, between 0 and 1.

    Raises:
        ValueError: a value is not a positive number, lengths differ, or there are fewer runs than parameters.
    """
    losses = positive("loss", loss)
    log_n = runs.log(form.columns[0])
    if len(losses) != len(log_n):
        raise ValueError(f"loss has {len(losses)} values, the runs {len(log_n)}")
    if len(losses) < len(form.parameters):
        raise ValueError(
            f"the form {form.name} has {len(form.parameters)} parameters and needs as many runs, got {len(losses)}"
        )
    errors = np.ones_like(losses) if stderr is None else positive("stderr", stderr) / losses
    weights = (errors.min() / errors) ** 2
    weights *= len(weights) / weights.sum()
    # hundreds of starts: of very many runs, some of all sizes are enough to tell them apart
    some = np.unique(np.linspace(0, len(losses) - 1, _MOST_RUNS_OF_STARTS).astype(int))
    part = Problem(form, runs.take(some), np.log(losses[some])[None], weights[some][None], delta)
    starts = form.starts(part.runs, losses[some], weights[some])
    # a robust objective has more local optima than squares have: starts that suit either are searched from
    finalists = np.concatenate([_best(replace(part, delta=each), starts) for each in {delta, np.inf}])
    thetas, values = minimise(part, finalists)
    if len(some) < len(losses):
        whole = Problem(form, runs, np.log(losses)[None], weights[None], delta)
        thetas, values = minimise(whole, thetas[[np.argmin(values)]])
    least = int(np.argmin(values))
    return Fit(form, thetas[least], runs, losses, weights, delta, float(values[least]), level)


def _best(problem: Problem, starts: Array) -> Array:
    """The few of the starts that a short search takes farthest, as it leaves them."""
    value = problem.value(starts)
    best = np.argsort(np.where(np.isfinite(value), value, np.inf))[:_POLISHED]
    thetas, values = minimise(problem, starts[best], _FIRST_STEPS)
    return thetas[np.argsort(values)[:_FINALISTS]]


def intervals_together(fits: Sequence[Fit], names: Sequence[str]) -> list[dict[str, Interval]]:
    """`Fit.intervals_of` of many fits, at little more than the cost of one.

    Args:
        fits: of one form to the same runs, with one level, delta and kind of weights; only the losses differ.
    """
    one = fits[0]
    every = [parameter.name for parameter in one.form.parameters]
    rows = np.eye(len(every))[[every.index(name) for name in names]]

    def some(theta: Array) -> tuple[Array, Array]:
        return theta @ rows.T, np.broadcast_to(rows, (len(theta), *rows.shape))

    if one.degrees_of_freedom < 1:
        return [dict.fromkeys(names, (None, None)) for _ in fits]
    found = _profiles(fits, some, one.level)
    return [
        {name: (made._shown(name, low), made._shown(name, high)) for name, (low, high) in zip(names, ends, strict=True)}
        for made, ends in zip(fits, found, strict=True)
    ]


def _profiles(
    fits: Sequence[Fit], quantities: Quantities, level: float, new_run: float = np.inf
) -> list[list[Interval]]:
    """Of each fit the interval of each quantity; all have degrees of freedom."""
    one = fits[0]
    log_loss, weights = np.log([made.loss for made in fits]), np.array([made.weights for made in fits])
    problem = Problem(one.form, one.runs, log_loss, weights, one.delta)
    theta, objective = np.array([made.theta for made in fits]), np.array([made.objective for made in fits])
    threshold = np.array([made.threshold(level) for made in fits], dtype=float)
    return Profiles(problem, theta, objective, threshold, quantities, new_run).intervals()
