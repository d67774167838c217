"""States of the grammar, in two parts: what goes on inside the bar, and what stands around it.

What notes do within a bar does not depend on the bars before, so it is found out once for all of them (`Inside`).
"""

from collections.abc import Hashable
from typing import Any

from hf_scaling.notation.grammar import Machine

_NOTHING: list[Any] = []
_IN_BAR = frozenset(
    ("note", "rest", "accidental", "space", "broken", "tuplet", "tie", "shorthand", "quote", "quote-open")
)
_IN_BAR |= frozenset(("slur-open", "slur-close", "grace-open", "grace-close", "chord-close"))
_IN_BAR |= frozenset(("decoration", "decoration-open"))


class Inside:
    """What is known of states that agree in all but the bars before: in `Machine.inside`.

    apart: whether the pending token may be a bar line, a line end or a field, so that states go on in ways of their
    own. If not,
    they share the groups of characters, where these lead (None: nowhere), and the way to the end of the bar: its length
    and what decides, with the bars before, how far it is from there. states: the states themselves, by the number of
    the bars before; None if one has no legal end.
    """

    __slots__ = ("apart", "groups", "moves", "states", "way")

    def __init__(self, machine: Machine) -> None:
        """Nothing is known but what `machine` is about to read."""
        self.apart = machine.in_header or machine.pending_kind not in _IN_BAR
        self.groups: tuple[str, ...] | None = None
        self.moves: dict[str, Inside | None] = {}
        self.way: tuple[int, Hashable] | None = None
        self.states: dict[int, State | None] = {}


class State:
    """One state of the grammar: its two parts, and what has been found out about it.

    around: the number of the bars before; machine: the engine, made when it is asked for, from that of the state before
    and the character that leads here from it; settled: the engine once the token that is pending has ended.
    """

    __slots__ = ("_before", "_character", "_machine", "_settled", "around", "groups", "inside", "may_end", "need")

    def __init__(self, inside: Inside, around: int, before: "State | None", character: str) -> None:
        """A state that is reached from the one before, or whose engine will be given with `take`."""
        self.inside, self.around, self._before, self._character = inside, around, before, character
        self._machine: Machine | None = None
        self._settled: Machine | None = None
        self.groups: tuple[str, ...] | None = None
        self.may_end: bool | None = None
        self.need: int | None = None

    def take(self, machine: Machine) -> None:
        """The engine here is `machine`, which must not be fed any more."""
        self._machine, self._settled, self._before = machine, settle(machine), None
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


def settle(machine: Machine) -> Machine:
    """`machine` with its pending token ended."""
    ended = machine.fork()
    ended.settle()
    return ended
