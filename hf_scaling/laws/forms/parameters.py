"""A form's parameters as people read them, and as `theta`, the unbounded-looking vector that a fit moves.

Coefficients travel as logarithms, so that they stay positive and all are of one scale; exponents as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

Array = NDArray[np.float64]
NATS = "nats per token"
COLUMN_UNITS = {"n": "parameters", "d": "tokens", "u": "unique tokens"}
_FLOATS = (-700.0, 700.0)


@dataclass(frozen=True)
class Parameter:
    """One parameter of a form.

    Attributes:
        name: in the notation of the form's paper.
        unit: of what is read, in words; empty for a pure number.
        scale: `log` for what is positive, `logit` for what lies between 0 and 1, `plain` else.
        bounds: of theta.
        exponent: whether it is one of those that a claim about scaling rests on.
    """

    name: str
    unit: str
    scale: str
    bounds: tuple[float, float]
    exponent: bool = False

    @property
    def vanishing(self) -> bool:
        """Whether it is a factor of a term, so that the term can be nothing."""
        return self.scale == "log" and self.bounds == _FLOATS


def coefficient(name: str, unit: str) -> Parameter:
    """A factor of a term; bounds are what a float can hold."""
    return Parameter(name, unit, "log", _FLOATS)


def exponent(name: str) -> Parameter:
    """An exponent; published ones lie between .05 and 1."""
    return Parameter(name, "", "plain", (1e-3, 3.0), exponent=True)


def to_params(parameters: Sequence[Parameter], theta: Array) -> dict[str, float]:
    """Theta, shape (parameters,), by name and in the paper's units."""
    back = {"log": np.exp, "logit": expit, "plain": float}
    return {one.name: float(back[one.scale](value)) for one, value in zip(parameters, theta, strict=True)}


def to_theta(parameters: Sequence[Parameter], params: Mapping[str, float]) -> Array:
    """The inverse of `to_params`."""
    into = {"log": np.log, "logit": logit, "plain": float}
    return np.array([into[one.scale](params[one.name]) for one in parameters])


def limits(parameters: Sequence[Parameter]) -> tuple[Array, Array]:
    """Least and greatest theta, each of shape (parameters,)."""
    low, high = zip(*(one.bounds for one in parameters), strict=True)
    return np.array(low), np.array(high)
