"""Tunes in other keys.

Transposition moves every name along the circle of fifths by one interval. Signatures and accidentals move together,
so a note with an accidental stays a note with one and a note without stays without, whatever convention says how long
an accidental lasts. Two `Listener`s follow the old and the new text: where the interval cannot be written (a triple
sharp, a tune without a key that could be moved), the note gets an accidental of its own or another name, so that the
new text sounds right by construction.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from hf_scaling.notation.check import read
from hf_scaling.notation.fields import SIGNS, Key, key_set, move_key, move_name
from hf_scaling.notation.grammar import Field, Note
from hf_scaling.notation.lexer import LATE_FIELDS
from hf_scaling.notation.pitch import STEPS, Listener, natural, note_events

MAX_SEMITONES = 12
_MAX_SIGNATURE = 7  # sharps or flats
_NEAREST = (0, 1, -1, 2, -2, 3, -3, 4, -4)
_NOTE = re.compile(r"[_^=]*([A-Ga-g])([,']*)(.*)")
_TYPE = r"(?:m(?:aj|in|a|i)?|M(?:aj|in)?|dim|aug|sus|alt|(?:add|omit|no)\d|o7|[°øΔ+-]|/?[#b]?\d|\([^()\s]*\d\))*"
_CHORD = rf"[A-G][#b]?{_TYPE}(?:/[A-Ga-g][#b]?)?"
_SYMBOL = re.compile(rf'"\s*(?:{_CHORD}|\({_CHORD}\))(?:\s*\({_CHORD}\))?\s*"')
_NAME = re.compile(r"(?<![\w#])[A-G][#b]?|(?<=/)[a-g][#b]?")


def transpose(text: str, semitones: int) -> str:
    """Write a tune `semitones` higher, or lower if negative: `pitches` of the result are those of `text` so moved.

    Notes, K: fields wherever they stand, and chord symbols in quotes change; all else stays byte for byte, and so do
    the checker's verdict and, but for the exceptions below, the diatonic intervals of `melody`.

    All keys of a tune move by the same interval, the one that needs the fewest sharps and flats in all; a key that
    it would take beyond seven moves by the enharmonic interval instead. How the rarer keys move: `move_key`. A note
    that would need three sharps or flats takes the next letter's name. Where no key can be read, the notes get the
    accidentals. What is no note to the engine stays where it is, such as letters behind a `!` that is never closed:
    `repair` first.

    Raises:
        ValueError: more than an octave up or down.
    """
    if abs(semitones) > MAX_SEMITONES:
        raise ValueError(f"semitones: got {semitones}, expected {-MAX_SEMITONES} to {MAX_SEMITONES}")
    return "".join(_Transposer(text, semitones).pieces()) if semitones else text


class _Transposer:
    """One tune on its way; intervals are counted in fifths, on the circle that has no enharmonics."""

    def __init__(self, text: str, semitones: int) -> None:
        self._text, self._semitones = text, semitones
        self._machine = read(text)
        self._old, self._new = Listener(), Listener()
        self._intervals = [fifths for fifths in range(-20, 21) if (7 * fifths - semitones) % 12 == 0]
        fields = (event for event in self._machine.events if isinstance(event, Field) and event.letter == "K")
        sharps = [_sharps(key) for key in map(key_set, (field.value for field in fields)) if key] or [0]
        self._usual = min(
            self._intervals,
            key=lambda fifths: (
                sum(abs(before + fifths) > _MAX_SIGNATURE for before in sharps),
                sum(abs(before + fifths) for before in sharps),
                abs(fifths),
            ),
        )
        self._follow_key()

    def pieces(self) -> Iterator[str]:
        """The new text of every token."""
        notes = note_events(self._machine)
        for kind, token, offset in self._machine.tokens:
            note = notes.get(offset)
            if note is not None:
                yield self._moved_note(token, note)
            else:
                piece = self._moved(kind, token)
                self._old.token(kind, token)
                self._new.token(kind, piece)
                if kind in ("field", "inline"):
                    self._follow_key()
                yield piece

    def _follow_key(self) -> None:
        self._fifths = self._interval(self._old.key)
        self._steps = 4 * self._fifths - 7 * ((7 * self._fifths - self._semitones) // 12)

    def _interval(self, key: Key) -> int:
        sharps = _sharps(key)
        if abs(sharps + self._usual) <= _MAX_SIGNATURE:
            return self._usual
        return min(self._intervals, key=lambda fifths: abs(sharps + fifths))

    def _moved(self, kind: str, token: str) -> str:
        if kind == "quote" and _SYMBOL.fullmatch(token):
            return _NAME.sub(lambda name: _move_root(name[0], self._fifths), token)
        if kind == "field" and token[0] == "K":
            return "K:" + self._moved_key(token[2:])
        if kind == "inline" and token[1] == "K":
            return f"[K:{self._moved_key(token[3:-1])}]"
        return token

    def _moved_key(self, value: str) -> str:
        key = key_set(value)
        return move_key(value, self._interval(key)) if key else value

    def _moved_note(self, token: str, note: Note) -> str:
        pitch = self._old.note(note.position, note.alter, note.grace, note.tie) + self._semitones
        for position, alter in self._spellings(note, pitch):
            piece = _write(token, position, note.position, alter)
            if self._stays_note(piece, note.offset, note.offset + len(token)):
                break
        self._new.note(position, alter, note.grace, note.tie)
        return piece

    def _spellings(self, note: Note, pitch: int) -> Iterator[tuple[int, int | None]]:
        """How `note` may be written to sound at `pitch`, best first: positions and accidentals."""
        home = note.position + self._steps
        if note.alter is None and self._new.implied(home, note.grace) == pitch:
            yield home, None
        for distance in _NEAREST:
            alter = pitch - natural(home + distance)
            if alter in SIGNS:
                yield home + distance, alter

    def _stays_note(self, piece: str, start: int, end: int) -> bool:
        """Whether `piece` reads as a note where it stands; only text with other mistakes leaves that in doubt."""
        before, after = self._text[start - 1 : start], self._text[end : end + 2]
        if before == piece[0]:  # a stray ^ or _ before it would make it a double sharp or flat
            return before not in "^_"
        if after[:1] != ":" or len(piece) > 1:
            return True
        if self._machine.in_header:  # no key has come yet, so that any letter and a colon would be a field
            return False
        return before != "\n" or piece not in LATE_FIELDS or after[1:] in ("", *"|:\n")


def _sharps(key: Key) -> int:
    """Sharps (+) or flats (-) of a signature; an `exp` key has them all among the explicit ones."""
    return key.fifths or sum(semitones for _, semitones in key.explicit)


def _move_root(name: str, fifths: int) -> str:
    moved = move_name(name[0].upper() + name[1:], fifths)
    return moved if name[0].isupper() else moved[0].lower() + moved[1:]


@lru_cache(maxsize=65536)
def _write(token: str, position: int, before: int, alter: int | None) -> str:
    """The note `token`, which stands at position `before`, at `position` and with an accidental of `alter`."""
    letter, marks, length = _NOTE.fullmatch(token).groups()  # type: ignore[union-attr]  # every note token matches
    octave, step = divmod(position, 7)
    if octave == before // 7:  # unusual octave marks, as in "c," for "C", stay
        new = STEPS[step] if letter.isupper() else STEPS[step].lower()
    elif octave > 0:
        new, marks = STEPS[step].lower(), "'" * (octave - 1)
    else:
        new, marks = STEPS[step], "," * -octave
    return f"{'' if alter is None else SIGNS[alter]}{new}{marks}{length}"
