"""Where profiles leave the confidence set: both ends of several quantities at once, each profile point a fit anew."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hf_scaling.laws.forms import Array, limits
from hf_scaling.laws.interval import Interval
from hf_scaling.laws.solve import Problem, Pull, Quantities, minimise

_HOLD = 1e4  # strength of a profile's pull in units of what the threshold allows; the rest is read off where it ended
_WIDEST = 1e3  # an end that many first guesses away is open
_GROWTH = 1.7
_ROUNDS = 12
_MOST_STEPS = 100  # of a profile point, which starts near the last one
_CLOSE = 1e-5  # of sqrt(misfit / threshold)
_NARROW = 1e-2  # relative: across so little that square root is a straight line
_LEAST_GUESS = 1e-15  # of an end's distance: the rounding of a loss
_LEAST_CURVATURE = 1e-13  # relative: below, it is rounding
_UNSEEN = 1e-6  # of a gradient's square, along directions that no run sees


@dataclass(frozen=True)
class Profiles:
    """The profiles of some quantities around the thetas of least misfit of m fits.

    Attributes:
        problem: of the fits.
        theta: where each is least, shape (m, p).
        objective: how much it is there, shape (m,).
        threshold: of misfit, above the least, shape (m,).
        new_run: weight of one more run, for the interval of a new run's log-loss; infinity for that of the quantity.
    """

    problem: Problem
    theta: Array
    objective: Array
    threshold: Array
    quantities: Quantities
    new_run: float = np.inf

    def intervals(self) -> list[list[Interval]]:
        """Of each fit the interval of each quantity: all its values with a misfit within `threshold` of the least."""
        gradients, curvature = self.quantities(self.theta)[1], self.problem.expand(self.theta)[3]
        spread, ridged = (np.array([_inverse(one, least) for one in curvature]) for least in (None, _LEAST_CURVATURE))
        variance = np.einsum("mkp,mpq,mkq->mk", gradients, spread, gradients) + 1 / self.new_run
        guess = np.maximum(np.sqrt(2 * self.threshold[:, None] * variance), _LEAST_GUESS)
        along = np.einsum("mpq,mkq->mkp", ridged, gradients)
        tangent = along / np.einsum("mkp,mkp->mk", along, gradients)[..., None]
        every_run = replace(self.problem, delta=np.inf).expand(self.theta)[3]
        told = [[_is_told(one, gradient) for gradient in each] for one, each in zip(every_run, gradients, strict=True)]
        return [
            [pair if known else (None, None) for pair, known in zip(*both, strict=True)]
            for both in zip(self._ends(guess, tangent), told, strict=True)
        ]

    def _ends(self, guess: Array, tangent: Array) -> list[list[Interval]]:
        """Where the profiles cross the threshold.

        Args:
            guess: distances from the estimates to search from, shape (m, quantities).
            tangent: change of theta along each profile for a change of its quantity by 1, shape (m, quantities, p).
        """
        fits, count = guess.shape
        fit, which = np.repeat(np.arange(fits), 2 * count), np.tile(np.repeat(np.arange(count), 2), fits)
        direction = np.tile([-1.0, 1.0], fits * count)
        guess = guess[fit, which]
        theta, path = self.theta[fit], direction[:, None] * tangent[fit, which]
        inner, inner_z = np.zeros(len(fit)), np.zeros(len(fit))
        outer, outer_z = np.full(len(fit), np.nan), np.full(len(fit), np.nan)
        rows, step = np.arange(len(fit)), guess.copy()

        def advance() -> tuple[Array, Array, NDArray[np.bool_]]:
            """Profile points of `rows`, each `step` away and now a side of its bracket; which came further within."""
            ahead = self.theta[fit[rows]] + step[rows, None] * path[rows]
            reached, z, found = self._at(fit[rows], which[rows], direction[rows], step[rows], (theta[rows], ahead))
            passed = z > 1
            outer[rows[passed]], outer_z[rows[passed]] = reached[passed], z[passed]
            further = ~passed & (reached > inner[rows])
            inner[rows[~passed]], inner_z[rows[~passed]] = reached[~passed], z[~passed]
            theta[rows[~passed]] = found[~passed]  # far outside, a search may end in a valley of its own
            path[rows[further]] = (found[further] - self.theta[fit[rows[further]]]) / reached[further, None]
            return reached, z, further

        while len(rows):  # outwards, until the threshold is passed, or a bound or sheer distance says there is no end
            reached, _, further = advance()
            further &= reached < _WIDEST * guess[rows]
            rows = rows[further]
            step[rows] = _GROWTH * np.maximum(step[rows], reached[further])
        rows = np.flatnonzero(np.isfinite(outer))
        for _ in range(_ROUNDS):  # between: sqrt(misfit) is nearly linear in the distance
            share = np.clip((1 - inner_z[rows]) / (outer_z[rows] - inner_z[rows]), 0.02, 0.98)
            step[rows] = inner[rows] + share * (outer[rows] - inner[rows])
            _, z, _ = advance()
            wide = (outer_z[rows] - inner_z[rows] > _NARROW) | (outer[rows] - inner[rows] > _NARROW * outer[rows])
            rows = rows[(np.abs(z - 1) > _CLOSE) & wide]
            if not len(rows):
                break
        end = inner + (1 - inner_z) / (outer_z - inner_z) * (outer - inner)
        values = self.quantities(self.theta)[0][fit, which] + direction * end
        found = [float(value) if closed else None for value, closed in zip(values, np.isfinite(outer), strict=True)]
        pairs = iter(zip(found[::2], found[1::2], strict=True))
        return [[next(pairs) for _ in range(count)] for _ in range(fits)]

    def _at(
        self,
        fit: NDArray[np.intp],
        which: NDArray[np.intp],
        direction: Array,
        step: Array,
        starts: tuple[Array, Array],
    ) -> tuple[Array, Array, Array]:
        """With quantities `step` away: how far they came, sqrt(misfit / threshold) there, and the thetas.

        Each search begins at the better of its two `starts`.
        """
        start, threshold = self.quantities(self.theta)[0][fit, which], self.threshold[fit]
        of_run = np.isfinite(self.new_run)
        strength = np.full(len(which), self.new_run) if of_run else _HOLD * threshold / step**2
        pull = Pull(self.quantities, which, start + direction * step, strength)
        problem = self.problem.of(fit)
        held = replace(problem, pull=pull)
        near, far = (np.clip(start, *limits(problem.form.parameters)) for start in starts)
        better = held.value(far) - self.objective[fit] < pull.energy(near)  # which is nearly all of the near one's
        found, value = minimise(held, np.where(better[:, None], far, near), _MOST_STEPS)
        reached = step if of_run else direction * (pull.quantity(found)[0] - start)
        misfit = value - self.objective[fit] - (0.0 if of_run else pull.energy(found))
        return reached, np.sqrt(np.maximum(misfit, 0.0) / threshold), found


def _is_told(curvature: Array, gradient: Array) -> bool:
    """Whether a quantity changes only with what the runs see: else parameters that fit as well give any value of it.

    Tables of one D are such a case, where B/D^beta is a constant like E; a search may not find its way along it.
    """
    scale, values, vectors = _scaled(curvature)
    scaled = gradient * scale
    unseen = vectors[:, values <= _LEAST_CURVATURE * values[-1]]
    return bool(np.sum((unseen.T @ scaled) ** 2) <= _UNSEEN * np.sum(scaled**2))


def _scaled(curvature: Array) -> tuple[Array, Array, Array]:
    """Eigenvalues and vectors in units in which the diagonal is 1, for those of parameters differ by many orders."""
    diagonal = np.diag(curvature)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    return scale, *np.linalg.eigh(curvature * np.outer(scale, scale))


def _inverse(curvature: Array, least: float | None) -> Array:
    """Its inverse; directions without curvature are left out, or given the `least` one."""
    scale, values, vectors = _scaled(curvature)
    seen = values > _LEAST_CURVATURE * values[-1]
    inverse = np.where(seen, 1 / np.where(seen, values, 1.0), 0.0 if least is None else 1 / (least * values[-1]))
    return (vectors * inverse) @ vectors.T * np.outer(scale, scale)
