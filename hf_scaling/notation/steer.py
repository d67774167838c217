"""What may follow some text: the notation engine as a constrained decoder sees it.

A `State` (`states.py`) is the engine where it stands after some text. A character may follow if it is in the subset
that decoders write (`subset.py`), if the engine, forked and fed with it, finds nothing wrong, if what it ends is as
folk tunes have it (`customs.py`), and if from there a legal end can be reached. `way.py` knows the way there; its
length, `Grammar.need`, is what a decoder holds against the number of characters that it may still write. Texts that may
go on in the same ways share one state, and what has been found out about a state is kept: decoding soon walks on paths
that are known. What notes do within a bar is found out once for all bars: the engine itself is asked again only where
a bar line is at hand.
"""

from collections.abc import Hashable

from hf_scaling.notation.customs import is_odd
from hf_scaling.notation.grammar import Machine
from hf_scaling.notation.states import Inside, State, settle
from hf_scaling.notation.subset import Subset
from hf_scaling.notation.way import Way, may_end_with

NEVER = 1 << 14
"""The `need` of a state from which no legal end is reached."""

_LONGEST_WAY = 400
_BAR_ENDS = ("|", ":")


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
        self._way = Way(alphabet, self._strict)
        self._insides: dict[Hashable, Inside] = {}
        self._arounds: dict[Hashable, int] = {}
        self._needs: dict[tuple[Hashable, int], int] = {}  # where bars end, which many ways pass

    def read(self, text: str) -> State | None:
        """The state after `text`; None if that is wrong already or has no legal end."""
        machine = Machine()
        machine.feed(text)
        if self._way.is_wrong(machine):
            return None
        return self._intern(self._inside(machine), self._around(machine), machine.fork())

    def groups(self, state: State) -> tuple[str, ...]:
        """Characters that the subset lets follow, legal or not, in groups that all lead to the same state."""
        known = state if state.inside.apart else state.inside
        if known.groups is None:
            machine, settled = state.machines
            known.groups = tuple(self._subset.choices(machine, settled, settled.room if self._strict else None))
        return known.groups

    def move(self, state: State, group: str) -> State | None:
        """Where the characters of one of its `groups` lead; None if no legal end can be reached from there."""
        known, character = state.inside.moves, group[0]
        if character in known:
            inside = known[character]
            return self._intern(inside, state.around, (state, character)) if inside else None
        machine = self._fed(*state.machines, character)
        inside = self._inside(machine) if machine else None
        if not state.inside.apart:
            known[character] = inside
        if not machine or not inside:
            return None
        return self._intern(inside, self._around(machine) if state.inside.apart else state.around, machine)

    def may_end(self, state: State) -> bool:
        """Whether the text is a legal tune as it stands."""
        if state.may_end is None:
            state.may_end = may_end_with(state.machines[0]) and self._way.ends(*state.machines)
        return state.may_end

    def need(self, state: State) -> int:
        """Characters from here to a legal end, the end itself counted as one; NEVER if there is none.

        A state that may not end has a move to one that needs one character less.
        """
        if state.need is None:
            known = self._known(state.inside, state.around)
            state.need = self._walk(state) if known is None else known
        return state.need

    def _known(self, inside: Inside, around: int) -> int | None:
        """The need of a state, None if it has not been found out."""
        if around in inside.states:
            state = inside.states[around]
            return state.need if state else NEVER
        if not inside.way:
            return None
        length, end = inside.way
        rest = self._needs.get((end, around)) if end else NEVER
        return None if rest is None else min(length + rest, NEVER)

    def _walk(self, state: State) -> int:
        """The characters that it takes to a legal end, found by going there."""
        (machine, settled), here, around = state.machines, state.inside, state.around
        shared = not here.apart  # the way to the end of the bar is that of all states inside it
        passed: list[tuple[tuple[Hashable, int], int]] = []
        length, need = 0, NEVER
        while length < _LONGEST_WAY:
            way, can_end = self._way.following(machine, settled), may_end_with(machine)
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
            if can_end and self._way.is_done(settled) and self._way.ends(machine, settled):
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
            settled = settle(machine)
        for key, before in passed:
            self._needs[key] = NEVER if need >= NEVER else need - before
        return min(need, NEVER)

    def _fed(self, machine: Machine, settled: Machine, text: str) -> Machine | None:
        """A fork of `machine` that has read `text`; None if that is wrong."""
        longer = machine.may_take_in(text[0])
        if not longer and (self._way.is_wrong(settled) or is_odd(machine, settled, self._strict)):
            return None
        fed = (machine if longer else settled).fork()
        fed.feed(text)
        return None if self._way.is_wrong(fed) else fed

    def _inside(self, machine: Machine) -> Inside:
        key = machine.inside(self._strict)
        found = self._insides.get(key)
        if found is None:
            found = self._insides[key] = Inside(machine)
        return found

    def _around(self, machine: Machine) -> int:
        return self._arounds.setdefault(machine.around(self._strict), len(self._arounds))

    def _intern(self, inside: Inside, around: int, before: Machine | tuple[State, str]) -> State | None:
        """The state with these parts, made as `State` has it if it is new; None if it has no legal end."""
        if around not in inside.states:
            state = State(inside, around, before)
            inside.states[around] = state if self.need(state) < NEVER else None
        return inside.states[around]
