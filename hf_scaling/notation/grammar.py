"""The notation engine: one incremental state machine over the characters of an ABC 2.1 tune.

`Machine` is fed characters; it keeps the tokens, turns them into events with exact durations, and reports what is
wrong as it goes. The checker, the repairer and the fingerprint all read this one machine; there is no other parser.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from hf_scaling.notation.bars import BarLengths, BarLine, Repeats, parse_bar_line
from hf_scaling.notation.durations import WHOLE, Ticks, broken, parse_length, scale, ticks_of, tuplet_time
from hf_scaling.notation.fields import FREE, parse_key, parse_meter, parse_unit, strip_comment
from hf_scaling.notation.lexer import Lexer

MAX_NOTES = 10_000
MAX_NOTE = 64 * WHOLE
_MAX_REST_BARS = 1_000
_STEPS = {step: place for place, step in enumerate("CDEFGABcdefgab")}
_ALTER = {"": None, "=": 0, "^": 1, "^^": 2, "_": -1, "__": -2}
_DEFAULT_SHORTHANDS = frozenset(".~HLMOPSTuv")
_FIELDS = frozenset("ABCDEFGHIKLMNOPQRSTUVWXZmrsw+")
_HEADER_ONLY = frozenset("ABCDFGHOSZ")
_LAYOUT = frozenset(("indent", "newline", "comment"))


Token = tuple[str, str, int]
"""A lexical unit: its kind, its text, and the index of its first character in the tune."""


class Problem(NamedTuple):
    """Something wrong: a code of `check.CODES`, an index into the tune's text, and a message for people."""

    code: str
    offset: int
    message: str


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


class Bar(NamedTuple):
    """A bar line of the first voice, and the length in ticks of what stood before it since the last one."""

    line: BarLine
    duration: Ticks
    offset: int


class Field(NamedTuple):
    """A header field, body field or inline field."""

    letter: str
    value: str
    offset: int


Event = Note | Rest | Bar | Field


@lru_cache(maxsize=65536)
def _parse_note(text: str) -> tuple[int, int | None, int, int]:
    """Position, alteration, and length (numerator, denominator) of a note token."""
    name = text.lstrip("^_=")
    octaves = name[1:].rstrip("0123456789/")
    position = _STEPS[name[0]] + 7 * (octaves.count("'") - octaves.count(","))
    return position, _ALTER[text[: len(text) - len(name)]], *parse_length(name[1 + len(octaves) :])


_END = parse_bar_line("|]")


@lru_cache(maxsize=256)
def _parse_tuplet(text: str) -> tuple[int, int | None, int] | None:
    """p, q (None: the default) and r of a tuplet token such as `(3` or `(3:2:4`; None if a number is out of sense."""
    p, q, r = (text[1:] + "::").split(":")[:3]
    if len(q) > 2 or len(r) > 2 or (q and not int(q)) or (r and not int(r)):
        return None
    return int(p), int(q) if q else None, int(r or p)


