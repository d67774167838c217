"""MIDI to ABC in child processes: the real converter, and stand-ins that hang, run away or fail."""

import contextlib
import os
import re
import struct
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from hf_scaling.data.sources import SOURCES, RawTune, SourceOptions, Unread, midi_files
from hf_scaling.notation import check
from hf_scaling.records import UserError

MIDI_FILES = SOURCES["midi_files"]
SCALE = [62, 64, 66, 67, 69, 71, 73, 74]  # D major
TIME = b"\x00\xff\x58\x04\x04\x02\x18\x08"  # 4/4

needs_symusic = pytest.mark.skipif(
    find_spec("symusic") is None and not os.environ.get("HF_SCALING_REQUIRE_ALL"), reason="symusic is not installed"
)


def quantity(number):
    """A number as MIDI files write it, seven bits a byte."""
    groups = [number & 0x7F]
    while number := number >> 7:
        groups.append(number & 0x7F | 0x80)
    return bytes(reversed(groups))


def midi(pitches, voices=1):
    """A file of format 1 with every pitch as an eighth, the same in each voice; 480 ticks a quarter."""
    notes = b"".join(b"\0" + bytes([0x90, p, 80]) + quantity(240) + bytes([0x80, p, 0]) for p in pitches)
    tracks = [TIME] + [notes] * voices
    chunks = [b"MTrk" + struct.pack(">I", len(body) + 4) + body + b"\0\xff\x2f\0" for body in tracks]
    return b"MThd" + struct.pack(">IHHH", 6, 1, len(tracks), 480) + b"".join(chunks)


def read(folder):
    return list(MIDI_FILES.read(SourceOptions(midi_files=str(folder))))


@needs_symusic
def test_a_file_becomes_a_tune_titled_after_it(tmp_path):
    (tmp_path / "The Scale.mid").write_bytes(midi(SCALE))
    (tune,) = read(tmp_path)
    assert isinstance(tune, RawTune)
    assert (tune.source, tune.collection, tune.file, tune.number) == ("midi_files", tmp_path.name, "The Scale.mid", 1)
    assert "\nT:The Scale\n" in tune.text
    assert str(tmp_path) not in tune.text
    assert "V:" not in tune.text
    assert check(tune.text).parses
    body = tune.text.partition("\nK:")[2].partition("\n")[2]
    assert re.findall("[A-Ga-g]", body) == list("DEFGABcd")


@needs_symusic
def test_voices_are_kept_apart(tmp_path):
    (tmp_path / "two.mid").write_bytes(midi(SCALE, voices=2))
    (tune,) = read(tmp_path)
    assert tune.text.count("\nV:") >= 2


@needs_symusic
def test_failures_are_counted_by_reason_and_the_rest_is_read(tmp_path):
    whole = midi(SCALE * 4)
    files = {"bad.mid": b"nonsense", "empty.mid": b"", "cut.mid": whole[: len(whole) // 2], "silent.mid": midi([])}
    for name, data in (files | {"-f.mid": whole, "sub/Good.MIDI": whole, "notes.txt": whole}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    (tmp_path / "link.mid").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.mid")
    tunes = {tune.file: tune for tune in read(tmp_path)}
    assert list(tunes) == sorted(tunes)
    assert {name: tune.reason for name, tune in tunes.items() if isinstance(tune, Unread)} == {
        **dict.fromkeys(files, "conversion failed"),
        "link.mid": "unreadable file",
        "pipe.mid": "unreadable file",
    }
    good = [tune for tune in tunes.values() if isinstance(tune, RawTune)]
    assert [(tune.collection, tune.file) for tune in good] == [(tmp_path.name, "-f.mid"), ("sub", "sub/Good.MIDI")]


@pytest.fixture
def converter(tmp_path, monkeypatch):
    """Put a Python script in the converter's place; a folder with one MIDI file."""

    def install(script):
        path = tmp_path / "midi2abc"
        path.write_text(f"#!{sys.executable}\nimport os, sys, time\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setattr(midi_files, "_converter", lambda: path)
        (tmp_path / "files").mkdir()
        (tmp_path / "files" / "a.mid").write_bytes(midi(SCALE))
        return tmp_path / "files"

    return install


def running(group):
    """Processes of a group that are not yet dead."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it ended while we looked
            state, _, its_group = (process / "stat").read_text().rpartition(")")[2].split()[:3]
            found += [process.name] if int(its_group) == group and state != "Z" else []
    return found


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("while True: print('X:1 ' + 'a' * 1000)", "conversion ran away"),
        ("print('X:1', flush=True); time.sleep(600)", "conversion timed out"),
        ("os.close(1); time.sleep(600)", "conversion timed out"),
        ("sys.exit(3)", "conversion failed"),
        ("print('X:1'); os.kill(os.getpid(), 11)", "conversion failed"),
        ("print('nothing of use')", "conversion failed"),
        ("if not os.fork(): time.sleep(600)", "conversion timed out"),
    ],
)
def test_a_converter_that_misbehaves_is_stopped_and_leaves_nothing_running(
    converter, monkeypatch, tmp_path, script, reason
):
    if "time.sleep" in script:
        monkeypatch.setattr(midi_files, "TIMEOUT", 1.5)
    folder = converter(f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n{script}")
    began = time.monotonic()
    (unread,) = read(folder)
    assert unread.reason == reason
    assert time.monotonic() - began < 5
    group, until = int((tmp_path / "pid").read_text()), time.monotonic() + 5
    while running(group) and time.monotonic() < until:
        time.sleep(0.01)  # what was killed takes a moment to die
    assert not running(group)


def test_what_the_converter_writes_is_cut_to_the_tune(converter):
    folder = converter(
        "print('calling midi2abc'); print('X: 4\\nT: from', sys.argv[2]); "
        "sys.stdout.flush(); sys.stdout.buffer.write(b'C: \\xe9\\nK:D\\nV:1\\nabc|\\n')"
    )
    (tune,) = read(folder)
    assert tune.text == "X: 4\nT:a\nC: é\nK:D\nabc|"


@pytest.mark.parametrize("name", ["nowhere", "file.mid", "empty"])
def test_a_folder_that_is_none_or_empty_is_one_line_of_error(converter, tmp_path, name):
    converter("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.mid").write_bytes(midi(SCALE))
    with pytest.raises(UserError, match=r"^midi_files: got .*expected a folder with \.mid or \.midi files in it$"):
        read(tmp_path / name)
    with pytest.raises(UserError, match=r"^midi_files: got None, expected a folder"):
        list(MIDI_FILES.read(SourceOptions()))


def test_without_symusic_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(midi_files, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs midi2abc of the package symusic; pip install 'hf_scaling\[midi\]'$"):
        read(tmp_path)
    (tmp_path / "a.mid").write_bytes(midi(SCALE))
    assert MIDI_FILES.identity(SourceOptions(midi_files=str(tmp_path))) is None


def test_the_identity_is_of_the_files_and_the_converter(converter):
    options = SourceOptions(midi_files=str(converter("")))
    first = MIDI_FILES.identity(options)
    assert first == MIDI_FILES.identity(options)
    midi_files._converter().write_text("another")
    second = MIDI_FILES.identity(options)
    Path(options.midi_files, "b.mid").write_bytes(b"")
    assert len({first, second, MIDI_FILES.identity(options), None}) == 4
    assert MIDI_FILES.identity(SourceOptions()) is None
