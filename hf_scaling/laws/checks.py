"""The checks of `lint.py`: each a function from the runs of one family to sentences, none where all is well."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from numpy.typing import NDArray

from hf_scaling.laws.diagnostics import mean_loss_by_size
from hf_scaling.laws.fit import HUBER_DELTA, Fit, fit
from hf_scaling.laws.forms import Array, Form, Runs
from hf_scaling.laws.interval import format_interval
from hf_scaling.laws.rates import best_rate

_POINTS_A_PARAMETER = 3
_SPARE_SIZES = 2  # distinct runs beyond the parameters
_COLLINEAR = 0.95  # correlation of log N and log D
_MOST_WARM_UP = 0.1  # of a run's updates
_COOLED = 0.1  # of the highest rate: what the last update may still have
_INFLUENTIAL = 0.02  # share of the runs that no conclusion may hang on; at least one run
_LISTED = 10  # of one kind of finding
_VANISHED = 1e-4  # of the loss: a term that contributes no more is not seen by the runs
_SAME = 0.01  # relative: rounding of a table


@dataclass(frozen=True)
class Sample:
    """The runs of one family and the form that they are read by; arrays of shape (runs,), None where not known.

    Attributes:
        labels: what a message calls each run.
        loss: nats per token.
        d, u: training tokens, unique training tokens.
        seen: tokens of the updates that were made, to be compared with d.
        rate: peak learning rate.
        warm_up: share of the updates with a rising rate.
        last_rate: rate of the last update over the highest.
        perplexity: as the table states it.
    """

    form: Form
    labels: Sequence[str]
    n: Array
    loss: Array
    d: Array | None = None
    u: Array | None = None
    seen: Array | None = None
    rate: Array | None = None
    warm_up: Array | None = None
    last_rate: Array | None = None
    perplexity: Array | None = None

    @property
    def cells(self) -> Array:
        """N and D of each run, shape (runs, 2); runs that differ in neither are replicates."""
        return np.stack([self.n, np.ones_like(self.n) if self.d is None else self.d], axis=1)

    @property
    def has_replicates(self) -> bool:
        """Whether some runs differ in neither N nor D."""
        return len(np.unique(self.cells, axis=0)) < len(self.n)

    @cached_property
    def fit(self) -> Fit | None:
        """The form fitted to the runs: robustly where it is joint; None with fewer runs than parameters."""
        if len(self.n) <= len(self.form.parameters):
            return None
        runs = Runs.of(self.n, self.d, self.u)
        return fit(self.form, runs, self.loss, delta=np.inf if len(self.form.columns) == 1 else HUBER_DELTA)


def few_points(sample: Sample) -> Iterator[str]:
    """Fewer than three runs a parameter, or hardly more distinct ones than parameters."""
    runs, parameters = len(sample.n), len(sample.form.parameters)
    distinct = len(np.unique(sample.cells, axis=0))
    if runs < _POINTS_A_PARAMETER * parameters or distinct < parameters + _SPARE_SIZES:
        law = f"{parameters} parameters of {sample.form.name}"
        yield f"{runs} runs, {distinct} of them distinct in N and D, for the {law}"


def long_warm_up(sample: Sample) -> Iterator[str]:
    """More than a tenth of a run's updates."""
    assert sample.warm_up is not None
    if (share := sample.warm_up.max()) > _MOST_WARM_UP:
        long = f"{int((sample.warm_up > _MOST_WARM_UP).sum())} of {len(sample.n)} runs"
        yield f"{long} warm up for more than {_MOST_WARM_UP:.0%} of their updates, up to {share:.0%}"


