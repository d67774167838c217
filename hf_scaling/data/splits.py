"""Whole tune families into train, validation and test."""

import hashlib
from collections.abc import Sequence

import numpy as np

SPLITS = ("train", "validation", "test")


def assign_splits(
    texts: Sequence[str], families: np.ndarray, validation_fraction: float, test_fraction: float, seed: int
) -> np.ndarray:
    """The split of each tune, as an index into SPLITS, int8, shape (tunes,).

    A family goes where a hash of the seed and of its first member (in the order of content hashes) says, so the
    result does not depend on the order of the tunes, and a new source moves only the families that it joins.
    """
    keys: dict[int, str] = {}
    for text, family in zip(texts, families.tolist(), strict=True):
        digest = hashlib.sha256(text.encode("utf-8", errors="surrogatepass")).hexdigest()
        keys[family] = min(digest, keys.get(family, digest))
    chosen = {}
    for family, key in keys.items():
        draw = int.from_bytes(hashlib.sha256(f"{seed}:{key}".encode()).digest()[:8]) / 2**64
        chosen[family] = 2 if draw < test_fraction else 1 if draw < test_fraction + validation_fraction else 0
    return np.array([chosen[family] for family in families.tolist()], dtype=np.int8)
