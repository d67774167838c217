"""Many fits at once: a damped Gauss–Newton search over a batch of thetas that share the runs.

What differs from fit to fit may be the start, the weights (a bootstrap resample is a vector of counts, leaving a run
out is a 0) or the losses. One call then costs little more than one fit.

Huber's function on log-losses with delta 1e-3 (Hoffmann et al. 2022) is almost an absolute value at the noise of real
runs: a Gauss–Newton step would take its curvature from the few runs within delta, of which there may be none. So the
damping is the curvature of the reweighted problem (Holland & Welsch 1977), which lies above Huber's everywhere: little
of it gives Newton's speed near the optimum, much of it the sure descent of reweighting far from it. For least squares
the two are the same; there the damping is Marquardt's diagonal.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hf_scaling.laws.forms import Array, Form, Runs, limits

Quantities = Callable[
    [Array], tuple[Array, Array]
]  # theta (m, p) to k scalars of each, (m, k), and gradients (m, k, p)

_MOST_STEPS = 400
_CONVERGED = 1e-12  # relative decrease of a step that was taken almost undamped
_RIDGE = 1e-13  # relative: a direction that no run speaks of must not make the system singular
_DAMPING = (1e-8, 1e8)


@dataclass(frozen=True)
class Pull:
    """Adds strength·(quantity(theta) - target)²/2 to each fit, `which` of the quantities being meant.

    A strong pull holds the quantity at its target while all else is fitted anew: a profile. All have shape (m,).
    """

    quantities: Quantities
    which: NDArray[np.intp]
    target: Array
    strength: Array

    def of(self, rows: NDArray[np.intp]) -> "Pull":
        """The pulls on some fits."""
        return Pull(self.quantities, self.which[rows], self.target[rows], self.strength[rows])

    def quantity(self, theta: Array) -> tuple[Array, Array]:
        """The quantity of each fit, shape (m,), and its gradient, (m, p)."""
        values, gradients = self.quantities(theta)
        each = np.arange(len(theta))
        return values[each, self.which], gradients[each, self.which]

    def energy(self, theta: Array) -> Array:
        """What it adds to each fit, shape (m,)."""
        return np.asarray(self.strength * (self.quantity(theta)[0] - self.target) ** 2 / 2)


@dataclass(frozen=True)
class Problem:
    """What a batch of m fits minimises: the sum over runs of weight·huber(log L(theta) - log_loss), and the pulls.

    Attributes:
        log_loss: shape (1 or m, runs).
        weights: shape (1 or m, runs), 0 or greater.
        delta: where Huber's function turns from r²/2 to delta·(|r| - delta/2); infinity for least squares.
    """

    form: Form
    runs: Runs
    log_loss: Array
    weights: Array
    delta: float = np.inf
    pull: Pull | None = None

    def of(self, rows: NDArray[np.intp]) -> "Problem":
        """Some fits of the batch."""
        log_loss, weights = (part if len(part) == 1 else part[rows] for part in (self.log_loss, self.weights))
        return Problem(self.form, self.runs, log_loss, weights, self.delta, self.pull and self.pull.of(rows))

    def value(self, theta: Array) -> Array:
        """What is minimised, shape (m,)."""
        value = np.zeros(len(theta))
        for rows, runs in self.runs.blocks:
            residual = self.form.evaluate(theta, runs)[0] - self.log_loss[:, rows]
            value += self._misfit(residual, self.weights[:, rows])
        if self.pull:
            value += self.pull.energy(theta)
        return value

    def _misfit(self, residual: Array, weights: Array) -> Array:
        inside = np.clip(residual, -self.delta, self.delta)
        return np.asarray((weights * inside * (residual - inside / 2)).sum(axis=1))

    def expand(self, theta: Array) -> tuple[Array, Array, Array, Array]:
        """Value (m,), gradient (m, p), and the two curvatures (m, p, p): Gauss–Newton's and the reweighted one."""
        m, p = theta.shape
        value, gradient = np.zeros(m), np.zeros((m, p))
        newton, reweighted = np.zeros((m, p, p)), np.zeros((m, p, p))
        for rows, runs in self.runs.blocks:
            log_loss, slopes = self.form.evaluate(theta, runs)
            residual, weights = log_loss - self.log_loss[:, rows], self.weights[:, rows]
            value += self._misfit(residual, weights)
            pulled = weights * np.clip(residual, -self.delta, self.delta)
            gradient += np.matmul(pulled[:, None], slopes)[:, 0]
            size = np.maximum(np.abs(residual), np.finfo(float).tiny)
            reweighted += _curvature(slopes, weights * np.minimum(1.0, self.delta / size))
            if self.delta < np.inf:
                newton += _curvature(slopes, weights * (size <= self.delta))
        if self.delta == np.inf:
            newton = reweighted.copy()
        if self.pull:
            found, slope = self.pull.quantity(theta)
            off = found - self.pull.target
            value += self.pull.strength * off**2 / 2
            gradient += (self.pull.strength * off)[:, None] * slope
            outer = self.pull.strength[:, None, None] * slope[:, :, None] * slope[:, None, :]
            newton, reweighted = newton + outer, reweighted + outer
        return value, gradient, newton, reweighted


def _curvature(slopes: Array, weights: Array) -> Array:
    return np.matmul(np.swapaxes(slopes * weights[..., None], 1, 2), slopes)


def minimise(problem: Problem, starts: Array, most_steps: int = _MOST_STEPS) -> tuple[Array, Array]:
    """Search from each start; theta, shape (m, p), within the form's bounds, and the values there, shape (m,)."""
    low, high = limits(problem.form.parameters)
    theta = np.clip(starts, low, high)
    state = problem.expand(theta)
    value, gradient, newton, reweighted = state
    damping = np.full(len(theta), 1e-2)
    rows = np.arange(len(theta))  # those still under way
    for _ in range(most_steps):
        damper = reweighted[rows] * np.eye(theta.shape[1])
        if problem.delta < np.inf:
            damper = damper + reweighted[rows]
        held = ((theta[rows] <= low) & (gradient[rows] > 0)) | ((theta[rows] >= high) & (gradient[rows] < 0))
        step = _step(gradient[rows], newton[rows], damping[rows, None, None] * damper, held)
        there = np.clip(theta[rows] + step, low, high)
        reached = problem.of(rows).expand(there)
        gain = value[rows] - reached[0]
        better = gain > 0
        small = np.abs(gain) <= _CONVERGED * value[rows]
        done = (small & (better | (damping[rows] >= 1))) | (damping[rows] >= _DAMPING[1])
        for kept, new in zip((theta, *state), (there, *reached), strict=True):
            kept[rows[better]] = new[better]
        damping[rows] = np.clip(damping[rows] * np.where(better, 0.2, 5.0), *_DAMPING)
        rows = rows[~done]
        if not len(rows):
            break
    return theta, value


def _step(gradient: Array, newton: Array, damper: Array, held: NDArray[np.bool_]) -> Array:
    """The damped step of each fit, without the parameters that a bound holds back."""
    free = ~held
    matrix = (newton + damper) * (free[:, :, None] & free[:, None, :])
    diagonal = np.einsum("mpp->mp", matrix)
    # in units in which the diagonal is 1, for the parameters' own differ by many orders of magnitude
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = matrix * scale[:, :, None] * scale[:, None, :]
    eye = np.eye(matrix.shape[1])
    scaled = scaled + eye * (_RIDGE + (diagonal <= 0)[:, None, :])
    solved = np.linalg.solve(scaled, -(gradient * free * scale)[..., None])[..., 0]
    return solved * scale * free
