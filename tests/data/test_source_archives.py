"""Zip archives, well made and ill, as tune books and as The Session's data."""

import io
import json
import struct
import time
import zipfile
import zlib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hf_scaling.data.sources import SOURCES, RawTune, SourceOptions, Unread
from hf_scaling.data.sources.archives import open_archive, open_member
from hf_scaling.records import UserError

BOOK = "X:1\nT:One\nK:D\nABc|\n\nX:2\nT:Two\nK:G\nGAB|\n"
SETTING = {
    "tune_id": "27", "setting_id": "27", "name": "Drowsy Maggie", "type": "reel", "meter": "4/4", "mode": "Edorian",
    "abc": "E2BE dEBE|", "date": "2021-05-25 12:00:00", "username": "somebody", "composer": "",
}  # fmt: skip


def packed(members, method=zipfile.ZIP_DEFLATED):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return held.getvalue()


@pytest.fixture
def read_zip(tmp_path):
    """Read an archive of tune books from its bytes or its members."""

    def read(archive):
        (tmp_path / "tunes.zip").write_bytes(packed(archive) if isinstance(archive, dict) else archive)
        return list(SOURCES["abc_files"].read(SourceOptions(abc_files=str(tmp_path / "tunes.zip"))))

    return read


@pytest.fixture
def read_session_zip(tmp_path):
    def read(members):
        (tmp_path / "data.zip").write_bytes(packed(members))
        options = SourceOptions(accept_licence="odbl-1.0", the_session_path=str(tmp_path / "data.zip"))
        return list(SOURCES["the_session"].read(options))

    return read


def test_an_archive_reads_as_the_folder_that_it_was_made_of(read_zip, tmp_path):
    members = {"tunes-main/README.md": "read me", "tunes-main/b.abc": BOOK, "tunes-main/sub/a.abc": BOOK}
    for name, text in members.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    rubbish = {"tunes-main/": "", "__MACOSX/tunes-main/._b.abc": b"\0\5\26\7"}
    folder = list(SOURCES["abc_files"].read(SourceOptions(abc_files=str(tmp_path / "tunes-main"))))
    assert read_zip(members | rubbish) == folder
    assert [(tune.collection, tune.file) for tune in folder[::2]] == [("b", "b.abc"), ("sub", "sub/a.abc")]


def test_a_suffix_is_not_needed_to_see_that_it_is_an_archive(tmp_path):
    (tmp_path / "download").write_bytes(packed({"a.abc": BOOK}))
    assert len(list(SOURCES["abc_files"].read(SourceOptions(abc_files=str(tmp_path / "download"))))) == 2


@pytest.mark.parametrize("keep", [0, 1, 30, 100, -30, -1])
def test_a_truncated_archive_is_one_line_of_error(read_zip, keep):
    with pytest.raises(
        UserError, match=r"^abc_files: .*tunes\.zip is no readable zip archive \(.*expected a whole one"
    ):
        read_zip(packed({"a.abc": BOOK * 9})[:keep])


@pytest.mark.parametrize("name", ["../up.abc", "a/../../up.abc", "/etc/up.abc", "..\\up.abc", "C:/up.abc", "C:up.abc"])
def test_a_name_that_leads_out_is_refused_and_nothing_is_written(read_zip, tmp_path, name):
    tunes = read_zip({"a.abc": BOOK, name: BOOK})
    refused = [tune for tune in tunes if isinstance(tune, Unread)]
    assert [(tune.reason, tune.detail) for tune in refused] == [
        ("unreadable file", "its name leads out of the archive")
    ]
    assert len(tunes) == 3
    assert [path.name for path in tmp_path.iterdir()] == ["tunes.zip"]
    assert not (tmp_path.parent / "up.abc").exists()


def test_an_archive_within_an_archive_is_left_shut(read_zip):
    assert len(read_zip({"a.abc": BOOK, "inner.zip": packed({"b.abc": BOOK})})) == 2
    with pytest.raises(UserError, match=r"without a single tune \(no \.abc file\)"):
        read_zip({"inner.zip": packed({"b.abc": BOOK})})


def encrypted(data):
    """The archive with every member marked as encrypted."""
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        data = data[: at + offset] + struct.pack("<H", 1) + data[at + offset + 2 :]
    return data


def test_an_encrypted_member_is_counted(read_zip):
    with pytest.raises(UserError, match=r"a\.abc, unreadable file, encrypted"):
        read_zip(encrypted(packed({"a.abc": BOOK})))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_ways_of_packing_that_may_ask_for_any_memory_are_refused(read_zip, method):
    with pytest.raises(UserError, match=r"a\.abc, unreadable file, neither stored nor deflated"):
        read_zip(packed({"a.abc": BOOK}, method))


