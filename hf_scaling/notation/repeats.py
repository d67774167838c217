"""Repeats in one form, or written out."""

from collections.abc import Iterator, Mapping
from itertools import pairwise

from hf_scaling.notation.bars import BarLine, parse_bar_line
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


def played_out(text: str) -> str:
    """Write every repeat out as often as it is played, with its endings, and every bar line as `|`.

    A tune in several voices keeps its repeats.
    """
    text = canonical_repeats(text)
    machine = read(text)
    if len(machine.voices) > 1:
        return text
    key_at = next((field.offset for field in machine.fields if field.letter == "K"), -1)
    header: list[str] = []
    pieces: list[str] = []
    marks: dict[int, BarLine] = {}
    for kind, token, offset in machine.tokens:
        if offset <= key_at:
            header.append(token)
        elif kind == "bar":
            marks[len(pieces)] = line = parse_bar_line(token)
            pieces.append("|" if line.line else " ")
        else:
            pieces.append(token)
    starts = [0, *(at for at, line in marks.items() if line.repeat_start), len(pieces)]
    played = [stretch for start, end in pairwise(starts) for stretch in _played(marks, start, end)]
    return "".join(header) + "".join(piece for stretch in played for piece in pieces[stretch])


def _played(marks: Mapping[int, BarLine], start: int, end: int) -> Iterator[slice]:
    """What is played of a section that one `|:` opens, in order."""
    inside = [(at, line) for at, line in marks.items() if start <= at < end]
    repeat = next((at for at, line in inside if line.repeat_end), None)
    endings = [(at, line.endings) for at, line in inside if line.endings]
    if not endings:
        if repeat is not None:
            yield slice(start, repeat + 1)
        yield slice(start, end)
        return
    first, last = endings[0][0], endings[-1][0]
    rest = next((at for at, line in inside if at > last and line.strong), end)  # the last ending stands before it
    ends = [*(at for at, _ in endings[1:]), rest]
    for time in range(1, max(number for _, numbers in endings for number in numbers) + 1):
        for (at, numbers), until in zip(endings, ends, strict=True):
            if time in numbers:
                yield slice(start, first)
                yield slice(at, until)
    yield slice(rest, end)
