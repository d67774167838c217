"""The forms of scaling laws, each in its paper's notation: losses in nats per token, N parameters, D and U tokens.

A form works on `theta`, its parameters as the fit sees them: logarithms of coefficients, so that they are positive and
of one scale, and exponents as they are. Many thetas are evaluated at once, shape (m, parameters): starts of a search,
or resamples of a bootstrap. log L comes with its gradient.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]

EXPONENTS = (1e-3, 3.0)  # published exponents lie between .05 and 1
_LOG_COEFFICIENTS = (-700.0, 700.0)  # what a float can hold
_LIKELY_EXPONENTS = (0.02, 1.5)
_GRID = {1: 60, 2: 24}  # points of each exponent, by the number of exponents
_LEAST_SHARE = 1e-6  # of the mean loss: a coefficient that a linear fit puts to 0 may still grow


@dataclass(frozen=True)
class Runs:
    """The runs of a fit.

    Attributes:
        n, d: parameters and training tokens, shape (runs,), positive; None where a form does not need them.
        u: unique training tokens.
    """

    n: Array | None = None
    d: Array | None = None
    u: Array | None = None

    @classmethod
    def of(cls, n: ArrayLike | None = None, d: ArrayLike | None = None, u: ArrayLike | None = None) -> "Runs":
        """From anything array-like.

        Raises:
            ValueError: a value is not a positive number, or lengths differ.
        """
        columns = {
            name: None if value is None else _positive(name, value)
            for name, value in zip("ndu", (n, d, u), strict=True)
        }
        if len({len(column) for column in columns.values() if column is not None}) > 1:
            raise ValueError("n, d and u must have one length")
        return cls(**columns)

    def take(self, rows: NDArray[np.intp]) -> "Runs":
        """Some of the runs, in the order of `rows`, repeated where they are."""
        return Runs(*(None if column is None else column[rows] for column in (self.n, self.d, self.u)))

    def column(self, name: str) -> Array:
        """A column that the form needs."""
        values: Array | None = getattr(self, name)
        if values is None:
            raise ValueError(f"{name}: missing, but the form needs it")
        return values


def _positive(name: str, values: ArrayLike) -> Array:
    array = np.asarray(values, dtype=float)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected one dimension, got shape {array.shape}")
    if (wrong := array[~((array > 0) & np.isfinite(array))]).size:
        raise ValueError(f"{name}: got {wrong[0]}, expected a positive number")
    return array


@dataclass(frozen=True)
class PowerSum:
    """L = irreducible + a sum of one power for each column: L(N), L(D) and Hoffmann's L(N, D).

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

    @property
    def parameters(self) -> tuple[str, ...]:
        """Coefficients, constant, exponents: the order of theta, the coefficients and the constant as logarithms."""
        coefficients, exponents = zip(*self.terms.values(), strict=True)
        return (*coefficients, self.constant, *exponents)

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Least and greatest theta."""
        k = len(self.terms)
        pairs = [_LOG_COEFFICIENTS] * (k + 1) + [EXPONENTS] * k
        return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])

    def evaluate(self, theta: Array, runs: Runs) -> tuple[Array, Array]:
        """log L, shape (m, runs), and its gradient in theta, shape (m, runs, parameters)."""
        k, logs = len(self.terms), self._logs(runs)
        powers = theta[:, None, :k] - theta[:, None, k + 1 :] * logs
        constant = np.broadcast_to(theta[:, None, k : k + 1], (*powers.shape[:2], 1))
        parts = np.concatenate([powers, constant], axis=2)
        log_loss = logsumexp(parts, axis=2)
        share = np.exp(parts - log_loss[..., None])
        return log_loss, np.concatenate([share, -share[..., :k] * logs], axis=2)

    def starts(self, runs: Runs, loss: Array, weights: Array) -> Array:
        """Thetas to search from: over a grid of exponents, the best coefficients in closed form.

        Variable projection (Golub & Pereyra 1973): what is ill-conditioned in all parameters is not in the exponents.
        """
        k, logs = len(self.terms), self._logs(runs)
        grid = np.geomspace(*_LIKELY_EXPONENTS, _GRID[k])
        exponents = np.stack(np.meshgrid(*[grid] * k), axis=-1).reshape(-1, k)
        scale = logs.mean(axis=0)  # keeps the powers near 1
        powers = np.exp(-exponents[:, None, :] * (logs - scale))
        basis = np.concatenate([powers, np.ones((*powers.shape[:2], 1))], axis=2)
        coefficients = non_negative_fit(basis, loss, weights / loss**2)
        logs_of = np.log(np.maximum(coefficients, _LEAST_SHARE * loss.mean()))
        logs_of[:, :k] += exponents * scale
        return np.concatenate([logs_of, exponents], axis=1)

    def _logs(self, runs: Runs) -> Array:
        return np.stack([np.log(runs.column(column)) for column in self.columns], axis=1)

    def named(self, theta: Array) -> dict[str, float]:
        """The parameters by name, in their own units."""
        k = len(self.terms)
        return dict(zip(self.parameters, [*np.exp(theta[: k + 1]).tolist(), *theta[k + 1 :].tolist()], strict=True))

    def theta(self, params: Mapping[str, float]) -> Array:
        """The inverse of `named`."""
        k = len(self.terms)
        values = [params[name] for name in self.parameters]
        return np.array([*np.log(values[: k + 1]), *values[k + 1 :]])


POWER = PowerSum("power", "Hestness et al. 2017, arXiv:1712.00409", {"n": ("a", "alpha")}, "c")
DATA = PowerSum("data", "Hestness et al. 2017, arXiv:1712.00409", {"d": ("b", "beta")}, "c")
CHINCHILLA = PowerSum(
    "chinchilla",
    "Hoffmann et al. 2022, arXiv:2203.15556, equation 2",
    {"n": ("A", "alpha"), "d": ("B", "beta")},
    "E",
)


@dataclass(frozen=True)
class Kaplan:
    """L = ((Nc/N)^(alpha_N/alpha_D) + Dc/D)^alpha_D: no irreducible loss, and overfitting in one ratio."""

    name: str = "kaplan"
    paper: str = "Kaplan et al. 2020, arXiv:2001.08361, equation 1.5"
    columns: tuple[str, ...] = ("n", "d")
    parameters: tuple[str, ...] = ("N_c", "D_c", "alpha_N", "alpha_D")

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Least and greatest theta."""
        pairs = [_LOG_COEFFICIENTS, _LOG_COEFFICIENTS, EXPONENTS, EXPONENTS]
        return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])

    def evaluate(self, theta: Array, runs: Runs) -> tuple[Array, Array]:
        """log L, shape (m, runs), and its gradient in theta, shape (m, runs, parameters)."""
        log_nc, log_dc, alpha_n, alpha_d = theta.T[:, :, None]
        x, y = log_nc - np.log(runs.column("n")), log_dc - np.log(runs.column("d"))
        ratio = alpha_n / alpha_d
        inner = np.logaddexp(ratio * x, y)
        share = np.exp(ratio * x - inner)
        gradient = np.stack(
            [alpha_n * share, alpha_d * (1 - share), share * x, inner - ratio * share * x],
            axis=2,
        )
        return alpha_d * inner, gradient

    def starts(self, runs: Runs, loss: Array, weights: Array) -> Array:
        """Thetas to search from: L^(1/alpha_D) is linear in two powers once the exponents are given."""
        grid = np.geomspace(*_LIKELY_EXPONENTS, _GRID[2])
        alpha_n, alpha_d = (part.ravel() for part in np.meshgrid(grid, grid))
        log_n, log_d = np.log(runs.column("n")), np.log(runs.column("d"))
        ratio = alpha_n / alpha_d
        basis = np.stack(
            [np.exp(-ratio[:, None] * (log_n - log_n.mean())), np.exp(log_d.mean() - log_d)[None] + 0 * ratio[:, None]],
            axis=2,
        )
        target = np.exp((np.log(loss) - np.log(loss).mean()) / alpha_d[:, None])
        found = np.log(np.maximum(non_negative_fit(basis, target, weights / target**2), _LEAST_SHARE))
        found += np.log(loss).mean() / alpha_d[:, None]
        log_nc = (found[:, 0] + ratio * log_n.mean()) / ratio
        return np.stack([log_nc, found[:, 1] + log_d.mean(), alpha_n, alpha_d], axis=1)

    def named(self, theta: Array) -> dict[str, float]:
        """The parameters by name, in their own units."""
        return dict(zip(self.parameters, [*np.exp(theta[:2]).tolist(), *theta[2:].tolist()], strict=True))

    def theta(self, params: Mapping[str, float]) -> Array:
        """The inverse of `named`."""
        values = [params[name] for name in self.parameters]
        return np.array([*np.log(values[:2]), *values[2:]])


