"""The Session: what a row becomes, on whose terms, and what is said of data that are damaged or not allowed."""

import csv
import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_scaling.data.sources import SOURCES, SourceOptions, the_session
from hf_scaling.data.sources.download import git_blob
from hf_scaling.data.sources.session_tables import Row
from hf_scaling.notation import check, parse_key
from hf_scaling.records import UserError

SESSION = SOURCES["the_session"]
FORBIDDING = "You may not use, adapt, modify, or process the material in any way with Large Language Models."
GRANTING = "## ODC Open Database License (ODbL)\n\nThis Database is made available under..."


def setting(**changes):
    """A row with every column that the source has had since 2025."""
    row = {
        "tune_id": "27", "setting_id": "27", "name": "Drowsy Maggie", "type": "reel", "meter": "4/4",
        "mode": "Edorian", "abc": "|:E2BE dEBE|E2BE AFDF|\r\nE2BE dEBE|BABc dAFD:|", "date": "2021-05-25 12:00:00",
        "username": "somebody", "composer": "",
    }  # fmt: skip
    return row | changes


def as_csv(rows):
    held = io.StringIO()
    writer = csv.DictWriter(held, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    return held.getvalue()


def options(path, accept="odbl-1.0", revision=None):
    return SourceOptions(accept_licence=accept, the_session_path=str(path), the_session_revision=revision)


@pytest.fixture
def read(tmp_path):
    """Write rows, or the text of a table, as a checkout holds them with its licence, and read them back."""

    def read(rows, table="json/tunes.json", licence=GRANTING, **more):
        (tmp_path / table).parent.mkdir(exist_ok=True)
        text = rows if isinstance(rows, (str, bytes)) else as_csv(rows) if table.endswith("csv") else json.dumps(rows)
        (tmp_path / table).write_bytes(text if isinstance(text, bytes) else text.encode())
        (tmp_path / "LICENSE.md").write_text(licence)
        return list(SESSION.read(options(tmp_path, **more)))

    return read


def test_a_setting_becomes_a_tune_with_its_header_rebuilt(read):
    (tune,) = read([setting()])
    assert (tune.source, tune.collection, tune.file, tune.number) == ("the_session", "the_session", "tunes.json", 1)
    assert (tune.group, tune.setting) == ("27", "27")
    assert tune.text == f"X:1\nT:Drowsy Maggie\nR:reel\nM:4/4\nL:1/8\nK:Edor\n{setting()['abc']}"
    assert check(tune.text).parses


CIRCLE = "FCGDAEB"
MODES = {
    "lydian": 1, "major": 0, "ionian": 0, "mixolydian": -1, "dorian": -2, "minor": -3, "aeolian": -3, "phrygian": -4,
    "locrian": -5,
}  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tonic", ["C", "D", "E", "F", "G", "A", "B", "F#", "C#", "Bb", "Eb", "Ab"])
def test_the_key_is_rebuilt_from_the_mode_in_all_modes(read, tonic, mode):
    (tune,) = read([setting(mode=tonic + mode)])
    value = tune.text.split("\nK:")[1].split("\n")[0]
    key = parse_key(value)
    assert key.tonic == tonic
    assert key.fifths == CIRCLE.index(tonic[0]) - 1 + 7 * ("#" in tonic) - 7 * ("b" in tonic) + MODES[mode]


@pytest.mark.parametrize(("mode", "key"), [("Gmajor", "G"), ("F#minor", "F#m"), ("Amixolydian", "Amix"), ("D", "D")])
def test_keys_are_written_as_books_write_them(read, mode, key):
    (tune,) = read([setting(mode=mode)])
    assert f"\nK:{key}\n" in tune.text


def test_settings_of_one_tune_share_their_group_and_have_places_of_their_own(read):
    tunes = read([setting(), setting(setting_id="28"), setting(tune_id="5", setting_id="5")])
    assert [tune.group for tune in tunes] == ["27", "27", "5"]
    assert [tune.setting for tune in tunes] == ["27", "28", "5"]
    assert [tune.number for tune in tunes] == [1, 2, 3]


NASTY = [
    setting(name='He said "Hi", and \\"left\\"', abc='|:"Am"A2,B2|\r\n"G"c2:|\r\n\r\n', setting_id="2"),
    setting(name="Rógaire Dubh", abc="x" * 200_000, setting_id="3"),
    setting(name="Maggie\nK:C\nAAAA|", setting_id="4"),
]


def test_csv_and_json_of_the_same_rows_give_the_same_tunes(read):
    of_json = read(NASTY)
    of_csv = read(NASTY, "csv/tunes.csv")
    assert of_json  # the JSON still lies there and comes first
    assert [tune.file for tune in of_csv] == ["tunes.json"] * 3


def test_csv_alone_gives_the_same_tunes(read, tmp_path):
    of_csv = read(NASTY, "csv/tunes.csv")
    assert [tune.file for tune in of_csv] == ["tunes.csv"] * 3
    assert [tune.text for tune in of_csv] == [tune.text for tune in read(NASTY)]
    assert csv.field_size_limit() == 131_072, "the limit of the process is put back"


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(st.lists(st.fixed_dictionaries({name: CELLS for name in Row._fields if name != "date"}), max_size=4))
def test_whatever_stands_in_the_columns_the_header_keeps_its_form(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("session")
    (folder / "LICENSE.md").write_text(GRANTING)
    (folder / "tunes.json").write_text(json.dumps([row | {"date": "2021-01-01"} for row in [setting(), *rows]]))
    for tune, row in zip(SESSION.read(options(folder / "tunes.json")), [setting(), *rows], strict=True):
        lines = tune.text.split("\n")
        assert [line[:2] for line in lines[:6]] == ["X:", "T:", "R:", "M:", "L:", "K:"]
        assert "\n".join(lines[6:]) == row["abc"]


def test_a_row_with_nulls_gives_no_tune_made_of_the_word_none(read):
    for column in ("name", "type", "meter", "mode", "abc"):
        (tune,) = read([setting(**{column: None})])
        assert "None" not in tune.text


def test_half_a_character_can_be_written_down_again(read):
    (tune,) = read(json.dumps([setting(name="NAME")]).replace("NAME", "\\ud83d"))
    assert "T:?\n" in tune.text


@pytest.mark.parametrize("accept", [None, "mit", "ODbL"])
def test_without_the_licence_accepted_the_refusal_names_the_reason(read, accept):
    with pytest.raises(UserError) as caught:
        read([setting()], accept=accept)
    message = str(caught.value)
    assert message.startswith(f"accept_licence: got {accept!r}")
    for part in ("the_session", "Open Database License", "attribution", "share-alike", "accept_licence: odbl-1.0"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize("revision", ["2c07104", "main", "2c0710451154eb7a3921f9524589814ffe2f7647", "43c3", "0" * 40])
def test_only_the_pinned_revision_may_be_asked_for_and_the_reason_is_told(read, revision):
    with pytest.raises(
        UserError, match=rf"the_session_revision: got '{revision}'.*forbids use with AI.*43c37a8"
    ) as caught:
        read([setting()], revision=revision)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("revision", ["43c37a8", the_session.REVISION])
def test_the_pinned_revision_may_be_named(read, revision):
    assert read([setting()], revision=revision)


@pytest.mark.parametrize("date", ["2025-10-06 00:00:00", "2025-10-08", "2026-01-01"])
def test_data_younger_than_the_last_free_revision_are_refused(read, date):
    with pytest.raises(UserError, match=rf"holds tunes of {date[:10]}; from commit 2c07104 .* forbids use with AI"):
        read([setting(), setting(date=date)])
    assert len(read([setting(date="2025-10-05 23:59:59")])) == 1


@pytest.mark.parametrize("date", ["yesterday", " 2026-01-01", "2026/01/01", "01.02.2026", "26-01-01"])
def test_a_date_that_cannot_be_told_is_no_early_one(read, date):
    with pytest.raises(UserError, match=r"has the date '.*', expected YYYY-MM-DD; from commit 2c07104"):
        read([setting(), setting(date=date)])
    assert len(read([setting(), setting(date=None), setting(date="")])) == 3


def test_without_a_licence_that_grants_this_use_beside_them_data_are_refused_wherever_they_are_pointed_at(
    read, tmp_path, monkeypatch
):
    read([setting()])
    monkeypatch.chdir(tmp_path / "json")
    for place in (tmp_path / "json", ".", "tunes.json"):
        with pytest.raises(UserError, match="no LICENSE.md beside it grants ODbL; expected the whole checkout or zip"):
            list(SESSION.read(options(place)))
    for licence in ("", "All rights reserved.", GRANTING.encode("utf-16").decode("latin-1")):
        with pytest.raises(UserError, match="no LICENSE.md beside it grants ODbL"):
            read([setting()], licence=licence)
    (tmp_path / "LICENSE.md").rename(tmp_path / "COPYING")
    with pytest.raises(UserError, match="no LICENSE.md beside it grants ODbL"):
        list(SESSION.read(options(tmp_path)))


@pytest.mark.parametrize("table", ["json/tunes.json", "csv/tunes.csv"])
@pytest.mark.parametrize(
    "licence", [FORBIDDING, "No AI.", "no machine learning", GRANTING + "\nProhibition on LLM Use:"]
)
def test_a_licence_beside_the_data_that_forbids_this_use_is_obeyed(read, tmp_path, table, licence):
    with pytest.raises(UserError, match=r"LICENSE\.md beside .* speaks of .*; from commit 2c07104"):
        read([setting()], table, licence)
    with pytest.raises(UserError, match=r"LICENSE\.md beside"):
        list(SESSION.read(options(tmp_path / table)))


def test_the_licence_of_the_free_revisions_is_no_obstacle(read, tmp_path):
    assert read([setting()], licence=GRANTING)
    assert list(SESSION.read(options(tmp_path / "json" / "tunes.json")))


def test_the_pinned_table_is_known_by_its_content_whatever_its_dates(read, monkeypatch):
    rows = json.dumps([setting(date="2031-01-01")])
    with pytest.raises(UserError, match="holds tunes of 2031-01-01"):
        read(rows)
    monkeypatch.setitem(the_session.BLOBS, "tunes.json", git_blob(io.BytesIO(rows.encode()), len(rows)))
    assert len(read(rows)) == 1
    with pytest.raises(UserError, match="speaks of"):
        read(rows, licence=FORBIDDING)


def test_gits_name_of_a_content_is_what_git_says():
    assert git_blob(io.BytesIO(b"hello\n"), 6) == "ce013625030ba8dba906f756967f9e9ca394464a"


@pytest.mark.parametrize("table", ["json/tunes.json", "csv/tunes.csv"])
@pytest.mark.parametrize("column", Row._fields)
def test_a_missing_column_is_named_with_its_row(read, column, table):
    rows = [setting(), setting()]
    for row in rows[table.endswith("json") :]:
        del row[column]
    number = 2 if table.endswith("json") else 1
    with pytest.raises(
        UserError,
        match=rf"the_session_path: .*tunes\.\w+ in .*, row {number} has no '{column}'; expected the columns tune",
    ):
        read(rows, table)


def test_columns_that_nobody_needs_may_be_missing(read):
    row = setting()
    del row["username"], row["composer"]
    assert len(read([row])) == 1
    assert len(read([row], "csv/tunes.csv")) == 1


@pytest.mark.parametrize("value", [["27"], {"a": 1}, 1.5])
def test_a_cell_that_is_no_text_is_named(read, value):
    with pytest.raises(UserError, match="row 1 has no 'name'"):
        read([setting(name=value)])


@pytest.mark.parametrize(
    "text",
    ["", "[{", "5", "null", '{"tunes": []}', "[5]", "[[]]", "[" * 100_000, b"\xff\xfe[", "[1" + "0" * 9999 + "]"],
)
def test_a_file_that_is_no_list_of_tunes_is_one_line_of_error(read, text):
    with pytest.raises(UserError, match=r"^the_session_path: .*tunes\.json") as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_json_cut_short_anywhere_is_an_error(read):
    whole = json.dumps([setting(), setting()])
    for length in range(0, len(whole), 7):
        with pytest.raises(UserError, match="is not valid JSON"):
            read(whole[:length])


def test_csv_cut_short_in_a_row_is_an_error(read):
    whole = as_csv([setting(), setting(date="2021-01-01", abc='"quoted"')])
    for text in (whole[: whole.index("quoted")], whole[: whole.rindex("Edorian")]):
        with pytest.raises(UserError, match="row 2 has no") as caught:
            read(text, "csv/tunes.csv")
        assert caught.tb is not None  # the error is at hand, and with it the reader that stopped in mid-table
        assert csv.field_size_limit() == 131_072, "the limit of the process is put back"


@pytest.mark.parametrize("text", ["", "a,b\n", "tune_id\n27\n", b"\xff\xfe", "<html>\n", "\0\0\0"])
def test_csv_that_is_none_is_one_line_of_error(read, text):
    with pytest.raises(UserError, match=r"^the_session_path: .*tunes\.csv") as caught:
        read(text, "csv/tunes.csv")
    assert "\n" not in str(caught.value)


def test_endless_lines_and_fields_of_csv_are_refused_and_not_read_to_their_end(read):
    header = ",".join(setting()) + "\n"
    tracemalloc.start()
    for text, message in (
        (header + "a" * 2**24, "has a line of more than"),
        (header + '"' + "a\n" * 2**21, "field larger"),
    ):
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        with pytest.raises(UserError, match=message):
            read(text, "csv/tunes.csv")
        # the text itself is written by the test, encoded once
        assert tracemalloc.get_traced_memory()[1] - before < len(text) + 2**24
    tracemalloc.stop()


def test_a_table_of_absurd_size_is_refused_by_its_size(tmp_path):
    with open(tmp_path / "tunes.json", "wb") as file:
        file.truncate(2**28 + 1)  # sparse
    with pytest.raises(UserError, match=r"is 268,435,457 bytes; expected at most 268,435,456"):
        list(SESSION.read(options(tmp_path)))


def test_a_place_that_is_missing_or_empty_is_named(tmp_path):
    with pytest.raises(UserError, match=r"the_session_path: .*absent not found; expected a folder, zip or tunes.json"):
        list(SESSION.read(options(tmp_path / "absent")))
    with pytest.raises(UserError, match=r"holds none of json/tunes\.json, csv/tunes\.csv, tunes\.json, tunes\.csv"):
        list(SESSION.read(options(tmp_path)))


def test_the_identity_is_gits_name_of_the_table_wherever_it_lies(read, tmp_path):
    read([setting()])
    table = tmp_path / "json" / "tunes.json"
    data = table.read_bytes()
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "tunes.json").write_bytes(data)
    expected = f"git blob {git_blob(io.BytesIO(data), len(data))}"
    assert {SESSION.identity(options(place)) for place in (tmp_path, table, tmp_path / "copy")} == {expected}
    assert SESSION.identity(options(tmp_path / "absent")) is None
    assert SESSION.identity(SourceOptions()) == f"git blob {the_session.BLOBS['tunes.json']}"
    table.write_bytes(data + b"\n")
    assert SESSION.identity(options(tmp_path)) != expected


def test_the_terms_are_told():
    licence = SESSION.licence(SourceOptions())
    assert licence.identifier == "odbl"
    assert "Open Database License" in licence.notice
    assert "thesession.org" in licence.notice
    assert licence.redistributable
