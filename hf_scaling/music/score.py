"""Tunes to engraved scores (SVG), through music21, MusicXML and verovio in a child process."""

from collections.abc import Sequence
from pathlib import Path

from hf_scaling.music.child import convert


class ScoreError(ValueError):
    """A tune could not be engraved; the message is the reason, or names the package that is missing."""


def tunes_to_svg(tunes: Sequence[tuple[str, Path]], timeout_each: float = 60) -> list[ScoreError | None]:
    """Engrave each (ABC text, path) as one SVG file, cropped to its music; `timeout_each` in seconds.

    One result per tune, in order: None, or the error, and then no file is written. The pictures are self-contained
    and inert: no scripts, no links out, text escaped. Feed it repaired tunes (`notation.repair`).
    """
    replies = convert("score", tunes, timeout_each)
    return [ScoreError(reply["error"]) if "error" in reply else None for reply in replies]