KAPLAN = Kaplan()


@dataclass(frozen=True)
class DataConstrained:
    """Chinchilla's form in effective parameters and tokens: what is repeated, and what has too little to learn, fades.

    With R_D = D/U - 1 repetitions, D' = U + U·R_D*·(1 - exp(-R_D/R_D*)); N' likewise, from the parameters U_N that are
    compute-optimal for U tokens.
    """

    name: str = "data_constrained"
    paper: str = "Muennighoff et al. 2023, arXiv:2305.16264, equations 5 to 8"
    columns: tuple[str, ...] = ("n", "d", "u")
    parameters: tuple[str, ...] = ("A", "B", "E", "alpha", "beta", "R_D", "R_N")

    @property
    def bounds(self) -> tuple[Array, Array]:
        """Least and greatest theta: logarithms but for the exponents."""
        pairs = [_LOG_COEFFICIENTS] * 3 + [EXPONENTS] * 2 + [(-10.0, 15.0)] * 2
        return np.array([low for low, _ in pairs]), np.array([high for _, high in pairs])

    def evaluate(self, theta: Array, runs: Runs) -> tuple[Array, Array]:
        """log L, shape (m, runs), and its gradient in theta, shape (m, runs, parameters)."""
        a, b, e, alpha, beta, log_r_d, log_r_n = theta.T[:, :, None]
        n, d, u = (runs.column(name) for name in "ndu")
        # N_opt and D_opt share a budget: N_opt(U) = G·(U·G)^(beta/alpha), G = (alpha·A / (beta·B))^(1/(alpha+beta))
        log_g = (np.log(alpha) + a - np.log(beta) - b) / (alpha + beta)
        ratio = beta / alpha
        log_best = log_g + ratio * (np.log(u) + log_g)
        enough = np.log(n) > log_best
        log_un = np.where(enough, log_best, np.log(n))
        log_d, slope_d = _saturated(np.log(u), np.maximum(d / u - 1, 0.0), log_r_d)
        r_n = np.where(enough, np.expm1(np.log(n) - log_un), 0.0)
        log_n, slope_rn = _saturated(log_un, r_n, log_r_n)
        parts = np.stack([a - alpha * log_n, b - beta * log_d, e + 0 * log_n], axis=2)
        log_loss = logsumexp(parts, axis=2)
        share = np.exp(parts - log_loss[..., None])
        # d log N' / d log U_N, where R_N = N/U_N - 1 moves against U_N
        r_star, saturation = np.exp(log_r_n), np.exp(-r_n / np.exp(log_r_n))
        through = np.where(enough, 1 - saturation * (r_n + 1) / (1 + r_star * (1 - saturation)), 0.0)
        # d log U_N in (a, b, alpha, beta)
        grow = 1 + ratio
        in_a = grow / (alpha + beta)
        in_alpha = grow * (1 / alpha - log_g) / (alpha + beta) - ratio / alpha * (np.log(u) + log_g)
        in_beta = grow * (-1 / beta - log_g) / (alpha + beta) + (np.log(u) + log_g) / alpha
        in_n, in_d = share[..., 0], share[..., 1]
        to_n = -alpha * in_n
        gradient = np.stack(
            [
                in_n + to_n * through * in_a,
                in_d - to_n * through * in_a,
                share[..., 2],
                -in_n * log_n + to_n * through * in_alpha,
                -in_d * log_d + to_n * through * in_beta,
                -beta * in_d * slope_d,
                to_n * slope_rn,
            ],
            axis=2,
        )
        return log_loss, gradient

    def starts(self, runs: Runs, loss: Array, weights: Array) -> Array:
        """Thetas to search from: Chinchilla's, each with several rates at which repetition fades."""
        plain = CHINCHILLA.starts(runs, loss, weights)[:, [0, 1, 2, 3, 4]]
        rates = np.log([[r_d, r_n] for r_d in (2.0, 15.0, 100.0) for r_n in (2.0, 15.0, 100.0)])
        return np.concatenate([np.repeat(plain, len(rates), axis=0), np.tile(rates, (len(plain), 1))], axis=1)

    def named(self, theta: Array) -> dict[str, float]:
        """The parameters by name, in their own units."""
        values = np.exp(theta)
        values[3:5] = theta[3:5]
        return dict(zip(self.parameters, values.tolist(), strict=True))

    def theta(self, params: Mapping[str, float]) -> Array:
        """The inverse of `named`."""
        values = np.array([params[name] for name in self.parameters])
        theta = np.log(values)
        theta[3:5] = values[3:5]
        return theta