def test_a_damaged_member_is_counted_and_the_next_is_read(read_zip):
    data = packed({"a.abc": BOOK, "b.abc": BOOK}, zipfile.ZIP_STORED)
    tunes = read_zip(data.replace(b"ABc|", b"ABd|", 1))
    assert [(tune.file, type(tune)) for tune in tunes[-3:]] == [
        ("a.abc", Unread),
        ("b.abc", RawTune),
        ("b.abc", RawTune),
    ]
    assert "Bad CRC-32" in tunes[-3].detail


def bomb(size, name="a.abc"):
    """An archive of one member of `size` zeros, made by packing a little and repeating the packed bytes."""
    step = 2**20
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(bytes(step))
    packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(step)) + packer.flush(zlib.Z_FULL_FLUSH)
    body = block * (size // step) + packer.flush(zlib.Z_FINISH)
    raw = name.encode()
    # the general layout of a member, its entry in the directory, and the end (PKWARE's APPNOTE 4.3)
    sizes = struct.pack("<III", 0, len(body), size)
    common = struct.pack("<HHHHH", 20, 0, 8, 0, 0) + sizes + struct.pack("<HH", len(raw), 0)
    member = b"PK\x03\x04" + common + raw + body
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHII", 0, 0, 0, 0, 0) + raw
    return member + entry + b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(entry), len(member), 0)


def test_a_bomb_is_refused_before_anything_is_unpacked(read_zip):
    data = bomb(2**30)
    assert len(data) < 2**21
    began = time.monotonic()
    with pytest.raises(UserError, match=r"would unpack to 1,073,741,824 bytes, more than 100 times its size, as a zip"):
        read_zip(data)
    assert time.monotonic() - began < 5


def test_a_bomb_that_declares_less_than_it_holds_gives_no_more_than_it_declares(tmp_path):
    size, declared = 2**27, 2**20
    data = bomb(size).replace(struct.pack("<I", size), struct.pack("<I", declared))
    (tmp_path / "a.zip").write_bytes(data)
    with open_archive(tmp_path / "a.zip", "abc_files") as archive:
        member = open_member(archive, archive.infolist()[0])
        given = 0
        with pytest.raises(zipfile.BadZipFile, match="Bad CRC-32"):
            while part := member.read(2**16):
                given += len(part)
    assert given <= declared


def test_the_archive_that_github_makes_is_read_by_its_json_or_its_csv(read_session_zip):
    top = "TheSession-data-43c37a8630a5f7609d490cd7da58a2ac0806e9e3"
    csv = ",".join(SETTING) + "\n" + ",".join(f'"{value}"' for value in SETTING.values()) + "\n"
    beside = {f"{top}/README.mdown": "data", f"{top}/LICENSE.md": "Open Database License (ODbL)"}
    (one,) = read_session_zip(beside | {f"{top}/json/tunes.json": json.dumps([SETTING])})
    (other,) = read_session_zip(beside | {f"{top}/csv/tunes.csv": csv})
    assert (one.file, other.file) == ("tunes.json", "tunes.csv")
    assert one.text == other.text
    (loose,) = read_session_zip({"tunes.json": json.dumps([SETTING]), "LICENSE.md": "ODbL"})
    assert loose == one
    with pytest.raises(UserError, match=r"no LICENSE\.md beside it grants ODbL"):
        read_session_zip({"json/tunes.json": json.dumps([SETTING]), "d/LICENSE.md": "ODbL"})


def test_a_licence_inside_the_archive_counts(read_session_zip):
    licence = "You may not use the material in any way with AI technologies."
    with pytest.raises(UserError, match=r"the_session_path: LICENSE\.md beside json/tunes\.json in .* speaks of 'AI'"):
        read_session_zip({"d/LICENSE.md": licence, "d/json/tunes.json": json.dumps([SETTING])})


def test_an_archive_without_the_tables_names_those_it_looks_for(read_session_zip):
    with pytest.raises(UserError, match=r"data\.zip holds none of json/tunes\.json, csv/tunes\.csv, tunes\.json"):
        read_session_zip({"d/json/sets.json": "[]", "d/other/json/deep/tunes.json": "[]"})


WHOLE = packed({"a.abc": BOOK, "sub/b.abc": BOOK})


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, len(WHOLE) - 1), st.integers(0, 255)), min_size=1, max_size=6))
def test_whatever_bytes_are_wrong_nothing_but_an_error_or_a_count_comes_of_it(read_zip, changes):
    data = bytearray(WHOLE)
    for place, value in changes:
        data[place] = value
    try:
        tunes = read_zip(bytes(data))
    except UserError:
        return
    assert any(isinstance(tune, RawTune) for tune in tunes)
