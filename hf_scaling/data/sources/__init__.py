"""Sources of tunes: each a licence, an identity and a reader that streams. A new one is a module and a line here."""

from hf_scaling.data.sources import abc_files, hub, midi_files, music21_corpora, the_session
from hf_scaling.data.sources.tune import REASONS, Licence, RawTune, Source, SourceOptions, Unread

SOURCES: dict[str, Source] = {
    "music21": music21_corpora,
    "the_session": the_session,
    "abc_files": abc_files,
    "hub": hub,
    "midi_files": midi_files,
}

__all__ = ["REASONS", "SOURCES", "Licence", "RawTune", "Source", "SourceOptions", "Unread"]
