"""Make a damaged tune playable, and say what was done.

The engine finds what is wrong; each problem has one small edit of the text. Edits are applied together, and the
engine looks again, until it finds nothing more that can be mended. Wrong bar lengths stay as they are, but for a
last bar that was cut off.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from hf_scaling.notation.check import CODES, read
from hf_scaling.notation.fields import key_prefix
from hf_scaling.notation.grammar import Bar, Machine, Token

_ROUNDS = 24  # one repair may bring another to light, but not for ever
_GLUED = re.compile(r"[ \t]+(?=[A-Zm]:[^|:])")
_LENGTH = "0123456789/"
_NOT_MUSIC = frozenset(("space", "indent", "newline", "comment", "field", "continuation"))
_LONGEST_WORD = 8  # of a chord symbol whose closing quote is missing


class Unrepairable(ValueError):  # noqa: N818  (it says what the text is)
    """No playable tune can be made of this text."""


class Repair(NamedTuple):
    """One repair: the code of the problem, the line (from 1) in the text as it then stood, and what was done."""

    code: str
    line: int
    message: str


class Repaired(NamedTuple):
    """A tune that passes `playable`, and what was done to get there; no repairs means that it came back as it was."""

    text: str
    repairs: list[Repair]


class _Edit(NamedTuple):
    start: int
    end: int
    new: str
    code: str
    message: str


def repair(text: str) -> Repaired:
    """Mend a tune: header, balance of groups, stray characters, repeats and endings, last bar.

    Idempotent. Raises Unrepairable if no playable tune can be made, as where there are no notes.
    """
    repairs: list[Repair] = []
    for _ in range(_ROUNDS):
        machine = read(text)
        edits = _header_edits(text, machine) or _body_edits(machine) or _end_edits(machine)
        if not edits:
            break
        text, done = _apply(text, edits)
        repairs += done
    else:
        raise Unrepairable("this text is too far from a tune: mending one thing keeps breaking another")
    for problem in machine.problems:
        if "playable" in CODES[problem.code][0]:
            raise Unrepairable(f"{problem.code}: {problem.message}")
    return Repaired(text, repairs)


def _apply(text: str, edits: list[_Edit]) -> tuple[str, list[Repair]]:
    pieces: list[str] = []
    repairs: list[Repair] = []
    at, line = 0, 1
    for edit in sorted(edits):
        if edit.start < at:  # overlaps the one before; the next round sees whether it is still needed
            continue
        line += text.count("\n", at, edit.start)
        repairs.append(Repair(edit.code, line, edit.message))
        line += text.count("\n", edit.start, edit.end)
        pieces += text[at : edit.start], edit.new
        at = edit.end
    return "".join(pieces) + text[at:], repairs


# header


def _header_edits(text: str, machine: Machine) -> list[_Edit]:
    codes = {problem.code for problem in machine.problems}
    if "second-tune" in codes:
        return _cut_second_tune(text, machine)
    if "no-key" in codes or any(field.letter == "K" and not key_prefix(field.value)[1] for field in machine.fields):
        edits = list(_unglue(machine))
        if edits:
            return edits
    if "no-number" in codes:
        return [_Edit(0, 0, "X:1\n", "no-number", "X:1 added")]
    if "no-key" in codes and machine.music_at is not None:
        at = text.rfind("\n", 0, machine.music_at) + 1
        return [_Edit(at, at, "K:C\n", "no-key", "K:C added before the music, which names no key")]
    return list(_misplaced(text, machine))


def _cut_second_tune(text: str, machine: Machine) -> list[_Edit]:
    at = next(problem.offset for problem in machine.problems if problem.code == "second-tune")
    first = Machine()
    first.feed(text[:at])
    first.close()
    if first.n_notes:
        return [_Edit(at, len(text), "", "second-tune", "the tune that follows was cut off")]
    return [_Edit(0, at, "", "second-tune", "a header without music was cut off")]


def _unglue(machine: Machine) -> Iterator[_Edit]:
    """Put every header field that stands behind another on its own line, and the music behind K: on the next."""
    for kind, text, offset in machine.tokens:
        if kind != "field":
            continue
        for match in _GLUED.finditer(text):
            yield _Edit(
                offset + match.start(), offset + match.end(), "\n", "header-order", "header field on a new line"
            )
        if text.startswith("K:"):
            prefix, complete = key_prefix(text[2:])
            if prefix and not complete:
                at = offset + 2 + len(prefix)
                yield _Edit(at, at, "\n", "header-order", "music moved from the K: line to the next")
            return


def _misplaced(text: str, machine: Machine) -> Iterator[_Edit]:
    """Move X: to the top and late fields before K:, and take stray lines and empty lines out of the tune's way."""
    key_at = next((field.offset for field in machine.fields if field.letter == "K"), 0)
    moved = ""
    for code, offset, _ in machine.problems:
        if code not in ("header-order", "header-line", "empty-line"):
            continue
        start = text.rfind("\n", 0, offset) + 1
        end = text.find("\n", offset) + 1 or len(text)
        if code == "header-line":
            yield _Edit(start, start, "% ", code, "a line that is no field was made a comment")
        elif code == "empty-line":
            before = start
            while text[before - 1].isspace():
                before -= 1
            yield _Edit(before, start, "\n", code, "empty lines taken out")
        elif offset > key_at:
            moved += text[start:end].rstrip("\n") + "\n"
            yield _Edit(start, end, "", code, f"{text[offset]}: moved before K:")
        else:
            yield _Edit(start, end, "", code, "X: moved to the top")
            yield _Edit(0, 0, text[start:end].rstrip("\n") + "\n", code, "X: is the first field now")
    if moved:
        yield _Edit(key_at, key_at, moved, "header-order", "K: is the last header field now")


