"""The compute-optimal N and D for a budget C: from a fitted L(N, D), and from IsoFLOP profiles without any form.

With C = k·N·D, k FLOPs for a parameter and a token (6 without attention, Kaplan et al. 2020), Chinchilla's form has its
optimum at N = G·(C/k)^a, a = beta/(alpha + beta), G = (alpha·A/(beta·B))^(1/(alpha + beta)) (Hoffmann et al. 2022).
Attention weighs more in small models, so that counted FLOPs are C = k·N^g·D with g below 1; then
a = beta/(alpha + g·beta) and G = (alpha·A/(g·beta·B))^(1/(alpha + g·beta)).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hf_scaling.laws.fit import Fit
from hf_scaling.laws.forms import RANGE, Array, Runs, positive
from hf_scaling.laws.interval import Interval

FLOPS_PER_PARAMETER_AND_TOKEN = 6.0
_SAME_BUDGET = 0.1  # relative: runs whose C differ by no more make up one IsoFLOP profile


@dataclass(frozen=True)
class Optimum:
    """The best split of a budget, with intervals at the fit's level; loss in nats per token.

    `n`, `d` and `loss` are None where the fit puts the optimum beyond what parameters or tokens can be.
    `extrapolated`: how many times the budget exceeds that of the largest run.
    """

    budget: float
    n: float | None
    d: float | None
    loss: float | None
    n_interval: Interval
    d_interval: Interval
    extrapolated: float


@dataclass(frozen=True)
class Frontier:
    """N* = const·C^a, D* = const·C^(1 - g·a): the optima, and the exponent a with its interval; C = k·N^g·D.

    `verdict`: `not resolved` where that interval is open or wider than a.
    """

    optima: list[Optimum]
    exponent: float
    exponent_interval: Interval
    flops_factor: float
    flops_exponent: float
    verdict: str


def flops_law(n: Array, d: Array, c: Array) -> tuple[float, float]:
    """k and g of C = k·N^g·D through runs of shape (runs,); g is 1 where there is one size only."""
    log_n, per_token = np.log(n), np.log(c / d)
    if np.ptp(log_n) == 0:
        return float(np.exp(np.mean(per_token - log_n))), 1.0
    exponent, log_factor = np.polyfit(log_n, per_token, 1)
    return float(np.exp(log_factor)), float(exponent)


def frontier(
    fit: Fit,
    budgets: Sequence[float],
    flops_factor: float = FLOPS_PER_PARAMETER_AND_TOKEN,
    flops_exponent: float = 1.0,
) -> Frontier:
    """The compute-optimal N and D at each budget of FLOPs.

    Args:
        fit: of the form chinchilla.
        budgets: FLOPs.
        flops_factor, flops_exponent: k and g of C = k·N^g·D; counted runs have theirs, see `flops_law`.

    Raises:
        ValueError: another form, or a budget that is not a positive number.
    """
    if fit.form.name != "chinchilla":
        raise ValueError(f"form: got {fit.form.name!r}, expected 'chinchilla', whose optimum is known in closed form")
    log_c = np.log(positive("budgets", budgets) / flops_factor)

    def quantities(theta: Array) -> tuple[Array, Array]:
        log_a, log_b, _, alpha, beta = theta.T
        total = alpha + flops_exponent * beta
        log_g = (np.log(alpha) + log_a - np.log(flops_exponent * beta) - log_b) / total
        share = beta / total
        slope = np.zeros((len(theta), len(log_c) + 1, 5))
        slope[:, :, 0], slope[:, :, 1] = (1 / total)[:, None], (-1 / total)[:, None]
        slope[:, :, 3] = ((1 / alpha - log_g) / total)[:, None] - (beta / total**2)[:, None] * np.append(log_c, 0.0)
        slope[:, :, 4] = ((-1 / beta - flops_exponent * log_g) / total)[:, None] + (alpha / total**2)[
            :, None
        ] * np.append(log_c, 0.0)
        slope[:, -1] = 0.0
        slope[:, -1, 3], slope[:, -1, 4] = -beta / total**2, alpha / total**2
        return np.append(log_g[:, None] + share[:, None] * log_c, share[:, None], axis=1), slope

    values = quantities(fit.theta[None])[0][0]
    ends = fit.profile(quantities, fit.level) or [(None, None)] * len(values)
    assert fit.runs.n is not None
    assert fit.runs.d is not None
    largest = float(np.max(fit.runs.n**flops_exponent * fit.runs.d))
    optima = []
    for log_budget, log_n, (low, high) in zip(log_c, values, ends, strict=False):
        n, n_low, n_high = (_size(log) for log in (log_n, low, high))
        d, d_low, d_high = (
            _size(None if log is None else log_budget - flops_exponent * log) for log in (log_n, high, low)
        )
        loss = None if n is None or d is None else float(fit.predict(Runs.of([n], [d]))[0])
        spent = float(np.exp(log_budget))
        optima.append(Optimum(flops_factor * spent, n, d, loss, (n_low, n_high), (d_low, d_high), spent / largest))
    exponent, (low, high) = float(values[-1]), ends[-1]
    resolved = low is not None and high is not None and high - low <= exponent
    verdict = "resolved" if resolved else "not resolved"
    return Frontier(optima, exponent, (low, high), flops_factor, flops_exponent, verdict)


def _size(log: float | None) -> float | None:
    """From its logarithm; None where it is not known, or beyond what parameters or tokens can be."""
    if log is None or not np.log(RANGE[0]) <= log <= np.log(RANGE[1]):
        return None
    return float(np.exp(log))


@dataclass(frozen=True)
class IsoFlop:
    """One budget's runs and the vertex of the parabola of loss in ln N through them.

    `n` and `loss` have shape (runs,); the vertex is None where the parabola has no minimum among the runs' sizes.
    """

    budget: float
    n: Array
    loss: Array
    best_n: float | None
    best_loss: float | None


def iso_flop(c: Sequence[float], n: Sequence[float], loss: Sequence[float]) -> list[IsoFlop]:
    """IsoFLOP profiles: budgets at which at least 4 sizes were trained, smallest first.

    Args:
        c, n, loss: FLOPs, parameters and nats per token of each run, shape (runs,).
    """
    budgets, sizes, losses = positive("c", c), positive("n", n), positive("loss", loss)
    order = np.argsort(budgets)
    breaks = np.flatnonzero(np.diff(np.log(budgets[order])) > _SAME_BUDGET / 2) + 1
    found = []
    for rows in np.split(order, breaks):
        if len(np.unique(sizes[rows])) < 4 or np.ptp(np.log(budgets[rows])) > _SAME_BUDGET:
            continue
        x = np.log(sizes[rows])
        centre = x.mean()
        a, b, at_centre = np.polyfit(x - centre, losses[rows], 2)
        best_n = best_loss = None
        if a > 0 and x.min() < (vertex := centre - b / (2 * a)) < x.max():
            best_n, best_loss = float(np.exp(vertex)), float(at_centre - b**2 / (4 * a))
        budget = float(np.exp(np.log(budgets[rows]).mean()))
        found.append(IsoFlop(budget, sizes[rows], losses[rows], best_n, best_loss))
    return found


def iso_flop_exponent(profiles: Sequence[IsoFlop]) -> float | None:
    """a of N* = const·C^a through the vertices; None with fewer than two."""
    known = [(profile.budget, profile.best_n) for profile in profiles if profile.best_n is not None]
    if len(known) < 2:
        return None
    budgets, sizes = np.log(np.array(known)).T
    return float(np.polyfit(budgets, sizes, 1)[0])
