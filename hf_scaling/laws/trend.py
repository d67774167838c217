"""How a quantity changes with model size where no law is known for it: a straight line in log N."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm
from scipy.stats import t as student

_FEWEST = 3  # distinct sizes: two leave nothing to judge the line by


@dataclass(frozen=True)
class Trend:
    """value = middle + slope·(log10 N - centre), by least squares.

    slope: change for a tenfold N; interval: of the slope at `level`; p: of the test that it is 0. Both by Student's t
    with n - 2 degrees of freedom, the noise estimated from the residuals, or by what the values' own errors alone would
    do to the line, whichever is less sure: a few residuals are small by chance now and then, and counts of a few tunes
    lie on a line easily.
    """

    slope: float
    interval: tuple[float, float]
    p: float
    level: float
    n_points: int
    middle: float
    centre: float

    def predict(self, n: ArrayLike) -> NDArray[np.float64]:
        """The line at sizes `n`."""
        return np.asarray(self.middle + self.slope * (np.log10(np.asarray(n, dtype=float)) - self.centre))


def fit_trend(n: ArrayLike, value: ArrayLike, level: float = 0.9, errors: ArrayLike = 0.0) -> Trend | None:
    """The line through (n, value), both of shape (points,); None with fewer than 3 distinct sizes.

    errors: standard errors of the values, shape (points,) or one for all; 0 where nothing is known of them.
    """
    sizes, values = np.asarray(n, dtype=float), np.asarray(value, dtype=float)
    if len(np.unique(sizes)) < _FEWEST:
        return None
    x = np.log10(sizes)
    centre, middle = float(x.mean()), float(values.mean())
    spread = float(((x - centre) ** 2).sum())
    slope = float(((x - centre) * (values - middle)).sum()) / spread
    residuals = values - middle - slope * (x - centre)
    scatter = student(len(x) - 2, scale=np.sqrt((residuals**2).sum() / (len(x) - 2) / spread))
    counting = norm(scale=np.sqrt((((x - centre) * np.asarray(errors)) ** 2).sum()) / spread)
    kinds = [kind for kind in (scatter, counting) if kind.kwds["scale"] > 0]
    reach = max((float(kind.ppf(0.5 + level / 2)) for kind in kinds), default=0.0)
    p = max((2 * float(kind.sf(abs(slope))) for kind in kinds), default=float(slope == 0))
    return Trend(slope, (slope - reach, slope + reach), p, level, len(x), middle, centre)
