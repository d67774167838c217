"""Where profiles leave the confidence set: both ends of several quantities at once, each profile point a fit anew."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hf_scaling.laws.forms import Array
from hf_scaling.laws.interval import Interval
from hf_scaling.laws.solve import Problem, Pull, Quantities, minimise

_HOLD = 1e4  # strength of a profile's pull in units of what the threshold allows; the rest is read off where it ended
_WIDEST = 1e3  # an end that many first guesses away is open
_GROWTH = 1.7
_ROUNDS = 12
_MOST_STEPS = 100  # of a profile point, which starts near the last one
_CLOSE = 1e-5  # of sqrt(misfit / threshold)


@dataclass(frozen=True)
class Profiles:
    """The profiles of some quantities around the theta of least misfit.

    Attributes:
        problem: of one fit.
        theta: where it is least, shape (p,).
        objective: how much it is there.
        new_run: weight of one more run, for the interval of a new run's log-loss; infinity for that of the quantity.
    """

    problem: Problem
    theta: Array
    objective: float
    quantities: Quantities
    new_run: float = np.inf

    def ends(self, threshold: float, guess: Array) -> list[Interval]:
        """Interval of each quantity: all its values with a misfit within `threshold` of the least.

        Args:
            threshold: of misfit, above the least.
            guess: distances from the estimates to search from, shape (quantities,).
        """
        count = len(guess)
        which, direction = np.tile(np.arange(count), 2), np.repeat([-1.0, 1.0], count)
        guess = guess[which]
        theta = np.repeat(self.theta[None], 2 * count, axis=0)
        inner, inner_z = np.zeros(2 * count), np.zeros(2 * count)
        outer, outer_z = np.full(2 * count, np.nan), np.full(2 * count, np.nan)
        rows, step = np.arange(2 * count), guess.copy()
        while len(
            rows
        ):  # outwards, until the threshold is passed, or a bound or sheer distance says that there is no end
            reached, z, found = self._at(which[rows], direction[rows], step[rows], theta[rows], threshold)
            passed = z > 1
            theta[rows[~passed]] = found[~passed]  # far outside, a search may end in a valley of its own
            outer[rows[passed]], outer_z[rows[passed]] = reached[passed], z[passed]
            further = ~passed & (reached > inner[rows]) & (reached < _WIDEST * guess[rows])
            inner[rows[~passed]], inner_z[rows[~passed]] = reached[~passed], z[~passed]
            rows = rows[further]
            step[rows] = _GROWTH * np.maximum(step[rows], reached[further])
        rows = np.flatnonzero(np.isfinite(outer))
        for _ in range(_ROUNDS):  # between: sqrt(misfit) is nearly linear in the distance
            share = np.clip((1 - inner_z[rows]) / (outer_z[rows] - inner_z[rows]), 0.02, 0.98)
            step[rows] = inner[rows] + share * (outer[rows] - inner[rows])
            reached, z, found = self._at(which[rows], direction[rows], step[rows], theta[rows], threshold)
            passed = z > 1
            theta[rows[~passed]] = found[~passed]  # far outside, a search may end in a valley of its own
            outer[rows[passed]], outer_z[rows[passed]] = reached[passed], z[passed]
            inner[rows[~passed]], inner_z[rows[~passed]] = reached[~passed], z[~passed]
            rows = rows[np.abs(z - 1) > _CLOSE]
        # the nearer side of the bracket
        end = np.where(outer_z - 1 < 1 - inner_z, outer, inner)
        values = self.quantities(self.theta[None])[0][0][which] + direction * end
        ends = [float(value) if closed else None for value, closed in zip(values, np.isfinite(outer), strict=True)]
        return list(zip(ends[:count], ends[count:], strict=True))

    def _at(
        self, which: NDArray[np.intp], direction: Array, step: Array, theta: Array, threshold: float
    ) -> tuple[Array, Array, Array]:
        """With quantities `step` away: how far they came, sqrt(misfit / threshold) there, and the thetas."""
        start = self.quantities(self.theta[None])[0][0][which]
        of_run = np.isfinite(self.new_run)
        strength = np.full(len(which), self.new_run) if of_run else _HOLD * threshold / step**2
        pull = Pull(self.quantities, which, start + direction * step, strength)
        found, value = minimise(replace(self.problem, pull=pull), theta, _MOST_STEPS)
        reached = step if of_run else direction * (pull.quantity(found)[0] - start)
        misfit = (value if of_run else self.problem.value(found)) - self.objective
        return reached, np.sqrt(np.maximum(misfit, 0.0) / threshold), found
