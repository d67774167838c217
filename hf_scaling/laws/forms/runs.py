"""What a form is evaluated on: the runs of a fit as columns."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hf_scaling.laws.forms.parameters import Array

_BLOCK = 1024  # runs whose sums are taken together: of more, what lies between would not fit a processor's cache
RANGE = (1e-12, 1e30)  # beyond anything built, in any unit; keeps powers of it within floats


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

    def take(self, rows: NDArray[np.intp] | slice) -> "Runs":
        """Some of the runs, in the order of `rows`."""
        return Runs(*(None if column is None else column[rows] for column in (self.n, self.d, self.u)))

    @cached_property
    def blocks(self) -> list[tuple[slice, "Runs"]]:
        """All of the runs in pieces, each with its place."""
        count = max(len(column) for column in (self.n, self.d, self.u) if column is not None)
        parts = [slice(start, start + _BLOCK) for start in range(0, count, _BLOCK)]
        return [(part, self.take(part)) for part in parts]

    def log(self, name: str) -> Array:
        """Logarithm of a column that the form needs.

        Raises:
            ValueError: it is missing.
        """
        if name not in self._logs:
            raise ValueError(f"{name}: missing, but the form needs it")
        return self._logs[name]

    @cached_property
    def _logs(self) -> dict[str, Array]:
        columns = {"n": self.n, "d": self.d, "u": self.u}
        return {name: np.log(column) for name, column in columns.items() if column is not None}


def positive(name: str, values: ArrayLike) -> Array:
    """An array of positive numbers within `RANGE`.

    Raises:
        ValueError: it is not.
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 1:
        raise ValueError(f"{name}: expected one dimension, got shape {array.shape}")
    if (wrong := array[~((array > 0) & np.isfinite(array))]).size:
        raise ValueError(f"{name}: got {wrong[0]}, expected a positive number")
    if (wrong := array[(array < RANGE[0]) | (array > RANGE[1])]).size:
        raise ValueError(f"{name}: got {wrong[0]}, expected a number between {RANGE[0]:g} and {RANGE[1]:g}")
    return array
