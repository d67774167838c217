"""The two sources: what they yield, on what terms, and what they say of bad input."""

import json

import pytest

from hf_scaling.data.clean import CleanTune, clean
from hf_scaling.data.sources import SOURCES, RawTune, SourceOptions, music21_corpora
from hf_scaling.notation import parse_key
from hf_scaling.records import UserError


def setting(**changes):
    """A row of tunes.json with every column that the source has."""
    row = {
        "tune_id": "27", "setting_id": "27", "name": "Drowsy Maggie", "type": "reel", "meter": "4/4",
        "mode": "Edorian", "abc": "|:E2BE dEBE|E2BE AFDF|\r\nE2BE dEBE|BABc dAFD:|", "date": "2001-05-25 12:00:00",
        "username": "somebody", "composer": "",
    }  # fmt: skip
    return row | changes


@pytest.fixture
def read_session(tmp_path):
    """Write rows as a checkout would hold them and read them back."""

    def read(rows, licence="odbl-1.0"):
        (tmp_path / "json").mkdir(exist_ok=True)
        text = rows if isinstance(rows, str) else json.dumps(rows)
        (tmp_path / "json" / "tunes.json").write_text(text, encoding="utf-8")
        return list(SOURCES["the_session"].read(SourceOptions([], licence, str(tmp_path))))

    return read


def test_a_setting_becomes_a_tune_with_its_header_rebuilt(read_session):
    (tune,) = read_session([setting()])
    assert tune.source == tune.collection == "the_session"
    assert tune.group == "27"
    result = clean(tune.text, 1, 999)
    assert isinstance(result, CleanTune)
    assert result.text == (
        "X:1\nT:Drowsy Maggie\nR:reel\nM:4/4\nL:1/8\nK:Edor\n|:E2BE dEBE|E2BE AFDF|\nE2BE dEBE|BABc dAFD:|\n"
    )


@pytest.mark.parametrize(
    ("mode", "key"),
    [
        ("Gmajor", "G"),
        ("Bminor", "Bm"),
        ("F#minor", "F#m"),
        ("Bbmajor", "Bb"),
        ("Edorian", "Edor"),
        ("Amixolydian", "Amix"),
        ("Daeolian", "Dm"),
        ("Cionian", "C"),
        ("Ephrygian", "Ephrygian"),
        ("Flydian", "Flydian"),
    ],
)
def test_the_key_is_rebuilt_from_the_mode(read_session, mode, key):
    (tune,) = read_session([setting(mode=mode)])
    result = clean(tune.text, 1, 999)
    assert isinstance(result, CleanTune)
    assert result.key == key
    circle = "FCGDAEB"
    tonic = circle.index(mode[0]) - 1 + 7 * (mode[1] == "#") - 7 * (mode[1] == "b")
    brighter = {"lydian": 1, "major": 0, "ionian": 0, "mixolydian": -1, "dorian": -2, "minor": -3, "aeolian": -3}
    name = mode[1:].lstrip("#b")
    assert parse_key(result.key).fifths == tonic + brighter.get(name, -4)


def test_settings_of_one_tune_share_their_group_and_have_ids_of_their_own(read_session):
    tunes = read_session([setting(), setting(setting_id="28"), setting(tune_id="5", setting_id="5")])
    assert [tune.group for tune in tunes] == ["27", "27", "5"]
    assert len({tune.tune_id for tune in tunes}) == 3


def test_a_name_cannot_smuggle_in_a_field(read_session):
    (tune,) = read_session([setting(name="Maggie\nK:C\nAAAA|")])
    assert tune.text.count("K:") == 2
    result = clean(tune.text, 1, 999)
    assert isinstance(result, CleanTune)
    assert result.title == "Maggie K:C AAAA|"
    assert result.key == "Edor"


def test_a_row_with_nulls_gives_no_tune_made_of_the_word_none(read_session):
    for column in ("name", "type", "meter", "mode", "abc"):
        (tune,) = read_session([setting(**{column: None})])
        assert "None" not in tune.text


