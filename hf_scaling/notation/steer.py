"""What may follow, and the shortest way to a legal end: the notation engine as a constrained decoder sees it.

A `State` is the engine where it stands after some text. A character may follow if it is in the subset that decoders
write (`subset.py`), if the engine, forked and fed with it, finds nothing wrong, if what it ends is as folk tunes have
it (`customs.py`), and if from there a legal end can be reached. `_way` knows the way there, character by character; its
length, `Grammar.need`, is what a decoder holds against the number of characters that it may still write. Texts that may
go on in the same ways share one state, and what has been found out about a state is kept: decoding soon walks on paths
that are known. What notes do within a bar is found out once for all bars: the engine itself is asked again only where
a bar line is at hand.
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
_APART = frozenset(("", "bar", "character", "chord-open", "field", "indent", "newline"))


class _Inside:
    """What is known of states that agree in all but the bars before: in `Machine.inside`.

    apart: whether the pending token may be a bar line or a line end, so that states go on in ways of their own. If not,
    they share the groups of characters, where these lead (None: nowhere), and the way to the end of the bar: its length
    and what decides, with the bars before, how far it is from there. states: the states themselves, by the number of
    the bars before; None if one has no legal end.
    """

    __slots__ = ("apart", "groups", "moves", "states", "way")

    def __init__(self, machine: Machine) -> None:
        """Nothing is known but what `machine` is about to read."""
        self.apart = machine.in_header or machine.pending_kind in _APART
        self.groups: tuple[str, ...] | None = None
        self.moves: dict[str, _Inside | None] = {}
        self.way: tuple[int, Hashable] | None = None
        self.states: dict[int, State | None] = {}


class State:
    """One state of the grammar: its two parts, and what has been found out about it.

    around: the number of the bars before; machine: the engine, made when it is asked for, from that of the state before
    and the character that leads here from it; settled: the engine once the token that is pending has ended.
    """

    __slots__ = ("_before", "_character", "_machine", "_settled", "around", "groups", "inside", "may_end", "need")

    def __init__(self, inside: _Inside, around: int, before: "State | None", character: str) -> None:
        """A state that is reached from the one before, or whose engine will be given with `take`."""
        self.inside, self.around, self._before, self._character = inside, around, before, character
        self._machine: Machine | None = None
        self._settled: Machine | None = None
        self.groups: tuple[str, ...] | None = None
        self.may_end: bool | None = None
        self.need: int | None = None

    def take(self, machine: Machine) -> None:
        """The engine here is `machine`, which must not be fed any more."""
        self._machine, self._settled, self._before = machine, _settled(machine), None
        for part in (self._machine, self._settled):  # what nobody reads again and a fork begins anew
            part.tokens = part.events = _NOTHING

    @property
    def machine(self) -> Machine:
        """The engine where it stands."""
        if self._machine is None:
            self._go()
        assert self._machine
        return self._machine

    @property
    def settled(self) -> Machine:
        """The engine once the token that is pending has ended."""
        if self._settled is None:
            self._go()
        assert self._settled
        return self._settled

    def _go(self) -> None:
        text, state = "", self
        while state._before:
            text, state = state._character + text, state._before
        machine = state.machine.fork()
        machine.feed(text)
        self.take(machine)


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
        self._insides: dict[Hashable, _Inside] = {}
        self._arounds: dict[Hashable, int] = {}
        self._needs: dict[tuple[Hashable, int], int] = {}  # where bars end, which many ways pass

    def read(self, text: str) -> State | None:
        """The state after `text`; None if that is wrong already or has no legal end."""
        machine = Machine()
        machine.feed(text)
        if self._is_wrong(machine):
            return None
        return self._intern(self._inside(machine), self._around(machine), machine.fork())

    def groups(self, state: State) -> tuple[str, ...]:
        """Characters that the subset lets follow, legal or not, in groups that all lead to the same state."""
        known = state if state.inside.apart else state.inside
        if known.groups is None:
            room = state.settled.room if self._strict else None
            known.groups = tuple(self._subset.choices(state.machine, state.settled, room))
        return known.groups

    def move(self, state: State, group: str) -> State | None:
        """Where the characters of one of its `groups` lead; None if no legal end can be reached from there."""
        known, character = state.inside.moves, group[0]
        if character in known:
            inside = known[character]
            return self._intern(inside, state.around, state, character) if inside else None
        machine = self._fed(state.machine, state.settled, character)
        inside = self._inside(machine) if machine else None
        if not state.inside.apart:
            known[character] = inside
        if not machine or not inside:
            return None
        return self._intern(inside, self._around(machine) if state.inside.apart else state.around, machine)

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
            known = self._known(state.inside, state.around)
            state.need = self._walk(state) if known is None else known
        return state.need

    def _known(self, inside: _Inside, around: int) -> int | None:
        """The need of a state, None if it has not been found out."""
        state = inside.states.get(around)
        if state and state.need is not None:
            return state.need
        if not inside.way:
            return None
        length, end = inside.way
        rest = self._needs.get((end, around)) if end else NEVER
        return None if rest is None else min(length + rest, NEVER)

    def _walk(self, state: State) -> int:
        """The characters that it takes to a legal end, found by going there."""
        machine, settled, here, around = state.machine, state.settled, state.inside, state.around
        shared = not here.apart  # the way to the end of the bar is that of all states inside it
        passed: list[tuple[tuple[Hashable, int], int]] = []
        length, need = 0, NEVER
        while length < _LONGEST_WAY:
            way, can_end = self._way(machine, settled), _can_end(machine)
            if way in _BAR_ENDS and not machine.may_take_in(way):  # then it all depends on `settled`
                end: Hashable = self._inside(settled), can_end, machine.pending_kind == "shorthand"
                if shared:
                    state.inside.way, shared = (length, end), False
                key = end, self._around(settled) if here.apart else around
                if key in self._needs:
                    need = length + self._needs[key]
                    break
                passed.append((key, length))
            if can_end and not settled.bar_ticks:
                shared = False  # the tune may end here, before the bar does
            if can_end and self._is_done(settled) and self._ends(machine, settled):
                need = length + 1
                break
            following = self._fed(machine, settled, way) if way and self._alphabet.issuperset(way) else None
            if not way or not following:
                if shared:
                    state.inside.way = NEVER, None
                break
            length += len(way)
            machine = following
            around = self._around(machine) if here.apart else around
            here = self._inside(machine)
            if shared and here.way:
                state.inside.way, shared = (min(length + here.way[0], NEVER), here.way[1]), False
            known = self._known(here, around)
            if known is not None:
                need = length + known
                break
            settled = _settled(machine)
        for key, before in passed:
            self._needs[key] = NEVER if need >= NEVER else need - before
        return min(need, NEVER)

    def _fed(self, machine: Machine, settled: Machine, text: str) -> Machine | None:
        """A fork of `machine` that has read `text`; None if that is wrong."""
        longer = machine.may_take_in(text[0])
        if not longer and (self._is_wrong(settled) or is_odd(machine, settled, self._strict)):
            return None
        fed = (machine if longer else settled).fork()
        fed.feed(text)
        return None if self._is_wrong(fed) else fed

    def _inside(self, machine: Machine) -> _Inside:
        key = machine.inside(self._strict)
        if key not in self._insides:
            self._insides[key] = _Inside(machine)
        return self._insides[key]

    def _around(self, machine: Machine) -> int:
        return self._arounds.setdefault(machine.around(self._strict), len(self._arounds))

    def _intern(self, inside: _Inside, around: int, before: Machine | State, character: str = "") -> State | None:
        """The state with these parts, None if it has no legal end.

        before: its engine, or the state from which `character` leads there.
        """
        if around not in inside.states:
            if isinstance(before, State):
                state = State(inside, around, before, character)
            else:
                state = State(inside, around, None, "")
                state.take(before)
            inside.states[around] = state if self.need(state) < NEVER else None
        return inside.states[around]

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
