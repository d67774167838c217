"""Numbers about a set of tunes, with intervals: the tunes are what was drawn by chance."""

import math
from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

LEVEL = 0.9
_RESAMPLES = 400


class Estimate(NamedTuple):
    """A number with the ends of its interval at `LEVEL`, and how many tunes it rests on."""

    value: float
    low: float
    high: float
    n: int


def share(values: Sequence[bool]) -> Estimate | None:
    """How many are true, with Wilson's interval (Wilson, 1927), which is right for none and for all too."""
    n = len(values)
    if not n:
        return None
    p, z = sum(values) / n, NormalDist().inv_cdf(0.5 + LEVEL / 2)
    centre, reach = p + z**2 / (2 * n), z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    low, high = (centre - reach) / (1 + z**2 / n), (centre + reach) / (1 + z**2 / n)
    return Estimate(p, min(max(low, 0.0), p), max(min(high, 1.0), p), n)  # rounding may pass the ends


def mean(values: Sequence[float | None], middle: Callable[[np.ndarray], object] = np.mean) -> Estimate | None:
    """The mean of what is known, or another `middle`, with the percentile bootstrap's interval over tunes."""
    known = np.array([value for value in values if value is not None], dtype=float)
    if not len(known):
        return None
    drawn = np.array([_float(middle(known[chosen])) for chosen in resamples(len(known))])
    (low, high), value = _ends(drawn), _float(middle(known))
    return Estimate(value, min(low, value), max(high, value), len(known))


def distance(n_ours: int, n_theirs: int, statistic: Callable[[np.ndarray, np.ndarray], float]) -> Estimate:
    """A distance between two sets of tunes, both resampled; `statistic` is given the indices of both.

    The interval is the basic bootstrap's, 2·estimate less the quantiles (Davison & Hinkley, 1997, section 5.2): a
    distance between resamples is larger than one between the sets themselves, and this takes that off once.
    """
    ours, theirs = np.arange(n_ours), np.arange(n_theirs)
    found = statistic(ours, theirs)
    pairs = zip(resamples(n_ours, 1), resamples(n_theirs, 2), strict=True)
    low, high = _ends(np.array([statistic(one, other) for one, other in pairs]))
    return Estimate(found, min(max(2 * found - high, 0.0), found), min(max(2 * found - low, found), 1.0), n_ours)


def resamples(n: int, seed: int = 0) -> list[np.ndarray]:
    """Indices of the tunes of each bootstrap sample; the same every time."""
    return list(np.random.default_rng(seed).integers(n, size=(_RESAMPLES, n)))


def _ends(drawn: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(drawn, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    return float(low), float(high)


def _float(value: object) -> float:
    return float(value)  # type: ignore[arg-type]  # a number, but NumPy's


def holm(p: Sequence[float]) -> list[float]:
    """What each of several p-values is worth when all of them were looked at (Holm 1979)."""
    adjusted, least = [1.0] * len(p), 0.0
    for place, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        least = max(least, min(1.0, (len(p) - place) * p[index]))
        adjusted[index] = least
    return adjusted
