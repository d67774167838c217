"""Is a tune new? The longest passage that it shares with the training tunes, and the nearest of them.

Passages are sequences of diatonic intervals, so that no transposition hides a copy. Tunes by people share passages
too, of about a dozen intervals; what a model shares means something only beside that.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array

from hf_scaling.fingerprint import fingerprint

NEAR = 0.3  # Jaccard similarity of interval 6-grams from which two tunes are of one tune family
_FACTOR = np.uint64(0x9E3779B97F4A7C15)  # odd, so that no product loses a bit


class Nearest(NamedTuple):
    """The training tune most like a tune: its number, and their Jaccard similarity (0 where they share nothing)."""

    number: int
    similarity: float


def longest_shared(melodies: Sequence[Sequence[int]], train: Sequence[Sequence[int]]) -> list[int]:
    """Of each melody, the length in intervals of the longest passage that stands in some training melody too.

    Passages grow by an interval a round, in all melodies at once, and only those that are still shared grow on.
    They are told apart by 64-bit hashes: a mistake needs a collision.
    """
    ours, theirs = _Passages(melodies), _Passages(train)
    longest = np.zeros(len(melodies), dtype=int)
    length = 0
    while len(ours.starts) and len(theirs.starts):
        ours.grow(length)
        theirs.grow(length)
        length += 1
        shared = np.intersect1d(ours.codes, theirs.codes)
        ours.keep(shared)
        theirs.keep(shared)
        longest[ours.tunes] = length
    return longest.tolist()


class _Passages:
    """All passages of one length that are still of interest: where they start, in which tune, and their hashes."""

    def __init__(self, melodies: Sequence[Sequence[int]]) -> None:
        steps = [np.diff(np.asarray(melody, dtype=np.int64)) for melody in melodies]
        ends = np.cumsum([len(tune) for tune in steps], dtype=np.int64)
        self._steps = np.concatenate([*steps, np.empty(0, dtype=np.int64)])
        self.tunes = np.repeat(np.arange(len(steps)), [len(tune) for tune in steps])
        self._ends = ends[self.tunes]
        self.starts = np.arange(len(self._steps))
        self.codes = np.zeros(len(self._steps), dtype=np.uint64)

    def grow(self, length: int) -> None:
        """From passages of `length` to those one longer."""
        self._only(self.starts + length < self._ends)
        following = self._steps[self.starts + length].astype(np.uint64)  # wraps below 0, which is as good
        mixed = (self.codes ^ (following + np.uint64(length + 1))) * _FACTOR
        self.codes = mixed ^ (mixed >> np.uint64(29))

    def keep(self, codes: np.ndarray) -> None:
        self._only(np.isin(self.codes, codes))

    def _only(self, which: np.ndarray) -> None:
        self.starts, self.tunes = self.starts[which], self.tunes[which]
        self._ends, self.codes = self._ends[which], self.codes[which]


def nearest(melodies: Sequence[Sequence[int]], train: Sequence[Sequence[int]]) -> list[Nearest]:
    """Of each melody, the nearest training melody by Jaccard similarity of interval 6-grams."""
    ours, theirs = ([fingerprint(melody) for melody in tunes] for tunes in (melodies, train))
    grams = np.unique(np.concatenate([*theirs, np.empty(0, dtype=np.uint32)]))
    if not len(grams) or not ours:
        return [Nearest(0, 0.0)] * len(ours)
    index = _incidence(theirs, grams).T.tocsr()
    sizes = np.array([len(tune) for tune in theirs])
    shared = _incidence(ours, grams) @ index
    found = []
    for row, tune in enumerate(ours):
        begin, end = shared.indptr[row], shared.indptr[row + 1]
        columns, common = shared.indices[begin:end], shared.data[begin:end]
        similarity = common / (len(tune) + sizes[columns] - common)
        best = int(similarity.argmax()) if len(similarity) else -1
        found.append(Nearest(int(columns[best]), float(similarity[best])) if best >= 0 else Nearest(0, 0.0))
    return found


def _incidence(fingerprints: Sequence[np.ndarray], grams: np.ndarray) -> csr_array:
    """Which tune has which of the `grams` (ascending): shape (tunes, grams)."""
    rows = np.repeat(np.arange(len(fingerprints)), [len(tune) for tune in fingerprints])
    codes = np.concatenate([*fingerprints, np.empty(0, dtype=np.uint32)])
    places = np.searchsorted(grams, codes)
    known = grams[np.minimum(places, len(grams) - 1)] == codes
    shape = (len(fingerprints), len(grams))
    return csr_array((np.ones(int(known.sum())), (rows[known], places[known])), shape=shape)
