"""States of the grammar, in two parts: what goes on inside the bar, and what stands around it.

What notes do within a bar does not depend on the bars before, so it is found out once for all of them (`Inside`).
"""

from collections.abc import Hashable
from typing import Any

from hf_scaling.notation.grammar import Machine

_NOTHING: list[Any] = []
_WITHIN_BARS = frozenset(
    (
        *("note", "rest", "accidental", "space", "broken", "tuplet", "tie", "shorthand", "slur-open", "slur-close"),
        *("grace-open", "grace-close", "chord-close", "quote", "quote-open", "decoration", "decoration-open"),
    )
)


class Inside:
    """What is known of states that agree in all but the bars before: in `Machine.inside`.

    apart: whether the pending token may be a bar line, a line end or a field, so that states go on in ways of their
    own. If not, they share the groups of characters, where these lead (None: nowhere), and the way to the end of the
    bar: its length and what decides, with the bars before, how far it is from there. states: the states themselves, by
    the number of the bars before; None if one has no legal end.
    """

    __slots__ = ("apart", "groups", "moves", "states", "way")

    def __init__(self, machine: Machine) -> None:
        """Nothing is known but what `machine` is about to read."""
        self.apart = machine.in_header or machine.pending_kind not in _WITHIN_BARS
        self.groups: tuple[str, ...] | None = None
        self.moves: dict[str, Inside | None] = {}
        self.way: tuple[int, Hashable] | None = None
        self.states: dict[int, State | None] = {}


class State:
    """One state of the grammar: its two parts, and what has been found out about it.

    around: the number of the bars before.
    """

    __slots__ = ("_before", "_machines", "around", "groups", "inside", "may_end", "need")

    def __init__(self, inside: Inside, around: int, before: "Machine | tuple[State, str]") -> None:
        """before: the engine, which must not be fed any more, or a state and the character that leads here from it."""
        self.inside, self.around, self._before = inside, around, before
        self._machines: tuple[Machine, Machine] | None = None
        self.groups: tuple[str, ...] | None = None
        self.may_end: bool | None = None
        self.need: int | None = None

    @property
    def machines(self) -> tuple[Machine, Machine]:
        """The engine, and the engine once the token that is pending has ended; made when they are asked for."""
        if self._machines is None:
            text, before = "", self._before
            while not isinstance(before, Machine):
                state, character = before
                text, before = character + text, state._before
            if text:
                before = before.fork()
                before.feed(text)
            self._before, self._machines = before, (before, settle(before))
            for part in self._machines:  # what nobody reads again and a fork begins anew
                part.tokens = part.events = _NOTHING
        return self._machines


def settle(machine: Machine) -> Machine:
    """`machine` with its pending token ended."""
    ended = machine.fork()
    ended.settle()
    return ended
