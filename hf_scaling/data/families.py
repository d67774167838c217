"""Tune families: groups of near-duplicates.

Two tunes are near-duplicates when the Jaccard similarity of their sets of diatonic-interval 6-grams reaches a
threshold; intervals make the comparison blind to key and transposition, staff positions blind to accidentals. A
family is a connected component of that relation. MinHash with banding (Broder 1997; Leskovec, Rajaraman and Ullman,
Mining of Massive Datasets, chapter 3) proposes pairs, the exact similarity decides. The few pairs that it never
proposes cannot leak: `splits.py` looks for them across splits, exactly, and joins their families.
"""

import math
from collections.abc import Collection, Sequence

import numpy as np
from rensa import RMinHash
from scipy.sparse import coo_array, csr_array
from scipy.sparse.csgraph import connected_components
from tqdm import tqdm

from hf_scaling.data.pairs import jaccard, reaches

_MISSED = 0.01  # chance that a pair exactly at the threshold is never proposed
_BANDS_AT_ONCE = 16  # bounds the memory of one batch of signatures
_ROWS_AT_ONCE = 512  # rensa hands signatures over as Python lists, which are large
_GRAMS_AT_ONCE = 2**20


def incidence(fingerprints: Sequence[np.ndarray]) -> csr_array:
    """Which tune has which gram: ones, int16, shape (tunes, distinct grams); the rarest gram is column 0."""
    starts = np.concatenate([[0], np.cumsum([len(grams) for grams in fingerprints])])
    columns = np.concatenate([*fingerprints, np.empty(0, dtype=np.uint32)]).view(np.int32)
    # np.unique could say which value stands where, but in 64 bits for all at once
    values, counts = np.unique(columns, return_counts=True)
    place = np.empty(len(counts), dtype=np.int32)
    place[np.argsort(counts, kind="stable")] = np.arange(len(counts), dtype=np.int32)
    for start in range(0, len(columns), _GRAMS_AT_ONCE):
        part = columns[start : start + _GRAMS_AT_ONCE]
        distinct, which = np.unique(part, return_inverse=True)  # a search for values in order is quicker by far
        part[:] = place[np.searchsorted(values, distinct)][which]
    ones = np.ones(len(columns), dtype=np.int16)
    matrix = csr_array((ones, columns, starts), shape=(len(fingerprints), len(counts)))
    matrix.sort_indices()
    return matrix


def join(labels: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Families after the tunes in `left` were joined to those in `right`: int32, shape (tunes,)."""
    edges = (np.ones(len(left), dtype=np.int8), (labels[left], labels[right]))
    count = int(labels.max(initial=-1)) + 1
    return connected_components(coo_array(edges, shape=(count, count)), directed=False)[1][labels]


def find_families(grams: csr_array, groups: Sequence[Collection[str]], threshold: float) -> np.ndarray:
    """Number of the family of each tune: int, shape (tunes,).

    Args:
        grams: the tunes' `incidence`.
        groups: of each tune; tunes that share one are one family, whatever their notes.
        threshold: Jaccard similarity from which two tunes are near-duplicates, in (0, 1].
    """
    first: dict[str, int] = {}
    same = [(first.setdefault(group, index), index) for index, names in enumerate(groups) for group in names]
    labels = np.arange(grams.shape[0], dtype=np.int32)
    labels = join(labels, *np.array(same, dtype=np.int64).reshape(-1, 2).T)
    rows = 3 if threshold >= 0.2 else 2
    bands = math.ceil(math.log(_MISSED) / math.log1p(-(threshold**rows))) if threshold < 1 else 1
    for batch in tqdm(range(math.ceil(bands / _BANDS_AT_ONCE)), desc="tune families", leave=False):
        left, right = _neighbours(_signatures(grams, rows * _BANDS_AT_ONCE, seed=batch), rows)
        apart = labels[left] != labels[right]
        left, right = left[apart], right[apart]
        near = reaches(jaccard(grams, left, right), threshold)
        labels = join(labels, left[near], right[near])
    return labels


def _signatures(grams: csr_array, length: int, seed: int) -> np.ndarray:
    """MinHash signatures: uint32, shape (length, tunes)."""
    signatures = np.empty((length, grams.shape[0]), dtype=np.uint32)
    for first in range(0, grams.shape[0], _ROWS_AT_ONCE):
        ends = grams.indptr[first : first + _ROWS_AT_ONCE + 1]
        tokens, starts = grams.indices[ends[0] : ends[-1]].astype(np.uint64), (ends - ends[0]).astype(np.uint64)
        matrix = RMinHash.digest_matrix_from_flat_token_hashes(tokens, starts, num_perm=length, seed=seed)
        signatures[:, first : first + _ROWS_AT_ONCE] = np.array(matrix.to_rows(), dtype=np.uint32).T
    return signatures


def _neighbours(signatures: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs of tunes that lie side by side in a bucket, that is, agree in all `rows` hashes of one band.

    Only neighbours, for in a bucket of m tunes there are m² pairs, and those of a family are chained by neighbours.
    Within a bucket the next band's first hash decides the order, which brings similar tunes together.
    """
    factors = np.random.default_rng(0).integers(2**63, size=rows, dtype=np.uint64) * 2 + 1
    length, tunes = signatures.shape
    pairs = []
    for start in range(0, length, rows):
        bucket = factors @ signatures[start : start + rows] >> 24
        following = signatures[(start + rows) % length] & 0xFFFFFF
        order = np.argsort(bucket << 24 | following)
        equal = np.flatnonzero(np.diff(bucket[order]) == 0)
        pairs.append(np.sort([order[equal], order[equal + 1]], axis=0))
    left, right = np.concatenate(pairs, axis=1)
    distinct = np.unique(left * tunes + right)
    return np.divmod(distinct, tunes)
