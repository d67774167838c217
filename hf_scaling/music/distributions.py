"""How far the notes of two sets of tunes are apart: Jensen-Shannon divergence, and MGEval's overlap area.

Every tune counts as one, however long: a set's histogram is the mean of its tunes' histograms. Both measures depend
on how many tunes there are, so what they say of a model is to be read beside what they say of as many real tunes.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.special import rel_entr

from hf_scaling.music.estimate import Estimate, distance

_BINS = 256


def jensen_shannon(ours: np.ndarray, theirs: np.ndarray) -> Estimate:
    """The Jensen-Shannon divergence in bits, between 0 (the same) and 1 (nothing in common), of two sets of tunes.

    Args:
        ours, theirs: counts, shape (tunes, bins); no tune without a count.
    """
    one, other = _each_as_one(ours), _each_as_one(theirs)
    return distance(len(one), len(other), lambda i, j: _divergence(one[i].mean(axis=0), other[j].mean(axis=0)))


def overlap_area(ours: np.ndarray, theirs: np.ndarray) -> Estimate:
    """MGEval's overlap area (Yang & Lerch, 2020, section 3), 1 for sets that cannot be told apart by it.

    Compared are the densities of two kinds of Euclidean distance between tunes' histograms: within `theirs`, and from
    `ours` to `theirs`. Densities are Gaussian kernel estimates by Scott's rule, on a grid.

    Args:
        ours, theirs: counts, shape (tunes, bins); two tunes or more.
    """
    one, other = _each_as_one(ours), _each_as_one(theirs)
    across, within = _distances(one, other), _distances(other, other)
    widest = max(across.max(), within.max()) * 1.1 or 1.0

    def apart(i: np.ndarray, j: np.ndarray) -> float:
        pairs = within[np.ix_(j, j)][j[:, None] < j]  # a tune drawn twice is no pair
        grids = [_density(values, widest) for values in (across[np.ix_(i, j)].ravel(), pairs)]
        return 1 - float(np.minimum(*grids).sum())

    value, low, high, n = distance(len(one), len(other), apart)
    return Estimate(1 - value, 1 - high, 1 - low, n)


def _each_as_one(counts: np.ndarray) -> np.ndarray:
    return counts / counts.sum(axis=1, keepdims=True)


def _divergence(one: np.ndarray, other: np.ndarray) -> float:
    middle = (one + other) / 2
    return float((rel_entr(one, middle) + rel_entr(other, middle)).sum() / 2 / np.log(2))


def _distances(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Euclidean distances, shape (len(one), len(other))."""
    squares = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1) - 2 * one @ other.T
    return np.sqrt(np.maximum(squares, 0))


def _density(values: np.ndarray, widest: float) -> np.ndarray:
    """A kernel density estimate on a grid from 0 to `widest`; sums to 1."""
    counts, _ = np.histogram(values, bins=_BINS, range=(0, widest))
    bandwidth = values.std() * len(values) ** -0.2 / (widest / _BINS)
    smooth = gaussian_filter1d(counts.astype(float), max(bandwidth, 1e-3), mode="reflect")
    return np.asarray(smooth / smooth.sum())
