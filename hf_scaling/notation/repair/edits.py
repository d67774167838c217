"""Small edits of a text, and where its lines came from after many of them."""

from typing import NamedTuple


class Repair(NamedTuple):
    """One repair: the code of the problem, the line (from 1) of the text as it came, and what was done."""

    code: str
    line: int
    message: str


class Edit(NamedTuple):
    """Put `new` in place of `text[start:end]`, because of the problem `code`; `message` tells people."""

    start: int
    end: int
    new: str
    code: str
    message: str


class Draft:
    """A text under repair; it knows for each of its lines which line it once was."""

    def __init__(self, text: str) -> None:
        """Begin with a text as it came."""
        self.text = text
        self._lines = list(range(1, text.count("\n") + 2))

    def apply(self, edits: list[Edit]) -> list[Repair]:
        """Make all edits but those that overlap one before; the next look shows whether they are still needed."""
        pieces: list[str] = []
        repairs: list[Repair] = []
        at = place = 0  # in the text, and in its lines
        lines = self._lines[:1]
        for edit in sorted(edits):
            if edit.start < at:
                continue
            kept = self.text.count("\n", at, edit.start)
            lines += self._lines[place + 1 : place + kept + 1]
            place += kept
            repairs.append(Repair(edit.code, self._lines[place], edit.message))
            lines += [self._lines[place]] * edit.new.count("\n")
            place += self.text.count("\n", edit.start, edit.end)
            lines[-1] = self._lines[place]
            pieces += self.text[at : edit.start], edit.new
            at = edit.end
        self.text = "".join(pieces) + self.text[at:]
        self._lines = lines + self._lines[place + 1 :]
        return repairs
