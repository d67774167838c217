"""What may follow, and the shortest way to a legal end: the notation engine as a constrained decoder sees it.

A `State` is the engine where it stands after some text. A character may follow if it is in the subset that decoders
write (`subset.py`), if the engine, forked and fed with it, finds nothing wrong, if what it ends is as folk tunes have
it (`customs.py`), and if from there a legal end can be reached. `_way` knows the way there, character by character; its
length, `State.need`, is what a decoder holds against the number of characters that it may still write. Texts that may
go on in the same ways share one state, and what has been found out about a state is kept: decoding soon walks on paths
that are known.
"""

from collections.abc import Hashable
from fractions import Fraction
from functools import lru_cache
from typing import Any

from hf_scaling.notation.customs import ends_oddly, is_odd
from hf_scaling.notation.durations import Ticks
from hf_scaling.notation.grammar import Machine
from hf_scaling.notation.subset import (
    DENOMINATORS,
    MOST_DIGITS,
    MUSIC_FOLLOWS,
    NOTES,
    SHORTEST,
    SLUR_MAY_END,
    VALUES,
    Subset,
    length_of,
)

NEVER = 1 << 14
"""The `need` of a state from which no legal end is reached."""

_LONGEST_WAY = 400
_BAR_CODES = frozenset(("bar-long", "bar-short"))
_BARS_TO_END = 2  # plain bar lines that a tune with repeats must have, or music21 makes no bars of it
_ENDS = ("newline", "bar", "note", "rest", "chord-close", "slur-close")
_BAR_ENDS = ("|", ":")
_LENGTHS = ("note", "rest", "chord-close")
_CANDIDATES = [Fraction(n) for n in ("1", "2", "1/2", "3", "4", "3/2", "1/4", "3/4", "6", "1/8", "3/8")]


_NOTHING: list[Any] = []


class State:
    """One state of the grammar: the engine behind some text, and what has been found out about it.

    settled: the engine once the token that is pending has ended; moves: where characters lead, None for those that may
    not follow; it fills as it is asked for.
    """

    __slots__ = ("groups", "machine", "may_end", "moves", "need", "settled")

    def __init__(self, machine: Machine) -> None:
        """The state of `machine`, which must not be fed any more."""
        self.machine, self.settled = machine, _settled(machine)
        for part in (machine, self.settled):  # what nobody reads again and a fork begins anew
            part.tokens = part.events = _NOTHING
        self.groups: tuple[str, ...] | None = None
        self.moves: dict[str, State | None] = {}
        self.may_end: bool | None = None
        self.need: int | None = None


