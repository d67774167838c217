"""What of one split stands in another: near-duplicates and shared runs of characters, each counted exactly.

Near-duplicates come from an inverted index of the rarest grams of each tune (the prefix filter of Chaudhuri, Ganti
and Kaushik, 2006), which no pair at or above the threshold can pass unseen; the LSH that made the families has no
part in it.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from hf_scaling.data.families import jaccard, reaches

SPLITS = ("train", "validation", "test")
THRESHOLDS = (0.3, 0.5, 0.8)
OVERLAP = 50  # characters
_CROSSINGS = ((1, 0), (2, 0), (2, 1))  # each split in those that come before it
_ROWS_AT_ONCE = 64  # bounds the memory of one block of the index's product
_TEXTS_AT_ONCE = 4096


class Pairs(NamedTuple):
    """Pairs of tunes at or above a threshold: indices of both, and their similarity; each of shape (pairs,)."""

    left: np.ndarray
    right: np.ndarray
    similarity: np.ndarray


def similar_pairs(grams: csr_array, these: np.ndarray, those: np.ndarray, threshold: float) -> Pairs:
    """Every pair of a tune of `these` and one of `those` (row numbers of `grams`) at or above the threshold."""
    lefts, rights, similarities = [], [], []
    index = _prefixes(grams[those], threshold).T.tocsr()
    for start in range(0, len(these), _ROWS_AT_ONCE):
        rows = these[start : start + _ROWS_AT_ONCE]
        candidates = (_prefixes(grams[rows], threshold) @ index).tocoo()
        left, right = rows[candidates.row], those[candidates.col]
        similarity = jaccard(grams, left, right)
        near = reaches(similarity, threshold)
        lefts.append(left[near])
        rights.append(right[near])
        similarities.append(similarity[near])
    empty = np.empty(0, dtype=np.int64)
    return Pairs(*(np.concatenate([empty, *parts]) for parts in (lefts, rights, similarities)))


def _prefixes(grams: csr_array, threshold: float) -> csr_array:
    """Each tune's rarest grams: two tunes of similarity >= t share one of the first n - ceil(t n) + 1 of both.

    Columns are in order of rarity, so these are the first entries of each row.
    """
    sizes = np.diff(grams.indptr)
    kept = np.where(sizes, sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1, 0)
    place = np.arange(grams.nnz) - np.repeat(grams.indptr[:-1], sizes)
    first = place < np.repeat(kept, sizes)
    starts = np.concatenate([[0], np.cumsum(kept)])
    return csr_array((grams.data[first], grams.indices[first], starts), shape=grams.shape)


def crossing_pairs(grams: csr_array, splits: np.ndarray, threshold: float) -> dict[tuple[int, int], Pairs]:
    """Every pair at or above the threshold that a split divides, by (split of left, split of right)."""
    members = [np.flatnonzero(splits == number) for number in range(len(SPLITS))]
    return {(a, b): similar_pairs(grams, members[a], members[b], threshold) for a, b in _CROSSINGS}


def count_overlaps(these: Sequence[str], those: Iterable[str]) -> int:
    """How many of `these` texts share a run of 50 characters with any of `those`."""
    owners, hashes = _windows(these)
    distinct, number = np.unique(hashes, return_inverse=True)
    met = np.zeros(len(distinct), dtype=bool)
    source = iter(those if len(distinct) else ())
    while batch := list(islice(source, _TEXTS_AT_ONCE)):
        _, seen = _windows(batch)
        place = np.minimum(np.searchsorted(distinct, seen), len(distinct) - 1)
        met[place[distinct[place] == seen]] = True
    return len(np.unique(owners[met[number]]))


def _windows(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The owner and a 64-bit hash of every run of 50 characters within a text; shapes (runs,).

    The hash is a polynomial over characters, built by doubling: of two runs side by side it is known from theirs.
    That two of the some 10^7 runs of a corpus collide by chance has a probability below 10^-4.
    """
    codes = np.frombuffer("".join(texts).encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
    multiplier, seed = 0x9E3779B97F4A7C15, 0xD6E8FEB86659FD93
    hashes = (codes.astype(np.uint64) + np.uint64(1)) * np.uint64(seed)
    hashes ^= hashes >> np.uint64(29)
    done: np.ndarray | None = None  # hashes of the part of the run that is already put together
    length, done_length = 1, 0
    for bit in bin(OVERLAP)[:1:-1]:
        if bit == "1":
            done = hashes if done is None else _joined(done, hashes, done_length, length, multiplier)
            done_length += length
        hashes = _joined(hashes, hashes, length, length, multiplier)
        length *= 2
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    owners = np.repeat(np.arange(len(texts)), lengths)[: max(len(codes) - OVERLAP + 1, 0)]
    ends = np.repeat(np.cumsum(lengths), lengths)[: len(owners)]
    inside = np.arange(len(owners)) + OVERLAP <= ends
    assert done is not None
    return owners[inside], done[: len(owners)][inside]


def _joined(one: np.ndarray, other: np.ndarray, one_length: int, other_length: int, multiplier: int) -> np.ndarray:
    """Hashes of the runs made of a run of `one` and the run of `other` that follows it."""
    shift = np.uint64(pow(multiplier, other_length, 2**64))
    count = max(len(other) - one_length, 0)
    return one[:count] * shift + other[one_length : one_length + count]


def leak_report(
    crossing: Mapping[tuple[int, int], Pairs],
    grams: csr_array,
    splits: np.ndarray,
    body: Callable[[int], str],
    threshold: float,
    seed: int,
) -> dict[str, Any]:
    """Near-duplicates across splits at several thresholds, and what a random split would have leaked.

    Args:
        crossing: `crossing_pairs` at or below the lowest threshold reported.
        grams: the tunes' incidence.
        splits: of each tune, as an index into SPLITS.
        body: the music of a tune by its number; transposed copies, whose grams are their originals', are left out.
        threshold: the similarity that the split promises to keep apart.
        seed: of the random split that stands for comparison.
    """
    thresholds = sorted({*THRESHOLDS, threshold})
    members = [np.flatnonzero(splits == number) for number in range(len(SPLITS))]

    def compared(these: np.ndarray, those: np.ndarray, pairs: Pairs) -> dict[str, Any]:
        shared = count_overlaps([body(index) for index in these.tolist()], map(body, those.tolist()))
        return {"tunes": len(these), "twins": _twins(pairs, thresholds), "share_50_characters": shared}

    report: dict[str, Any] = {"split_threshold": threshold, "thresholds": thresholds}
    for (a, b), pairs in crossing.items():
        report[f"{SPLITS[a]}_in_{SPLITS[b]}"] = compared(members[a], members[b], pairs)
    order = np.random.default_rng(seed).permutation(len(splits))
    test, train = order[: len(members[2])], order[len(order) - len(members[0]) :]
    report["random_split_test_in_train"] = compared(test, train, similar_pairs(grams, test, train, thresholds[0]))
    report["leaks"] = sum(report[f"{SPLITS[a]}_in_{SPLITS[b]}"]["twins"][f"{threshold:g}"] for a, b in crossing)
    return report


def _twins(pairs: Pairs, thresholds: Sequence[float]) -> dict[str, int]:
    """How many tunes on the left have a twin on the right, by threshold."""
    return {f"{limit:g}": len(np.unique(pairs.left[reaches(pairs.similarity, limit)])) for limit in thresholds}
