"""Two rules that span bars: how long each bar is, and that repeats and numbered endings come in pairs."""

from collections.abc import Hashable
from functools import lru_cache
from typing import NamedTuple

from hf_scaling.notation.durations import Ticks
from hf_scaling.notation.problems import Problems


class BarLine(NamedTuple):
    """What a bar line says.

    strong: all but a plain `|`; last: `|]`; endings: the numbers of `|1` or `[1,3`; line: False for a bare `[1`,
    which draws no line.
    """

    repeat_end: bool
    repeat_start: bool
    strong: bool
    last: bool
    endings: tuple[int, ...]
    line: bool


@lru_cache(maxsize=1024)
def parse_bar_line(text: str) -> BarLine:
    """Read a bar token, such as `|`, `:|2`, `|]` or `[1,3`."""
    marks = text.rstrip("0123456789,-")
    numbers: list[int] = []
    for part in text[len(marks) :].split(","):
        first, *_, last = part.split("-") if "-" in part else (part, part)
        if first:  # "1-3" is 1, 2, 3; no tune has a hundred endings
            numbers += range(int(first[:2]), int((last or first)[:2]) + 1)
    return BarLine(
        repeat_end=marks.startswith(":"),
        repeat_start=marks.endswith(":"),
        strong=bool(numbers) or marks not in ("|", "[|]"),
        last=marks == "|]",
        endings=tuple(numbers),
        line=marks != "[",
    )


class BarLengths:
    """Judges bar lengths as they come.

    A bar is right when it is as long as the metre says, or shorter and
    - the first after the start of the tune, a double bar or a repeat: a pickup;
    - the last before one of these, and complements the pickup of its section, of the tune or the one that follows;
    - at a numbered ending, a repeat or a line end, and the bar's other half follows (for a second ending: precedes
      the first).
    """

    __slots__ = (
        *("_before_ending", "_ending", "_first", "_problems", "_section_pickup", "_short", "_tune_pickup"),
        "_whole",
    )

    def __init__(self, problems: Problems) -> None:
        """Judge a tune from its start; what is wrong goes to `problems`."""
        self._problems = problems
        self._first = True  # no bar of this section has been heard
        self._whole = False  # a bar of this section was full
        self._ending = False  # this bar opens a numbered ending
        self._tune_pickup: Ticks | None = None  # None until the first bar has been heard
        self._section_pickup: Ticks = 0
        self._before_ending: Ticks = 0  # the short bar that the first ending cut in two
        self._short: tuple[Ticks, int, bool] | None = None  # a bar whose other half may follow: ticks, offset, strong

    def fork(self, problems: Problems) -> "BarLengths":
        """A copy that reads on by itself and reports to `problems`."""
        copy = BarLengths(problems)
        copy._first, copy._ending, copy._short = self._first, self._ending, self._short
        copy._tune_pickup, copy._section_pickup = self._tune_pickup, self._section_pickup
        copy._before_ending, copy._whole = self._before_ending, self._whole
        return copy

    def state(self) -> Hashable:
        """All that what follows is judged by."""
        pickups = self._tune_pickup, self._section_pickup, self._before_ending
        return self._first, self._whole, self._ending, *pickups, self._short and (self._short[0], self._short[2])

    def wanted(self, full: Ticks, at_line_end: bool) -> Ticks:
        """How long the bar that has begun must become: `full`, or the other half of the bar before it.

        0 where the bar before it is short for good, since only a line end can part the halves of a bar within a
        section.
        """
        if self._short is None:
            return full
        half, _, strong = self._short
        return full - half if strong or at_line_end else 0

    @property
    def halved(self) -> bool:
        """Whether a bar that is short waits for its other half."""
        return self._short is not None

    def may_end_short(self) -> bool:
        """Whether folk tunes end a bar that is short with a strong bar line here: only if its part has a full bar, or
        in an ending, or where the tune begins with it.
        """
        return self._whole or self._ending or self._tune_pickup is None

    def reopen(self) -> None:
        """A second ending comes: it belongs to the section that `:|` has just ended."""
        self._whole = True

    def close(self, ticks: Ticks, full: Ticks | None, line: BarLine, offset: int, at_line_end: bool) -> None:
        """A bar of `ticks` ends at a bar line at `offset`; `full`: the length it should have, None if it is free.

        at_line_end: whether the bar line before this bar was the last thing on its line of text.
        """
        if ticks and full is not None:
            self._judge(ticks, full, line, offset, at_line_end)
        elif full is None:
            self._short = None
        self._whole = self._whole or ticks == full
        if line.endings:
            if line.endings[0] == 1:
                self._before_ending = self._short[0] if self._short else 0
            self._ending, self._first = True, False
        elif ticks or line.strong:
            self._ending, self._first = False, line.strong
            self._whole = self._whole and not line.strong

    def finish(self) -> None:
        """The tune is over: a half bar still waiting for its other half is short."""
        self._give_up_short()

    def _judge(self, ticks: Ticks, full: Ticks, line: BarLine, offset: int, at_line_end: bool) -> None:
        if self._short:
            half, _, strong = self._short
            if half + ticks == full and (strong or at_line_end):
                self._short = None
                if self._first:
                    self._section_pickup = ticks
                return
            self._give_up_short()
        if ticks > full:
            self._problems.report("bar-long", offset, f"the bar is {float(ticks / full):.3g} of a bar long")
        elif ticks < full and not self._may_be_short(ticks, full, line):
            self._short = (ticks, offset, line.strong)
        if self._tune_pickup is None:
            self._tune_pickup = ticks

    def _may_be_short(self, ticks: Ticks, full: Ticks, line: BarLine) -> bool:
        if self._ending and self._before_ending + ticks == full:
            return True
        if line.strong and full in ((self._tune_pickup or 0) + ticks, self._section_pickup + ticks):
            return True
        if self._first and not (line.repeat_end or line.endings or line.last):
            self._section_pickup = ticks
            return True
        return False

    def _give_up_short(self) -> None:
        if self._short:
            self._problems.report("bar-short", self._short[1], "the bar is shorter than the metre says")
            self._short = None


