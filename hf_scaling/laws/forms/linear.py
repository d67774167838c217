"""Where a search starts: over a grid of exponents, the best coefficients in closed form.

Variable projection (Golub & Pereyra 1973): what is ill-conditioned in all parameters together is not in the exponents.
"""

import numpy as np

from hf_scaling.laws.forms.parameters import Array

LIKELY_EXPONENTS = (0.02, 1.5)
LEAST_SHARE = 1e-6  # of the mean loss: a coefficient that a linear fit puts to 0 may still grow


def exponent_grid(exponents: int) -> Array:
    """All combinations of likely exponents, shape (m, exponents)."""
    grid = np.geomspace(*LIKELY_EXPONENTS, {1: 60, 2: 24}[exponents])
    return np.stack(np.meshgrid(*[grid] * exponents), axis=-1).reshape(-1, exponents)


def non_negative_fit(basis: Array, target: Array, weights: Array) -> Array:
    """Least-squares coefficients, shape (m, k), none below 0; those that would be are left out of a second fit.

    Args:
        basis: (m, runs, k).
        target: (runs,) or (m, runs).
        weights: of the same shape.
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
