"""Is one family's loss lower at equal size? Paired differences on the same tunes, with intervals.

Two sources of chance, told apart. Which tunes were drawn for the evaluation: a bootstrap over tunes, both families
scored on the same resample, so that what makes a tune hard for both cancels. Which seed a model was trained from: the
spread of replicates, pooled over sizes; with one seed for each size it is unknown, and the interval leaves it out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from hf_scaling.laws.interval import format_interval

Array = NDArray[np.float64]

_CHUNK = 2_000_000  # counts held at a time


@dataclass(frozen=True)
class SeedSpread:
    """Standard deviation over seeds, in nats, of runs of one family and size; None where no size has two seeds."""

    deviation: float | None
    degrees_of_freedom: int

    @classmethod
    def of(cls, losses: Sequence[Sequence[float]]) -> "SeedSpread":
        """Pooled over sizes; `losses` are those of the runs of each, in nats per token."""
        freedom = sum(len(runs) - 1 for runs in losses)
        squares = sum(float(np.var(runs)) * len(runs) for runs in losses)
        return cls(math.sqrt(squares / freedom) if freedom else None, freedom)

    def reach(self, runs: float, level: float) -> float | None:
        """Half the width of the interval of a mean over `runs` seeds, by Student's t."""
        if self.deviation is None:
            return None
        return float(stdtrit(self.degrees_of_freedom, 0.5 + level / 2)) * self.deviation / math.sqrt(runs)


@dataclass(frozen=True)
class PairedDifference:
    """Loss of the first family less that of the second, in nats per token.

    Attributes:
        interval: by the evaluation alone, or with the seeds where these are known.
        with_seeds: which of the two.
    """

    names: tuple[str, str]
    difference: float
    interval: tuple[float, float]
    with_seeds: bool
    level: float

    @property
    def verdict(self) -> str:
        """`resolved` where the interval leaves out 0, else `not resolved`."""
        low, high = self.interval
        return "resolved" if low > 0 or high < 0 else "not resolved"

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        first, second = self.names
        covered = "evaluation and seeds" if self.with_seeds else "evaluation noise only"
        found = (
            f"loss({first}) - loss({second}) = {self.difference:+.4f} nats per token, {100 * self.level:g} % interval "
            f"{format_interval(self.interval, 4)} ({covered})"
        )
        if self.verdict == "resolved":
            return f"resolved: {second if self.difference > 0 else first} has the lower loss; {found}"
        return f"not resolved: the interval contains 0; {found}"


def bootstrap_differences(
    first: Array, second: Array, tokens: Array, resamples: int, rng: np.random.Generator
) -> Array:
    """Differences of loss over resampled tunes, nats per token, shape (resamples, sizes); a row is one resample.

    Args:
        first, second: nats of each tune under each family's model, averaged over seeds, shape (sizes, tunes).
        tokens: of each tune, shape (tunes,).
    """
    gaps = np.column_stack([(first - second).T, tokens])
    tunes = len(tokens)
    even, found = np.full(tunes, 1 / tunes), []
    for start in range(0, resamples, size := max(_CHUNK // tunes, 1)):
        found.append(rng.multinomial(tunes, even, size=min(size, resamples - start)) @ gaps)
    sums = np.concatenate(found)
    return np.asarray(sums[:, :-1] / sums[:, -1:])


def paired_difference(
    difference: float,
    resampled: Array,
    reaches: tuple[float | None, float | None],
    names: tuple[str, str],
    level: float,
) -> PairedDifference:
    """The interval of one difference: percentiles of the bootstrap, widened by the seeds of both families.

    Independent errors add in squares on each side, as in `compare.difference_interval`. What a seed does to single
    tunes is in both parts, so that the interval is a little too wide rather than too narrow.

    Args:
        difference: observed.
        resampled: from the bootstrap, shape (resamples,).
        reaches: `SeedSpread.reach` of each family; None for either leaves the seeds out.
    """
    low, high = np.quantile(resampled, [0.5 - level / 2, 0.5 + level / 2])
    known = [reach for reach in reaches if reach is not None]
    with_seeds = len(known) == len(reaches)
    seeds = known if with_seeds else []
    below, above = math.hypot(difference - low, *seeds), math.hypot(high - difference, *seeds)
    return PairedDifference(names, difference, (difference - below, difference + above), with_seeds, level)