@pytest.mark.parametrize("licence", [None, "mit", "ODbL"])
def test_without_the_licence_accepted_the_refusal_names_the_reason(read_session, licence):
    with pytest.raises(UserError) as caught:
        read_session([setting()], licence)
    message = str(caught.value)
    assert message.startswith(f"accept_licence: got {licence!r}")
    for part in ("the_session", "Open Database License", "attribution", "share-alike", "accept_licence: odbl-1.0"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize("date", ["2025-10-08 00:00:00", "2026-01-01"])
def test_a_revision_whose_licence_forbids_training_is_refused(read_session, date):
    with pytest.raises(UserError, match=rf"holds tunes of {date[:10]}; from 2025-10-08 on .* forbids use with AI"):
        read_session([setting(), setting(date=date)])
    assert len(read_session([setting(date="2025-10-07 23:59:59")])) == 1


@pytest.mark.parametrize("column", ["tune_id", "setting_id", "name", "type", "meter", "mode", "abc", "date"])
def test_a_missing_column_is_named_with_its_row(read_session, column):
    bad = setting()
    del bad[column]
    with pytest.raises(
        UserError, match=rf"the_session_dir: .*tunes\.json, row 2 has no '{column}'; expected tune_id, "
    ):
        read_session([setting(), bad])


def test_columns_that_nobody_needs_may_be_missing(read_session):
    row = setting()
    del row["username"], row["composer"]
    assert len(read_session([row])) == 1


@pytest.mark.parametrize("text", ["", "[{", "5", "null", '{"tunes": []}', "[5]", "[[]]"])
def test_a_file_that_is_no_list_of_tunes_is_one_line_of_error(read_session, text):
    with pytest.raises(UserError, match=r"^the_session_dir: .*tunes\.json") as caught:
        read_session(text)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_given_or_not_there_is_named(tmp_path):
    for folder, message in (
        (None, r"the_session_dir: not set; expected a folder .*TheSession-data at revision [0-9a-f]{40}"),
        (str(tmp_path / "absent"), r"the_session_dir: .*absent/json/tunes\.json not found; expected a checkout"),
    ):
        with pytest.raises(UserError, match=message):
            list(SOURCES["the_session"].read(SourceOptions([], "odbl-1.0", folder)))


def test_the_bundled_corpora_stream_in_order_with_ids_of_their_own():
    tunes = list(SOURCES["music21"].read(SourceOptions(["miscFolk"])))
    assert tunes == list(SOURCES["music21"].read(SourceOptions(["miscFolk"])))
    assert len({tune.tune_id for tune in tunes}) == len(tunes) > 100
    for tune in tunes:
        assert isinstance(tune, RawTune)
        assert (tune.source, tune.collection, tune.group) == ("music21", "miscFolk", "")
        assert tune.tune_id.startswith("miscFolk/")
        assert tune.text.startswith("X:")


def test_every_collection_is_there_and_an_unknown_one_is_named():
    for collection in music21_corpora.COLLECTIONS:
        first = next(SOURCES["music21"].read(SourceOptions([collection])))
        assert first.collection == collection
    with pytest.raises(UserError, match=r"collections: got 'bach', expected some of essenFolksong, .*miscFolk"):
        list(SOURCES["music21"].read(SourceOptions(["miscFolk", "bach"])))


def test_a_music21_that_is_missing_or_stripped_of_its_corpus_is_told_apart(tmp_path, monkeypatch):
    class Stripped:
        submodule_search_locations = (str(tmp_path),)

    for spec, message in ((None, "pip install music21"), (Stripped, "this music21 has no corpus 'miscFolk'")):
        monkeypatch.setattr(music21_corpora, "find_spec", lambda name, spec=spec: spec)
        with pytest.raises(UserError, match=message):
            list(SOURCES["music21"].read(SourceOptions(["miscFolk"])))


def test_every_source_states_its_licence():
    session, corpora = SOURCES["the_session"].LICENCE, SOURCES["music21"].LICENCE
    assert session.identifier == "odbl-1.0"
    assert "Open Database License" in session.notice
    assert "thesession.org" in session.notice
    assert not corpora.redistributable
    assert not corpora.commercial_use
    assert "not for commercial use" in corpora.notice
