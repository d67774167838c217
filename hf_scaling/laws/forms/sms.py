"""The Symbolic Music Scaling law of MuPT: repetition, an interaction of N and D, and overfitting."""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from hf_scaling.laws.forms.parameters import NATS, Array, Parameter, coefficient
from hf_scaling.laws.forms.power_sum import CHINCHILLA
from hf_scaling.laws.forms.runs import Runs

_UNBOUNDED = (-1e12, 1e12)
_LEAST_LOSS = 1e-9  # nats; the overfitting term may be negative, a loss may not


@dataclass(frozen=True)
class Sms:
    """L = d/(N^alpha·D''^beta) + A/N^alpha + B/D''^beta + E + GELU(k_d·D + k_n·ln N - k_u·ln U - k_in).

    D'' = U·(1 - k^(D/U))/(1 - k) is what D tokens of U unique ones are worth. k_d is per token.
    L in nats per token, N in parameters, D and U in tokens.
    """

    name: str = "sms"
    paper: str = "Qu et al. 2024 (MuPT), arXiv:2404.06393, equations 2 to 4 and 12"
    columns: tuple[str, ...] = ("n", "d", "u")
    parameters: tuple[Parameter, ...] = (
        coefficient("d", f"{NATS} × parameters^alpha × tokens^beta"),
        *CHINCHILLA.parameters,
        Parameter("k", "", "logit", (-12.0, 12.0)),
        Parameter("k_d", f"{NATS}, for each training token", "plain", _UNBOUNDED),
        *(Parameter(name, NATS, "plain", _UNBOUNDED) for name in ("k_n", "k_u", "k_in")),
    )

    def evaluate(self, theta: Array, runs: Runs) -> tuple[Array, Array]:
        """log L, shape (m, runs), and its gradient in theta, shape (m, runs, parameters)."""
        log_n, log_u = runs.log("n"), runs.log("u")
        log_d2, slope_k = _effective(theta[:, 6, None], runs)
        terms, alpha, beta = theta[:, :4, None], theta[:, 4, None], theta[:, 5, None]
        of_n, of_d = -alpha * log_n, -beta * log_d2
        powers = np.stack([of_n + of_d, of_n, of_d, 0 * of_d], axis=1)
        parts = np.exp(terms + powers)  # (m, 4, runs)
        overfit = np.stack([np.exp(runs.log("d")), log_n, -log_u, np.full_like(log_n, -1.0)])  # (4, runs)
        x = np.einsum("mk,kn->mn", theta[:, 7:], overfit)
        loss = parts.sum(axis=1) + x * ndtr(x)
        kept = np.maximum(loss, _LEAST_LOSS)
        with_n, with_d = parts[:, 0] + parts[:, 1], parts[:, 0] + parts[:, 2]
        slope = ndtr(x) + x * np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
        gradient = np.concatenate(
            [
                parts,
                (-with_n * log_n)[:, None],
                (-with_d * log_d2)[:, None],
                (-with_d * beta * slope_k)[:, None],
                slope[:, None] * overfit,
            ],
            axis=1,
        )
        return np.log(kept), np.moveaxis(gradient / kept[:, None], 1, 2)

    def starts(self, runs: Runs, loss: Array, weights: Array) -> Array:
        """Thetas to search from, in the paper's order: the powers, then by regression what they leave."""
        plain = CHINCHILLA.starts(runs, loss, weights)
        misfit = ((CHINCHILLA.evaluate(plain, runs)[0] - np.log(loss)) ** 2) @ weights
        plain = plain[np.argsort(misfit)[:40]]
        log_n, log_u, d = runs.log("n"), runs.log("u"), np.exp(runs.log("d"))
        regressors = np.stack([d / d.mean(), log_n, -log_u, np.full_like(log_n, -1.0)], axis=1)
        found = []
        for k in (0.1, 0.5, 0.9, 0.99):
            theta = np.zeros((len(plain), 11))
            theta[:, 0] = np.log(0.1 * loss.mean()) + plain[:, 3] * log_n.mean() + plain[:, 4] * np.log(d).mean()
            theta[:, 1:6] = plain
            theta[:, 6] = np.log(k / (1 - k))
            left = loss - np.exp(self.evaluate(theta, runs)[0])
            solved = np.linalg.lstsq(regressors, left.T, rcond=1e-8)[0].T
            solved[:, 0] /= d.mean()
            theta[:, 7:] = solved
            quiet = theta.copy()
            quiet[:, 7:10], quiet[:, 10] = 0.0, 1.0  # before overfitting begins
            found += [theta, quiet]
        return np.concatenate(found)


def _effective(logit_k: Array, runs: Runs) -> tuple[Array, Array]:
    """log D'' and its derivative in logit k."""
    epochs = np.exp(runs.log("d") - runs.log("u"))
    k = 1 / (1 + np.exp(-logit_k))
    log_k = -np.logaddexp(0.0, -logit_k)
    left = -np.expm1(epochs * log_k)  # 1 - k^(D/U)
    log_d2 = runs.log("u") + np.log(left) + np.logaddexp(0.0, logit_k)  # 1/(1 - k) = 1 + exp(logit k)
    return log_d2, -epochs * (1 - k) * (1 - left) / left + k


SMS = Sms()
