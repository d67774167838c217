"""Sources of tunes: each a licence and a function that streams raw tunes. A new one is a module and a line here."""

from hf_scaling.data.sources import music21_corpora, the_session
from hf_scaling.data.sources.tune import Licence, RawTune, SourceOptions

SOURCES = {"music21": music21_corpora, "the_session": the_session}

__all__ = ["SOURCES", "Licence", "RawTune", "SourceOptions"]
