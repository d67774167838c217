"""Charts drawn into the page itself: they follow its theme, and a point tells its run's values under the pointer.

No script: a mark and its read-out are one group, and the style sheet shows the read-out of the group that is hovered.
Numbers become coordinates here; what is drawn with them stands in `chapters/chart.html`.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from hf_scaling.report import formats

WIDTH, HEIGHT = 460.0, 340.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 24.0, 14.0, 92.0
_MOST_TICKS = 7


@dataclass(frozen=True)
class Point:
    """A run: where it stands, how far its error reaches, and what it says of itself, a line each."""

    x: float
    y: float
    error: float
    series: int
    tip: Sequence[str]
    hollow: bool = False


@dataclass(frozen=True)
class Curve:
    """A fitted curve, with its band where there is one."""

    x: Sequence[float]
    y: Sequence[float]
    series: int
    lower: Sequence[float] | None = None
    upper: Sequence[float] | None = None


@dataclass(frozen=True)
class Axis:
    """A range of values on a range of pixels."""

    low: float
    high: float
    start: float
    end: float
    log: bool
    label: str
    ticks: list[tuple[float, str]] = field(default_factory=list)

    def place(self, value: float) -> float:
        """The pixel of a value."""
        low, high, value = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (value - low) / (high - low)


@dataclass(frozen=True)
class Panel:
    """One chart, in pixels; `alt` says in words what it shows."""

    title: str
    alt: str
    x: Axis
    y: Axis
    points: list[Point]
    curves: list[Curve]

    @property
    def x_ticks(self) -> list[tuple[str, str]]:
        """(pixel, label)."""
        return [(_pixel(self.x.place(value)), label) for value, label in self.x.ticks]

    @property
    def y_ticks(self) -> list[tuple[str, str]]:
        """(pixel, label)."""
        return [(_pixel(self.y.place(value)), label) for value, label in self.y.ticks]

    def at(self, point: Point) -> tuple[str, str]:
        """Pixels of a point."""
        return _pixel(self.x.place(point.x)), _pixel(self.y.place(point.y))

    def whisker(self, point: Point) -> tuple[str, str] | None:
        """Pixels of the ends of its error bar, within the panel."""
        if not point.error:
            return None
        ends = (min(max(point.y + side * point.error, self.y.low), self.y.high) for side in (-1, 1))
        low, high = (_pixel(self.y.place(end)) for end in ends)
        return low, high

    def line(self, curve: Curve) -> str:
        """The path of a curve."""
        return "M" + "L".join(self._pairs(curve.x, curve.y))

    def band(self, curve: Curve) -> str:
        """The closed path of its band, or nothing."""
        if curve.lower is None or curve.upper is None:
            return ""
        there, back = self._pairs(curve.x, curve.upper), self._pairs(curve.x, curve.lower)
        return "M" + "L".join([*there, *back[::-1]]) + "Z"

    def _pairs(self, xs: Iterable[float], ys: Iterable[float]) -> list[str]:
        """Pixels; what lies beyond the panel is held at its edge, outside of what its clip shows."""
        low, high = self.y.low, self.y.high
        least, most = (low / 10, high * 10) if self.y.log else (2 * low - high, 2 * high - low)
        held = (min(max(y, least), most) for y in ys)
        return [f"{_pixel(self.x.place(x))} {_pixel(self.y.place(y))}" for x, y in zip(xs, held, strict=True)]


def size_tick(value: float) -> str:
    """50000 as 50k."""
    return re.sub(r"\.0+(?=\D|$)|(?<=\.\d)0+(?=\D|$)", "", formats.short(value))


def power_tick(value: float) -> str:
    """200000000000 as 2 × 10¹¹, 10¹¹ where the factor is 1."""
    return formats.power_of_ten(value, 1).removeprefix(f"1{formats.NBSP}×{formats.NBSP}")


def plain_tick(value: float) -> str:
    """As short as it can be, to three digits."""
    return f"{value:.3g}"


def _pixel(value: float) -> str:
    return f"{value:.1f}"


def panel(
    title: str,
    alt: str,
    labels: tuple[str, str],
    points: Sequence[Point],
    curves: Sequence[Curve] = (),
    log: tuple[bool, bool] = (True, False),
    shown: tuple[Callable[[float], str], Callable[[float], str]] = (size_tick, plain_tick),
) -> Panel | None:
    """A chart of at least one point; None without any.

    Args:
        labels: of the axes.
        log: which axes are logarithmic; values on those are above 0.
        shown: how values on the axes are written.
    """
    usable = [p for p in points if (p.x > 0 or not log[0]) and (p.y > 0 or not log[1])]
    if not usable:
        return None
    ys = [p.y + side * p.error for p in usable for side in (-1, 0, 1)]
    ys += [y for curve in curves for y in curve.y]
    if log[1]:
        ys = [y for y in ys if y > 0]
    x = _axis([p.x for p in usable], (_LEFT, WIDTH - _RIGHT), log[0], labels[0], shown[0])
    y = _axis(ys, (HEIGHT - _BOTTOM, _TOP), log[1], labels[1], shown[1])
    inside = [curve for curve in curves if any(x.low <= value <= x.high for value in curve.x)]
    return Panel(title, alt, x, y, usable, inside)


def _axis(
    values: Sequence[float], pixels: tuple[float, float], log: bool, label: str, shown: Callable[[float], str]
) -> Axis:
    """An axis a little longer than its values."""
    low, high = min(values), max(values)
    if log:
        margin = (high / low) ** 0.07 if high > low else 1.6
        low, high = low / margin, high * margin
    else:
        margin = 0.07 * (high - low) or 0.05 * abs(high) or 1.0
        low, high = low - margin, high + margin
    ticks = [(value, shown(value)) for value in (_log_ticks if log else _linear_ticks)(low, high)]
    return Axis(low, high, *pixels, log, label, ticks)


def _linear_ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10((high - low) / 3))
    for step in (power, 2 * power, 5 * power, 10 * power):
        first, last = math.ceil(low / step), math.floor(high / step)
        if last - first < _MOST_TICKS:
            return [number * step for number in range(first, last + 1)]
    return [low, high]


def _log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, of a short range 3 and 7 too; of a long one the powers alone, or fewer."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for leading in ((1, 2, 5), (1, 2, 3, 5, 7)):
        several = [m * 10.0**e for e in exponents for m in leading if low <= m * 10.0**e <= high]
        if len(several) > 2:
            break
    if len(several) < 2:
        return _linear_ticks(low, high)
    powers = [10.0**e for e in exponents if low <= 10.0**e <= high]
    if len(several) <= _MOST_TICKS and len(powers) < 3:
        return several
    return powers[:: 1 + (len(powers) - 1) // _MOST_TICKS]
