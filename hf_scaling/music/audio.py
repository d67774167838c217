"""MIDI files to audio one can listen to, through a synthesizer in a child process. Offline: the instrument's sound font
is read from the installed package pretty_midi and bundled with nothing (TimGM6mb is under the GPL).
"""

from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from hf_scaling.music.child import convert

_PACKAGES = ("midirenderer", "pretty_midi", "soundfile")


class Audio(NamedTuple):
    """An Opus file that was written: its length in seconds, the last note's dying away included."""

    seconds: float


class AudioError(ValueError):
    """A MIDI file could not be made audible; the message is the reason, or names the package that is missing."""


def audio_is_missing() -> str | None:
    """What to install where no audio can be made; None where it can."""
    missing = [package for package in _PACKAGES if find_spec(package) is None]
    return f"{' and '.join(missing)} not installed: pip install 'hf_scaling[audio]'" if missing else None


def midi_to_audio(files: Iterable[tuple[Path, Path]], timeout_each: float = 60) -> list[Audio | AudioError]:
    """Write each (MIDI file, path) as an Opus file, one channel at about 32 kbit/s; `timeout_each` in seconds.

    One result per file, in order; an error is returned, not raised, and then no file is written. The loudest moment
    of every file is equally loud.
    """
    if missing := audio_is_missing():
        return [AudioError(missing) for _ in files]
    jobs = ((str(midi), path) for midi, path in files)
    return [
        AudioError(reply["error"]) if "error" in reply else Audio(reply["seconds"])
        for reply in convert("audio", jobs, timeout_each)
    ]
