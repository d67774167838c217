"""The shortest way to a legal end, character by character, and whether a tune may end where it stands.

Always given are the engine, and the engine once the token that is pending has ended (`settled`).
"""

from fractions import Fraction
from functools import lru_cache

from hf_scaling.notation.customs import ends_oddly, is_odd
from hf_scaling.notation.durations import Ticks
from hf_scaling.notation.grammar import MAX_NOTE, Machine
from hf_scaling.notation.subset import (
    DENOMINATORS,
    MOST_DIGITS,
    MUSIC_FOLLOWS,
    NOTES,
    SHORTEST,
    SLUR_MAY_END,
    VALUES,
    length_of,
)

_BAR_CODES = frozenset(("bar-long", "bar-short"))
_BARS_TO_END = 2  # plain bar lines that a tune with repeats must have, or music21 makes no bars of it
_ENDS = ("newline", "bar", "note", "rest", "chord-close", "slur-close")
_LENGTHS = ("note", "rest", "chord-close")
_LONGEST_FACTOR = 4  # marks of rhythm make no note longer than this
_CANDIDATES = [Fraction(n) for n in ("1", "2", "1/2", "3", "4", "3/2", "1/4", "3/4", "6", "1/8", "3/8")]


def may_end_with(machine: Machine) -> bool:
    """Whether a tune may end with the token that is pending: an ending needs music."""
    kind = machine.pending_kind
    return kind in _ENDS and not machine.in_header and not (kind == "bar" and machine.pending[-1].isdigit())


class Way:
    """The way for tunes of an alphabet, where the lengths of bars are of concern or not."""

    def __init__(self, alphabet: str, bars: bool) -> None:
        """bars: whether the lengths of bars are of concern."""
        self._bars = bars
        self._note = next((note for note in NOTES if note in alphabet), NOTES[0])
        self._harmless = frozenset() if bars else _BAR_CODES

    def is_wrong(self, machine: Machine) -> bool:
        """Whether something was found wrong since the last fork."""
        problems = machine.problems
        return bool(problems) and any(problem.code not in self._harmless for problem in problems)

    def is_done(self, settled: Machine) -> bool:
        """Whether nothing is open, as far as can be told at a glance."""
        groups, repeats = settled.groups, settled.repeats
        full = settled.room if self._bars else 0
        return not (groups.n_slurs or repeats.open or settled.rhythm.waiting or (full and settled.bar_ticks))

    def ends(self, machine: Machine, settled: Machine) -> bool:
        """Whether the tune is legal if it ends here, by the engine itself, and as folk tunes are."""
        if is_odd(machine, settled, self._bars) or (self._bars and ends_oddly(settled)):
            return False
        closed = settled.fork()
        closed.close()
        return not (self.is_wrong(settled) or self.is_wrong(closed)) and (
            closed.repeats.n_plain >= _BARS_TO_END or not closed.repeats.n_marks
        )

    def following(self, machine: Machine, settled: Machine) -> str | None:
        """The next characters on the way; None if none are known."""
        kind, pending = machine.pending_kind, machine.pending
        if kind in _INSIDE:
            start, end = _INSIDE[kind]
            return (end or pending[0]) if len(pending) > 1 else start
        if kind == "field" or machine.in_header:
            return _header_way(machine)
        if kind == "accidental":
            return self._note
        if kind in ("character", ""):  # a colon that begins a bar line
            return "|"
        if pending == "[" and machine.repeats.first_only and machine.repeats.ended:
            return "2"
        if self.is_wrong(settled):
            return None
        if settled.groups.grace or settled.groups.chord is not None:
            return ("}" if settled.groups.grace else "]") if kind in ("note", "tie") else self._note
        return self._music_way(machine, settled)

    def _music_way(self, machine: Machine, settled: Machine) -> str | None:
        """The same between tokens of music, or behind a token that may be complete."""
        kind = machine.pending_kind
        room = settled.room if self._bars else None
        if kind in _LENGTHS:
            longer = _longer(machine, room)
            if longer:
                return longer
        if room is not None and room < 0:
            return None
        if is_odd(machine, settled, self._bars):
            return "|" if machine.pending == "|" and not machine.repeats.first_only else None
        if settled.groups.n_slurs and kind in SLUR_MAY_END:
            return ")"
        if kind == "bar" and machine.pending == ":|" and machine.repeats.first_only:
            return "2"
        if room or settled.rhythm.waiting:
            length = _wanted(settled, room, settled.unit)
            return None if length is None else self._note + length
        if not settled.bar_ticks or kind in MUSIC_FOLLOWS:
            if room is None:
                return self._note
            return "\n" if kind == "bar" else None  # half a bar: its other half may only follow on the next line
        if kind == "shorthand" or (self._bars and settled.lengths.halved):  # a half may begin a part, not end one
            return "|"
        return _bar_end(settled)


