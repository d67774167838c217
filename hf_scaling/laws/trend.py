"""How a quantity changes with model size where no law is known for it: a straight line in log N."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

_FEWEST = 3  # distinct sizes: two leave nothing to judge the line by


@dataclass(frozen=True)
class Trend:
    """value = middle + slope·(log10 N - centre), by least squares.

    slope: change for a tenfold N; interval: of the slope at `level`, by Student's t with n - 2 degrees of freedom,
    the noise estimated from the residuals.
    """

    slope: float
    interval: tuple[float, float]
    level: float
    n_points: int
    middle: float
    centre: float

    @property
    def verdict(self) -> str:
        """`resolved` where the interval leaves 0 out, else `not resolved`."""
        return "resolved" if self.interval[0] > 0 or self.interval[1] < 0 else "not resolved"

    def predict(self, n: ArrayLike) -> NDArray[np.float64]:
        """The line at sizes `n`."""
        return np.asarray(self.middle + self.slope * (np.log10(np.asarray(n, dtype=float)) - self.centre))


def fit_trend(n: ArrayLike, value: ArrayLike, level: float = 0.9) -> Trend | None:
    """The line through (n, value), both of shape (points,); None with fewer than 3 distinct sizes."""
    sizes, values = np.asarray(n, dtype=float), np.asarray(value, dtype=float)
    if len(np.unique(sizes)) < _FEWEST:
        return None
    x = np.log10(sizes)
    centre, middle = float(x.mean()), float(values.mean())
    spread = float(((x - centre) ** 2).sum())
    slope = float(((x - centre) * (values - middle)).sum()) / spread
    residuals = values - middle - slope * (x - centre)
    degrees = len(x) - 2
    reach = float(student.ppf(0.5 + level / 2, degrees) * np.sqrt((residuals**2).sum() / degrees / spread))
    return Trend(slope, (slope - reach, slope + reach), level, len(x), middle, centre)
