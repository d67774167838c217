"""The ABC corpora inside the installed music21 package: read where they lie, never redistributed."""

import importlib.metadata
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from hf_scaling.data.sources.tune import Licence, RawTune, SourceOptions
from hf_scaling.notation import split_tunes
from hf_scaling.records import UserError

COLLECTIONS = ("essenFolksong", "oneills1850", "airdsAirs", "ryansMammoth", "miscFolk")
LICENCE = Licence(
    identifier="other",
    text="corpus/license.txt in the package music21",
    notice=(
        "Tunes from the corpora distributed with music21, by permission of their encoders; terms vary by piece "
        "and some encodings, the Essen collection among them, are not for commercial use."
    ),
    commercial_use=False,
    redistributable=False,
)


def licence(options: SourceOptions) -> Licence:
    """The terms, which are the same for every choice of collections."""
    return LICENCE


def identity(options: SourceOptions) -> str | None:
    """The release of music21, whose corpora no option changes; None where it or its corpora are not installed."""
    folder = _corpus_folder()
    return f"music21 {importlib.metadata.version('music21')}" if folder and folder.is_dir() else None


def _corpus_folder() -> Path | None:
    # find_spec does not import music21, which would take seconds
    spec = find_spec("music21")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / "corpus"


def read(options: SourceOptions) -> Iterator[RawTune]:
    """Stream the tunes of the chosen collections (all of COLLECTIONS by default), in file order.

    Raises:
        UserError: an unknown collection, or a music21 that is missing or was installed without its corpus.
    """
    corpus = _corpus_folder()
    if corpus is None:
        raise UserError("sources: 'music21' needs the package music21, which is not installed; pip install music21")
    for collection in options.collections or COLLECTIONS:
        if collection not in COLLECTIONS:
            raise UserError(f"collections: got {collection!r}, expected some of {', '.join(COLLECTIONS)}")
        files = sorted((corpus / collection).glob("*.abc"))
        if not files:
            raise UserError(
                f"sources: this music21 has no corpus {collection!r} in {corpus}; some distributions strip it: "
                "pip install --force-reinstall music21"
            )
        for file in files:
            with open(file, encoding="utf-8") as lines:
                for number, text in enumerate(split_tunes(lines), 1):
                    yield RawTune(text, "music21", collection, file.name, number)
