"""Do two families scale with different exponents? The difference of two alphas, with an interval."""

import math
from dataclasses import dataclass

from hf_scaling.laws.diagnostics import NO_FIT
from hf_scaling.laws.interval import Interval, format_interval
from hf_scaling.laws.power import PowerFit


@dataclass(frozen=True)
class ExponentDifference:
    """alpha of the first family less alpha of the second, with its interval at `level` (None: an open end).

    `unfit` names the families whose own runs contradict the form: their exponents are those of no law.
    """

    names: tuple[str, str]
    difference: float
    interval: Interval
    level: float
    unfit: tuple[str, ...] = ()

    @property
    def resolved(self) -> bool:
        """Whether the interval is closed on both sides and leaves out 0."""
        low, high = self.interval
        return low is not None and high is not None and (low > 0 or high < 0)

    @property
    def verdict(self) -> str:
        """`resolved` or `not resolved`; that the form does not fit, where it does not fit both."""
        return NO_FIT if self.unfit else "resolved" if self.resolved else "not resolved"

    @property
    def sentence(self) -> str:
        """The comparison in words."""
        first, second = self.names
        found = (
            f"alpha({first}) - alpha({second}) = {self.difference:+.3f}, "
            f"{100 * self.level:g} % interval {format_interval(self.interval)}"
        )
        if self.unfit:
            return (
                f"{NO_FIT}: the runs of {' and '.join(self.unfit)} contradict it, so that exponents say little; {found}"
            )
        if self.resolved:
            larger = first if self.difference > 0 else second
            # not of the loss itself: one that is nearer its floor can have the larger exponent and fall more slowly
            return f"resolved: the excess of {larger} over its own floor c shrinks faster with size; {found}"
        reason = "is open" if None in self.interval else "contains 0"
        return f"not resolved: the interval {reason}; {found}"


def difference_interval(first: float, first_interval: Interval, second: float, second_interval: Interval) -> Interval:
    """Interval of first - second from an interval of each, of one level.

    Method of variance estimates recovery (Zou & Donner, 2008, Statistics in Medicine 27:1693): each distance from an
    estimate to the end of its interval stands for a standard error on that side, and they add in squares. It keeps the
    asymmetry of profiles and, unlike a joint fit with pooled residuals, does not assume that both have the same noise.
    """
    (low_1, high_1), (low_2, high_2) = first_interval, second_interval
    difference = first - second
    below = None if low_1 is None or high_2 is None else difference - math.hypot(low_1 - first, high_2 - second)
    above = None if high_1 is None or low_2 is None else difference + math.hypot(high_1 - first, low_2 - second)
    return below, above


def compare_exponents(first: PowerFit, second: PowerFit, names: tuple[str, str]) -> ExponentDifference:
    """Combine the two profile intervals into one for the difference, see `difference_interval`.

    With two degrees of freedom in each fit it is conservative: in 1,500 simulated pairs of studies a nominal 90 %
    covered 95.5 % with five sizes and one seed, 91.5 % with eight sizes and three seeds.

    Raises:
        ValueError: the fits have different levels.
    """
    if first.level != second.level:
        raise ValueError(f"both fits need one level, got {first.level} and {second.level}")
    interval = difference_interval(first.alpha, first.alpha_interval, second.alpha, second.alpha_interval)
    unfit = tuple(
        name for name, fit in zip(names, (first, second), strict=True) if (lack := fit.lack_of_fit) and lack.certain
    )
    return ExponentDifference(names, first.alpha - second.alpha, interval, first.level, unfit)
