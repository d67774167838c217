"""Files are whole or absent, hashes depend on content alone, and bad input ends in one line."""

import json
import signal
import subprocess
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hf_scaling.records import (
    UserError,
    atomic_dir,
    atomic_file,
    content_hash,
    exit_code,
    file_sha256,
    files,
    read_json,
    read_jsonl,
    set_aside,
    sweep_partials,
    write_json,
    write_jsonl,
    write_text,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


class InterruptionError(Exception):
    pass


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path):
    target = tmp_path / "new" / "file.txt"
    write_text(target, "old\r\n")
    write_text(target, "new\né")
    assert target.read_bytes() == "new\né".encode()
    assert names(target.parent) == ["file.txt"]
    assert target.stat().st_mode & 0o777 == 0o644


def test_an_exception_while_writing_keeps_the_old_file(tmp_path):
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(InterruptionError), atomic_file(target) as temporary:
        temporary.write_text("half of the n")
        raise InterruptionError
    assert target.read_text() == "old"
    assert names(tmp_path) == ["file.txt"]


def test_an_exception_while_filling_a_folder_keeps_the_old_one(tmp_path):
    target = tmp_path / "folder"
    with atomic_dir(target) as temporary:
        (temporary / "a").write_text("old")
    with pytest.raises(InterruptionError), atomic_dir(target) as temporary:
        (temporary / "a").write_text("new")
        raise InterruptionError
    assert (target / "a").read_text() == "old"
    assert names(tmp_path) == ["folder"]


def test_a_new_folder_takes_the_place_of_the_old_one_whole(tmp_path):
    target = tmp_path / "deep" / "folder"
    for name in ("a", "b"):
        with atomic_dir(target) as temporary:
            (temporary / name).write_text(name)
    assert names(target) == ["b"]
    assert names(target.parent) == ["folder"]
    assert target.stat().st_mode & 0o777 == 0o755


def test_a_folder_is_whole_even_if_the_removal_of_the_old_one_is_interrupted(tmp_path, monkeypatch):
    target = tmp_path / "folder"
    with atomic_dir(target) as temporary:
        for name in "abc":
            (temporary / name).write_text("old")

    def interrupted(path, ignore_errors=False):
        for file in sorted(path.glob("*"))[:2]:
            file.unlink()
        if not ignore_errors:
            raise InterruptionError

    monkeypatch.setattr(files.shutil, "rmtree", interrupted)
    try:
        with atomic_dir(target) as temporary:
            for name in "abc":
                (temporary / name).write_text("new")
    except InterruptionError:
        pass
    assert [(target / name).read_text() for name in names(target)] in (["old"] * 3, ["new"] * 3)


