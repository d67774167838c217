"""The corpora bundled with music21: what they yield, and what is said where they are missing."""

import importlib.metadata

import pytest

from hf_scaling.data.sources import SOURCES, RawTune, SourceOptions, music21_corpora
from hf_scaling.records import UserError

MUSIC21 = SOURCES["music21"]


def test_the_bundled_corpora_stream_in_order_with_places_of_their_own():
    tunes = list(MUSIC21.read(SourceOptions(["miscFolk"])))
    assert tunes == list(MUSIC21.read(SourceOptions(["miscFolk"])))
    assert len({(tune.file, tune.number) for tune in tunes}) == len(tunes) > 100
    for tune in tunes:
        assert isinstance(tune, RawTune)
        assert (tune.source, tune.collection, tune.group, tune.setting) == ("music21", "miscFolk", "", "")
        assert tune.file.endswith(".abc")
        assert tune.text.startswith("X:")


def test_every_collection_is_there_and_an_unknown_one_is_named():
    for collection in music21_corpora.COLLECTIONS:
        first = next(MUSIC21.read(SourceOptions([collection])))
        assert first.collection == collection
    with pytest.raises(UserError, match=r"collections: got 'bach', expected some of essenFolksong, .*miscFolk"):
        list(MUSIC21.read(SourceOptions(["miscFolk", "bach"])))


def test_a_music21_that_is_missing_or_stripped_of_its_corpus_is_told_apart(tmp_path, monkeypatch):
    class Stripped:
        submodule_search_locations = (str(tmp_path),)

    for spec, message in ((None, "pip install music21"), (Stripped, "this music21 has no corpus 'miscFolk'")):
        monkeypatch.setattr(music21_corpora, "find_spec", lambda name, spec=spec: spec)
        assert MUSIC21.identity(SourceOptions()) is None
        with pytest.raises(UserError, match=message):
            list(MUSIC21.read(SourceOptions(["miscFolk"])))


def test_the_identity_is_the_release():
    assert MUSIC21.identity(SourceOptions()) == f"music21 {importlib.metadata.version('music21')}"


def test_the_terms_forbid_to_pass_the_tunes_on():
    licence = MUSIC21.licence(SourceOptions())
    assert not licence.redistributable
    assert not licence.commercial_use
    assert "not for commercial use" in licence.notice