_INSIDE = {
    "quote-open": ("A", '"'),
    "decoration-open": ("f", ""),
    "comment": ("\n", "\n"),
    "continuation": ("\n", "\n"),
}
"""What tokens with a content are given: a first character, then the end; none: the mark that they began with."""


def _bar_end(settled: Machine) -> str:
    """The first character of the bar line that is next on the way."""
    repeats = settled.repeats
    return ":" if repeats.n_plain >= _BARS_TO_END and (repeats.open or repeats.first_only) else "|"


def _header_way(machine: Machine) -> str:
    """The next characters of a field, or of a header on its way to K:."""
    kind, pending = machine.pending_kind, machine.pending
    if kind != "field":
        if kind == "newline" or not pending.strip():
            return ("K" if machine.order.has_meter else "M") if machine.order.numbered else "X"
        return ":"
    letter, value = pending[0], pending[2:]
    if letter in VALUES:
        return SHORTEST.get(pending, "\n")
    return "\n" if value.strip() else "1"


def _wanted(machine: Machine, room: Ticks | None, unit: Ticks) -> str | None:
    """The length of a next note, in units of `unit` ticks, that leads to a full bar; None if there is none.

    room: None if any bar will do. Notes that a tuplet or broken rhythm binds are equally long, and leave what another
    note can fill.
    """
    rhythm = machine.rhythm
    if room is None:
        return _length_between(rhythm.length or unit, unit)
    factors = rhythm.factors
    if not factors:
        return _length_between(room, unit)
    total = sum(Fraction(*factor) for factor in factors)
    for length in [rhythm.length] if rhythm.length else [candidate * unit for candidate in _CANDIDATES]:
        left = room - length * total
        if not left or (left > 0 and _length_between(left, machine.unit) is not None):
            return _length_between(length, unit)
    return None


@lru_cache(maxsize=4096)
def _length_between(ticks: Ticks, unit: Ticks) -> str | None:
    """How a length is written in units; None if it is too odd to be."""
    length = Fraction(ticks) / Fraction(unit)
    numerator, denominator = length.numerator, length.denominator
    if numerator >= 10**MOST_DIGITS or denominator not in DENOMINATORS:
        return None
    if denominator > 1 and _LONGEST_FACTOR * numerator * unit > MAX_NOTE:
        return None  # without the slash, which may not come, it would be no note
    divisor = {1: "", 2: "/"}.get(denominator, f"/{denominator}")
    return ("" if numerator == 1 else str(numerator)) + divisor


def _longer(machine: Machine, room: Ticks | None) -> str | None:
    """What to add to the length that is pending, None if nothing.

    room: what it leaves of the bar as it is, maybe below 0; None if any bar will do.
    """
    chord, before = machine.groups.chord, None if room is None else machine.room
    unit = chord[0].duration if chord else machine.unit
    length = length_of(machine.pending)
    wanted = _wanted(machine, before, unit)
    if wanted and wanted.startswith(length):
        return wanted[len(length) :]
    if before is not None and room is not None and room < 0:
        _, slash, divisor = length.partition("/")
        if not slash:
            return "/"
        if divisor:
            return "6" if divisor == "1" else None
        half = before - room
        return next((str(part)[0] for part in DENOMINATORS if part > 2 and half * 2 <= before * part), None)
    return None
