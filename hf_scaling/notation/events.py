"""What a tune is made of once it has been read: tokens, and events with exact durations."""

from dataclasses import dataclass
from functools import lru_cache

from hf_scaling.notation.bars import BarLine
from hf_scaling.notation.durations import Ticks, parse_length, scale

_STEPS = {step: place for place, step in enumerate("CDEFGABcdefgab")}
_MOST_NOTES, _LONG_NOTE = 4096, 16  # what a table remembers is bounded, whatever it is fed
_ALTER = {"": None, "=": 0, "^": 1, "^^": 2, "_": -1, "__": -2}

Token = tuple[str, str, int]
"""A lexical unit: its kind, its text, and the index of its first character in the tune."""


@dataclass(slots=True)
class Note:
    """A note as it sounds. position: diatonic steps above middle C; alter: the accidental written before it in
    semitones, None without one; duration: ticks, 0 for a grace note; tie: whether it is tied to the next;
    main: whether it is a first note of a chord (or alone) in the first voice, no grace note and no overlay.
    """

    position: int
    alter: int | None
    duration: Ticks
    offset: int
    main: bool = True
    grace: bool = False
    tie: bool = False


@dataclass(slots=True)
class Rest:
    """A rest of `duration` ticks."""

    duration: Ticks
    offset: int


@dataclass(slots=True)
class Bar:
    """A bar line of the first voice, and the length in ticks of what stood before it since the last one."""

    line: BarLine
    duration: Ticks
    offset: int


@dataclass(slots=True)
class Field:
    """A header field, body field or inline field."""

    letter: str
    value: str
    offset: int


Event = Note | Rest | Bar | Field


class NoteTable(dict[str, tuple[int, int | None, Ticks]]):
    """Note tokens read: `table[token]` is a note's position, its alteration, and its duration in ticks, 0 where the
    length cannot be. It fills as it is asked: a few hundred tokens make up nearly all music.

    unit: ticks of the unit note length.
    """

    __slots__ = ("unit",)

    def __init__(self, unit: Ticks) -> None:
        """Nothing read yet."""
        super().__init__()
        self.unit = unit

    def __missing__(self, token: str) -> tuple[int, int | None, Ticks]:
        name = token.lstrip("^_=")
        octaves = name[1:].rstrip("0123456789/")
        position = _STEPS[name[0]] + 7 * (octaves.count("'") - octaves.count(","))
        length = parse_length(name[1 + len(octaves) :])
        note = position, _ALTER[token[: len(token) - len(name)]], scale(self.unit, *length)
        if len(self) < _MOST_NOTES and len(token) < _LONG_NOTE:
            self[token] = note
        return note


note_table = lru_cache(maxsize=64)(NoteTable)
"""The table of a unit note length: one for all tunes that have it."""
