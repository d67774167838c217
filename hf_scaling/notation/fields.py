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
_TONIC_SIGNS = {-1: "b", 0: "", 1: "#"}


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
SIGNS = {semitones: sign for sign, semitones in _ALTER.items()}
"""How an accidental of so many semitones is written."""


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
    if text in ("HP", "Hp"):
        return Key(text, "", 2)  # the pipes play F and C sharp, though only Hp draws them
    match = _KEY.fullmatch(text)
    tonic, mode, rest = match.groups() if match else ("", "", text.removeprefix("none"))
    mode = mode.lower()[:3]  # even "GM" is G minor: capitals make no difference (ABC 2.1 §3.1.14)
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


def key_set(value: str) -> Key | None:
    """The key that a K: field sets; None for one that cannot be read, or that sets a clef only and leaves the key."""
    key, text = parse_key(value), strip_comment(value)
    if key and (key.tonic or key.explicit or not text or text.startswith("none")):
        return key
    return None


def move_key(value: str, fifths: int) -> str:
    """Move the value of a K: field `fifths` steps along the circle of fifths: `Dmix ^g` by 2 is `Emix ^a`.

    `exp` keys stay `exp`, with every accidental of the moved signature. Without a tonic to move (`none`, an empty
    field, accidentals only) and for the bagpipe keys, it becomes the major key with the moved signature. An
    accidental that would need three sharps or flats is dropped. All else, and what sets no key, is left as it is.
    """
    key = key_set(value)
    if key is None or not fifths:
        return value
    text = strip_comment(value)
    at = value.find(text)
    match = _KEY.fullmatch(text)
    if match:
        tonic = move_name(key.tonic, fifths)
        mode, rest = text[match.end(1) : match.start(3)], match[3]
    else:
        tonic = move_name("C", key.fifths + fifths)
        mode, rest = "", re.sub(r"^(?:none|HP|Hp)", "", text)
    rest = re.sub(r"\S+", lambda word: _move_accidentals(word[0], fifths), rest)
    if key.mode == "exp":
        named = {letter for letter, _ in key.explicit}
        moved = (_move_step(letter, 0, fifths) for letter in _CIRCLE if letter not in named)
        rest += "".join(f" {SIGNS[alter]}{letter.lower()}" for letter, alter in moved if alter and alter in SIGNS)
    if not mode and rest[:1].isalpha():  # "C#bass" must not become "Dbass", which is no key
        rest = " " + rest
    return value[:at] + tonic + mode + rest + value[at + len(text) :]


def move_name(name: str, fifths: int) -> str:
    """Move the name of a tonic or a chord's root, such as `F#`, along the circle of fifths, without double accidentals.

    Where one would be needed, the name on the same key of a keyboard is taken.
    """
    place = _CIRCLE.index(name[0]) + 7 * name.count("#") - 7 * name.count("b") + fifths
    while not -7 <= place < 14:
        place -= 12 if place > 0 else -12
    return _CIRCLE[place % 7] + _TONIC_SIGNS[place // 7]


def _move_step(letter: str, alter: int, fifths: int) -> tuple[str, int]:
    """Move a letter with its alteration along the circle of fifths."""
    alter, place = divmod(_CIRCLE.index(letter) + 7 * alter + fifths, 7)
    return _CIRCLE[place], alter


def _move_accidentals(word: str, fifths: int) -> str:
    """Move the global accidentals that a word behind a key is made of; another word stays."""

    def moved(match: re.Match[str]) -> str:
        letter, alter = _move_step(match[2].upper(), _ALTER[match[1]], fifths)
        letter = letter if match[2].isupper() else letter.lower()
        return SIGNS[alter] + letter + match[0][len(match[1]) + 1 :] if alter in SIGNS else ""

    return word if _GLOBAL_ACCIDENTAL.sub("", word) else _GLOBAL_ACCIDENTAL.sub(moved, word)
