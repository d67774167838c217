"""A raw tune made fit to learn from, or the one reason why it is not."""

import re
from dataclasses import dataclass, field
from sys import intern

import ftfy
import numpy as np

from hf_scaling.fingerprint import fingerprint
from hf_scaling.notation import CODES, header, judge, melody_of, read

FIELDS = "XTCOABDFGHNSZRPQMLK"  # those that a header may keep, in the order in which it keeps them
OPTIONAL_FIELDS = "COABDFGHNSZPQ"  # who, where from, how fast: left out unless asked for
TIERS = ("parses", "strict")
REASONS = {
    "no key": "there is no K: field, which ends the header, or nothing stands in it",
    "several voices": "a V: field: a tune has one voice",
    "several tunes": "another X: field behind the first tune's key",
    "no music": "nothing but fields and comments",
    "too short": "shorter than min_chars when cleaned",
    "too long": "longer than max_chars when cleaned",
    "not legal notation": "the checker cannot read all of it",
    "not strictly valid": "it can be read, but bars, groups or repeats are wrong (notation: strict)",
}
"""Why cleaning rejects, with what each reason means; the first that applies counts."""

_LONGEST = 16  # a raw tune longer than max_chars by this factor is not looked into
_KEPT_IN_BODY = ("K:", "M:", "L:")  # the rest of the body's fields say nothing that is played
_FIELD = re.compile(r"(?![A-Ga-gxyz]:[|:])[A-Za-z+]:")  # "D:|" is a note before a repeat, no discography
_REMARK = re.compile(r"\[(?![KML]:)[A-Za-z]:[^\[\]]*\]")
_COMMENT = re.compile(r"(?<!\\)%.*")
_SPACES = re.compile(r"[ \t]+")
_MOJIBAKE_LAYERS = 8


@dataclass(frozen=True)
class CleanOptions:
    """What cleaning asks of a tune: `min_chars` and `max_chars` bound its length when cleaned; `notation` is the tier
    of the checker that it must reach; `keep_fields` are letters of OPTIONAL_FIELDS that stay in the header.
    """

    min_chars: int
    max_chars: int
    notation: str = "parses"
    keep_fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CleanTune:
    """A tune as models see it: a header in the order of FIELDS, then the music; every line ends with a newline.

    grams: its `fingerprint`, found in the same reading.
    """

    text: str
    title: str
    rhythm: str
    meter: str
    key: str
    grams: np.ndarray = field(compare=False)

    @property
    def body(self) -> str:
        """The music, without the header."""
        return body_of(self.text)


@dataclass(frozen=True, slots=True)
class Reject:
    """Why a tune was left out: one of REASONS, and what exactly was wrong."""

    reason: str
    detail: str = ""


def clean(raw: str, options: CleanOptions) -> CleanTune | Reject:
    """Normalise one raw tune. Cleaning a clean tune changes nothing.

    Comments, lyrics, and bibliographic and personal fields go; `X:` is always 1 and `L:` always written, with the
    standard's default where the source leaves it out; of several titles the first stays; letters in header fields
    that were decoded wrongly are put right.
    """
    if len(raw) > _LONGEST * options.max_chars:
        return Reject("too long", f"{len(raw)} characters as it came")
    text = raw.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    lines = [_COMMENT.sub("", line).strip() for line in text.split("\n")]
    key_line = next((number for number, line in enumerate(lines) if line.startswith("K:")), None)
    if key_line is None:
        return Reject("no key")
    above, below = lines[: key_line + 1], [line.replace("`", "").strip() for line in lines[key_line + 1 :]]
    if any(line.startswith("V:") for line in above + below) or any("[V:" in line for line in below):
        return Reject("several voices")
    if any(line.startswith("X:") for line in below):
        return Reject("several tunes")
    music = _body_lines(below)
    if not music:
        return Reject("no music")
    head = _header_lines(above, options.keep_fields)
    if not head[-1][1]:
        return Reject("no key")
    result = "\n".join([*(f"{letter}:{value}" for letter, value in head if value), *music]) + "\n"
    if not options.min_chars <= len(result) <= options.max_chars:
        return Reject("too short" if len(result) < options.min_chars else "too long", f"{len(result)} characters")
    machine = read(result)
    verdict = judge(machine, result)
    if not verdict.parses or (options.notation == "strict" and not verdict.strict):
        tier, reason = ("strict", "not strictly valid") if verdict.parses else ("parses", "not legal notation")
        wrong = next(found for found in verdict.diagnostics if tier in CODES[found.code][0])
        return Reject(reason, f"line {wrong.line}, column {wrong.column}: {wrong.message}")
    fields = dict(head)
    rhythm, meter, key = (intern(fields[letter]) for letter in "RMK")  # the same few over and over
    return CleanTune(result, fields["T"], rhythm, meter, key, fingerprint(melody_of(machine)))


def body_of(text: str) -> str:
    """The music of a clean tune's text, without the header."""
    return text.split("\nK:", 1)[1].split("\n", 1)[1]


def _body_lines(lines: list[str]) -> list[str]:
    """The music, with fields that are not played left out and continued lines joined."""
    lines = [_without_remarks(line) for line in lines]
    kept = [line for line in lines if line and (not _FIELD.match(line) or line.startswith(_KEPT_IN_BODY))]
    joined = re.sub(r"\\\n", " ", "\n".join(kept)).rstrip("\\ \t")
    lines = [_SPACES.sub(" ", line).strip() for line in joined.split("\n")]
    if any(_REMARK.search(line) for line in lines):  # it went on in the next line
        return _body_lines(lines)
    return [line for line in lines if line]


def _without_remarks(line: str) -> str:
    """A line of the body without inline fields that are not played, such as `[r:...]` and `[N:...]`."""
    removed = 1
    while removed:  # what closes up around one may be another
        line, removed = _REMARK.subn("", line)
    return line.strip()


def _header_lines(lines: list[str], keep_fields: tuple[str, ...]) -> list[tuple[str, str]]:
    """The header's fields as (letter, value) in the order of FIELDS; values may be empty; K: is last."""
    letters = {*"XTRMLK", *keep_fields}
    wanted = (line for line in lines if line[:1] in letters and line[1:2] == ":")
    head = header("\n".join(f"{line[:2]}{_mended(line[2:])}" for line in wanted))
    values = {
        "X": ["1"],
        "T": [head.title],
        "R": [head.rhythm],
        "M": [head.first("M") or "none"],
        "L": [str(head.unit_length)],
        "K": [head.first("K") or ""],
    }
    values |= {letter: [value for name, value in head.fields if name == letter] for letter in keep_fields}
    return [(letter, value) for letter in FIELDS for value in values.get(letter, ())]


def _mended(value: str) -> str:
    """A field's value with single spaces, and without the letters that a wrong decoding made (ftfy).

    It ends before a percent sign, whatever stands before that or made it: the notation engine reads no further.
    """
    value = _plain(value)
    for _ in range(_MOJIBAKE_LAYERS):
        if value.isascii():
            break
        value, before = _plain(ftfy.fix_text(value, uncurl_quotes=False, fix_latin_ligatures=False)), value
        if value == before:
            break
    return value


def _plain(value: str) -> str:
    return " ".join(value.partition("%")[0].rstrip("\\ ").split())
