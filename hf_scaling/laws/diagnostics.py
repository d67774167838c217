"""What the data of a scaling fit show before, and beside, any fit."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

_LISTED = 3  # of one kind of warning


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


def local_exponents(n: ArrayLike, loss: ArrayLike) -> list[tuple[float, float, float]]:
    """(from, to, -d ln L / d ln N) between neighbouring sizes; seeds of one size are averaged first.

    The asymptote is not subtracted, so these lie below alpha and fall towards 0 as the loss nears c: a view of the raw
    data that no fit has touched.
    """
    distinct, means = mean_loss_by_size(n, loss)
    slopes = -np.diff(np.log(means)) / np.diff(np.log(distinct))
    return [(float(a), float(b), float(s)) for a, b, s in zip(distinct[:-1], distinct[1:], slopes, strict=True)]
