"""The samples of a study as the page shows them: each with its score, MIDI and audio inside the page."""

from pathlib import Path
from typing import Any

from hf_scaling.report import formats
from hf_scaling.report.embed import data_uri
from hf_scaling.report.reading import Study
from hf_scaling.report.shapes import Record

URIS = ("score_uri", "midi_uri", "audio_uri")  # what a card holds of files
_CLOSE = 6  # characters before the end of a block, its two special tokens among them, where the constraint closes


def at_the_limit(study: Study) -> list[int]:
    """The samples that the end of the block cut off or, under the constraint, closed; by their number."""
    block = study.config.get("context_length")
    found = []
    for sample in study.samples:
        stopped = not sample.get("complete", True)
        if sample.get("constrain", "none") != "none" and isinstance(block, int):
            stopped = len(str(sample.get("written", sample["abc"]))) >= block - _CLOSE
        if stopped:
            found.append(sample["index"])
    return found


def limit_caveat(study: Study) -> str | None:
    """What must not be read into these samples; None where all came to an end of their own."""
    if not (numbers := [str(index) for index in at_the_limit(study)]):
        return None
    go, were, them = ("goes", "was", "it") if len(numbers) == 1 else ("go", "were", "them")
    return (
        f"{len(numbers)} of {len(study.samples)} samples ({formats.listed(numbers)}) {go} on to the end of the block "
        f"of tokens and {were} cut off or closed there: what is said of form and of endings does not hold for "
        f"{them}."
    )


def music_summary(samples: list[Record]) -> Record:
    """How many of the tunes are what; a repaired tune never counts as valid."""
    return {
        "total": len(samples),
        "valid": sum(sample["raw_verdict"]["strict"] and not sample["repairs"] for sample in samples),
        "repaired": sum(bool(sample["repairs"]) for sample in samples),
        "redrawn": sum(sample["redraws"] > 0 for sample in samples),
        "constrained": sum(sample.get("constrain", "none") != "none" for sample in samples),
        "cut_off": sum(not sample.get("complete", True) for sample in samples),
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
