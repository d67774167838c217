"""Can a classifier tell generated tunes from real ones? (A classifier two-sample test: Lopez-Paz & Oquab, 2017.)

The classifier is the plainest there is, a logistic regression on what `portrait.py` measures. An accuracy of one half
says that it cannot tell them apart by these features, not that nobody could.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit

from hf_scaling.music.estimate import Estimate, share
from hf_scaling.music.portrait import Portrait

_FOLDS = 5
_PENALTY = 1.0  # on the squared weights of standardised features, against a sum over tunes
_FEWEST = 2 * _FOLDS  # of each kind
_FEATURES = ("in_key", "in_a_scale", "ends_on_tonic", "right_bars", "even_sections", "alike_sections", "repeated_bars")


def two_sample_accuracy(ours: Sequence[Portrait], real: Sequence[Portrait]) -> Estimate | None:
    """Share of tunes that are told rightly, by 5-fold cross-validation; None with fewer than 10 tunes of a kind.

    As many of each kind: the first ones. The interval counts tunes; that the folds share training tunes is not in it.
    """
    size = min(len(ours), len(real))
    if size < _FEWEST:
        return None
    features = np.array([_features(tune) for tune in [*ours[:size], *real[:size]]])
    labels = np.repeat([1.0, 0.0], size)
    folds = np.concatenate([np.random.default_rng(seed).permutation(size) % _FOLDS for seed in (0, 1)])
    right: list[bool] = []
    for fold in range(_FOLDS):
        train, test = folds != fold, folds == fold
        centre, spread = features[train].mean(axis=0), features[train].std(axis=0)
        scaled = (features - centre) / np.where(spread > 0, spread, 1)
        weights = _fit(scaled[train], labels[train])
        right += ((_score(scaled[test], weights) > 0) == (labels[test] > 0)).tolist()
    return share(right)


def _features(tune: Portrait) -> np.ndarray:
    """Shares, with 0 and a mark where there is none, and the three histograms."""
    shares = [getattr(tune, name) for name in _FEATURES]
    histograms = [counts / max(counts.sum(), 1) for counts in (tune.pitch_classes, tune.steps, tune.values)]
    return np.concatenate([[value or 0.0 for value in shares], [value is None for value in shares], *histograms])


def _score(features: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return np.asarray(features @ weights[1:] + weights[0])


def _fit(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Intercept and weights of a ridge-penalised logistic regression."""
    signs = 2 * labels - 1

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * _score(features, weights)
        pull = -signs * expit(-margins)
        gradient = np.concatenate([[pull.sum()], features.T @ pull + _PENALTY * weights[1:]])
        return float(np.logaddexp(0, -margins).sum() + _PENALTY * (weights[1:] ** 2).sum() / 2), gradient

    return np.asarray(minimize(loss, np.zeros(features.shape[1] + 1), jac=True, method="L-BFGS-B").x)
