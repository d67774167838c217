"""The child's side of `midi.py`: music21 writes a MIDI file, and what it wrote is read back."""

from fractions import Fraction
from pathlib import Path
from typing import Any

from music21 import meter, midi, stream

from hf_scaling.music.abc_score import load

_DEFAULT_TEMPO = 500_000  # microseconds a quarter note, by the MIDI standard


def work(abc: str, path: Path) -> dict[str, Any]:
    """Write `abc` to `path` as MIDI; return its length in seconds and its number of notes."""
    score = load(abc)
    measures = list(score.recurse().getElementsByClass(stream.Measure))
    if not measures and ":|" in abc:
        raise ValueError("music21 makes no bars of a tune this short, and would leave out its repeats")
    for measure in measures[1:]:
        # music21 puts one and the same object behind every irregular bar, and then cannot write it
        measure.removeByClass(meter.TimeSignature)
    file = midi.translate.music21ObjectToMidiFile(score)
    path.write_bytes(file.writestr())
    seconds, notes = _read_back(path.read_bytes())
    if not notes or not seconds:
        raise ValueError("the MIDI file holds no sound")
    return {"seconds": round(seconds, 3), "notes": notes}


def _read_back(data: bytes) -> tuple[float, int]:
    """Seconds until the last note ends, and how many notes begin."""
    file = midi.MidiFile()
    file.readstr(data)
    tempi: list[tuple[int, int]] = []
    last = notes = 0
    for track in file.tracks:
        now = 0
        for event in track.events:
            if event.isDeltaTime():
                now += event.time
            elif event.type is midi.MetaEvents.SET_TEMPO and isinstance(event.data, bytes):
                tempi.append((now, int.from_bytes(event.data, "big")))
            elif event.isNoteOn() and event.velocity:
                notes += 1
            elif event.isNoteOff() or event.isNoteOn():
                last = max(last, now)
    return _seconds(last, sorted(tempi), file.ticksPerQuarterNote), notes


def _seconds(ticks: int, tempi: list[tuple[int, int]], per_quarter: int) -> float:
    total, since, tempo = Fraction(0), 0, _DEFAULT_TEMPO
    for at, following in tempi:
        if at >= ticks:
            break
        total += Fraction((at - since) * tempo, per_quarter)
        since, tempo = at, following
    return float((total + Fraction((ticks - since) * tempo, per_quarter)) / 1_000_000)
