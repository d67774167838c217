"""Kaplan's joint law: no irreducible loss, and model and data meet in one ratio."""

from dataclasses import dataclass

import numpy as np

from hf_scaling.laws.forms.linear import LEAST_SHARE, exponent_grid, non_negative_fit
from hf_scaling.laws.forms.parameters import Array, Parameter, coefficient, exponent
from hf_scaling.laws.forms.runs import Runs

_STEEPEST = (-150.0, 150.0)  # logarithm of what a start is found from: fourth powers of it are floats


@dataclass(frozen=True)
class Kaplan:
    """L = ((Nc/N)^(alpha_N/alpha_D) + Dc/D)^alpha_D nats per token, N and Nc in parameters, D and Dc in tokens."""

    name: str = "kaplan"
    paper: str = "Kaplan et al. 2020, arXiv:2001.08361, equation 1.5"
    columns: tuple[str, ...] = ("n", "d")
    parameters: tuple[Parameter, ...] = (
        coefficient("N_c", "parameters"),
        coefficient("D_c", "tokens"),
        exponent("alpha_N"),
        exponent("alpha_D"),
    )

    def evaluate(self, theta: Array, runs: Runs) -> tuple[Array, Array]:
        """log L, shape (m, runs), and its gradient in theta, shape (m, runs, parameters)."""
        log_nc, log_dc, alpha_n, alpha_d = theta.T[:, :, None]
        x, y = log_nc - runs.log("n"), log_dc - runs.log("d")
        ratio = alpha_n / alpha_d
        inner = np.logaddexp(ratio * x, y)
        share = np.exp(ratio * x - inner)
        gradient = [alpha_n * share, alpha_d * (1 - share), share * x, inner - ratio * share * x]
        return alpha_d * inner, np.stack(gradient, axis=2)

    def starts(self, runs: Runs, loss: Array, weights: Array) -> Array:
        """Thetas to search from: L^(1/alpha_D) is linear in two powers once the exponents are given."""
        alpha_n, alpha_d = exponent_grid(2).T
        log_n, log_d, log_loss = runs.log("n"), runs.log("d"), np.log(loss)
        ratio = (alpha_n / alpha_d)[:, None]
        size = np.exp(np.clip(-ratio * (log_n - log_n.mean()), *_STEEPEST))
        basis = np.stack([size, np.broadcast_to(np.exp(np.clip(log_d.mean() - log_d, *_STEEPEST)), size.shape)], axis=2)
        target = np.exp(np.clip((log_loss - log_loss.mean()) / alpha_d[:, None], *_STEEPEST))
        found = np.log(np.maximum(non_negative_fit(basis, target, weights / target**2), LEAST_SHARE))
        found += log_loss.mean() / alpha_d[:, None]
        return np.stack(
            [found[:, 0] / ratio[:, 0] + log_n.mean(), found[:, 1] + log_d.mean(), alpha_n, alpha_d], axis=1
        )


KAPLAN = Kaplan()