class Repeats:
    """Judges that every `|:` finds its `:|` and that numbered endings run 1, 2, ... without gap.

    A `:|` without `|:` is legal: it repeats from the start, the last double bar or the last repeat (ABC 2.1 §4.8).
    """

    __slots__ = ("_endings", "_open", "_problems", "ended", "n_marks", "n_plain")

    def __init__(self, problems: Problems) -> None:
        """Judge a tune from its start; what is wrong goes to `problems`."""
        self._problems = problems
        self._open: int | None = None
        self._endings: list[tuple[int, tuple[int, ...]]] = []  # where, and the numbers
        self.n_plain = 0  # bar lines that repeat nothing, end nothing and open no ending
        self.n_marks = 0  # all others
        self.ended = False  # the last bar line was a :|

    def fork(self, problems: Problems) -> "Repeats":
        """A copy that reads on by itself and reports to `problems`."""
        copy = Repeats(problems)
        copy._open, copy._endings = self._open, self._endings.copy()
        copy.n_plain, copy.n_marks, copy.ended = self.n_plain, self.n_marks, self.ended
        return copy

    def state(self) -> Hashable:
        """All that what follows is judged by."""
        return self.open, self.endings, min(self.n_plain, 2), self.n_marks > 0, self.ended

    @property
    def open(self) -> bool:
        """Whether a |: still waits for its :|."""
        return self._open is not None

    @property
    def first_only(self) -> bool:
        """Whether a first ending waits for its second."""
        return self.endings == (1,)

    @property
    def endings(self) -> tuple[int, ...]:
        """The numbers of the endings since the last first one."""
        return tuple(sorted(number for _, group in self._endings for number in group))

    def bar(self, line: BarLine, offset: int) -> None:
        """Take a bar line."""
        self.ended = line.repeat_end
        if not line.strong:
            self.n_plain += 1
            return
        self.n_marks += 1
        if line.repeat_end:
            self._open = None
        if line.repeat_start:
            self._end_repeat()
            self._end_endings()
            self._open = offset
        if line.endings:
            if line.endings[0] == 1:
                self._end_endings()
            self._endings.append((offset, line.endings))

    def finish(self) -> None:
        """The tune is over."""
        self._end_repeat()
        self._end_endings()

    def _end_repeat(self) -> None:
        if self._open is not None:
            self._problems.report("repeat-open", self._open, "this repeat is never closed with :|")
            self._open = None

    def _end_endings(self) -> None:
        marks, self._endings = self._endings, []
        numbers = sorted(number for _, group in marks for number in group)
        if len(numbers) == 1 or numbers != list(range(1, len(numbers) + 1)):
            for offset, group in marks:
                self._problems.report("ending", offset, f"ending {group[0]} of endings that do not run 1, 2, ...")
