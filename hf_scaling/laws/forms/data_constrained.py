"""Muennighoff's law for repeated data: effective tokens and effective parameters in Chinchilla's form."""

from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from hf_scaling.laws.forms.parameters import Array, Parameter
from hf_scaling.laws.forms.power_sum import CHINCHILLA
from hf_scaling.laws.forms.runs import Runs

_MOST_LOG_REPEATS = 50.0  # what is repeated more often than e^50 times has long been worth nothing; keeps floats finite
_RATE_BOUNDS = (-10.0, 15.0)  # of log R*: beyond, repeating is worth nothing, or as much as new data


@dataclass(frozen=True)
class DataConstrained:
    """L = A/N'^alpha + B/D'^beta + E: what is repeated, and what has too little to learn, fades.

    With R_D = D/U - 1 repetitions, D' = U + U·R_D*·(1 - exp(-R_D/R_D*)); N' likewise, from the parameters U_N that are
    compute-optimal for U tokens. `R_D` and `R_N` are the starred constants. L in nats per token, N in parameters, D and
    U in tokens.
    """

    name: str = "data_constrained"
    paper: str = "Muennighoff et al. 2023, arXiv:2305.16264, equations 5 to 8"
    columns: tuple[str, ...] = ("n", "d", "u")
    parameters: tuple[Parameter, ...] = (
        *CHINCHILLA.parameters,
        Parameter("R_D", "repetitions", "log", _RATE_BOUNDS),
        Parameter("R_N", "repetitions", "log", _RATE_BOUNDS),
    )

    def evaluate(self, theta: Array, runs: Runs) -> tuple[Array, Array]:
        """log L, shape (m, runs), and its gradient in theta, shape (m, runs, parameters)."""
        a, b, e, alpha, beta, log_r_d, log_r_n = theta.T[:, :, None]
        log_n_given, log_d_given, log_u = (runs.log(name) for name in "ndu")
        # N_opt(U) = G·(U·G)^(beta/alpha), G = (alpha·A / (beta·B))^(1/(alpha+beta)): N and U share an optimal budget
        log_g = (np.log(alpha) + a - np.log(beta) - b) / (alpha + beta)
        ratio = beta / alpha
        log_best = log_g + ratio * (log_u + log_g)
        enough = log_n_given > log_best
        log_un = np.where(enough, log_best, log_n_given)
        repeats_d = np.expm1(np.maximum(log_d_given - log_u, 0.0))
        repeats_n = np.expm1(np.minimum(log_n_given - log_un, _MOST_LOG_REPEATS))
        log_d, slope_d = _saturated(np.minimum(log_u, log_d_given), repeats_d, log_r_d)
        log_n, slope_n = _saturated(log_un, repeats_n, log_r_n)
        parts = np.stack([a - alpha * log_n, b - beta * log_d, e + 0 * log_n], axis=2)
        log_loss = logsumexp(parts, axis=2)
        in_n, in_d, in_e = np.moveaxis(np.exp(parts - log_loss[..., None]), 2, 0)
        # d log N' / d log U_N: R_N = N/U_N - 1 moves against U_N
        r_n = np.exp(log_r_n)
        gone = np.exp(-repeats_n / r_n)
        through = -alpha * in_n * np.where(enough, 1 - gone * (repeats_n + 1) / (1 + r_n * (1 - gone)), 0.0)
        grow = (1 + ratio) / (alpha + beta)  # d log U_N / d a
        in_alpha = grow * (1 / alpha - log_g) - ratio / alpha * (log_u + log_g)
        in_beta = grow * (-1 / beta - log_g) + (log_u + log_g) / alpha
        gradient = [
            in_n + through * grow,
            in_d - through * grow,
            in_e,
            -in_n * log_n + through * in_alpha,
            -in_d * log_d + through * in_beta,
            -beta * in_d * slope_d,
            -alpha * in_n * slope_n,
        ]
        return log_loss, np.stack(gradient, axis=2)

    def starts(self, runs: Runs, loss: Array, weights: Array) -> Array:
        """Thetas to search from: Chinchilla's, each with several rates at which repetition fades."""
        plain = CHINCHILLA.starts(runs, loss, weights)
        rates = np.log([[r_d, r_n] for r_d in (2.0, 15.0, 100.0) for r_n in (2.0, 15.0, 100.0)])
        return np.concatenate([np.repeat(plain, len(rates), axis=0), np.tile(rates, (len(plain), 1))], axis=1)


def _saturated(log_unique: Array, repeats: Array, log_r: Array) -> tuple[Array, Array]:
    """log of unique·(1 + r·(1 - exp(-repeats/r))), and its derivative in log r."""
    r = np.exp(log_r)
    gone = np.exp(-repeats / r)
    factor = 1 + r * (1 - gone)
    return log_unique + np.log(factor), (r * (1 - gone) - repeats * gone) / factor


DATA_CONSTRAINED = DataConstrained()