def test_a_killed_process_leaves_the_target_alone_and_a_partial_to_sweep(tmp_path):
    target = tmp_path / "study" / "file.txt"
    write_text(target, "old")
    code = """
import os, signal, sys
from pathlib import Path
from hf_scaling.records import atomic_dir, atomic_file
target = Path(sys.argv[1])
with atomic_dir(target.parent / "folder") as folder, atomic_file(target) as file:
    (folder / "a").write_text("half")
    file.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    killed = subprocess.run([sys.executable, "-c", code, target], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert target.read_text() == "old"
    assert len(names(target.parent)) == 3
    sweep_partials(tmp_path)
    assert names(target.parent) == ["file.txt"]


def test_what_is_set_aside_is_kept_under_names_of_its_own(tmp_path):
    path = tmp_path / "runs.jsonl"
    places = []
    for text in ("first", "second", "third"):
        path.write_text(text)
        places.append(set_aside(path))
        assert not path.exists()
    assert [place.read_text() for place in places] == ["first", "second", "third"]
    assert len(set(places)) == 3
    assert all(place.name.startswith("runs.jsonl.replaced-2") for place in places)


@given(st.dictionaries(st.text(), JSON, max_size=5), st.randoms())
def test_a_hash_does_not_depend_on_the_order_of_keys(value, random):
    keys = list(value)
    random.shuffle(keys)
    shuffled = {key: value[key] for key in keys}
    assert content_hash({"outer": shuffled}) == content_hash({"outer": value})


def test_a_hash_depends_on_values_on_the_order_of_lists_and_on_types():
    values = [
        {"a": 1},
        {"a": 2},
        {"b": 1},
        {"a": "1"},
        {"a": [1, 2]},
        {"a": [2, 1]},
        {"a": None},
        {},
        [],
        "é",
        "e\u0301",
    ]
    hashes = [content_hash(value) for value in values]
    assert len(set(hashes)) == len(values)
    assert all(len(digest) == 64 for digest in hashes)
    with pytest.raises(ValueError, match="JSON"):
        content_hash({"a": float("nan")})


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")  # the test vector of FIPS 180-4
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_sha256(tmp_path / "file") == expected


@given(st.lists(JSON, max_size=4))
@example([{"title": "line\u2028separator"}, "next\x85line", "return\r", "feed\x0c"])
def test_json_and_json_lines_come_back_as_written(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("json")
    write_json(folder / "a.json", rows)
    write_jsonl(folder / "a.jsonl", rows)
    assert read_json(folder / "a.json") == rows
    assert read_jsonl(folder / "a.jsonl") == rows
    assert (folder / "a.jsonl").read_bytes().count(b"\n") == len(rows)


def test_nan_is_not_written(tmp_path):
    for write in (write_json, write_jsonl):
        with pytest.raises(ValueError, match="JSON"):
            write(tmp_path / "a", [float("nan")])
    assert names(tmp_path) == []


def test_json_that_is_absent_or_damaged_is_named_in_one_line(tmp_path):
    path = tmp_path / "best.json"
    with pytest.raises(UserError, match=r"best\.json: not found"):
        read_json(path)
    for damaged in (b"", b'{"a": 1', b"\xff\xfe\x00", b'{"a": 1} {'):
        path.write_bytes(damaged)
        with pytest.raises(UserError, match=r"best\.json: not valid JSON") as caught:
            read_json(path)
        assert "\n" not in str(caught.value)


def test_json_lines_leave_out_a_last_line_that_was_cut_short_anywhere(tmp_path):
    path = tmp_path / "metrics.jsonl"
    last = json.dumps({"title": "Ó hEadhra"}, ensure_ascii=False).encode()
    for cut in range(1, len(last)):  # one of the cuts goes through the middle of a character
        path.write_bytes(b'{"step": 1}\n' + last[:cut])
        assert read_jsonl(path) == [{"step": 1}]
    path.write_bytes(b'{"step": 1}\n' + last)
    assert read_jsonl(path) == [{"step": 1}, {"title": "Ó hEadhra"}]


@pytest.mark.parametrize("damage", [b"{oops}\n", b"\xff\n", b"\n"])
def test_json_lines_name_a_whole_line_that_is_damaged(tmp_path, damage):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n' + damage + b'{"step": 3}\n')
    with pytest.raises(UserError, match=r"metrics\.jsonl, line 2: not valid JSON"):
        read_jsonl(path)


def raising(error):
    def work():
        raise error

    return work


def test_exit_codes_and_what_they_say(capsys, tmp_path):
    assert exit_code("prog", lambda: 0) == 0
    assert capsys.readouterr().err == ""
    assert exit_code("prog", raising(UserError("seed: got 'x',\n expected a number"))) == 2
    assert capsys.readouterr().err == "prog: seed: got 'x', expected a number\n"
    assert exit_code("prog", lambda: len((tmp_path / "absent").read_bytes())) == 2
    assert capsys.readouterr().err == f"prog: {tmp_path / 'absent'}: No such file or directory\n"
    assert exit_code("prog", raising(KeyboardInterrupt())) == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.strip() == "prog: interrupted; the same command goes on from here"


@pytest.mark.parametrize("error", [ValueError("a bug"), OSError("no file"), ZeroDivisionError()])
def test_a_bug_is_not_mistaken_for_bad_input(error):
    with pytest.raises(type(error)):
        exit_code("prog", raising(error))
