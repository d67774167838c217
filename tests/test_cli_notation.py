"""`hf-scaling check`, `repair`, `transpose` and `midi`, as a person runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hf_scaling.notation import check, pitches, split_tunes

GOOD = "X:1\nT:The Silver Spear\nM:4/4\nL:1/8\nK:D\nFADA FADA|dfed B2A2|FADA FADA|dfed B2A2:|\n"
SHORT = "X:7\nT:Ô Cárolan's \x1b[31m / Draught\nM:4/4\nL:1/8\nK:G\nGABc dedB|G7|\nA4 B4|]\n"
BROKEN = "X:9\nM:6/8\nK:C\n?CDE EFG|[CE z3|]\n"
NOTHING = "X:3\nT:Nothing\nK:C\nz4|]\n"


@pytest.fixture
def book(tmp_path: Path) -> Path:
    path = tmp_path / "a bøok.abc"
    path.write_text(f"% mine\n\n{GOOD}\nsome words\n\n{SHORT}\n\n{BROKEN}", encoding="utf-8")
    return path


# check


def test_check_tells_each_tune_as_json_with_places_in_the_file(commands, book):
    ended = commands.run("hf-scaling", "check", book, "--json")
    assert ended.code == 1
    assert ended.stderr == ""
    first, second, third = map(json.loads, ended.stdout.splitlines())
    assert first == {
        "file": str(book),
        "number": 1,
        "title": "The Silver Spear",
        "parses": True,
        "strict": True,
        "playable": True,
        "diagnostics": [],
    }
    assert second["title"] == "Ô Cárolan's \x1b[31m / Draught"
    assert [second[tier] for tier in ("parses", "strict", "playable")] == [True, False, True]
    assert second["diagnostics"] == [
        {"code": "bar-short", "line": 17, "column": 13, "message": "the bar is shorter than the metre says"}
    ]
    assert [third[tier] for tier in ("parses", "strict", "playable")] == [False, False, False]
    lines = book.read_text(encoding="utf-8").split("\n")
    places = {found["code"]: lines[found["line"] - 1][found["column"] - 1] for found in third["diagnostics"]}
    assert places["character"] == "?"
    assert places["chord-open"] == "["


def test_check_tells_people_what_matters(commands, book):
    ended = commands.run("hf-scaling", "check", book)
    assert ended.code == 1
    lines = ended.stdout.splitlines()
    assert lines[0] == f"{book}: tune 2 (Ô Cárolan's ?[31m / Draught): not strictly valid"
    assert lines[1] == f"  {book}:17:13: bar-short: the bar is shorter than the metre says"
    assert lines[2] == f"{book}: tune 3: does not parse, not strictly valid, not playable"
    assert lines[-1] == "3 tunes: 2 parse, 1 strictly valid, 2 playable"


def test_check_shows_the_first_of_many_problems(commands, tmp_path):
    (tmp_path / "t.abc").write_text("X:1\nK:C\nC" + "?" * 2000 + "|\n")
    shown = commands.run("hf-scaling", "check", "t.abc", cwd=tmp_path).stdout.splitlines()
    assert len(shown) == 8
    assert shown[6] == "  and 1,995 more (--json has them all)"
    assert (
        len(json.loads(commands.run("hf-scaling", "check", "--json", "t.abc", cwd=tmp_path).stdout)["diagnostics"])
        == 2000
    )


def test_check_is_content_with_strict_tunes(commands, tmp_path):
    for name in ("a.abc", "b.abc"):
        (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    ended = commands.run("hf-scaling", "check", "a.abc", "b.abc", cwd=tmp_path)
    assert (ended.code, ended.stdout) == (0, "2 tunes: 2 parse, 2 strictly valid, 2 playable\n")


def test_a_file_header_holds_for_its_tunes_and_moves_no_line(commands, tmp_path):
    (tmp_path / "t.abc").write_text("M:3/4\nL:1/4\n\nX:1\nT:t\nK:C\nCDE|FGA|C4|DEF|]\n")
    (found,) = json.loads(commands.run("hf-scaling", "check", "--json", "t.abc", cwd=tmp_path).stdout)["diagnostics"]
    assert (found["code"], found["line"], found["column"]) == ("bar-long", 7, 11)


def test_an_empty_line_in_a_tune_is_told_and_taken_out(commands, tmp_path):
    (tmp_path / "t.abc").write_text("X:1\nL:1/1\nM:4/4\nK:C\nC|\n\nD|\n")
    (found,) = json.loads(commands.run("hf-scaling", "check", "--json", "t.abc", cwd=tmp_path).stdout)["diagnostics"]
    assert (found["code"], found["line"]) == ("empty-line", 7)
    ended = commands.run("hf-scaling", "repair", "t.abc", cwd=tmp_path)
    assert ended.stdout == "X:1\nL:1/1\nM:4/4\nK:C\nC|\nD|\n"
    assert ended.stderr.startswith("t.abc:6: empty-line: ")


def test_a_tune_without_a_number_is_checked_and_numbered(commands, tmp_path):
    (tmp_path / "t.abc").write_text("T:t\nK:C\nCDEF|\n")
    assert "t.abc:1:1: no-number" in commands.run("hf-scaling", "check", "t.abc", cwd=tmp_path).stdout
    assert commands.run("hf-scaling", "repair", "t.abc", cwd=tmp_path).stdout == "X:1\nT:t\nK:C\nCDEF|\n"


def test_check_reads_standard_input_at_once_and_loads_no_library_for_it():
    probe = (
        "import sys, hf_scaling.cli\n"
        "code = hf_scaling.cli.main(['check', '-'])\n"
        "known = sys.stdlib_module_names | {'hf_scaling', '__mp_main__', '__main__'}\n"
        "print(code, sorted({name.split('.')[0] for name in sys.modules} - known - before))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", "import sys; before = {name.split('.')[0] for name in sys.modules}\n" + probe],
        input=SHORT.encode(),
        capture_output=True,
        check=True,
    ).stdout.decode()
    assert "standard input:6:13: bar-short" in shown
    assert shown.splitlines()[-1] == "1 []"


def test_output_that_nobody_reads_to_its_end_is_no_error(tmp_path):
    (tmp_path / "t.abc").write_text((SHORT + "\n") * 3000, encoding="utf-8")
    command = f"{sys.executable} -m hf_scaling.cli check t.abc | head -n 1"
    shown = subprocess.run(["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert shown.stdout.startswith("t.abc: tune 1")
    assert shown.stderr == ""


def test_letters_that_the_terminal_lacks_are_no_error(tmp_path):
    (tmp_path / "t.abc").write_text("X:1\nT:日本\nK:C\nC?|\n", encoding="utf-8")
    shown = subprocess.run(
        [sys.executable, "-m", "hf_scaling.cli", "check", "t.abc"],
        cwd=tmp_path,
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert shown.returncode == 1
    assert rb"\u65e5\u672c" in shown.stdout


# hostile files

TUNE = GOOD.encode()


@pytest.mark.parametrize("command", [["check"], ["repair"], ["transpose", "--semitones", "2"], ["midi", "-o", "out"]])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (TUNE.replace(b"Spear", b"Sp\xe9ar"), "t.abc, line 2: not UTF-8 text"),
        (TUNE + b"\0", "t.abc, line 7: a NUL byte"),
        (GOOD.encode("utf-16"), "t.abc, line 1: "),
        (bytes(range(256)) * 40, "t.abc, line 1: a NUL byte"),
        (TUNE + b"A" * 100_000, "t.abc, line 7: longer than 65,536 characters"),
        (TUNE + b"GABc|\n" * 200_000, "a tune longer than 1,048,576 characters"),
        (b"", "t.abc: no tune in it"),
        (b"\n \n", "t.abc: no tune in it"),
        (b"just words\n", "t.abc: no tune in it; expected ABC notation, where a tune begins with a line X:1"),
        (None, "t.abc: No such file or directory"),
        ("folder", "t.abc: Is a directory"),
    ],
)
def test_what_is_no_tune_book_is_one_line_and_exit_2(commands, tmp_path, command, content, message):
    if content == "folder":
        (tmp_path / "t.abc").mkdir()
    elif content is not None:
        (tmp_path / "t.abc").write_bytes(content)
    ended = commands.run("hf-scaling", *command, "t.abc", cwd=tmp_path)
    assert ended.code == 2
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert ended.stdout == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check"], "the following arguments are required: FILE"),
        (["check", "-", "-"], "got - twice"),
        (["transpose", "t.abc"], "the following arguments are required: --semitones"),
        (["transpose", "t.abc", "--semitones", "13"], "--semitones: got '13', expected -12 to 12"),
        (["transpose", "t.abc", "--semitones", "two"], "--semitones: got 'two', expected -12 to 12"),
        (["transpose", "t.abc", "--semitones", "1", "-o", "t.abc"], "t.abc is the input"),
        (["repair", "t.abc", "-o", "t.abc"], "t.abc is the input"),
        (["repair", "t.abc", "-o", "."], ". is a folder"),
        (["midi", "t.abc"], "the following arguments are required: -o/--output"),
        (["midi", "t.abc", "-o", "t.abc"], "t.abc"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_2(commands, tmp_path, arguments, message):
    (tmp_path / "t.abc").write_text(GOOD)
    ended = commands.run("hf-scaling", *arguments, cwd=tmp_path)
    assert ended.code == 2
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
    assert (tmp_path / "t.abc").read_text() == GOOD


def test_a_file_name_that_is_no_text_is_no_error(commands, tmp_path):
    name = os.fsdecode(b"\xff.abc")
    (tmp_path / name).write_text(GOOD)
    (tmp_path / "link.abc").symlink_to(name)
    probe = [sys.executable, "-m", "hf_scaling.cli", "check", "--json", os.fsencode(name)]
    shown = subprocess.run(probe, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(shown.stdout)["file"] == "\ufffd.abc"


# repair


def test_repair_tells_what_it_does_and_leaves_the_rest_alone(commands, book, tmp_path):
    ended = commands.run("hf-scaling", "repair", book)
    assert ended.code == 0
    said = ended.stderr.splitlines()
    assert said[0] == f"{book}:24: character: '?' dropped"
    assert all(line.startswith(f"{book}:24: ") for line in said[:-1])
    assert said[-1] == "3 tunes: 2 needed nothing, 1 repaired, 0 beyond repair"
    before, after = book.read_text(encoding="utf-8").split("X:9"), ended.stdout.split("X:9")
    assert after[0] == before[0]
    assert all(check(tune).playable for tune in split_tunes(ended.stdout.split("\n")))

    (tmp_path / "mended.abc").write_text(ended.stdout, encoding="utf-8")
    again = commands.run("hf-scaling", "repair", tmp_path / "mended.abc", "--output", tmp_path / "twice.abc")
    assert again.stderr == "3 tunes: 3 needed nothing, 0 repaired, 0 beyond repair\n"
    assert again.stdout == ""
    assert (tmp_path / "twice.abc").read_text(encoding="utf-8") == ended.stdout


def test_a_tune_beyond_repair_stays_and_is_told(commands, tmp_path):
    (tmp_path / "a.abc").write_text(NOTHING)
    (tmp_path / "b.abc").write_text(GOOD)
    ended = commands.run("hf-scaling", "repair", "a.abc", "b.abc", cwd=tmp_path)
    assert ended.code == 1
    assert ended.stdout == f"{NOTHING}\n{GOOD}"
    assert ended.stderr.splitlines() == [
        "a.abc:1: tune 1 stays as it is: no-notes: no note sounds",
        "2 tunes: 1 needed nothing, 0 repaired, 1 beyond repair",
    ]


def test_a_bad_second_file_leaves_no_output_behind(commands, tmp_path):
    (tmp_path / "a.abc").write_text(GOOD)
    ended = commands.run("hf-scaling", "repair", "a.abc", "none.abc", "-o", "out.abc", cwd=tmp_path)
    assert ended.code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.abc"]


# transpose


def test_transpose_moves_tunes_and_leaves_words_alone(commands, book, tmp_path):
    ended = commands.run("hf-scaling", "transpose", book, "--semitones", "-3")
    assert ended.code == 0
    assert ended.stderr.splitlines() == [f"{book}:21: tune 3 does not parse; what is no note to us stays as it is"]
    before, after = book.read_text(encoding="utf-8"), ended.stdout
    assert [[pitch - 3 for pitch in pitches(tune)] for tune in split_tunes(before.split("\n"))] == [
        pitches(tune) for tune in split_tunes(after.split("\n"))
    ]
    assert "\nK:B\n" in after
    assert "% mine\n\nX:1\n" in after
    assert "\nsome words\n" in after

    back = commands.run("hf-scaling", "transpose", book, "--semitones", "-3", "-o", tmp_path / "down.abc")
    assert back.stdout == ""
    back = commands.run("hf-scaling", "transpose", tmp_path / "down.abc", "--semitones", "3")
    assert back.stdout == before


# midi


def test_midi_writes_a_file_a_tune_under_safe_names_and_lists_what_failed(commands, book, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / book.name).write_text(GOOD.replace("X:1", "X:../../x") + "\n" + NOTHING)
    out = tmp_path / "out" / "midi"
    ended = commands.run("hf-scaling", "midi", book, tmp_path / "other" / book.name, "-o", out)
    assert ended.code == 1
    assert [line for line in ended.problems if "no MIDI" in line] == [
        f"{tmp_path}/other/{book.name}:8: tune 2: no MIDI: no-notes: no note sounds"
    ]
    assert ended.stdout == f"{out}: 4 tunes written, 1 failed\n"
    names = [
        "a-bok-0001-the-silver-spear-2.mid",
        "a-bok-0001-the-silver-spear.mid",
        "a-bok-0002-o-carolan-s-31m-draught.mid",
        "a-bok-0003.mid",
    ]
    assert sorted(path.name for path in out.iterdir()) == names
    assert all(path.read_bytes().startswith(b"MThd") for path in out.iterdir())

    (out / names[3]).write_bytes(b"mine")
    (out / names[2]).unlink()
    again = commands.run("hf-scaling", "midi", book, "-o", out)
    assert again.code == 0
    assert again.stdout == f"{out}: 1 tune written, 0 failed, 2 files left as found\n"
    assert (out / names[3]).read_bytes() == b"mine"