# body


def _body_edits(machine: Machine) -> list[_Edit]:
    index = {offset: place for place, (_, _, offset) in enumerate(machine.tokens)}
    edits = []
    for code, offset, _ in machine.problems:
        mend = _MENDERS.get(code)
        if mend:
            edits.append(mend(machine.tokens, index[offset], code))
    return edits


def _drop(tokens: list[Token], place: int, code: str) -> _Edit:
    _, text, offset = tokens[place]
    return _Edit(offset, offset + len(text), "", code, f"{text[:20]!r} dropped")


def _drop_mark(tokens: list[Token], place: int, code: str) -> _Edit:
    _, text, offset = tokens[place]
    return _Edit(offset, offset + 1, "", code, f"{text[0]!r} dropped")


def _mend_field(tokens: list[Token], place: int, code: str) -> _Edit:
    kind, text, offset = tokens[place]
    new = {"X": "X:1", "M": "M:none", "K": "K:C"}.get(text[0], "") if kind == "field" else ""
    return _Edit(offset, offset + len(text), new, code, f"{text[:40]!r} replaced by {new!r}")


def _close_text(tokens: list[Token], place: int, code: str) -> _Edit:
    """Close a quote or an inline field behind its first word, or drop the mark if that is too long a word."""
    _, text, offset = tokens[place]
    word = re.split(r"[ \t\r|]", text, maxsplit=1)[0]
    if text[0] == '"' and not 2 <= len(word) <= _LONGEST_WORD:
        return _drop_mark(tokens, place, code)
    mark = '"' if text[0] == '"' else "]"
    at = offset + len(word)
    return _Edit(at, at, mark, code, f"{word[:20]!r} closed with {mark}")


def _close_notes(tokens: list[Token], place: int, code: str) -> _Edit:
    """Close a chord behind the notes that follow at once, grace notes before the last of them, which then is the
    note that they adorn; drop the mark if there are too few.
    """
    mark = "]" if code == "chord-open" else "}"
    end = place + 1
    while end < len(tokens) and tokens[end][0] == "note":
        end += 1
    if end - place < 3:
        return _drop(tokens, place, code)
    end -= code == "grace-open"
    _, text, offset = tokens[end - 1]
    at = offset + len(text)
    return _Edit(at, at, mark, code, f"closed with {mark}")


def _plain_length(tokens: list[Token], place: int, code: str) -> _Edit:
    _, text, offset = tokens[place]
    bare = text.rstrip(_LENGTH)
    return _Edit(offset + len(bare), offset + len(text), "", code, f"the length of {text[:20]!r} dropped")


def _plain_repeat(tokens: list[Token], place: int, code: str) -> _Edit:
    _, text, offset = tokens[place]
    new = ":|" if text.startswith(":") else text.rstrip(":")
    return _Edit(offset, offset + len(text), new, code, f"{text!r} is {new!r} now: no :| follows")


def _plain_ending(tokens: list[Token], place: int, code: str) -> _Edit:
    _, text, offset = tokens[place]
    new = text.rstrip("0123456789,-").removesuffix("[")
    return _Edit(offset, offset + len(text), new, code, f"numbered ending {text!r} dropped")


_MENDERS: dict[str, Callable[[list[Token], int, str], _Edit]] = {
    "accidental": _drop,
    "broken-rhythm": _drop,
    "character": _drop,
    "chord-close": _drop,
    "chord-empty": _drop,
    "chord-open": _close_notes,
    "continuation": _drop,
    "decoration-open": _drop_mark,
    "ending": _plain_ending,
    "field-letter": _drop,
    "field-value": _mend_field,
    "grace-close": _drop,
    "grace-open": _close_notes,
    "group-content": _drop,
    "inline-open": _close_text,
    "length": _plain_length,
    "note-long": _plain_length,
    "quote-open": _close_text,
    "repeat-open": _plain_repeat,
    "shorthand": _drop,
    "slur-close": _drop,
    "slur-open": _drop,
    "tuplet": _drop,
}


# end


def _end_edits(machine: Machine) -> list[_Edit]:
    """End a tune without a last bar line: drop a last bar that was cut off, close any other.

    A bar counts as cut off if it alone is too short: where more bars are wrong, the metre is not to be trusted.
    """
    if not machine.open_ticks or not machine.problems:  # a tune that is right may end without a bar line
        return []
    left = machine.first_voice_end
    end = next(
        at + len(text)
        for kind, text, at in reversed(machine.tokens)
        if kind not in _NOT_MUSIC and (left is None or at < left)
    )
    wrong = [problem for problem in machine.problems if problem.code in ("bar-short", "bar-long")]
    bars = [event for event in machine.events if isinstance(event, Bar)]
    cut_off = [problem.code for problem in wrong] == ["bar-short"] and wrong[0].offset == bars[-1].offset
    if cut_off and len(bars) > 2 and len(machine.voices) < 2:
        at = bars[-2].offset
        kept = next(text for _, text, offset in machine.tokens if offset == at)
        kept = "|]" if kept == "|" else kept
        return [_Edit(at, end, kept, "bar-short", "the last bar was cut off and is dropped")]
    return [_Edit(end, end, " |]", "last-bar", "the last bar is closed with |]")]