def horizon_mismatch(sample: Sample) -> Iterator[str]:
    """L(N) of runs with different D, sizes that were not trained to the same horizons, or runs that ended early."""
    assert sample.d is not None
    horizons = np.unique(sample.d)
    if "d" not in sample.form.columns and len(horizons) > 1:
        yield f"L(N) is fitted to runs of D = {horizons[0]:,.0f} to {horizons[-1]:,.0f} tokens"
    elif 1 < len(horizons) <= len(sample.d) / 3:  # a grid, and no free choice of N and D
        sizes = [rows for rows in _groups(sample.n) if len(np.unique(sample.d[rows])) < len(horizons)]
        if sizes:
            lacking = ", ".join(f"{sample.n[rows[0]]:,.0f}" for rows in sizes)
            yield f"of {len(horizons)} horizons some are missing at N = {lacking}"
    if sample.seen is not None and (off := np.abs(sample.seen / sample.d - 1) > _SAME).any():
        first = int(off.argmax())
        seen = f"its updates saw {sample.seen[first]:,.0f} tokens, D is {sample.d[first]:,.0f}"
        yield f"{int(off.sum())} of {len(off)} runs, {sample.labels[first]} first: {seen}"


def not_cooled(sample: Sample) -> Iterator[str]:
    """The last update's learning rate is more than a tenth of the highest."""
    assert sample.last_rate is not None
    if (last := sample.last_rate.max()) > _COOLED:
        hot = f"{int((sample.last_rate > _COOLED).sum())} of {len(sample.n)} runs"
        yield f"{hot} ended at more than {_COOLED:.0%} of their highest learning rate, up to {last:.0%}"


def single_rate(sample: Sample) -> Iterator[str]:
    """No run of any size at another rate than the rest of its size."""
    assert sample.rate is not None
    if any(len(np.unique(sample.rate[rows])) > 1 for rows in _groups(sample.n)):
        return
    if len(every := np.unique(sample.rate)) == 1:
        yield f"all sizes were trained at one learning rate, {every[0]:.3g}"
    else:
        yield "each size was trained at one learning rate only, by a rule that was not tuned"


def rate_on_edge(sample: Sample) -> Iterator[str]:
    """The best of a size's rates is the lowest or the highest that was tried."""
    assert sample.rate is not None
    for rows in _groups(sample.cells):
        tried, means = mean_loss_by_size(sample.rate[rows], sample.loss[rows])
        if len(tried) >= 3 and (best := best_rate(tried.tolist(), means.tolist())).on_edge:
            size = f"N = {sample.n[rows[0]]:,.0f}"
            yield f"{size}: the best learning rate, {best.rate:.3g}, is the {best.on_edge} that was tried"


def collinear(sample: Sample) -> Iterator[str]:
    """N and D grow together."""
    assert sample.d is not None
    if np.ptp(log_d := np.log(sample.d)) == 0 or np.ptp(log_n := np.log(sample.n)) == 0:
        return
    if abs(r := float(np.corrcoef(log_n, log_d)[0, 1])) > _COLLINEAR:
        yield f"log N and log D are correlated with r = {r:.3f}"


def at_bound(sample: Sample) -> Iterator[str]:
    """A parameter that the search left at a bound, or whose term no run sees."""
    if (made := sample.fit) is None:
        return
    shares = made.form.evaluate(made.theta[None], made.runs)[1][0].max(axis=0)  # d log L / d log of a coefficient
    for parameter, share in zip(made.form.parameters, shares, strict=True):
        if parameter.vanishing and share < _VANISHED:
            yield f"{parameter.name} is at its bound 0: its term is less than {_VANISHED:g} of the loss of every run"
        elif parameter.name in made.at_bounds:
            yield f"{parameter.name} = {made.params[parameter.name]:.3g} is at a bound of its search"


def form_misfit(sample: Sample) -> Iterator[str]:
    """Means over seeds lie farther off the form than seeds lie apart, and by more than chance."""
    if sample.fit and (found := sample.fit.lack_of_fit) and found.certain:
        yield f"{sample.form.name}: {found.sentence}"


