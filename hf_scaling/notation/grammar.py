"""The notation engine: one incremental state machine over the characters of an ABC 2.1 tune.

`Machine` is fed characters; it keeps the tokens, turns them into events with exact durations, and reports what is
wrong as it goes. The checker, the repairer and the fingerprint all read this one machine; there is no other parser.
The rules with a memory of their own stand beside it: `lines.py`, `rhythm.py`, `groups.py` and `bars.py`.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence

from hf_scaling.notation.bars import BarLengths, BarLine, Repeats, parse_bar_line
from hf_scaling.notation.durations import WHOLE, Ticks, parse_length, scale, ticks_of
from hf_scaling.notation.events import Bar, Event, Field, Note, NoteTable, Rest, Token, note_table
from hf_scaling.notation.fields import FREE, parse_key, parse_meter, parse_unit, strip_comment
from hf_scaling.notation.groups import Groups
from hf_scaling.notation.lexer import Lexer
from hf_scaling.notation.lines import FieldOrder, Lines
from hf_scaling.notation.problems import Problems
from hf_scaling.notation.rhythm import Rhythm

MAX_NOTES = 10_000
MAX_NOTE = 64 * WHOLE
_MAX_REST_BARS = 1_000
_DEFAULT_SHORTHANDS = frozenset(".~HLMOPSTuv")
_LAYOUT = frozenset(("indent", "newline", "comment"))
_END = parse_bar_line("|]")
_RULES = ("lines", "order", "rhythm", "groups", "lengths", "repeats")
_SHARED = frozenset(_RULES)


class Machine(Lexer):
    """Feed it a tune (`feed`, then `close`) and read `tokens`, `events`, `problems`, `fields` and the counts.

    `n_notes` counts every note but grace notes, `n_bars` the bars of the first voice that hold time. `bar_ticks` is
    the time since the last bar line, `full_bar` the length that a bar should have (None where the metre is free),
    `written` how long the last note or rest is without the marks of rhythm that change it;
    after `close`, `open_ticks` is the time that no bar line ends, `music_at` where music began without a K: field,
    `voices` the V: names in the body, and `first_voice_end` where the text left the first voice, None where it
    ends in it.
    """

    __slots__ = (  # with more than thirty attributes and no slots, CPython 3.11 looks each up the slow way
        *("tokens", "events", "problems", "fields", "voices", *_RULES),
        *("meter", "music_at", "first_voice_end", "n_notes", "n_bars", "bar_ticks", "full_bar", "open_ticks"),
        *("_notes", "_meter_ticks", "_bar_cut", "_at_line_end", "shorthands", "_problems_before"),
        *("_first_voice", "_other_voice", "_overlay", "_timed", "_last", "_last_ticks", "written", "_shared"),
    )

    def __init__(self) -> None:
        """Stand before the first character."""
        super().__init__()
        self.tokens: list[Token] = []
        self.events: list[Event] = []
        self.problems = Problems()
        self._shared: frozenset[str] = frozenset()  # the rules that are those of a fork, too
        self.lines, self.order = Lines(self.problems), FieldOrder(self.problems)
        self.fields: list[Field] = self.order.header
        self.meter = FREE
        self._meter_ticks: Ticks | None = None  # of a whole bar
        self.full_bar: Ticks | None = None
        self._notes: NoteTable | None = None  # None until L: or the first note decides the unit note length
        self.shorthands = _DEFAULT_SHORTHANDS
        self._at_line_end = False
        self.music_at: int | None = None
        self._problems_before = 0
        self.open_ticks: Ticks = 0
        self._start_music()

    def _start_music(self) -> None:
        self.n_notes = self.n_bars = 0
        self.bar_ticks: Ticks = 0
        self._bar_cut: Ticks = 0  # how much of the bar stood before a bare [1
        self.lengths, self.repeats = BarLengths(self.problems), Repeats(self.problems)
        self._first_voice: str | None = None
        self._other_voice = self._overlay = False
        self.voices: set[str] = set()
        self.first_voice_end: int | None = None
        self._timed = False  # a note or a rest has come
        self._last: Sequence[Note | Rest] = []  # what a tie or a mark of broken rhythm refers to
        self._last_ticks: Ticks = 0  # 0: there is nothing for a broken rhythm to refer to
        self.written: Ticks = 0
        self.rhythm, self.groups = Rhythm(self.problems), Groups(self.problems)

    def token(self, kind: str, text: str, offset: int) -> None:
        """Take one token from the lexer."""
        self.tokens.append((kind, text, offset))
        if kind == "space":  # a fifth of all tokens
            return
        if self._shared:
            if kind != "note":
                self._own(_CHANGES.get(kind, ()))
            elif self.rhythm.waiting or self.groups.grace or self.groups.chord is not None:  # most notes change no rule
                self._own(_IN_BAR)
            if self.lines.waiting:
                self._own(("lines",))
        if self.lines.waiting and kind not in _LAYOUT:
            self.lines.begin(offset)
            if self.in_header and self.music_at is None and kind != "field":
                self.music_at, self._problems_before = offset, len(self.problems)
        _HANDLERS[kind](self, text, offset)

    def close(self) -> None:
        """End the tune: what is still open is reported."""
        super().close()
        self._own(_RULES)
        self._end_time()
        self.open_ticks = self.bar_ticks
        if self.bar_ticks:
            self._end_bar(_END, self.offset)
        self.lengths.finish()
        self.repeats.finish()
        self.groups.finish()
        self.order.finish()
        if not self._timed:
            self._report("no-music", self.offset, "there is no music after the header")
        elif not self.n_notes:
            self._report("no-notes", self.offset, "no note sounds")

    def fork(self) -> "Machine":
        """A copy that reads on by itself; what was read and found wrong before stays behind."""
        copy = Machine.__new__(Machine)
        # one by one: a loop over names would take three times as long, and decoding forks at every step
        copy._row, copy.in_header, copy.offset, copy.pending = self._row, self.in_header, self.offset, self.pending
        copy.meter, copy._meter_ticks, copy.full_bar = self.meter, self._meter_ticks, self.full_bar
        copy.bar_ticks, copy._bar_cut, copy.open_ticks = self.bar_ticks, self._bar_cut, self.open_ticks
        copy._notes, copy.n_notes, copy.n_bars = self._notes, self.n_notes, self.n_bars
        copy._timed, copy._last_ticks, copy.written = self._timed, self._last_ticks, self.written
        copy._at_line_end = self._at_line_end
        copy.music_at, copy._problems_before, copy.shorthands = self.music_at, self._problems_before, self.shorthands
        copy._first_voice, copy.first_voice_end, copy.voices = self._first_voice, self.first_voice_end, self.voices
        copy._other_voice, copy._overlay, copy.fields = self._other_voice, self._overlay, self.fields
        copy.lines, copy.order, copy.rhythm = self.lines, self.order, self.rhythm
        copy.groups, copy.lengths, copy.repeats = self.groups, self.lengths, self.repeats
        copy.tokens, copy.events, copy.problems, copy._last = [], [], Problems(), []
        self._shared = copy._shared = _SHARED
        if self.groups.chord is not None:  # whose notes are events here: they change here
            copy.groups = self.groups.fork(copy.problems)
            self._shared = copy._shared = _SHARED - {"groups"}
        return copy

    def _own(self, rules: Iterable[str]) -> None:
        """Take copies of those of these rules that are shared with a fork, before they change."""
        for rule in rules:
            if rule in self._shared:
                self._shared -= {rule}
                setattr(self, rule, getattr(self, rule).fork(self.problems))
                if rule == "order":
                    self.fields, self.voices = self.order.header, self.voices.copy()

    # what decides about what may follow, in two parts: two tunes with the same parts go on in the same ways. That holds
    # for what `steer.py` lets follow: a broken rhythm stands right behind its note, for example.

    def inside(self, bars: bool) -> Hashable:
        """What notes change, and all else within a bar; bars: whether the lengths of bars decide, too."""
        # a mark of broken rhythm refers to the last note, nothing else does
        last = (
            (self.written, self._last_ticks if bars else self._last_ticks > 0) if self.pending[:1] in ("<", ">") else 0
        )
        free = self.full_bar is None and self._meter_ticks is not None  # this bar, but not those to come
        header = (self.order.state(), self.music_at is None) if self.in_header else self.order.begun
        return (
            *(self._row, _pending_state(self._row.kind, self.pending), header, self.lines.state(), self.groups.state()),
            *(self.rhythm.state(), last, self.room if bars else None, self.bar_ticks if bars and free else None),
            *(self.bar_ticks > 0, self.unit, self.meter.compound, self._notes is None, self._timed, self.n_notes > 0),
            *(self.shorthands, self._first_voice, self._other_voice, self._overlay),
        )

    def around(self, bars: bool) -> Hashable:
        """What no more than bar lines, line ends and fields change; with the room left it tells how long the bar is."""
        if not bars:
            return self.repeats.state(), self._bar_cut > 0
        meter = self.full_bar, self._meter_ticks
        return self.repeats.state(), self._bar_cut, *meter, self._at_line_end, self.lengths.state()

    @property
    def unit(self) -> Ticks:
        """Ticks of the unit note length that holds now."""
        return ticks_of(self.meter.unit_length) if self._notes is None else self._notes.unit

    @property
    def room(self) -> Ticks | None:
        """Ticks until the bar that has begun is as long as it must be, below 0 if it cannot; None if it is free."""
        if self.full_bar is None:
            return None
        return self.lengths.wanted(self.full_bar, self._at_line_end) - self.bar_ticks

    def _report(self, code: str, offset: int, message: str) -> None:
        self.problems.report(code, offset, message)

    # lines, fields, voices

    def _newline(self, _text: str, offset: int) -> None:
        self.groups.end()
        self.lines.end(first=offset == 0)
        self._at_line_end = self._at_line_end or not self.bar_ticks

    def _field(self, text: str, offset: int) -> None:
        letter, value = text[0], strip_comment(text[2:])
        field = Field(letter, value, offset)
        self.events.append(field)
        self.order.take(field, self.in_header)
        if letter == "K" and self.in_header:
            self._end_header()
        handler = _FIELD_HANDLERS.get(letter)
        if handler and not handler(self, value, offset):
            self._report("field-value", offset, f"{letter}: cannot be {value[:40]!r}")

    def _end_header(self) -> None:
        """K: ends the header. Whatever stood before it was no music, even if it read like some."""
        self.in_header = False
        if self.music_at is not None:
            del self.problems[self._problems_before :]
            self.events = [event for event in self.events if isinstance(event, Field)]
            self._start_music()
            self._report("header-line", self.music_at, "this stands in the header and is no field")

    def _inline(self, text: str, offset: int) -> None:
        self._field(text[1:-1], offset)

    def _number_field(self, value: str, _offset: int) -> bool:
        return value.isdecimal()

    def _meter_field(self, value: str, _offset: int) -> bool:
        meter = parse_meter(value)
        if not self._other_voice:
            self.meter = meter or FREE
            self._meter_ticks = self.meter.ticks
            if not self.bar_ticks:  # otherwise the bar that has begun keeps its metre
                self.full_bar = self._meter_ticks
        return meter is not None

    def _unit_field(self, value: str, _offset: int) -> bool:
        unit = parse_unit(value)
        if unit and not self._other_voice:
            self._notes = note_table(ticks_of(unit))
        return unit is not None

    def _key_field(self, value: str, _offset: int) -> bool:
        return parse_key(value) is not None

    def _shorthand_field(self, value: str, _offset: int) -> bool:
        self.shorthands |= {value[:1]}
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
        self.rhythm.drop()
        self._last, self._last_ticks = [], 0
        return True

    # time

    def _decide_unit(self) -> NoteTable:
        self._notes = notes = note_table(ticks_of(self.meter.unit_length))
        return notes

    def _pass_time(self, ticks: Ticks, sounds: Sequence[Note | Rest], offset: int) -> None:
        self._timed = True
        self._last, self._last_ticks = sounds, ticks
        if ticks > MAX_NOTE:
            self._too_long(offset)
        if not (self._other_voice or self._overlay):
            self.bar_ticks += ticks

    def _no_length(self, text: str, offset: int) -> None:
        self._report("length", offset, f"a length that cannot be: {text[:20]!r}")

    def _too_long(self, offset: int) -> None:
        self._report("note-long", offset, "longer than 64 whole notes")

    def _note(self, text: str, offset: int) -> None:
        groups = self.groups
        if groups.grace:
            groups.n_grace += 1
            position, alter, _ = note_table(WHOLE)[text]
            self.events.append(Note(position, alter, 0, offset, main=False, grace=True))
            return
        notes = self._decide_unit() if self._notes is None else self._notes
        position, alter, ticks = notes[text]
        self.n_notes += 1
        if self.n_notes == MAX_NOTES + 1:
            self._report("too-many-notes", offset, f"more than {MAX_NOTES} notes")
        if not ticks:
            self._no_length(text, offset)
        chord = groups.chord
        written = ticks
        if self.rhythm.waiting and (chord is None or not ticks):
            ticks = scale(ticks, *self.rhythm.take(ticks))
        if ticks > MAX_NOTE:
            self._too_long(offset)
        main = not (self._other_voice or self._overlay or chord)
        note = Note(position, alter, ticks, offset, main)
        self.events.append(note)
        if chord is not None:  # the chord's own length, tuplet and broken rhythm come at its end
            chord.append(note)
            return
        self._timed, self._last, self._last_ticks, self.written = True, [note], ticks, written
        if main:
            self.bar_ticks += ticks

    def _rest(self, text: str, offset: int) -> None:
        if self.groups.grace or self.groups.chord is not None:
            self._report("group-content", offset, "a rest inside a chord or grace notes")
            return
        notes = self._decide_unit() if self._notes is None else self._notes
        ticks = scale(notes.unit, *parse_length(text[1:]))
        if not ticks:
            self._no_length(text, offset)
        self.written = ticks
        ticks = scale(ticks, *self.rhythm.take(ticks))
        rest = Rest(ticks, offset)
        self.events.append(rest)
        self._pass_time(ticks, [rest], offset)

    def _bar_rest(self, text: str, offset: int) -> None:
        bars = parse_length(text[1:])[0]
        if not 0 < bars <= _MAX_REST_BARS:
            self._report("length", offset, f"a rest of {text[1:20]} bars")
        full = self.full_bar or WHOLE
        self.events.append(Rest(full * bars, offset))
        self._pass_time(full, [], offset)
        self.n_bars += max(bars - 1, 0)

    def _broken_rhythm(self, text: str, offset: int) -> None:
        may_be = self._last_ticks and self.groups.chord is None
        before = self.rhythm.broken(text, self.written, offset) if may_be else None
        if before is None:
            self._report("broken-rhythm", offset, "a broken rhythm mark without a note before it")
            return
        for note in self._last:
            note.duration = scale(note.duration, *before)
        new = scale(self._last_ticks, *before)
        if not (self._other_voice or self._overlay):
            self.bar_ticks += new - self._last_ticks
        self._last_ticks = new

    # groups

    def _chord_close(self, text: str, offset: int) -> None:
        notes = self.groups.close_chord(offset)
        if not notes:
            return
        length = parse_length(text[1:])
        if not length[0]:
            self._no_length(text, offset)
        self.written = scale(notes[0].duration, *length)
        rhythm = self.rhythm.take(self.written)
        for note in notes:
            note.duration = scale(scale(note.duration, *length), *rhythm)
        self._pass_time(notes[0].duration, notes, offset)

    def _tie(self, _text: str, _offset: int) -> None:
        chord = self.groups.chord
        for note in chord[-1:] if chord else self._last:
            if isinstance(note, Note):
                note.tie = True

    def _shorthand(self, text: str, offset: int) -> None:
        if text not in self.shorthands:  # ABC 2.1 §4.16 lets any of these letters be a symbol
            self._report("shorthand", offset, f"the shorthand {text} is not defined")

    # bars

    def _end_time(self) -> None:
        """A bar or an overlay ends: nothing in it may be open or wait any more."""
        self.groups.end()
        if self.rhythm.waiting:
            self.rhythm.end_bar()
        self._last, self._last_ticks = [], 0

    def _bar(self, text: str, offset: int) -> None:
        self._end_time()
        if self._other_voice:
            return
        self._overlay = False
        line = parse_bar_line(text)
        self.repeats.bar(line, offset)
        if line.line:
            self._end_bar(line, offset)
        else:
            self.events.append(Bar(line, 0, offset))
        if line.endings:  # the second ending takes up the bar where the first one did
            if line.endings[0] == 1:
                self._bar_cut = self.bar_ticks
            else:
                self.lengths.reopen()
                if not self.bar_ticks:
                    self.bar_ticks = self._bar_cut

    def _end_bar(self, line: BarLine, offset: int) -> None:
        self.lengths.close(self.bar_ticks, self.full_bar, line, offset, self._at_line_end)
        self.events.append(Bar(line, self.bar_ticks, offset))
        if self.bar_ticks:
            self.n_bars += 1
            self._at_line_end = False
        self.bar_ticks = 0
        self.full_bar = self._meter_ticks

    def _overlay_mark(self, _text: str, _offset: int) -> None:
        self._end_time()
        self._overlay = True

    # what is wrong by itself

    def _character(self, text: str, offset: int) -> None:
        self._report("character", offset, f"{text!r} means nothing here")

    def _accidental(self, text: str, offset: int) -> None:
        self._report("accidental", offset, f"the accidental {text} has no note")

    def _nothing(self, _text: str, _offset: int) -> None:
        pass

    def _unclosed(self, text: str, offset: int) -> None:
        self._report(_UNCLOSED[text[0]], offset, f"this {text[0]} is never closed")


def _pending_state(kind: str, pending: str) -> Hashable:
    """What of a token that is not complete decides how it goes on: of a note its octave marks and length."""
    if kind in ("note", "rest", "chord-close"):
        return pending.lstrip("^_=ABCDEFGabcdefgzx]")
    if kind == "field" and pending[0] not in "KLMUVX":
        return pending[0], len(pending) if pending[2:].strip() else 0
    if kind == "quote-open":
        return len(pending)
    return min(len(pending), 2) if kind in ("decoration-open", "space", "comment") else pending


_UNCLOSED = {'"': "quote-open", "!": "decoration-open", "+": "decoration-open", "[": "inline-open"}
_HANDLERS: dict[str, Callable[[Machine, str, int], None]] = {
    "accidental": Machine._accidental,
    "bar": Machine._bar,
    "bar-rest": Machine._bar_rest,
    "broken": Machine._broken_rhythm,
    "character": Machine._character,
    "chord-close": Machine._chord_close,
    "chord-open": lambda machine, _text, offset: machine.groups.open_chord(offset),
    "comment": lambda machine, _text, _offset: machine.lines.comment(),
    "continuation": lambda machine, _text, offset: machine.lines.continuation(offset),
    "decoration": Machine._nothing,
    "decoration-open": Machine._unclosed,
    "field": Machine._field,
    "grace-close": lambda machine, _text, offset: machine.groups.close_grace(offset),
    "grace-open": lambda machine, _text, offset: machine.groups.open_grace(offset),
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
    "slur-close": lambda machine, _text, offset: machine.groups.close_slur(offset),
    "slur-open": lambda machine, _text, offset: machine.groups.open_slur(offset),
    "spacer": Machine._nothing,
    "tie": Machine._tie,
    "tuplet": lambda machine, text, offset: machine.rhythm.tuplet(text, machine.meter.compound, offset),
}
_IN_BAR = ("rhythm", "groups")
_AT_BAR = (*_IN_BAR, "lengths", "repeats")
_CHANGES: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("field", "inline"), _RULES),
    **dict.fromkeys(("bar", "overlay"), _AT_BAR),
    **dict.fromkeys(("newline", "comment", "continuation"), ("lines", "groups")),
    **dict.fromkeys(("rest", "broken", "tuplet", "chord-open", "chord-close", "grace-open", "grace-close"), _IN_BAR),
    **dict.fromkeys(("slur-open", "slur-close", "tie"), ("groups",)),
}
"""The rules that tokens of a kind may change; none if it is not here."""

_FIELD_HANDLERS: dict[str, Callable[[Machine, str, int], bool]] = {
    "K": Machine._key_field,
    "L": Machine._unit_field,
    "M": Machine._meter_field,
    "U": Machine._shorthand_field,
    "V": Machine._voice_field,
    "X": Machine._number_field,
}
