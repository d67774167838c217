"""Tunes to MIDI files, through music21 in a child process."""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from hf_scaling.music.child import convert
from hf_scaling.notation import canonical_repeats, in_full, plain, played_out, read

DEFAULT_TEMPO = "1/4=180"  # a lively dance; tunes without a Q: field rarely mean MIDI's own 120


class Midi(NamedTuple):
    """A MIDI file that was written and read back: seconds until its last note ends, and how many notes begin."""

    seconds: float
    notes: int


class MidiError(ValueError):
    """A tune could not be turned into MIDI; the message is the reason."""


def tunes_to_midi(tunes: Iterable[tuple[str, Path]], timeout_each: float = 60) -> list[Midi | MidiError]:
    """Write each (ABC text, path) as a MIDI file, repeats played out; `timeout_each` in seconds.

    One result per tune, in order; an error is returned, not raised, and then no file is written. The same text gives
    the same bytes. What rhythms, signatures and repeats mean is worked out here, for music21 gets some of it wrong.
    Grace notes, trills and chord symbols are left to the player's taste: none is written. Feed it repaired tunes
    (`notation.repair`). `tunes` is asked for one tune when the one before it is done: a progress bar around it tells
    the truth.
    """
    jobs = ((_with_tempo(played_out(in_full(plain(abc)))), path) for abc, path in tunes)
    return [
        MidiError(reply["error"]) if "error" in reply else Midi(reply["seconds"], reply["notes"])
        for reply in convert("midi", jobs, timeout_each)
    ]


def tune_to_midi(abc: str, path: Path, timeout: float = 60) -> Midi:
    """Write one tune as a MIDI file; raises MidiError. For several, `tunes_to_midi` is much faster."""
    (result,) = tunes_to_midi([(abc, path)], timeout)
    if isinstance(result, MidiError):
        raise result
    return result


def as_read(abc: str) -> str:
    """The text that the second reader is given, in plain notes and with a tempo. Repeats, rhythms and signatures it
    must make out by itself.
    """
    return _with_tempo(canonical_repeats(plain(abc)))


def _with_tempo(abc: str) -> str:
    fields = read(abc).fields
    key_at = next((field.offset for field in fields if field.letter == "K"), None)
    if key_at is None or any(field.letter == "Q" for field in fields):
        return abc
    return f"{abc[:key_at]}Q:{DEFAULT_TEMPO}\n{abc[key_at:]}"