def _saturated(log_unique: Array, repeats: Array, log_r: float) -> tuple[Array, Array]:
    """log of unique·(1 + r·(1 - exp(-repeats/r))), and its derivative in log r."""
    r = np.exp(log_r)
    gone = np.exp(-repeats / r)
    factor = 1 + r * (1 - gone)
    return log_unique + np.log(factor), (r * (1 - gone) - repeats * gone) / factor


def non_negative_fit(basis: Array, target: Array, weights: Array) -> Array:
    """Least-squares coefficients, shape (m, k), none below 0; those that would be are left out of a second fit.

    Args:
        basis: (m, runs, k).
        target, weights: (runs,) or (m, runs).
    """
    weighted = basis * np.sqrt(np.broadcast_to(weights, basis.shape[:2]))[..., None]
    aim = np.broadcast_to(target * np.sqrt(weights), basis.shape[:2])
    kept = np.ones((len(basis), 1, basis.shape[2]))
    for _ in range(basis.shape[2]):
        used = weighted * kept
        ridge = 1e-12 * np.einsum("mnk,mnk->m", used, used)[:, None, None] * np.eye(basis.shape[2])
        normal = np.einsum("mnk,mnl->mkl", used, used) + ridge
        found = np.linalg.solve(normal, np.einsum("mnk,mn->mk", used, aim)[..., None])[..., 0]
        kept = kept * (found > 0)[:, None, :]
    return np.maximum(found, 0.0) * kept[:, 0]


DATA_CONSTRAINED = DataConstrained()
Form = PowerSum | Kaplan | DataConstrained
FORMS: dict[str, Form] = {form.name: form for form in (POWER, DATA, CHINCHILLA, KAPLAN, DATA_CONSTRAINED)}
