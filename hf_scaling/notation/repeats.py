"""Repeats in one form."""

from hf_scaling.notation.bars import parse_bar_line
from hf_scaling.notation.check import read

_SECTION_ENDS = ("||", "|]", "[|")
_LAYOUT = frozenset(("field", "space", "indent", "newline", "comment", "continuation"))


def canonical_repeats(text: str) -> str:
    """Write every repeat as `|: ... :|`, with `:|` and `|:` apart, and nothing else changed.

    A `:|` that no `|:` precedes repeats from the start, the last double bar or the last repeat (ABC 2.1 §4.8): there
    a `|:` is put. Players that take it for a repeat from the first bar (music21 does) then play it right. After a
    second ending no new section is assumed before the next double bar or repeat. A tune in several voices comes back
    as it is.
    """
    machine = read(text)
    if len(machine.voices) > 1:
        return text
    key_at = next((field.offset for field in machine.fields if field.letter == "K"), -1)
    edits: list[tuple[int, int, str]] = []  # from, to, what stands there instead
    start: int | None = None  # where the section began, if no |: opened it
    waiting = True  # the next thing that sounds begins a section
    opened = False  # by a |: that no :| has closed; a double bar within is no section's end
    for kind, mark, offset in machine.tokens:
        if offset <= key_at or kind in _LAYOUT:
            continue
        if kind != "bar":
            start, waiting = (offset, False) if waiting else (start, False)
            continue
        line = parse_bar_line(mark)
        if line.repeat_end and start is not None:
            edits.append((start, start, " |:" if text[start - 1] in "|:]" else "|:"))
        if line.repeat_end and line.repeat_start:
            edits.append((offset, offset + len(mark), ":| |:"))
        if line.repeat_end or line.repeat_start:
            opened = line.repeat_start
        if line.repeat_end or line.repeat_start or (mark in _SECTION_ENDS and not opened):
            start = None
            waiting = not line.repeat_start and not line.endings
    pieces: list[str] = []
    at = 0
    for begin, end, new in sorted(edits):
        pieces += text[at:begin], new
        at = end
    return "".join(pieces) + text[at:]
