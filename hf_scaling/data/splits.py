"""Whole tune families into train, validation and test, so that no near-duplicate crosses."""

import hashlib
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from hf_scaling.data.families import find_families, join
from hf_scaling.data.pairs import Pairs, reaches, similar_pairs

SPLITS = ("train", "validation", "test")
_CROSSINGS = ((1, 0), (2, 0), (2, 1))  # each split in those that come before it

Key = tuple[int, str]
"""A tune's place among all, whatever order they are read in: the rank of its source, the hash of its content."""


class Split(NamedTuple):
    """families: number of each tune's; splits: of each tune, as an index into SPLITS, int8; crossing: `crossing_pairs`
    from the lowest threshold asked for.
    """

    families: np.ndarray
    splits: np.ndarray
    crossing: dict[tuple[int, int], Pairs]


def split_by_family(
    grams: csr_array,
    groups: Sequence[Collection[str]],
    keys: Sequence[Key],
    threshold: float,
    lowest: float,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
) -> Split:
    """Find the families and assign them; families that a near-duplicate across splits shows to be one are joined.

    threshold: of near-duplicates; lowest: of the crossing pairs that are told, if below it.

    The splits are the same as if every pair of tunes had been compared, whichever pairs `find_families` missed: a
    family found in parts is assigned part by part, each part to where its first tune belongs, and parts joined go to
    where the first of all belongs, as the whole family would have.
    """
    families = find_families(grams, groups, threshold)
    while True:
        splits = assign_splits(keys, families, validation_fraction, test_fraction, seed)
        crossing = crossing_pairs(grams, splits, min(threshold, lowest))
        left = np.concatenate([pairs.left[reaches(pairs.similarity, threshold)] for pairs in crossing.values()])
        right = np.concatenate([pairs.right[reaches(pairs.similarity, threshold)] for pairs in crossing.values()])
        if not len(left):
            return Split(families, splits, crossing)
        families = join(families, left, right)


def crossing_pairs(grams: csr_array, splits: np.ndarray, threshold: float) -> dict[tuple[int, int], Pairs]:
    """Every pair at or above the threshold that a split divides, by (split of left, split of right)."""
    members = [np.flatnonzero(splits == number) for number in range(len(SPLITS))]
    return {(a, b): similar_pairs(grams, members[a], members[b], threshold) for a, b in _CROSSINGS}


def assign_splits(
    keys: Sequence[Key], families: np.ndarray, validation_fraction: float, test_fraction: float, seed: int
) -> np.ndarray:
    """The split of each tune, as an index into SPLITS: int8, shape (tunes,).

    A family goes where a hash of the seed and of its first member says. First is the member of the source that the
    study names first, so that a source added behind the others moves no tune of theirs, unless it joins families.
    """
    chosen = {}
    for family, (_, content) in first_members(keys, families).items():
        place = draw(seed, content)
        chosen[family] = 2 if place < test_fraction else 1 if place < test_fraction + validation_fraction else 0
    return np.array([chosen[family] for family in families.tolist()], dtype=np.int8)


def first_members(keys: Sequence[Key], families: np.ndarray) -> dict[int, Key]:
    """The lowest key of each family."""
    first: dict[int, Key] = {}
    for key, family in zip(keys, families.tolist(), strict=True):
        first[family] = min(key, first.get(family, key))
    return first


def draw(seed: int, content: str) -> float:
    """A number in [0, 1) that the seed and the content decide, evenly spread over contents."""
    return int.from_bytes(hashlib.sha256(f"{seed}:{content}".encode()).digest()[:8]) / 2**64
