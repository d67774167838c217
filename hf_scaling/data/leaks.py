"""What of one split stands in another: near-duplicates and shared runs of characters, each counted exactly."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain, islice
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from hf_scaling.data.pairs import Pairs, reaches, similar_pairs
from hf_scaling.data.splits import SPLITS

THRESHOLDS = (0.3, 0.5, 0.8)
_OVERLAP = 50  # characters
_TEXTS_AT_ONCE = 256


def count_overlaps(these: Sequence[str], those: Iterable[str]) -> int:
    """How many of `these` texts share a run of 50 characters with any of `those`."""
    owners, hashes = _windows(these)
    distinct, number = np.unique(hashes, return_inverse=True)
    met = np.zeros(len(distinct), dtype=bool)
    bits = len(distinct).bit_length() + 4
    likely = np.zeros(2**bits, dtype=bool)  # spares 15 of 16 runs the search, which is slow
    likely[distinct >> 64 - bits] = True
    source = iter(those if len(distinct) else ())
    while batch := list(islice(source, _TEXTS_AT_ONCE)):
        _, seen = _windows(batch)
        seen = seen[likely[seen >> 64 - bits]]
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
    for bit in bin(_OVERLAP)[:1:-1]:
        if bit == "1":
            done = hashes if done is None else _joined(done, hashes, done_length, length, multiplier)
            done_length += length
        hashes = _joined(hashes, hashes, length, length, multiplier)
        length *= 2
    lengths = np.array([len(text) for text in texts], dtype=np.int64)
    owners = np.repeat(np.arange(len(texts)), lengths)[: max(len(codes) - _OVERLAP + 1, 0)]
    ends = np.repeat(np.cumsum(lengths), lengths)[: len(owners)]
    inside = np.arange(len(owners)) + _OVERLAP <= ends
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
    transposed: Sequence[str],
    threshold: float,
    seed: int,
) -> dict[str, Any]:
    """Near-duplicates across splits at several thresholds, and what a random split would have leaked.

    Args:
        crossing: `crossing_pairs` at or below the lowest threshold reported.
        grams: the tunes' incidence.
        splits: of each tune, as an index into SPLITS.
        body: the music of a tune by its number.
        transposed: the music of the training split's transposed copies. Their grams are their originals', their
            characters are not. The random split is told without any.
        threshold: the similarity that the split promises to keep apart.
        seed: of the random split that stands for comparison.
    """
    thresholds = sorted({*THRESHOLDS, threshold})
    members = [np.flatnonzero(splits == number) for number in range(len(SPLITS))]

    def compared(these: np.ndarray, those: np.ndarray, pairs: Pairs, copies: Sequence[str] = ()) -> dict[str, Any]:
        shared = count_overlaps([body(index) for index in these.tolist()], chain(map(body, those.tolist()), copies))
        return {"tunes": len(these), "twins": _twins(pairs, thresholds), "share_50_characters": shared}

    report: dict[str, Any] = {"split_threshold": threshold, "thresholds": thresholds}
    for (a, b), pairs in crossing.items():
        copies = transposed if SPLITS[b] == "train" else ()
        report[f"{SPLITS[a]}_in_{SPLITS[b]}"] = compared(members[a], members[b], pairs, copies)
    order = np.random.default_rng(seed).permutation(len(splits))
    test, train = order[: len(members[2])], order[len(order) - len(members[0]) :]
    report["random_split_test_in_train"] = compared(test, train, similar_pairs(grams, test, train, thresholds[0]))
    report["leaks"] = sum(report[f"{SPLITS[a]}_in_{SPLITS[b]}"]["twins"][f"{threshold:g}"] for a, b in crossing)
    return report


def _twins(pairs: Pairs, thresholds: Sequence[float]) -> dict[str, int]:
    """How many tunes on the left have a twin on the right, by threshold."""
    return {f"{limit:g}": len(np.unique(pairs.left[reaches(pairs.similarity, limit)])) for limit in thresholds}