def influential(sample: Sample) -> Iterator[str]:
    """One run that moves an exponent out of its interval, or a fiftieth of them that moves it by the interval's width.

    Those that pull the most in one direction are left out together (Broderick et al. 2020, arXiv:2011.14999).
    """
    if (made := sample.fit) is None or made.degrees_of_freedom < 2:
        return
    exponents = [(index, one.name) for index, one in enumerate(made.form.parameters) if one.exponent]
    intervals, pulls = made.intervals_of([name for _, name in exponents]), made.without_each() - made.theta
    for (index, name), side in product(exponents, (-1, 1)):
        end = intervals[name][(1 + side) // 2]
        if end is None:
            continue
        reach, order = abs(end - made.theta[index]), np.argsort(-side * pulls[:, index])
        count, group = 1, order[: max(1, round(_INFLUENTIAL * len(order)))]
        one = float(made.theta[index] + pulls[order[0], index])
        together = float(made.without(group)[index])
        if side * (together - made.theta[index]) > 2 * reach:
            count, moved = len(group), together
        elif side * (one - made.theta[index]) > reach:
            moved = one
        else:
            continue
        alone = ", and one alone moves it out" if count > 1 and side * (one - made.theta[index]) > reach else ""
        change = f"{name} is {moved:.3f} and not {made.params[name]:.3f} {format_interval(intervals[name])}"
        listed = ", ".join(f"{sample.labels[row]} (loss {sample.loss[row]:.3f})" for row in order[:count])
        yield f"without {count} of {len(order)} runs {change}{alone}: {listed} decide{'s' if count == 1 else ''}"


def missing_seeds(sample: Sample) -> Iterator[str]:
    """No two runs alike in N and D."""
    if not sample.has_replicates:
        yield "one seed for each size"


def rising_loss(sample: Sample) -> Iterator[str]:
    """A larger model, trained on as many tokens, with a higher mean loss; the greatest rises, where there are many."""
    found = []
    for rows in _groups(sample.cells[:, 1]):
        sizes, means = mean_loss_by_size(sample.n[rows], sample.loss[rows])
        for left in np.flatnonzero(np.diff(means) > 0):
            gap = means[left + 1] - means[left]
            at = "" if sample.d is None else f" at D = {sample.d[rows[0]]:,.0f}"
            step = f"from N = {sizes[left]:,.0f} to {sizes[left + 1]:,.0f}{at}"
            found.append((gap, f"{step} the loss rises by {gap:.4f} nats"))
    kept = sorted(sorted(range(len(found)), key=lambda index: -found[index][0])[:_LISTED])
    yield from (found[index][1] for index in kept)
    if len(found) > _LISTED:
        yield f"and it rises at {len(found) - _LISTED:,} more steps from one size to the next"


def repeated_data(sample: Sample) -> Iterator[str]:
    """More tokens than unique ones under a form that takes all for new."""
    assert sample.d is not None
    assert sample.u is not None
    if "u" not in sample.form.columns and (passes := float((sample.d / sample.u).max())) > 1 + _SAME:
        yield f"up to {passes:.2f} passes over the unique tokens, which {sample.form.name} counts as new"


def perplexity_at_odds(sample: Sample) -> Iterator[str]:
    """A perplexity that is not exp(loss)."""
    assert sample.perplexity is not None
    off = np.abs(sample.perplexity / np.exp(sample.loss) - 1) > _SAME
    if off.any():
        first = int(off.argmax())
        yield (
            f"{int(off.sum())} of {len(off)} runs, {sample.labels[first]} first: perplexity "
            f"{sample.perplexity[first]:.4g}, but exp(loss) is {np.exp(sample.loss[first]):.4g}"
        )


def _groups(values: Array) -> list[NDArray[np.intp]]:
    """The rows that share a value, or a pair of values: one array of indices for each."""
    _, group, counts = np.unique(values, axis=0, return_inverse=True, return_counts=True)
    return np.split(np.argsort(group.ravel(), kind="stable"), np.cumsum(counts)[:-1])