class Machine(Lexer):
    """Feed it a tune (`feed`, then `close`) and read `tokens`, `events`, `problems`, `fields` and the counts.

    `n_notes` counts every note but grace notes, `n_bars` the bars of the first voice that hold time. `bar_ticks` is
    the time since the last bar line, `full_bar` the length that a bar should have (None where the metre is free);
    after `close`, `open_ticks` is the time that no bar line ends, `music_at` where music began without a K: field,
    `voices` the V: names in the body, and `first_voice_end` where the text left the first voice, None where it
    ends in it.
    """

    def __init__(self) -> None:
        """Stand before the first character."""
        super().__init__()
        self.tokens: list[Token] = []
        self.events: list[Event] = []
        self.problems: list[Problem] = []
        self.fields: list[Field] = []  # of the header
        self.meter = FREE
        self.full_bar: Ticks | None = None
        self._unit: Ticks | None = None  # None until L: or the first note decides it
        self._shorthands = _DEFAULT_SHORTHANDS
        self._numbered = False  # X: has come
        self._blank = True  # nothing but white space on this line yet
        self._empty_line = self._at_line_end = False
        self._continued: int | None = None  # where a line was joined to the next
        self.music_at: int | None = None
        self._problems_before = 0
        self.open_ticks: Ticks = 0
        self._start_music()

    def _start_music(self) -> None:
        self.n_notes = self.n_bars = 0
        self.bar_ticks: Ticks = 0
        self._bar_cut: Ticks = 0  # how much of the bar stood before a bare [1
        self._lengths, self._repeats = BarLengths(self.report), Repeats(self.report)
        self._first_voice: str | None = None
        self._other_voice = self._overlay = False
        self.voices: set[str] = set()
        self.first_voice_end: int | None = None
        self._timed = False  # a note or a rest has come
        self._last: list[Note] = []  # the notes that a tie or a broken rhythm mark after them refers to
        self._last_ticks: Ticks = 0  # 0: there is nothing for a broken rhythm to refer to
        self._broken: Fraction | None = None  # factor of the next length
        self._tuplet = (1, 1)  # p notes in the time of q ...
        self._tuplet_left = 0  # ... for this many notes more
        self._rhythm_at = 0  # where the last tuplet or broken rhythm mark stood
        self._chord: list[Note] | None = None
        self._grace = False
        self._group_at = 0  # where the open chord or grace group began
        self._slurs: list[int] = []

    def report(self, code: str, offset: int, message: str) -> None:
        """Note down a problem."""
        self.problems.append(Problem(code, offset, message))

    def token(self, kind: str, text: str, offset: int) -> None:
        """Take one token from the lexer."""
        self.tokens.append((kind, text, offset))
        if kind == "space":  # a third of all tokens
            return
        if self._blank and kind not in _LAYOUT:
            self._blank = False
            if self._empty_line:
                self._empty_line = False
                self.report("empty-line", offset, "an empty line ends a tune, but here it goes on")
            if self.in_header and self.music_at is None and kind != "field":
                self.music_at, self._problems_before = offset, len(self.problems)
        if self._continued is not None and kind not in _LAYOUT:
            self.report("continuation", self._continued, "nothing may follow a backslash on its line")
            self._continued = None
        _HANDLERS[kind](self, text, offset)

    def close(self) -> None:
        """End the tune: what is still open is reported."""
        super().close()
        self._end_groups()
        self.open_ticks = self.bar_ticks
        if self.bar_ticks:
            self._end_bar(_END, self.offset)
        self._lengths.finish()
        self._repeats.finish()
        for at in self._slurs:
            self.report("slur-open", at, "this slur is never closed")
        letters = [field.letter for field in self.fields]
        if "X" not in letters:
            self.report("no-number", 0, "there is no X: field")
        elif letters[0] != "X":
            self.report("header-order", self.fields[letters.index("X")].offset, "X: is not the first field")
        if "K" not in letters:
            self.report("no-key", 0, "there is no K: field before the music")
        if not self._timed:
            self.report("no-music", self.offset, "there is no music after the header")
        elif not self.n_notes:
            self.report("no-notes", self.offset, "no note sounds")

    # lines, fields, voices

    def _newline(self, _text: str, _offset: int) -> None:
        self._end_groups(bar=False)
        self._empty_line = self._empty_line or (self._blank and len(self.tokens) > 1)
        self._blank, self._continued = True, None
        self._at_line_end = self._at_line_end or not self.bar_ticks

    def _comment(self, _text: str, _offset: int) -> None:
        self._blank = False

    def _field(self, text: str, offset: int) -> None:
        letter, value = text[0], strip_comment(text[2:])
        field = Field(letter, value, offset)
        self.events.append(field)
        if self.in_header:
            self.fields.append(field)
            if letter == "K":
                self._end_header()
        elif letter in _HEADER_ONLY:
            self.report("header-order", offset, f"{letter}: belongs before K:, which ends the header")
        if letter not in _FIELDS:
            self.report("field-letter", offset, f"{letter}: is no field of ABC 2.1")
        handler = _FIELD_HANDLERS.get(letter)
        if handler and not handler(self, value, offset):
            self.report("field-value", offset, f"{letter}: cannot be {value[:40]!r}")

    def _end_header(self) -> None:
        """K: ends the header. Whatever stood before it was no music, even if it read like some."""
        self.in_header = False
        if self.music_at is not None:
            del self.problems[self._problems_before :]
            self.events = [event for event in self.events if isinstance(event, Field)]
            self._start_music()
            self.report("header-line", self.music_at, "this stands in the header and is no field")

    def _inline(self, text: str, offset: int) -> None:
        self._field(text[1:-1], offset)

    def _number_field(self, value: str, offset: int) -> bool:
        if self._numbered or not self.in_header:
            self.report("second-tune", offset, "another tune begins here")
        self._numbered = True
        return value.isdecimal()

    def _meter_field(self, value: str, _offset: int) -> bool:
        meter = parse_meter(value)
        if not self._other_voice:
            self.meter = meter or FREE
            if not self.bar_ticks:  # otherwise the bar that has begun keeps its metre
                self.full_bar = self.meter.ticks
        return meter is not None

    def _unit_field(self, value: str, _offset: int) -> bool:
        unit = parse_unit(value)
        if unit and not self._other_voice:
            self._unit = ticks_of(unit)
        return unit is not None

    def _key_field(self, value: str, _offset: int) -> bool:
        return parse_key(value) is not None

    def _shorthand_field(self, value: str, _offset: int) -> bool:
        self._shorthands |= {value[:1]}
        return True

    def _voice_field(self, value: str, offset: int) -> bool:
        if self.in_header:
            return True
        voice = value.split()[0] if value else ""
        if not self._timed:
            self._first_voice = voice
        was_other, self._other_voice = self._other_voice, voice != self._first_voice
        self.voices.add(voice)
        if self._other_voice and not was_other:
            self.first_voice_end = offset
        elif not self._other_voice:
            self.first_voice_end = None
        self._broken, self._tuplet_left, self._last, self._last_ticks = None, 0, [], 0
        return True

    # time

    def _factor(self, text: str, offset: int, note: tuple[int, int]) -> tuple[int, int]:
        """What the unit note length is multiplied by for the next note or rest; takes tuplet and broken rhythm."""
        numerator, denominator = note
        if not numerator:
            self.report("length", offset, f"a length that cannot be: {text[:20]!r}")
        if self._tuplet_left:
            self._tuplet_left -= 1
            numerator, denominator = numerator * self._tuplet[1], denominator * self._tuplet[0]
        if self._broken:
            numerator, denominator = numerator * self._broken.numerator, denominator * self._broken.denominator
            self._broken = None
        return numerator, denominator

    def _unit_ticks(self) -> Ticks:
        if self._unit is None:
            self._unit = ticks_of(self.meter.unit_length)
        return self._unit

    def _pass_time(self, ticks: Ticks, notes: list[Note], offset: int) -> None:
        self._timed = True
        self._last, self._last_ticks = notes, ticks
        if ticks > MAX_NOTE:
            self.report("note-long", offset, "longer than 64 whole notes")
        if not (self._other_voice or self._overlay):
            self.bar_ticks += ticks

    def _note(self, text: str, offset: int) -> None:
        position, alter, numerator, denominator = _parse_note(text)
        if self._grace:
            self.events.append(Note(position, alter, 0, offset, main=False, grace=True))
            return
        main = not (self._other_voice or self._overlay or self._chord)
        self.n_notes += 1
        if self.n_notes == MAX_NOTES + 1:
            self.report("too-many-notes", offset, f"more than {MAX_NOTES} notes")
        if self._chord is None:
            if self._tuplet_left or self._broken or not numerator:
                numerator, denominator = self._factor(text, offset, (numerator, denominator))
            note = Note(position, alter, scale(self._unit_ticks(), numerator, denominator), offset, main)
            self._pass_time(note.duration, [note], offset)
        else:  # the chord's own length, tuplet and broken rhythm come at its end
            if not numerator:
                self._factor(text, offset, (numerator, denominator))
            note = Note(position, alter, scale(self._unit_ticks(), numerator, denominator), offset, main)
            self._chord.append(note)
            if note.duration > MAX_NOTE:
                self.report("note-long", offset, "longer than 64 whole notes")
        self.events.append(note)

    def _rest(self, text: str, offset: int) -> None:
        if self._grace or self._chord is not None:
            self.report("group-content", offset, "a rest inside a chord or grace notes")
            return
        numerator, denominator = self._factor(text, offset, parse_length(text[1:]))
        ticks = scale(self._unit_ticks(), numerator, denominator)
        self.events.append(Rest(ticks, offset))
        self._pass_time(ticks, [], offset)

    def _bar_rest(self, text: str, offset: int) -> None:
        bars = parse_length(text[1:])[0]
        if not 0 < bars <= _MAX_REST_BARS:
            self.report("length", offset, f"a rest of {text[1:20]} bars")
        full = self.full_bar or WHOLE
        self.events.append(Rest(full * bars, offset))
        self._pass_time(full, [], offset)
        self.n_bars += max(bars - 1, 0)

    def _broken_rhythm(self, text: str, offset: int) -> None:
        if not self._last_ticks or self._broken or self._chord is not None or len(text) > 4:
            self.report("broken-rhythm", offset, "a broken rhythm mark without a note before it")
            return
        self._rhythm_at = offset
        longer, shorter = broken(len(text))
        before, self._broken = (longer, shorter) if text[0] == ">" else (shorter, longer)
        for note in self._last:
            note.duration = scale(note.duration, before.numerator, before.denominator)
        new = scale(self._last_ticks, before.numerator, before.denominator)
        if not (self._other_voice or self._overlay):
            self.bar_ticks += new - self._last_ticks
        self._last_ticks = new

    def _tuplet_mark(self, text: str, offset: int) -> None:
        numbers = _parse_tuplet(text)
        if numbers is None or self._tuplet_left:
            self.report("tuplet", offset, "a tuplet inside a tuplet, or one that cannot be")
        if numbers:
            self._rhythm_at = offset
            p, q, self._tuplet_left = numbers
            self._tuplet = p, q or tuplet_time(p, self.meter.compound)

    # groups

    def _chord_open(self, _text: str, offset: int) -> None:
        self._end_groups(bar=False)
        self._chord, self._group_at = [], offset

    def _chord_close(self, text: str, offset: int) -> None:
        notes, self._chord = self._chord, None
        if not notes:
            if notes is None:
                self.report("chord-close", offset, "a ] that closes nothing")
            else:
                self.report("chord-empty", self._group_at, "a chord without notes")
            return
        numerator, denominator = self._factor(text, offset, parse_length(text[1:]))
        for note in notes:
            note.duration = scale(note.duration, numerator, denominator)
        self._pass_time(notes[0].duration, notes, offset)

    def _grace_open(self, _text: str, offset: int) -> None:
        if self._grace:
            self._end_groups(bar=False)
        self._grace, self._group_at = True, offset

    def _grace_close(self, _text: str, offset: int) -> None:
        if not self._grace:
            self.report("grace-close", offset, "a } that closes nothing")
        self._grace = False

    def _end_groups(self, bar: bool = True) -> None:
        """A line end, or a bar line if `bar`, comes: no chord or grace notes may be open, nor a rhythm at a bar."""
        if self._chord is not None:
            self.report("chord-open", self._group_at, "this chord is never closed")
            self._chord = None
        if self._grace:
            self.report("grace-open", self._group_at, "these grace notes are never closed")
            self._grace = False
        if bar and (self._broken or self._tuplet_left):
            code = "broken-rhythm" if self._broken else "tuplet"
            self.report(code, self._rhythm_at, "the bar ends before the notes that the rhythm mark needs")
            self._broken, self._tuplet_left = None, 0

    def _slur_open(self, _text: str, offset: int) -> None:
        self._slurs.append(offset)

    def _slur_close(self, _text: str, offset: int) -> None:
        if self._slurs:
            self._slurs.pop()
        else:
            self.report("slur-close", offset, "a ) that closes nothing")

    def _tie(self, _text: str, _offset: int) -> None:
        for note in self._chord[-1:] if self._chord else self._last:
            note.tie = True

    def _shorthand(self, text: str, offset: int) -> None:
        if text not in self._shorthands:  # ABC 2.1 §4.16 lets any of these letters be a symbol
            self.report("shorthand", offset, f"the shorthand {text} is not defined")

    # bars

    def _bar(self, text: str, offset: int) -> None:
        self._end_groups()
        self._last, self._last_ticks = [], 0
        if self._other_voice:
            return
        self._overlay = False
        line = parse_bar_line(text)
        self._repeats.bar(line, offset)
        if line.line:
            self._end_bar(line, offset)
        else:
            self.events.append(Bar(line, 0, offset))
        if line.endings:  # the second ending takes up the bar where the first one did
            if line.endings[0] == 1:
                self._bar_cut = self.bar_ticks
            elif not self.bar_ticks:
                self.bar_ticks = self._bar_cut

    def _end_bar(self, line: BarLine, offset: int) -> None:
        self._lengths.close(self.bar_ticks, self.full_bar, line, offset, self._at_line_end)
        self.events.append(Bar(line, self.bar_ticks, offset))
        if self.bar_ticks:
            self.n_bars += 1
            self._at_line_end = False
        self.bar_ticks = 0
        self.full_bar = self.meter.ticks

    def _overlay_mark(self, _text: str, _offset: int) -> None:
        self._end_groups()
        self._last, self._last_ticks, self._overlay = [], 0, True

    # what is wrong by itself

    def _character(self, text: str, offset: int) -> None:
        self.report("character", offset, f"{text!r} means nothing here")

    def _accidental(self, text: str, offset: int) -> None:
        self.report("accidental", offset, f"the accidental {text} has no note")

    def _continuation(self, _text: str, offset: int) -> None:
        self._continued = offset

    def _nothing(self, _text: str, _offset: int) -> None:
        pass

    def _unclosed(self, text: str, offset: int) -> None:
        self.report(_UNCLOSED[text[0]], offset, f"this {text[0]} is never closed")


