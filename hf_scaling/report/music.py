"""The samples of a study as the page shows them: each with its score, MIDI and audio inside the page."""

from pathlib import Path
from typing import Any

from hf_scaling.report.embed import data_uri
from hf_scaling.report.shapes import Record


def music_summary(samples: list[Record]) -> Record:
    """How many of the tunes are what; a repaired tune never counts as valid."""
    return {
        "total": len(samples),
        "valid": sum(sample["raw_verdict"]["strict"] and not sample["repairs"] for sample in samples),
        "repaired": sum(bool(sample["repairs"]) for sample in samples),
        "redrawn": sum(sample["redraws"] > 0 for sample in samples),
        "constrained": sum(sample.get("constrain", "none") != "none" for sample in samples),
        "playable_raw": sum(sample["raw_verdict"]["playable"] for sample in samples),
        "playable": sum(sample["verdict"]["playable"] for sample in samples),
    }


def card(folder: Path, sample: Record) -> Record:
    """A sample with its score, MIDI and audio as data URIs."""
    midi, audio = sample.get("midi") or {}, sample.get("audio") or {}
    return {
        **sample,
        "score_uri": _sample_file(folder, sample.get("score"), ".svg"),
        "midi_uri": _sample_file(folder, midi.get("file"), ".mid"),
        "audio_uri": _sample_file(folder, audio.get("file"), ".opus"),
        "midi": midi,
    }


def _sample_file(folder: Path, name: Any, suffix: str) -> str | None:
    """A file of the samples folder; a name that leads out of it, or to another kind of file, gives None."""
    if not isinstance(name, str) or Path(name).name != name or Path(name).suffix != suffix:
        return None
    return data_uri(folder / name)
