"""Variable projection for curves that are linear but for one exponent: y ≈ b·(N/N0)^-alpha + c, with b >= 0 and c >= 0.

For a fixed alpha the rest is a two-parameter least-squares problem with a closed solution, so the fit is a search in
one dimension (Golub & Pereyra, 1973), and the set of all (b, c) whose misfit stays under a threshold is an ellipse cut
by the two bounds. Optimum, profile intervals and the band of the curve all come from that geometry: no start values,
no gradients, no local optimum to fall into.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_GRID_POINTS = 400
_ZOOM_POINTS = (9, 257)  # few rounds of many points where a round costs its calls and not its points
_CELLS = 131_072  # alphas times runs at a time: more would not fit a processor's cache
_ZOOM_WIDTH = 1e-11  # stop when the bracket is this narrow, relative to alpha


@dataclass(frozen=True)
class Ellipse:
    """For each alpha of an array (m,), the misfit as a function of the linear parameters.

    With g = exp(-alpha·x), g_mean its weighted mean and k = b·g_mean + c (the fitted curve's weighted mean), the misfit
    is rss + s·(b - b0)² + w·(k - k0)²: in b and k, unlike in b and c, the axes are those of the ellipse however close
    to collinear g and the constant are. All fields have shape (m,) except `w` and `k0`.
    """

    rss: Array
    b0: Array
    s: Array
    g_mean: Array
    w: float
    k0: float

    def on_zero_asymptote(self) -> tuple[Array, Array, Array]:
        """Misfit, b and curvature of the best fit with c = 0, for each alpha."""
        curvature = self.s + self.w * self.g_mean**2
        b = (self.s * self.b0 + self.w * self.g_mean * self.k0) / curvature
        return self.rss + self.s * (b - self.b0) ** 2 + self.w * (b * self.g_mean - self.k0) ** 2, b, curvature


@dataclass(frozen=True)
class Profile:
    """The data of one fit, ready to be profiled.

    `x` is log N less `log_scale` (its weighted mean, so that powers stay near 1), `y` the observations, `weights` sum
    to the number of points; all have shape (n,).
    """

    x: Array
    y: Array
    weights: Array
    log_scale: float
    bounds: tuple[float, float]

    @classmethod
    def of(cls, n: Array, y: Array, weights: Array, bounds: tuple[float, float]) -> "Profile":
        """Centre and normalise; `n`, `y` and `weights` are positive arrays of one length."""
        weights = weights * (len(weights) / weights.sum())
        log_n = np.log(n)
        log_scale = float(np.average(log_n, weights=weights))
        return cls(log_n - log_scale, y, weights, log_scale, bounds)

    @cached_property
    def mean(self) -> float:
        """Weighted mean of y."""
        return float(self.y @ self.weights / len(self.y))

    @cached_property
    def deviation(self) -> Array:
        """y less its mean; exactly 0 where y is flat to rounding, so that the rounding is not fitted."""
        deviation = self.y - self.mean
        return np.where(np.abs(deviation).max() <= 1e-12 * self.mean, 0.0, deviation)

    def ellipse(self, alphas: Array) -> Ellipse:
        """The unconstrained least-squares solution and its surroundings, for each alpha."""
        k0, deviation, count = self.mean, self.deviation, float(len(self.y))
        weighted = self.weights * deviation
        found = np.empty((4, len(alphas)))
        at_once = max(_CELLS // len(self.x), 1)
        for part in (slice(start, start + at_once) for start in range(0, len(alphas), at_once)):
            powers_less_1 = np.expm1(-alphas[part, None] * self.x)  # exact where alpha is small and powers are near 1
            mean = powers_less_1 @ self.weights / count
            spread = powers_less_1 - mean[:, None]
            s = spread**2 @ self.weights
            b0 = spread @ weighted / s
            rss = (deviation - b0[:, None] * spread) ** 2 @ self.weights
            found[:, part] = rss, b0, s, mean + 1
        rss, b0, s, g_mean = found
        return Ellipse(rss, b0, s, g_mean, count, k0)

    def solve(self, alphas: Array) -> tuple[Array, Array, Array]:
        """Constrained misfit, b and c for each alpha; where both bounds bind, the flat line b = 0 is the better one."""
        e = self.ellipse(alphas)
        flat = float(self.deviation**2 @ self.weights)
        rss_zero, b_zero, _ = e.on_zero_asymptote()
        c0 = e.k0 - e.b0 * e.g_mean
        use_zero = c0 < 0
        use_flat = (e.b0 <= 0) | (use_zero & (rss_zero >= flat))
        rss = np.where(use_flat, flat, np.where(use_zero, rss_zero, e.rss))
        b = np.where(use_flat, 0.0, np.where(use_zero, b_zero, e.b0))
        c = np.where(use_flat, e.k0, np.where(use_zero, 0.0, c0))
        return rss, b, c

    @cached_property
    def grid(self) -> tuple[Array, Array]:
        """Alphas from bound to bound, evenly spaced in log alpha, and the constrained misfit of each."""
        alphas = np.geomspace(*self.bounds, _GRID_POINTS)
        return alphas, self.solve(alphas)[0]

    @property
    def _zoom_points(self) -> int:
        return int(np.clip(_CELLS // len(self.x), *_ZOOM_POINTS))

    def minimise(self) -> float:
        """The alpha of least misfit: a grid over the bounds, then ever finer grids around its best point."""
        alphas, misfit = self.grid
        while True:
            best = int(np.argmin(misfit))
            low, high = alphas[max(best - 1, 0)], alphas[min(best + 1, len(alphas) - 1)]
            if high - low <= _ZOOM_WIDTH * high:
                return float(alphas[best])
            alphas = np.linspace(low, high, self._zoom_points)
            misfit = self.solve(alphas)[0]

    def interval(self, alpha: float, threshold: float) -> tuple[float | None, float | None]:
        """The outermost alphas whose misfit is within `threshold`; None where that is a bound of the search.

        A set in several pieces is reported by its hull: wider, never narrower, than the confidence set.
        """
        alphas, misfit = self.grid
        place = int(np.searchsorted(alphas, alpha))
        grid = np.insert(alphas, place, alpha)
        inside = np.flatnonzero(np.insert(misfit <= threshold, place, True))
        first, last = inside[0], inside[-1]
        low = None if first == 0 else self._crossing(grid[first - 1], grid[first], threshold)
        high = None if last == len(grid) - 1 else self._crossing(grid[last + 1], grid[last], threshold)
        return low, high

    def _crossing(self, outside: float, inside: float, threshold: float) -> float:
        """Where the misfit passes `threshold` between two alphas."""
        while abs(outside - inside) > _ZOOM_WIDTH * max(outside, inside):
            alphas = np.linspace(outside, inside, self._zoom_points)
            within = self.solve(alphas)[0] <= threshold
            within[-1] = True
            first = max(int(np.argmax(within)), 1)
            outside, inside = float(alphas[first - 1]), float(alphas[first])
        return inside

    def linear_range(self, e: Ellipse, threshold: float, on_b: Array, on_k: float) -> tuple[Array, Array]:
        """Least and greatest on_b·b + on_k·k for each alpha, over all b >= 0, c >= 0 with misfit within `threshold`.

        `e` is `ellipse(alphas)`, and `on_b` has shape (m,) like `alphas`. A linear function on a convex set is extreme
        where the set's boundary is: on the ellipse itself, or where the ellipse meets the line c = 0 or b = 0. NaN
        where the set is empty.
        """
        with np.errstate(invalid="ignore"):  # the root of a negative number is NaN: that candidate does not exist
            radius = np.sqrt(threshold - e.rss)
            slope = np.sqrt(on_b**2 / e.s + on_k**2 / e.w)
            rss_zero, b_zero, curvature = e.on_zero_asymptote()
            zero_radius = np.sqrt((threshold - rss_zero) / curvature)
            flat_radius = np.sqrt((threshold - e.rss - e.s * e.b0**2) / e.w)
            candidates = []
            for sign in (-1.0, 1.0):
                b = e.b0 + sign * radius * np.divide(on_b, e.s * slope)
                k = e.k0 + sign * radius * np.divide(on_k, e.w * slope)
                feasible = (b >= 0) & (k >= b * e.g_mean)
                candidates.append(np.where(feasible, on_b * b + on_k * k, np.nan))
                edge = b_zero + sign * zero_radius
                candidates.append(np.where(edge >= 0, (on_b + on_k * e.g_mean) * edge, np.nan))
                candidates.append(on_k * np.maximum(e.k0 + sign * flat_radius, 0.0))
        # fmin and fmax skip NaN without the warning that nanmin gives where all candidates are missing
        return np.fmin.reduce(candidates), np.fmax.reduce(candidates)
