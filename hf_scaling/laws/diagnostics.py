"""What the data of a scaling fit show before, and beside, any fit."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import fdtrc

NO_FIT = "the form does not fit"  # a verdict, in place of one on the exponents of the form
_LISTED = 3  # of one kind of warning
_CHANCE = 0.01  # of a form that holds being found wrong


def data_warnings(
    n: NDArray[np.float64], loss: NDArray[np.float64], weights: NDArray[np.float64], n_parameters: int
) -> list[str]:
    """Sentences on what makes a fit with `n_parameters` of these runs fragile; all arrays have shape (n,)."""
    found = []
    distinct, means = mean_loss_by_size(n, loss)
    rising = np.flatnonzero(np.diff(means) > 0)
    for left in rising[:_LISTED]:
        found.append(f"loss rises with size between N = {distinct[left]:,.0f} and {distinct[left + 1]:,.0f}")
    if len(rising) > _LISTED:
        found[-1] += f", and at {len(rising) - _LISTED} more of {len(distinct)} sizes"
    if 0 < (freedom := len(n) - n_parameters) <= 2:
        found.append(
            f"degrees of freedom: {freedom} ({len(n)} points, {n_parameters} parameters); "
            "the noise itself is hardly known, add sizes or seeds"
        )
    if (span := n.max() / n.min()) < 10:
        found.append(f"the sizes span a factor of {span:.1f} only: alpha and c can hardly be told apart")
    return found + weight_warnings(weights)


def weight_warnings(weights: NDArray[np.float64]) -> list[str]:
    """Whether one run decides a weighted fit; weights have shape (n,)."""
    if (share := weights.max() / weights.sum()) <= 0.5:
        return []
    return [f"one run carries {100 * share:.0f} % of the weight: its standard error is far below the others'"]


def mean_loss_by_size(n: ArrayLike, loss: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distinct sizes in ascending order and the mean loss of the runs at each."""
    distinct, where = np.unique(np.asarray(n, dtype=float), return_inverse=True)
    return distinct, np.bincount(where, weights=np.asarray(loss, dtype=float)) / np.bincount(where)


class LackOfFit(NamedTuple):
    """How far the means of replicates lie off a curve, beside how far replicates lie apart.

    Attributes:
        off: root mean square of the means' distances, in log-loss.
        apart: standard deviation of replicates about their mean, in log-loss.
        p: of an F test: the chance of means so far off, were the curve right and replicates all that varies.
    """

    off: float
    apart: float
    p: float

    @property
    def certain(self) -> bool:
        """Whether the form is wrong by more than replicates differ, and not by chance."""
        return self.p < _CHANCE and self.off > self.apart

    @property
    def sentence(self) -> str:
        """What was found, for a reader who knows the form."""
        return (
            f"means over seeds lie {self.off:.1%} off the form (root mean square), seeds {self.apart:.1%} apart; "
            f"p = {self.p:.2g} of a test for lack of fit"
        )

    @property
    def warnings(self) -> list[str]:
        """The warning that a fit gives where it is certain."""
        return [f"{NO_FIT}: {self.sentence}"] if self.certain else []


def lack_of_fit(cells: ArrayLike, residuals: ArrayLike, n_parameters: int) -> LackOfFit | None:
    """Test a fitted form by its replicates (Draper & Smith 1998, section 2.1).

    Args:
        cells: what replicates have in common, shape (runs, columns).
        residuals: of log-loss, shape (runs,).
        n_parameters: of the form.

    Returns:
        None without replicates that differ, or with no more cells than parameters.
    """
    off = np.asarray(residuals, dtype=float)
    distinct, cell, count = np.unique(np.asarray(cells), axis=0, return_inverse=True, return_counts=True)
    means = np.bincount(cell.ravel(), weights=off) / count
    pure = float(np.sum((off - means[cell.ravel()]) ** 2))
    free, spare = len(off) - len(distinct), len(distinct) - n_parameters
    if not pure or spare < 1:
        return None
    ratio = float(count @ means**2) / spare / (pure / free)
    return LackOfFit(float(np.sqrt(np.mean(means**2))), (pure / free) ** 0.5, float(fdtrc(spare, free, ratio)))


def local_exponents(n: ArrayLike, loss: ArrayLike) -> list[tuple[float, float, float]]:
    """(from, to, -d ln L / d ln N) between neighbouring sizes; seeds of one size are averaged first.

    The asymptote is not subtracted, so these lie below alpha and fall towards 0 as the loss nears c: a view of the raw
    data that no fit has touched.
    """
    distinct, means = mean_loss_by_size(n, loss)
    slopes = -np.diff(np.log(means)) / np.diff(np.log(distinct))
    return [(float(a), float(b), float(s)) for a, b, s in zip(distinct[:-1], distinct[1:], slopes, strict=True)]
