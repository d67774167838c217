"""What makes two tunes near-duplicates: the diatonic intervals of their melodies, six at a time."""

from collections.abc import Sequence

import numpy as np

_NGRAM = 6
_LARGEST_INTERVAL = 15  # two octaves and a step; wider leaps are rare and may share a code


def fingerprint(melody: Sequence[int]) -> np.ndarray:
    """The set of diatonic-interval 6-grams of a melody, each as one integer: uint32, ascending, shape (grams,).

    Args:
        melody: staff positions; below seven there is no gram.
    """
    steps: np.ndarray = np.diff(np.asarray(melody, dtype=np.int64))
    if len(steps) < _NGRAM:
        return np.empty(0, dtype=np.uint32)
    digits = np.clip(steps, -_LARGEST_INTERVAL, _LARGEST_INTERVAL) + _LARGEST_INTERVAL
    base = 2 * _LARGEST_INTERVAL + 1
    codes = np.lib.stride_tricks.sliding_window_view(digits, _NGRAM) @ (base ** np.arange(_NGRAM))
    return np.unique(codes).astype(np.uint32)