_UNCLOSED = {'"': "quote-open", "!": "decoration-open", "+": "decoration-open", "[": "inline-open"}
_HANDLERS: dict[str, Callable[[Machine, str, int], None]] = {
    "accidental": Machine._accidental,
    "bar": Machine._bar,
    "bar-rest": Machine._bar_rest,
    "broken": Machine._broken_rhythm,
    "character": Machine._character,
    "chord-close": Machine._chord_close,
    "chord-open": Machine._chord_open,
    "comment": Machine._comment,
    "continuation": Machine._continuation,
    "decoration": Machine._nothing,
    "decoration-open": Machine._unclosed,
    "field": Machine._field,
    "grace-close": Machine._grace_close,
    "grace-open": Machine._grace_open,
    "indent": Machine._nothing,
    "inline": Machine._inline,
    "inline-open": Machine._unclosed,
    "newline": Machine._newline,
    "note": Machine._note,
    "overlay": Machine._overlay_mark,
    "quote": Machine._nothing,
    "quote-open": Machine._unclosed,
    "rest": Machine._rest,
    "shorthand": Machine._shorthand,
    "slur-close": Machine._slur_close,
    "slur-open": Machine._slur_open,
    "spacer": Machine._nothing,
    "tie": Machine._tie,
    "tuplet": Machine._tuplet_mark,
}
_FIELD_HANDLERS: dict[str, Callable[[Machine, str, int], bool]] = {
    "K": Machine._key_field,
    "L": Machine._unit_field,
    "M": Machine._meter_field,
    "U": Machine._shorthand_field,
    "V": Machine._voice_field,
    "X": Machine._number_field,
}