class Grammar:
    """The states of the grammar, found as they are asked for.

    Args:
        alphabet: the characters that may be written.
        bars: "strict" for tunes that are strictly valid; "any" leaves the lengths of bars free.
    """

    def __init__(self, alphabet: str, bars: str = "strict") -> None:
        if bars not in ("strict", "any"):
            raise ValueError(f"bars: got {bars!r}, expected 'strict' or 'any'")
        self._strict = bars == "strict"
        self._subset = Subset(alphabet)
        self._alphabet = frozenset(alphabet)
        self._note = next((note for note in NOTES if note in self._alphabet), NOTES[0])
        self._harmless = frozenset() if self._strict else _BAR_CODES
        self._states: dict[Hashable, State | None] = {}
        self._needs: dict[Hashable, int] = {}  # where bars end, which many ways pass

    def read(self, text: str) -> State | None:
        """The state after `text`; None if that is wrong already or has no legal end."""
        machine = Machine()
        machine.feed(text)
        return None if self._is_wrong(machine) else self._intern(machine.fork())

    def groups(self, state: State) -> tuple[str, ...]:
        """Characters that the subset lets follow, legal or not, in groups that all lead to the same state."""
        if state.groups is None:
            room = state.settled.room if self._strict else None
            state.groups = tuple(self._subset.choices(state.machine, state.settled, room))
        return state.groups

    def move(self, state: State, group: str) -> State | None:
        """Where the characters of one of its `groups` lead; None if no legal end can be reached from there."""
        character = group[0]
        if character not in state.moves:
            machine = self._fed(state.machine, state.settled, character)
            state.moves[character] = self._intern(machine) if machine else None
        return state.moves[character]

    def may_end(self, state: State) -> bool:
        """Whether the text is a legal tune as it stands."""
        if state.may_end is None:
            state.may_end = _can_end(state.machine) and self._ends(state.machine, state.settled)
        return state.may_end

    def need(self, state: State) -> int:
        """Characters from here to a legal end, the end itself counted as one; NEVER if there is none.

        A state that may not end has a move to one that needs one character less.
        """
        if state.need is None:
            state.need = self._walk(state.machine, state.settled)
        return state.need

    def _walk(self, machine: Machine, settled: Machine) -> int:
        """The characters that it takes to lead `machine` to a legal end; both machines are left as they are."""
        passed: list[tuple[Hashable, int]] = []
        length, need = 0, NEVER
        while length < _LONGEST_WAY:
            way = self._way(machine, settled)
            may_end = _can_end(machine) and self._is_done(settled)
            if way in _BAR_ENDS and not machine.may_take_in(way):  # then it all depends on `settled`
                key = settled.state(self._strict), may_end, way
                if key in self._needs:
                    need = length + self._needs[key]
                    break
                passed.append((key, length))
            if may_end and self._ends(machine, settled):
                need = length + 1
                break
            following = self._fed(machine, settled, way) if way and self._alphabet.issuperset(way) else None
            if not way or not following:
                break
            length += len(way)
            machine, settled = following, _settled(following)
        for at, before in passed:
            self._needs[at] = NEVER if need >= NEVER else need - before
        return min(need, NEVER)

    def _fed(self, machine: Machine, settled: Machine, text: str) -> Machine | None:
        """A fork of `machine` that has read `text`; None if that is wrong."""
        longer = machine.may_take_in(text[0])
        if not longer and (self._is_wrong(settled) or is_odd(machine, settled, self._strict)):
            return None
        fed = (machine if longer else settled).fork()
        fed.feed(text)
        return None if self._is_wrong(fed) else fed

    def _intern(self, machine: Machine) -> State | None:
        """The state of `machine`, which must not be fed any more; None if it has no legal end."""
        key = machine.state(self._strict)
        if key not in self._states:
            state = State(machine)
            self._states[key] = state if self.need(state) < NEVER else None
        return self._states[key]

    def _is_wrong(self, machine: Machine) -> bool:
        problems = machine.problems
        return bool(problems) and any(problem.code not in self._harmless for problem in problems)

    def _is_done(self, settled: Machine) -> bool:
        """Whether nothing is open, as far as can be told at a glance."""
        groups, repeats = settled.groups, settled.repeats
        full = settled.room if self._strict else 0
        return not (groups.n_slurs or repeats.open or settled.rhythm.waiting or (full and settled.bar_ticks))

    def _ends(self, machine: Machine, settled: Machine) -> bool:
        """Whether the tune is legal if it ends here, by the engine itself, and as folk tunes are."""
        if is_odd(machine, settled, self._strict) or (self._strict and ends_oddly(settled)):
            return False
        closed = settled.fork()
        closed.close()
        return not (self._is_wrong(settled) or self._is_wrong(closed)) and (
            closed.repeats.n_plain >= _BARS_TO_END or not closed.repeats.n_marks
        )

    # the way to the end

    def _way(self, machine: Machine, settled: Machine) -> str | None:
        """The next characters on the way to a legal end; None if none are known."""
        kind, pending = machine.pending_kind, machine.pending
        if kind in _INSIDE:
            start, end = _INSIDE[kind]
            return end if len(pending) > 1 else start
        if kind == "field" or machine.in_header:
            return _header_way(machine)
        if kind == "accidental":
            return self._note
        if kind in ("character", ""):  # a colon that begins a bar line
            return "|"
        if pending == "[" and machine.repeats.first_only and machine.repeats.ended:
            return "2"
        if self._is_wrong(settled):
            return None
        if settled.groups.grace or settled.groups.chord is not None:
            return ("}" if settled.groups.grace else "]") if kind in ("note", "tie") else self._note
        return self._music_way(machine, settled)

    def _music_way(self, machine: Machine, settled: Machine) -> str | None:
        """The same between tokens of music, or behind a token that may be complete."""
        kind = machine.pending_kind
        room = settled.room if self._strict else None
        if kind in _LENGTHS:
            longer = _longer(machine, room)
            if longer:
                return longer
        if room is not None and room < 0:
            return None
        if is_odd(machine, settled, self._strict):
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
        if kind == "shorthand" or (self._strict and settled.lengths.halved):  # a half may begin a part, not end one
            return "|"
        return _bar_end(settled)


_INSIDE = {
    "quote-open": ("A", '"'),
    "decoration-open": ("f", "!"),
    "comment": ("\n", "\n"),
    "continuation": ("\n", "\n"),
}
"""What tokens with a content are given: a first character, then the end."""


def _can_end(machine: Machine) -> bool:
    """Whether a tune may end with the token that is pending: an ending needs music."""
    kind = machine.pending_kind
    return kind in _ENDS and not machine.in_header and not (kind == "bar" and machine.pending[-1].isdigit())


def _bar_end(settled: Machine) -> str:
    """The first character of the bar line that is next on the way."""
    repeats = settled.repeats
    return ":" if repeats.n_plain >= _BARS_TO_END and (repeats.open or repeats.first_only) else "|"


def _settled(machine: Machine) -> Machine:
    """`machine` with its pending token ended."""
    settled = machine.fork()
    settled.settle()
    return settled


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
    return _length_text(Fraction(ticks) / Fraction(unit))


def _length_text(length: Fraction) -> str | None:
    """How a length is written; None if it is too odd to be."""
    numerator, denominator = length.numerator, length.denominator
    if numerator >= 10**MOST_DIGITS or denominator not in DENOMINATORS:
        return None
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
