"""What listeners preferred: strengths by Bradley and Terry (1952), with intervals.

The chance that tunes of kind a are preferred to tunes of kind b is 1 / (1 + exp(s_b - s_a)). Strengths s maximise the
likelihood of all answers, no difference counting as half a preference each way. Every kind has also played once to
half each way against a common opponent of strength 0, so that a kind that won all its pairs has a finite strength.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from hf_scaling.music.estimate import Estimate, resamples

LEVEL_ENDS = (0.05, 0.95)  # of the 90 % interval
_PRIOR = 0.5  # preferences each way against the common opponent


class Answer(NamedTuple):
    """One pair as one listener judged it: the two kinds, and 1 for the first, 0 for the second, ½ for neither."""

    listener: str
    first: str
    second: str
    preferred: float


class Preference(NamedTuple):
    """How a kind fared: the chance of being preferred to the `base`, and what it won of its own pairs."""

    kind: str
    chance: Estimate
    won: float
    answers: int


def preferences(answers: Sequence[Answer], base: str) -> list[Preference]:
    """The kinds, most preferred first; `chance` is that of being preferred to `base`, ½ for `base` itself.

    Intervals by the bootstrap: over listeners where there are three or more, whose answers hang together, else over
    answers.
    """
    kinds = sorted({kind for answer in answers for kind in (answer.first, answer.second)} | {base})
    place = {kind: number for number, kind in enumerate(kinds)}
    pairs = np.array([[place[answer.first], place[answer.second]] for answer in answers])
    preferred = np.array([answer.preferred for answer in answers])
    chances = _chances(pairs, preferred, len(kinds), place[base])
    drawn = [
        _chances(pairs[rows], preferred[rows], len(kinds), place[base])
        for rows in _resampled([answer.listener for answer in answers])
    ]
    ends = np.quantile(drawn, LEVEL_ENDS, axis=0)
    found = []
    for kind, number in place.items():
        of_kind = pairs == number
        won = float(np.where(of_kind[:, 0], preferred, 1 - preferred)[of_kind.any(axis=1)].sum())
        count = int(of_kind.any(axis=1).sum())
        chance = Estimate(float(chances[number]), float(ends[0, number]), float(ends[1, number]), count)
        found.append(Preference(kind, chance, won, count))
    return sorted(found, key=lambda preference: -preference.chance.value)


def _resampled(listeners: Sequence[str]) -> list[np.ndarray]:
    """Numbers of the answers of each bootstrap sample."""
    by_listener = [np.flatnonzero(np.array(listeners) == name) for name in dict.fromkeys(listeners)]
    if len(by_listener) < 3:
        return resamples(len(listeners))
    return [np.concatenate([by_listener[number] for number in drawn]) for drawn in resamples(len(by_listener))]


def _chances(pairs: np.ndarray, preferred: np.ndarray, n_kinds: int, base: int) -> np.ndarray:
    """The chance of each kind to be preferred to `base`, shape (n_kinds,)."""

    def loss(strengths: np.ndarray) -> tuple[float, np.ndarray]:
        gaps = strengths[pairs[:, 0]] - strengths[pairs[:, 1]]
        value = (np.logaddexp(0, gaps) - preferred * gaps).sum()
        value += 2 * _PRIOR * np.logaddexp(0, strengths).sum() - _PRIOR * strengths.sum()
        gradient = _PRIOR * (2 * expit(strengths) - 1)
        np.add.at(gradient, pairs[:, 0], expit(gaps) - preferred)
        np.add.at(gradient, pairs[:, 1], preferred - expit(gaps))
        return float(value), gradient

    strengths = minimize(loss, np.zeros(n_kinds), jac=True, method="L-BFGS-B").x
    return np.asarray(expit(strengths - strengths[base]))
