"""Edits that make a header whole: every field on a line of its own, X: first, K: last, one tune."""

import re
from collections.abc import Iterator

from hf_scaling.notation.fields import key_prefix
from hf_scaling.notation.grammar import Machine
from hf_scaling.notation.repair.edits import Edit

_GLUED = re.compile(r"(?<![ \t])[ \t]+(?=[A-Zm]:[^|:])")  # without the look behind, a long gap takes time squared
_EMPTY = " \t\r\n\ufeff`$"  # what a line may hold and still be empty


def header_edits(text: str, machine: Machine) -> list[Edit]:
    """The edits that the header of `text`, which `machine` has read, needs first; none if it is whole."""
    codes = {problem.code for problem in machine.problems}
    if "second-tune" in codes:
        return _cut_second_tune(text, machine)
    if "no-key" in codes or any(field.letter == "K" and not key_prefix(field.value)[1] for field in machine.fields):
        edits = list(_unglue(machine))
        if edits:
            return edits
    if "no-number" in codes:
        return [Edit(0, 0, "X:1\n", "no-number", "X:1 added")]
    if "no-key" in codes and machine.music_at is not None:
        at = text.rfind("\n", 0, machine.music_at) + 1
        return [Edit(at, at, "K:C\n", "no-key", "K:C added before the music, which names no key")]
    return list(_misplaced(text, machine))


def _cut_second_tune(text: str, machine: Machine) -> list[Edit]:
    at = next(problem.offset for problem in machine.problems if problem.code == "second-tune")
    first = Machine()
    first.feed(text[:at])
    first.close()
    if first.n_notes:
        return [Edit(at, len(text), "", "second-tune", "the tune that follows was cut off")]
    return [Edit(0, at, "", "second-tune", "a header without music was cut off")]


def _unglue(machine: Machine) -> Iterator[Edit]:
    """Put every header field that stands behind another on its own line, and the music behind K: on the next."""
    for kind, text, offset in machine.tokens:
        if kind != "field":
            continue
        for match in _GLUED.finditer(text):
            yield Edit(offset + match.start(), offset + match.end(), "\n", "header-order", "header field on a new line")
        if text.startswith("K:"):
            prefix, complete = key_prefix(text[2:])
            if prefix and not complete:
                at = offset + 2 + len(prefix)
                yield Edit(at, at, "\n", "header-order", "music moved from the K: line to the next")
            return


def _misplaced(text: str, machine: Machine) -> Iterator[Edit]:
    """Move X: to the top and late fields before K:, and take stray lines and empty lines out of the tune's way."""
    key_at = next((field.offset for field in machine.fields if field.letter == "K"), 0)
    moved = ""
    for code, offset, _ in machine.problems:
        if code not in ("header-order", "header-line", "empty-line"):
            continue
        start = text.rfind("\n", 0, offset) + 1
        end = text.find("\n", offset) + 1 or len(text)
        if code == "header-line":
            yield Edit(start, start, "% ", code, "a line that is no field was made a comment")
        elif code == "empty-line":
            yield from _empty_lines(text, start)
        elif offset > key_at:
            moved += text[start:end].rstrip("\n") + "\n"
            yield Edit(start, end, "", code, f"{text[offset]}: moved before K:")
        else:
            yield Edit(start, end, "", code, "X: moved to the top")
            yield Edit(0, 0, text[start:end].rstrip("\n") + "\n", code, "X: is the first field now")
    if moved:
        yield Edit(key_at, key_at, moved, "header-order", "K: is the last header field now")


def _empty_lines(text: str, end: int) -> Iterator[Edit]:
    """Take out the empty lines that stand, with comments between them, before the line that begins at `end`."""
    while end:
        start = text.rfind("\n", 0, end - 1) + 1
        line = text[start:end].strip(_EMPTY)
        if not line:
            yield Edit(start, end, "", "empty-line", "an empty line taken out")
        elif not line.startswith("%"):
            return
        end = start
