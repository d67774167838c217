"""What the values of the header fields M:, L: and K: mean (ABC 2.1 §3.1.6, §3.1.7 and §3.1.14)."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from hf_scaling.notation.durations import Ticks, ticks_of

_METER = re.compile(r"\(?(\d{1,2}(?:\s*\+\s*\d{1,2})*)\)?\s*/\s*(\d{1,3})")
_UNIT = re.compile(r"(\d{1,2})(?:\s*/\s*(\d{1,3}))?")
_KEY = re.compile(r"([A-G][#b]?)\s*((?i:maj|min|ion|mix|dor|aeo|phr|loc|lyd|exp)[A-Za-z]*|[mM](?![A-Za-z])|)(.*)")
_KEY_PREFIX = re.compile(r"\s*(?:none|HP|Hp|" + _KEY.pattern.removesuffix("(.*)") + r")(?![A-Za-z#])")
_GLOBAL_ACCIDENTAL = re.compile(r"(\^\^?|__?|=)([A-Ga-g])[,']*")
_CLEF = re.compile(
    r"(?:clef|middle|m|octave|transpose|t|stafflines|staves|name|nm|score|sound|shift|cue)=\S+"
    r"|(?:treble|alto|tenor|bass|perc|none)[+-]?[1-8]?(?:[+-]8)?"
)
_CIRCLE = "FCGDAEB"
_MODES = {
    "": 0,
    "maj": 0,
    "ion": 0,
    "mix": -1,
    "dor": -2,
    "m": -3,
    "min": -3,
    "aeo": -3,
    "phr": -4,
    "loc": -5,
    "lyd": 1,
}
_ALTER = {"^": 1, "^^": 2, "_": -1, "__": -2, "=": 0}


class Meter(NamedTuple):
    """A metre: `bar` is the length of a bar in whole notes, None when the metre is free."""

    text: str
    bar: Fraction | None

    @property
    def compound(self) -> bool:
        """Whether a beat has three parts (6/8, 9/8, 12/8), which gives tuplets like `(5` their default time."""
        return self.text.replace(" ", "") in ("6/8", "9/8", "12/8")

    @property
    def ticks(self) -> Ticks | None:
        """The length of a bar in ticks, None when the metre is free."""
        return None if self.bar is None else ticks_of(self.bar)

    @property
    def unit_length(self) -> Fraction:
        """The unit note length that holds without an L: field: 1/16 where the metre is below 3/4, else 1/8."""
        return Fraction(1, 16) if self.bar is not None and self.bar < Fraction(3, 4) else Fraction(1, 8)


FREE = Meter("none", None)


class Key(NamedTuple):
    """A key: the tonic as written ("F#", "" for none), the mode's three letters, and the signature as sharps (+) or
    flats (-); `explicit` holds further accidentals of the signature as (step, alteration) pairs, `("C", 0)` for `=c`.
    """

    tonic: str
    mode: str
    fifths: int
    explicit: tuple[tuple[str, int], ...] = ()

    def alteration(self, step: str) -> int:
        """Semitones that the signature adds to notes of `step`, a letter from A to G."""
        for letter, semitones in self.explicit:
            if letter == step:
                return semitones
        place = _CIRCLE.index(step)
        return (self.fifths - place + 6) // 7


def strip_comment(value: str) -> str:
    """The value of a field without the comment behind it and the space around it."""
    return value.partition("%")[0].strip()


@lru_cache(maxsize=1024)
def parse_meter(value: str) -> Meter | None:
    """Read the value of an M: field; None if it is no metre. `M:` and `M:none` are free."""
    text = strip_comment(value)
    if text in ("", "none"):
        return FREE
    if text in ("C", "C|"):
        return Meter(text, Fraction(1))
    match = _METER.fullmatch(text)
    if not match:
        return None
    beats, beat = sum(int(part) for part in match[1].split("+")), int(match[2])
    if not beats or beat not in (1, 2, 4, 8, 16, 32, 64, 128):
        return None
    return Meter(text, Fraction(beats, beat))


@lru_cache(maxsize=1024)
def parse_unit(value: str) -> Fraction | None:
    """Read the value of an L: field, in whole notes; None unless it is a length between 1/512 and 4."""
    match = _UNIT.fullmatch(strip_comment(value))
    if not match or not int(match[2] or 1):
        return None
    unit = Fraction(int(match[1]), int(match[2] or 1))
    return unit if Fraction(1, 512) <= unit <= 4 else None


@lru_cache(maxsize=1024)
def parse_key(value: str) -> Key | None:
    """Read the value of a K: field; None if it is no key. Clefs and the like are accepted and left out."""
    text = strip_comment(value)
    for bagpipe, fifths in ("HP", 0), ("Hp", 2):
        if text.startswith(bagpipe) and not text[2:].strip():
            return Key(bagpipe, "", fifths)
    match = _KEY.fullmatch(text)
    tonic, mode, rest = match.groups() if match else ("", "", text.removeprefix("none"))
    mode = "" if mode == "M" else mode.lower()[:3]
    explicit = _explicit(rest)
    if explicit is None:
        return None
    if mode == "exp" or not tonic:
        return Key(tonic, mode, 0, explicit)
    return Key(tonic, mode, _fifths(tonic) + _MODES[mode], explicit)


def _fifths(tonic: str) -> int:
    return _CIRCLE.index(tonic[0]) - 1 + 7 * (tonic[1:] == "#") - 7 * (tonic[1:] == "b")


def _explicit(rest: str) -> tuple[tuple[str, int], ...] | None:
    """The global accidentals among the words behind a key; None if a word is neither that nor about the clef."""
    found: list[tuple[str, int]] = []
    for word in rest.split():
        accidentals = _GLOBAL_ACCIDENTAL.findall(word)
        if accidentals and _GLOBAL_ACCIDENTAL.sub("", word) == "":
            found += [(letter.upper(), _ALTER[sign]) for sign, letter in accidentals]
        elif not _CLEF.fullmatch(word):
            return None
    return tuple(found)


def key_prefix(value: str) -> tuple[str, bool]:
    """The part at the start of a K: value that reads as a key, and whether that is all of it."""
    if parse_key(value) is not None:
        return value, True
    match = _KEY_PREFIX.match(value)
    return (match[0], False) if match else ("", False)
