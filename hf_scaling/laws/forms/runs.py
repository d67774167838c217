"""What a form is evaluated on: the runs of a fit as columns."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_scaling.laws.forms.parameters import Array


@dataclass(frozen=True)
class Runs:
    """The runs of a fit.

    Attributes:
        n: parameters, shape (runs,), positive; each column is None where a form does not need it.
        d: training tokens.
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
        given = {"n": n, "d": d, "u": u}
        columns = {name: positive(name, values) for name, values in given.items() if values is not None}
        if len({len(column) for column in columns.values()}) > 1:
            raise ValueError("n, d and u must have one length")
        return cls(**columns)

    def take(self, rows: NDArray[np.intp]) -> "Runs":
        """Some of the runs, in the order of `rows`."""
        return Runs(*(None if column is None else column[rows] for column in (self.n, self.d, self.u)))

    def log(self, name: str) -> Array:
        """Logarithm of a column that the form needs.

        Raises:
            ValueError: it is missing.
        """
        values: Array | None = getattr(self, name)
        if values is None:
            raise ValueError(f"{name}: missing, but the form needs it")
        return np.log(values)


def positive(name: str, values: ArrayLike) -> Array:
    """An array of positive numbers.

    Raises:
        ValueError: it is not.
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected one dimension, got shape {array.shape}")
    if (wrong := array[~((array > 0) & np.isfinite(array))]).size:
        raise ValueError(f"{name}: got {wrong[0]}, expected a positive number")
    return array
