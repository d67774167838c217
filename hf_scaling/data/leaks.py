"""The leak report: how much of one split stands in another, counted exactly.

It shares the fingerprint, but no code, with the search that made the families: an error of that search shows here.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

THRESHOLDS = (0.3, 0.5, 0.8)
OVERLAP = 50  # characters
_PAIRS = (("validation", "train"), ("test", "train"), ("test", "validation"))


def twin_similarities(these: Sequence[frozenset[int]], those: Sequence[frozenset[int]]) -> list[float]:
    """For each of `these` fingerprints the highest Jaccard similarity to any of `those`; every pair is compared."""
    holders: dict[int, list[int]] = defaultdict(list)
    for index, grams in enumerate(those):
        for gram in grams:
            holders[gram].append(index)
    best = []
    for grams in these:
        shared = Counter(index for gram in grams for index in holders.get(gram, ()))
        best.append(max((n / (len(grams) + len(those[index]) - n) for index, n in shared.items()), default=0.0))
    return best


def count_overlaps(these: Sequence[str], those: Sequence[str]) -> int:
    """How many of `these` bodies share a run of 50 characters with any of `those`."""
    windows: dict[str, set[int]] = defaultdict(set)
    for index, body in enumerate(these):
        for start in range(len(body) - OVERLAP + 1):
            windows[body[start : start + OVERLAP]].add(index)
    found: set[int] = set()
    for body in those:
        for start in range(len(body) - OVERLAP + 1):
            found |= windows.get(body[start : start + OVERLAP], set())
    return len(found)


def _twins(these: Sequence[frozenset[int]], those: Sequence[frozenset[int]], thresholds: Sequence[float]) -> dict:
    best = twin_similarities(these, those)
    return {
        "tunes": len(these),
        "twins": {f"{limit:g}": sum(value >= limit - 1e-9 for value in best) for limit in thresholds},
        "highest_similarity": round(max(best, default=0.0), 4),
    }


def leak_report(
    fingerprints: Mapping[str, Sequence[frozenset[int]]],
    bodies: Mapping[str, Sequence[str]],
    threshold: float,
    seed: int,
) -> dict[str, Any]:
    """Near-duplicates across splits at several thresholds, and what a random split would have leaked.

    Args:
        fingerprints: split -> one set of interval 6-grams a tune.
        bodies: split -> the music of each tune, in the same order.
        threshold: the similarity that the split promises to keep apart.
        seed: of the random split that stands for comparison.
    """
    thresholds = sorted({*THRESHOLDS, threshold})
    report: dict[str, Any] = {"split_threshold": threshold, "thresholds": thresholds}
    for these, those in _PAIRS:
        report[f"{these}_in_{those}"] = {
            **_twins(fingerprints[these], fingerprints[those], thresholds),
            "share_50_characters": count_overlaps(bodies[these], bodies[those]),
        }
    pooled = [grams for split in ("train", "validation", "test") for grams in fingerprints[split]]
    order = np.random.default_rng(seed).permutation(len(pooled)).tolist()
    n_test, n_train = len(fingerprints["test"]), len(fingerprints["train"])
    test, train = order[:n_test], order[len(order) - n_train :]
    report["random_split_test_in_train"] = _twins(
        [pooled[index] for index in test], [pooled[index] for index in train], thresholds
    )
    report["leaks"] = sum(report[f"{these}_in_{those}"]["twins"][f"{threshold:g}"] for these, those in _PAIRS)
    return report
