"""The child's side of `cross_check.py`: symusic reads a MIDI file, and the text that it was made of."""

from pathlib import Path
from typing import Any

from symusic import Score

_TOGETHER = "%%MIDI chordattack 0\n"  # else abc2midi lets the notes of a chord begin one after the other


def work(abc: str, path: Path) -> dict[str, Any]:
    """What sounds in the MIDI file at `path`, and in `abc`."""
    return {"file": _heard(Score(path)), "text": _heard(Score.from_abc(_with_chords(abc)))}


def _with_chords(abc: str) -> str:
    header, key, body = abc.partition("\nK:")
    line, newline, music = body.partition("\n")
    return header + key + line + newline + _TOGETHER + music


def _heard(score: Any) -> dict[str, Any]:
    """Seconds until the last note ends, and the pitches in order of their beginnings."""
    in_ticks = sorted((note.time, note.pitch) for track in score.tracks for note in track.notes)
    ends = [note.end for track in score.to("second").tracks for note in track.notes]
    return {"seconds": round(max(ends, default=0.0), 3), "pitches": [pitch for _, pitch in in_ticks]}
