"""L = irreducible loss + one power for each column: L(N), L(D) and Hoffmann's L(N, D).

L in nats per token, N in parameters, D in training tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np

from hf_scaling.laws.forms.linear import LEAST_SHARE, exponent_grid, non_negative_fit
from hf_scaling.laws.forms.parameters import COLUMN_UNITS, NATS, Array, Parameter, coefficient, exponent
from hf_scaling.laws.forms.runs import Runs


@dataclass(frozen=True)
class PowerSum:
    """A sum of powers and a constant.

    Attributes:
        terms: for each column its (coefficient, exponent), such as `{"n": ("A", "alpha")}`.
        constant: name of the irreducible loss.
    """

    name: str
    paper: str
    terms: Mapping[str, tuple[str, str]]
    constant: str

    @property
    def columns(self) -> tuple[str, ...]:
        """What a run must have."""
        return tuple(self.terms)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """Coefficients, constant, exponents: the order of theta."""
        factors = [
            coefficient(factor, f"{NATS} × {COLUMN_UNITS[column]}^{power}")
            for column, (factor, power) in self.terms.items()
        ]
        exponents = [exponent(power) for _, power in self.terms.values()]
        return (*factors, coefficient(self.constant, NATS), *exponents)

    def evaluate(self, theta: Array, runs: Runs) -> tuple[Array, Array]:
        """log L, shape (m, runs), and its gradient in theta, shape (m, runs, parameters)."""
        k, logs = len(self.terms), [runs.log(column) for column in self.columns]
        parts = [theta[:, i, None] - theta[:, k + 1 + i, None] * log for i, log in enumerate(logs)]
        parts.append(np.broadcast_to(theta[:, k, None], parts[0].shape))
        greatest = reduce(np.maximum, parts)
        shares = [np.exp(part - greatest) for part in parts]
        total = reduce(np.add, shares)
        shares = [share / total for share in shares]
        slopes = [-share * log for share, log in zip(shares, logs, strict=False)]
        return greatest + np.log(total), np.moveaxis(np.stack([*shares, *slopes], axis=1), 1, 2)

    def starts(self, runs: Runs, loss: Array, weights: Array) -> Array:
        """Thetas to search from, shape (m, parameters)."""
        k, logs = len(self.terms), self._logs(runs)
        exponents = exponent_grid(k)
        scale = logs.mean(axis=0)  # keeps the powers near 1
        powers = np.exp(-exponents[:, None, :] * (logs - scale))
        basis = np.concatenate([powers, np.ones((*powers.shape[:2], 1))], axis=2)
        coefficients = non_negative_fit(basis, loss, weights / loss**2)
        logs_of = np.log(np.maximum(coefficients, LEAST_SHARE * loss.mean()))
        logs_of[:, :k] += exponents * scale
        return np.concatenate([logs_of, exponents], axis=1)

    def _logs(self, runs: Runs) -> Array:
        return np.stack([runs.log(column) for column in self.columns], axis=1)


POWER = PowerSum("power", "Hestness et al. 2017, arXiv:1712.00409", {"n": ("a", "alpha")}, "c")
DATA = PowerSum("data", "Hestness et al. 2017, arXiv:1712.00409", {"d": ("b", "beta")}, "c")
CHINCHILLA = PowerSum(
    "chinchilla", "Hoffmann et al. 2022, arXiv:2203.15556", {"n": ("A", "alpha"), "d": ("B", "beta")}, "E"
)
