"""Tune families: groups of near-duplicates, found exactly.

Two tunes are near-duplicates when the Jaccard similarity of their sets of diatonic-interval 6-grams reaches a
threshold; intervals make the comparison blind to key and transposition, staff positions blind to accidentals. A
family is a connected component of that relation.
"""

from collections.abc import Sequence

import numpy as np
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components

from hf_scaling.notation import melody

NGRAM = 6
_LARGEST_INTERVAL = 15  # two octaves and a step; wider leaps are rare and may share a code
_ROWS_AT_ONCE = 512  # bounds the memory of one block of the similarity matrix


def fingerprint(text: str) -> frozenset[int]:
    """The set of diatonic-interval 6-grams of a tune's melody, each as one integer; empty below seven notes."""
    positions = np.asarray(melody(text), dtype=np.int64)
    steps = positions[1:] - positions[:-1]
    if len(steps) < NGRAM:
        return frozenset()
    digits = np.clip(steps, -_LARGEST_INTERVAL, _LARGEST_INTERVAL) + _LARGEST_INTERVAL
    base = 2 * _LARGEST_INTERVAL + 1
    codes = np.lib.stride_tricks.sliding_window_view(digits, NGRAM) @ (base ** np.arange(NGRAM))
    return frozenset(codes.tolist())


def find_families(fingerprints: Sequence[frozenset[int]], groups: Sequence[str], threshold: float) -> np.ndarray:
    """Number of the family of each tune, int, shape (tunes,).

    Args:
        fingerprints: one per tune.
        groups: tunes that share a non-empty group are one family, whatever their notes.
        threshold: Jaccard similarity from which two tunes are near-duplicates, in (0, 1].
    """
    left, right = _similar_pairs(fingerprints, threshold)
    first_of_group: dict[str, int] = {}
    joined = [(first_of_group.setdefault(group, index), index) for index, group in enumerate(groups) if group]
    rows = np.concatenate([left, np.array([a for a, _ in joined], dtype=np.int64)])
    columns = np.concatenate([right, np.array([b for _, b in joined], dtype=np.int64)])
    count = len(fingerprints)
    graph = coo_array((np.ones(len(rows), dtype=np.int8), (rows, columns)), shape=(count, count))
    return connected_components(graph, directed=False)[1]


def _similar_pairs(fingerprints: Sequence[frozenset[int]], threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """Indices (left, right) of all pairs at or above the threshold, by the sparse product of the incidence matrix."""
    sizes = np.array([len(grams) for grams in fingerprints], dtype=np.int64)
    flat = np.fromiter((gram for grams in fingerprints for gram in grams), dtype=np.int64, count=int(sizes.sum()))
    if not len(flat):
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    _, columns = np.unique(flat, return_inverse=True)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    incidence = csr_array((np.ones(len(flat), dtype=np.int32), columns, starts))
    transposed = incidence.T.tocsr()
    lefts, rights = [], []
    for start in range(0, len(sizes), _ROWS_AT_ONCE):
        shared = (incidence[start : start + _ROWS_AT_ONCE] @ transposed).tocoo()
        left, right = shared.row.astype(np.int64) + start, shared.col.astype(np.int64)
        similar = shared.data >= threshold * (sizes[left] + sizes[right] - shared.data) - 1e-9
        similar &= left < right
        lefts.append(left[similar])
        rights.append(right[similar])
    return np.concatenate(lefts), np.concatenate(rights)
