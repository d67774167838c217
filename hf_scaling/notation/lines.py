"""Rules about lines: none is empty, nothing follows a backslash, and fields stand in the order of the standard."""

from collections.abc import Hashable

from hf_scaling.notation.events import Field
from hf_scaling.notation.problems import Problems

HEADER = "TCOABDFGHNSZRMLK"
"""Fields of a header behind X:, in the order that tunes are cleaned to; P: and Q: are left out."""

_FIELDS = frozenset("ABCDEFGHIKLMNOPQRSTUVWXZmrsw+")
_HEADER_ONLY = frozenset("ABCDFGHOSZ")


class Lines:
    """Judges how lines begin and end."""

    __slots__ = ("_blank", "_continued", "_empty", "_problems", "waiting")

    def __init__(self, problems: Problems) -> None:
        """Stand before the first line."""
        self._problems = problems
        self.waiting = True  # the next token that is more than layout matters: it begins a line or follows a backslash
        self._blank = True  # nothing but white space on this line yet
        self._empty = False  # an empty line has passed
        self._continued: int | None = None  # where a line was joined to the next

    def fork(self, problems: Problems) -> "Lines":
        """A copy that reads on by itself and reports to `problems`."""
        copy = Lines(problems)
        copy.waiting, copy._blank, copy._empty, copy._continued = (
            self.waiting,
            self._blank,
            self._empty,
            self._continued,
        )
        return copy

    def state(self) -> Hashable:
        """All that what follows is judged by."""
        return self.waiting, self._blank, self._empty, self._continued is not None

    def begin(self, offset: int) -> None:
        """The token that was waited for comes."""
        self.waiting = self._blank = False
        if self._empty:
            self._empty = False
            self._problems.report("empty-line", offset, "an empty line ends a tune, but here it goes on")
        if self._continued is not None:
            self._problems.report("continuation", self._continued, "nothing may follow a backslash on its line")
            self._continued = None

    def comment(self) -> None:
        """A comment comes; a line with nothing else is not empty."""
        self._blank = False

    def continuation(self, offset: int) -> None:
        """A backslash comes, which joins this line to the next."""
        self._continued, self.waiting = offset, True

    def end(self, first: bool) -> None:
        """A line ends; `first`: it was the first of the text, which may be empty."""
        self._empty = self._empty or (self._blank and not first)
        self._blank, self._continued, self.waiting = True, None, True


class FieldOrder:
    """Judges which fields come, and in which order; `header` holds those of the header."""

    __slots__ = ("_place", "_problems", "header", "numbered")

    def __init__(self, problems: Problems) -> None:
        """Stand before the first field."""
        self._problems = problems
        self.header: list[Field] = []
        self.numbered = False  # X: has come
        self._place = -1  # in HEADER, the last that has come

    def fork(self, problems: Problems) -> "FieldOrder":
        """A copy that reads on by itself and reports to `problems`."""
        copy = FieldOrder(problems)
        copy.header, copy.numbered, copy._place = self.header.copy(), self.numbered, self._place
        return copy

    def state(self) -> Hashable:
        """All that what follows is judged by."""
        return *self.begun, self.has_meter, self._place

    @property
    def begun(self) -> tuple[bool, bool]:
        """Whether X: has come, and whether it is the first field."""
        return self.numbered, bool(self.header) and self.header[0].letter == "X"

    @property
    def following(self) -> str:
        """The fields that may come next if each of HEADER comes once and in its place; none but M: as long as M: is
        missing where it should have come.
        """
        later = HEADER[self._place + 1 :]
        return later if self.has_meter else later.rstrip("LK") or "M"

    @property
    def has_meter(self) -> bool:
        """Whether there is an M: field."""
        return any(field.letter == "M" for field in self.header)

    def take(self, field: Field, in_header: bool) -> None:
        """A field comes."""
        letter, offset = field.letter, field.offset
        if in_header:
            self.header.append(field)
            self._place = max(self._place, HEADER.find(letter))
        elif letter in _HEADER_ONLY:
            self._problems.report("header-order", offset, f"{letter}: belongs before K:, which ends the header")
        if letter not in _FIELDS:
            self._problems.report("field-letter", offset, f"{letter}: is no field of ABC 2.1")
        if letter == "X":
            if self.numbered or not in_header:
                self._problems.report("second-tune", offset, "another tune begins here")
            self.numbered = True

    def finish(self) -> None:
        """The tune is over: X: must be the first field, and K: one of the header's."""
        letters = [field.letter for field in self.header]
        if "X" not in letters:
            self._problems.report("no-number", 0, "there is no X: field")
        elif letters[0] != "X":
            self._problems.report("header-order", self.header[letters.index("X")].offset, "X: is not the first field")
        if "K" not in letters:
            self._problems.report("no-key", 0, "there is no K: field before the music")
