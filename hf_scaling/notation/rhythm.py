"""Tuplets and broken rhythm: marks that change the lengths of the notes around them (ABC 2.1 §4.4 and §4.13)."""

from collections.abc import Hashable
from functools import lru_cache

from hf_scaling.notation.durations import Ticks
from hf_scaling.notation.problems import Problems

_MOST_SIGNS = 4  # ">>>>" makes the longer note 31/16

Factor = tuple[int, int]
"""What a length is multiplied by: numerator and denominator."""


@lru_cache(maxsize=256)
def _parse_tuplet(text: str) -> tuple[int, int | None, int] | None:
    """p, q (None: the default) and r of a tuplet token such as `(3` or `(3:2:4`; None if a number is out of sense."""
    p, q, r = (text[1:] + "::").split(":")[:3]
    if len(q) > 2 or len(r) > 2 or (q and not int(q)) or (r and not int(r)):
        return None
    return int(p), int(q) if q else None, int(r or p)


def _tuplet_time(p: int, compound: bool) -> int:
    """The q of a tuplet `(p`: p notes in the time of q."""
    return {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(p, 3 if compound else 2)


class Rhythm:
    """The marks that wait for notes: at most one tuplet and one broken rhythm at a time.

    waiting: whether some mark waits for the next note; length: how long the notes before it are, as written, that the
    mark binds to it, None if there are none. Validity does not ask that it be as long.
    """

    __slots__ = ("_at", "_broken", "_problems", "_tuplet", "_tuplet_left", "length", "waiting")

    def __init__(self, problems: Problems) -> None:
        """Nothing waits."""
        self._problems = problems
        self.waiting = False
        self.length: Ticks | None = None
        self._broken: Factor | None = None  # of the next length
        self._tuplet: Factor = (1, 1)
        self._tuplet_left = 0  # notes that it still holds for
        self._at = 0  # where the last mark stood

    def fork(self, problems: Problems) -> "Rhythm":
        """A copy that reads on by itself and reports to `problems`."""
        copy = Rhythm(problems)
        copy.waiting, copy.length, copy._broken, copy._at = self.waiting, self.length, self._broken, self._at
        copy._tuplet, copy._tuplet_left = self._tuplet, self._tuplet_left
        return copy

    def state(self) -> Hashable:
        """All that what follows is judged by."""
        return self._broken, self.length, self._tuplet_left and (self._tuplet_left, *self._tuplet)

    @property
    def pair(self) -> bool:
        """Whether a broken rhythm waits for its second note."""
        return self._broken is not None

    @property
    def factors(self) -> list[Factor]:
        """The factors of the lengths that the marks wait for, the next first."""
        factors = [self._tuplet] * self._tuplet_left or [(1, 1)] * self.waiting
        if self._broken:
            numerator, denominator = factors[0]
            factors[0] = numerator * self._broken[0], denominator * self._broken[1]
        return factors

    def take(self, written: Ticks) -> Factor:
        """The factor of the next length, which is `written`; it is used up."""
        numerator, denominator = self._broken or (1, 1)
        self._broken = None
        if self._tuplet_left:
            self._tuplet_left -= 1
            numerator, denominator = numerator * self._tuplet[0], denominator * self._tuplet[1]
        self.waiting = self._tuplet_left > 0
        self.length = (self.length or written) if self.waiting else None
        return numerator, denominator

    def tuplet(self, text: str, compound: bool, offset: int) -> None:
        """A tuplet mark such as `(3` comes; `compound` is a metre of 6/8, 9/8 or 12/8."""
        numbers = _parse_tuplet(text)
        if numbers is None or self._tuplet_left:
            self._problems.report("tuplet", offset, "a tuplet inside a tuplet, or one that cannot be")
        if numbers:
            p, q, self._tuplet_left = numbers
            self._tuplet = q or _tuplet_time(p, compound), p
            self._at, self.waiting = offset, True

    def broken(self, text: str, written: Ticks, offset: int) -> Factor | None:
        """A mark such as `>` comes behind a note: returns that note's factor, None if there can be no mark here."""
        if self._broken or len(text) > _MOST_SIGNS:
            return None
        whole = 2 ** len(text)
        longer, shorter = (2 * whole - 1, whole), (1, whole)
        before, self._broken = (longer, shorter) if text[0] == ">" else (shorter, longer)
        self._at, self.waiting, self.length = offset, True, written
        return before

    def end_bar(self) -> None:
        """A bar ends: no mark may wait for its notes any more."""
        code = "broken-rhythm" if self._broken else "tuplet"
        self._problems.report(code, self._at, "the bar ends before the notes that the rhythm mark needs")
        self.drop()

    def drop(self) -> None:
        """Forget what waits."""
        self.waiting, self.length, self._broken, self._tuplet_left = False, None, None, 0
