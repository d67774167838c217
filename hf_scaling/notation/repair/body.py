"""Edits that mend music: one for each kind of problem, and one for the end of the tune."""

import re
from collections.abc import Callable

from hf_scaling.notation.grammar import Bar, Machine, Token
from hf_scaling.notation.repair.edits import Edit

_LENGTH = "0123456789/"
_NOT_MUSIC = frozenset(("space", "indent", "newline", "comment", "field", "continuation"))
_LONGEST_WORD = 8  # of a chord symbol whose closing quote is missing


def body_edits(machine: Machine) -> list[Edit]:
    """An edit for every problem of the music that one can mend."""
    index = {offset: place for place, (_, _, offset) in enumerate(machine.tokens)}
    edits = []
    for code, offset, _ in machine.problems:
        mend = _MENDERS.get(code)
        if mend:
            edits.append(mend(machine.tokens, index[offset], code))
    return edits


def _drop(tokens: list[Token], place: int, code: str) -> Edit:
    _, text, offset = tokens[place]
    return Edit(offset, offset + len(text), "", code, f"{text[:20]!r} dropped")


def _drop_mark(tokens: list[Token], place: int, code: str) -> Edit:
    _, text, offset = tokens[place]
    return Edit(offset, offset + 1, "", code, f"{text[0]!r} dropped")


def _mend_field(tokens: list[Token], place: int, code: str) -> Edit:
    kind, text, offset = tokens[place]
    new = {"X": "X:1", "M": "M:none", "K": "K:C"}.get(text[0], "") if kind == "field" else ""
    return Edit(offset, offset + len(text), new, code, f"{text[:40]!r} replaced by {new!r}")


def _close_text(tokens: list[Token], place: int, code: str) -> Edit:
    """Close a quote or an inline field behind its first word, or drop the mark if that is too long a word."""
    _, text, offset = tokens[place]
    word = re.split(r"[ \t\r|]", text, maxsplit=1)[0]
    if text[0] == '"' and not 2 <= len(word) <= _LONGEST_WORD:
        return _drop_mark(tokens, place, code)
    mark = '"' if text[0] == '"' else "]"
    at = offset + len(word)
    return Edit(at, at, mark, code, f"{word[:20]!r} closed with {mark}")


def _close_notes(tokens: list[Token], place: int, code: str) -> Edit:
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
    return Edit(at, at, mark, code, f"closed with {mark}")


def _plain_length(tokens: list[Token], place: int, code: str) -> Edit:
    _, text, offset = tokens[place]
    bare = text.rstrip(_LENGTH)
    return Edit(offset + len(bare), offset + len(text), "", code, f"the length of {text[:20]!r} dropped")


def _plain_repeat(tokens: list[Token], place: int, code: str) -> Edit:
    _, text, offset = tokens[place]
    new = ":|" if text.startswith(":") else text.rstrip(":")
    return Edit(offset, offset + len(text), new, code, f"{text!r} is {new!r} now: no :| follows")


def _plain_ending(tokens: list[Token], place: int, code: str) -> Edit:
    _, text, offset = tokens[place]
    new = text.rstrip("0123456789,-").removesuffix("[")
    return Edit(offset, offset + len(text), new, code, f"numbered ending {text!r} dropped")


_MENDERS: dict[str, Callable[[list[Token], int, str], Edit]] = {
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


def end_edits(machine: Machine) -> list[Edit]:
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
    bars = [event for event in machine.events if isinstance(event, Bar) and event.line.line]
    cut_off = [problem.code for problem in wrong] == ["bar-short"] and wrong[0].offset == bars[-1].offset
    if cut_off and len(bars) > 2 and len(machine.voices) < 2:
        at = bars[-2].offset
        kept = next(text for _, text, offset in machine.tokens if offset == at)
        if at + len(kept) < end:  # or nothing stands behind it that could be dropped
            kept = "|]" if kept == "|" else kept
            return [Edit(at, end, kept, "bar-short", "the last bar was cut off and is dropped")]
    return [Edit(end, end, " |]", "last-bar", "the last bar is closed with |]")]
