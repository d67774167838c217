"""How similar tunes are, and every pair that is similar enough.

The pairs come from an inverted index of the rarest grams of each tune (the prefix filter of Chaudhuri, Ganti and
Kaushik, 2006), which no pair at or above the threshold can pass unseen; the LSH that makes the families has no part
in it.
"""

from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

_PAIRS_AT_ONCE = 16384
_ROWS_AT_ONCE = 512  # bounds the memory of one block of the index's product


class Pairs(NamedTuple):
    """Pairs of tunes at or above a threshold: indices of both, and their similarity; each of shape (pairs,)."""

    left: np.ndarray
    right: np.ndarray
    similarity: np.ndarray


def jaccard(grams: csr_array, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """The similarity of each tune of `left` to that of `right` beside it, both row numbers: float64, shape (pairs,)."""
    found = []
    for start in range(0, len(left), _PAIRS_AT_ONCE):
        one, other = grams[left[start : start + _PAIRS_AT_ONCE]], grams[right[start : start + _PAIRS_AT_ONCE]]
        shared = np.asarray(one.multiply(other).sum(axis=1)).ravel()
        found.append(shared / np.maximum(np.diff(one.indptr) + np.diff(other.indptr) - shared, 1))
    return np.concatenate(found) if found else np.empty(0)


def reaches(similarity: np.ndarray, threshold: float) -> np.ndarray:
    """Whether each similarity is at or above the threshold, whatever its last bit says."""
    return similarity >= threshold - 1e-9


def similar_pairs(grams: csr_array, these: np.ndarray, those: np.ndarray, threshold: float) -> Pairs:
    """Every pair of a tune of `these` and one of `those` (row numbers of `grams`) at or above the threshold.

    Memory is needed for an index of `these`, best the fewer.
    """
    lefts, rights, similarities = [], [], []
    sizes = np.diff(grams.indptr)
    rest = _rest(sizes, threshold)
    index = _prefixes(grams[these], threshold).T.tocsr()
    for start in range(0, len(those), _ROWS_AT_ONCE):
        rows = those[start : start + _ROWS_AT_ONCE]
        candidates = (_prefixes(grams[rows], threshold) @ index).tocoo()
        left, right = these[candidates.col], rows[candidates.row]
        # beyond what their prefixes share, two tunes share only grams in the rest of the one whose prefix ends first
        most = candidates.data + np.maximum(rest[left], rest[right])
        likely = reaches(most / (sizes[left] + sizes[right] - most), threshold)
        left, right = left[likely], right[likely]
        similarity = jaccard(grams, left, right)
        near = reaches(similarity, threshold)
        lefts.append(left[near])
        rights.append(right[near])
        similarities.append(similarity[near])
    empty = np.empty(0, dtype=np.int64)
    return Pairs(*(np.concatenate([empty, *parts]) for parts in (lefts, rights, similarities)))


def _rest(sizes: np.ndarray, threshold: float) -> np.ndarray:
    """How many of a tune's commonest grams an index can do without.

    Two tunes of similarity >= t share one of the first n - ceil(t n) + 1 grams of both.
    """
    return np.maximum(np.ceil(threshold * sizes - 1e-9).astype(np.int64) - 1, 0)


def _prefixes(grams: csr_array, threshold: float) -> csr_array:
    """Each tune's grams but for the `_rest`: the first entries of each row, since columns are in order of rarity."""
    sizes = np.diff(grams.indptr)
    kept = sizes - _rest(sizes, threshold)
    place = np.arange(grams.nnz) - np.repeat(grams.indptr[:-1], sizes)
    first = place < np.repeat(kept, sizes)
    starts = np.concatenate([[0], np.cumsum(kept)])
    return csr_array((grams.data[first], grams.indices[first], starts), shape=grams.shape)
