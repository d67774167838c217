"""How high every note sounds: signatures, accidentals and ties (ABC 2.1 §3.1.14, §4.2 and §4.11)."""

from dataclasses import dataclass, field
from functools import lru_cache

from hf_scaling.notation.bars import parse_bar_line
from hf_scaling.notation.check import read
from hf_scaling.notation.fields import Key, key_set, strip_comment
from hf_scaling.notation.grammar import Machine, Note

STEPS = "CDEFGAB"
NO_SIGNATURE = Key("", "", 0)
_NATURAL = (0, 2, 4, 5, 7, 9, 11)


@lru_cache(maxsize=1024)
def natural(position: int) -> int:
    """The MIDI number of a staff position (0 is middle C, 7 the C above) without accidentals."""
    octave, step = divmod(position, 7)
    return 60 + 12 * octave + _NATURAL[step]


@lru_cache(maxsize=1024)
def _signature(key: Key) -> tuple[int, ...]:
    """Semitones that the key adds to C, D, ... B."""
    return tuple(key.alteration(step) for step in STEPS)


@dataclass(slots=True)
class _Voice:
    """What holds in one voice: its key, the accidentals of this bar by step, and ties by position.

    tied: what the last note or chord ties over, in semitones; held: what was tied to the chord that is open now.
    """

    key: Key
    bar: dict[int, int] = field(default_factory=dict)
    tied: dict[int, int] = field(default_factory=dict)
    held: dict[int, int] = field(default_factory=dict)
    in_chord: bool = False


class Listener:
    """Follows a tune token by token and knows what each note sounds like.

    An accidental holds to the end of its bar, in all octaves (the default of ABC 2.1 §11.3), and for the note that it
    is tied to beyond. A new key ends it, and so does an overlay, which begins the bar again. Every voice has its own
    key and accidentals. The pitch is the written one: transposing clefs and `transpose=` count for nothing.
    """

    def __init__(self) -> None:
        """Stand before the first token."""
        self._voice = _Voice(NO_SIGNATURE)
        self._voices = {"": self._voice}
        self._first_key: Key | None = None  # of the header: every voice begins with it

    @property
    def key(self) -> Key:
        """The key that holds now."""
        return self._voice.key

    def token(self, kind: str, text: str) -> None:
        """Take a token that is not a note."""
        voice = self._voice
        if kind == "bar":
            voice.in_chord = False
            if parse_bar_line(text).line:
                voice.bar.clear()
        elif kind == "chord-open":
            voice.held, voice.tied, voice.in_chord = voice.tied, {}, True
        elif kind in ("chord-close", "newline"):
            voice.in_chord = False
        elif kind in ("rest", "bar-rest", "overlay"):
            voice.tied = {}
            if kind == "overlay":
                voice.bar.clear()
        elif kind in ("field", "inline"):
            self._field(text if kind == "field" else text[1:-1])

    def _field(self, text: str) -> None:
        letter, value = text[0], text[2:]
        key = key_set(value) if letter == "K" else None
        if letter == "K" and self._first_key is None:
            self._first_key = self._voice.key = key or NO_SIGNATURE
        elif key:
            self._voice.key = key
            self._voice.bar.clear()
        elif letter == "V" and self._first_key is not None:
            name = (strip_comment(value).split() or [""])[0]
            self._voice = self._voices.setdefault(name, _Voice(self._first_key))

    def implied(self, position: int, grace: bool = False) -> int:
        """The MIDI number of a note at `position` that has no accidental of its own, if it came now."""
        voice, step = self._voice, position % 7
        ties = voice.held if voice.in_chord else voice.tied
        if position in ties and not grace:
            return natural(position) + ties[position]
        alter = voice.bar.get(step)
        return natural(position) + (_signature(voice.key)[step] if alter is None else alter)

    def note(self, position: int, alter: int | None, grace: bool, tie: bool) -> int:
        """Take a note with its own accidental in semitones, None without one; returns its MIDI number."""
        voice = self._voice
        if alter is None:
            pitch = self.implied(position, grace)
        else:
            voice.bar[position % 7] = alter
            pitch = natural(position) + alter
        if not (voice.in_chord or grace):
            voice.tied = {}
        if tie:
            voice.tied[position] = pitch - natural(position)
        return pitch


def note_events(machine: Machine) -> dict[int, Note]:
    """The notes of a tune that has been read, by their offsets."""
    return {event.offset: event for event in machine.events if isinstance(event, Note)}


def pitches(text: str) -> list[int]:
    """The MIDI numbers (60 is middle C, `C`) of every note in written order, grace notes and chord notes included.

    All voices come one after the other, as they are written; repeats are not played. Never raises: a key that cannot
    be read changes nothing. See `Listener` for how accidentals are read.
    """
    return pitches_of(read(text))


def pitches_of(machine: Machine) -> list[int]:
    """The `pitches` of the tune that `machine` has read, one for each of its Note events."""
    listener, found = Listener(), []
    notes = note_events(machine)
    for kind, token, offset in machine.tokens:
        note = notes.get(offset)
        if note is None:
            listener.token(kind, token)
        else:
            found.append(listener.note(note.position, note.alter, note.grace, note.tie))
    return found
