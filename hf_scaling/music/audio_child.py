"""The child's side of `audio.py`: midirenderer plays a MIDI file, soundfile writes it as Opus.

midirenderer can write Opus too, but at 260 kbit/s whatever it is asked for, and without the last tenth of a second.
"""

import io
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import midirenderer
import numpy as np
import soundfile

_PEAK = 0.9  # of the loudest that a file can hold
_QUALITY = 0.9  # as soundfile counts compression: about 32 kbit/s, plenty for one melody


@cache
def _font() -> bytes:
    spec = find_spec("pretty_midi")
    folders = (spec and spec.submodule_search_locations) or ()
    return next(path for folder in folders if (path := Path(folder, "TimGM6mb.sf2")).is_file()).read_bytes()


def work(midi: str, path: Path) -> dict[str, Any]:
    """Write the MIDI file `midi` to `path` as Opus; return its length in seconds."""
    wave = midirenderer.render_wave_from(_font(), Path(midi).read_bytes())
    samples, rate = soundfile.read(io.BytesIO(wave), always_2d=True)
    mono = samples.mean(axis=1)
    peak = float(np.abs(mono).max())
    if not peak:
        raise ValueError("the MIDI file makes no sound")
    soundfile.write(path, mono * (_PEAK / peak), rate, format="OGG", subtype="OPUS", compression_level=_QUALITY)
    return {"seconds": round(len(mono) / rate, 3)}
