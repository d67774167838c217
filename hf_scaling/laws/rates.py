"""The learning rate that suits a model, as a power of its size: LR*(N) = rate * (N / reference) ** -exponent.

The form of Kaplan et al. 2020 (appendix D.6) and Porian et al. 2024, who found that one rate for all sizes bends
exponents of the loss by as much as .07.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Optimum:
    """The best rate at one size; `on_edge` names the end of the grid that it lies on, where there may be better."""

    rate: float
    on_edge: str | None


def best_rate(rates: Sequence[float], losses: Sequence[float]) -> Optimum:
    """The vertex of the parabola in log rate through the lowest loss and its neighbours.

    Raises:
        ValueError: fewer than 3 rates with a finite loss.
    """
    finite = sorted((rate, loss) for rate, loss in zip(rates, losses, strict=True) if np.isfinite(loss))
    if len(finite) < 3:
        raise ValueError(f"{len(finite)} rates with a finite loss, expected at least 3")
    x, y = np.log([rate for rate, _ in finite]), np.array([loss for _, loss in finite])
    lowest = int(y.argmin())
    if lowest in (0, len(x) - 1):
        # a diverged rate above it bounds the optimum as well as a higher loss would
        end = "lowest" if lowest == 0 else "highest"
        bounded = end == "highest" and max(rates) > finite[-1][0]
        return Optimum(finite[lowest][0], None if bounded else end)
    around = slice(lowest - 1, lowest + 2)
    a, b, _ = np.polyfit(x[around] - x[lowest], y[around], 2)
    vertex = float(np.exp(x[lowest] - b / (2 * a))) if a > 0 else finite[lowest][0]  # a = 0 where all three are equal
    return Optimum(vertex, None)


def fit_rate_rule(n: Sequence[float], rates: Sequence[float], reference: float) -> tuple[float, float]:
    """(rate, exponent) by least squares in logarithms.

    Args:
        n: parameters of each size, at least 2 different ones.
        rates: the best rate at each.
        reference: N at which `rate` holds.
    """
    slope, intercept = np.polyfit(np.log(np.asarray(n) / reference), np.log(rates), 1)
    return float(np.exp(intercept)), float(-slope)
