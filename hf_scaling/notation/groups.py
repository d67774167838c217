"""Chords, grace notes and slurs: what is opened must be closed (ABC 2.1 §4.11, §4.17 and §4.20)."""

from collections.abc import Hashable
from dataclasses import replace

from hf_scaling.notation.events import Note
from hf_scaling.notation.problems import Problems


class Groups:
    """Judges that groups are closed, and knows which one is open.

    chord: the notes so far of the chord that is open, None without one; grace: whether grace notes are open;
    n_grace: how many there are so far.
    """

    __slots__ = ("_at", "_problems", "_slurs", "chord", "grace", "n_grace")

    def __init__(self, problems: Problems) -> None:
        """Nothing is open."""
        self._problems = problems
        self.chord: list[Note] | None = None
        self.grace, self.n_grace = False, 0
        self._at = 0  # where the open chord or grace group began
        self._slurs: list[int] = []

    def fork(self, problems: Problems) -> "Groups":
        """A copy that reads on by itself and reports to `problems`."""
        copy = Groups(problems)
        copy.chord = None if self.chord is None else [replace(note) for note in self.chord]
        copy.grace, copy.n_grace, copy._at, copy._slurs = self.grace, self.n_grace, self._at, self._slurs.copy()
        return copy

    def state(self) -> Hashable:
        """All that what follows is judged by: of a chord its first note's length, which becomes its own."""
        first = self.chord[0].duration if self.chord else 0
        return self.chord is None, first, self.grace, self.n_notes, len(self._slurs)

    @property
    def n_notes(self) -> int:
        """How many notes the group has that is open."""
        return self.n_grace if self.grace else len(self.chord or ())

    @property
    def n_slurs(self) -> int:
        """How many slurs are open."""
        return len(self._slurs)

    def open_chord(self, offset: int) -> None:
        """A chord begins."""
        self.end()
        self.chord, self._at = [], offset

    def close_chord(self, offset: int) -> list[Note]:
        """A chord ends; returns its notes, none if there is nothing to end."""
        notes, self.chord = self.chord, None
        if notes is None:
            self._problems.report("chord-close", offset, "a ] that closes nothing")
        elif not notes:
            self._problems.report("chord-empty", self._at, "a chord without notes")
        return notes or []

    def open_grace(self, offset: int) -> None:
        """Grace notes begin."""
        if self.grace:
            self.end()
        self.grace, self.n_grace, self._at = True, 0, offset

    def close_grace(self, offset: int) -> None:
        """Grace notes end."""
        if not self.grace:
            self._problems.report("grace-close", offset, "a } that closes nothing")
        self.grace = False

    def open_slur(self, offset: int) -> None:
        """A slur begins."""
        self._slurs.append(offset)

    def close_slur(self, offset: int) -> None:
        """A slur ends."""
        if self._slurs:
            self._slurs.pop()
        else:
            self._problems.report("slur-close", offset, "a ) that closes nothing")

    def end(self) -> None:
        """A line or a bar ends: neither chord nor grace notes may be open any more; slurs may."""
        if self.chord is not None:
            self._problems.report("chord-open", self._at, "this chord is never closed")
            self.chord = None
        if self.grace:
            self._problems.report("grace-open", self._at, "these grace notes are never closed")
            self.grace = False

    def finish(self) -> None:
        """The tune is over."""
        for at in self._slurs:
            self._problems.report("slur-open", at, "this slur is never closed")
