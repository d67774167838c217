"""Disks that are full or cannot be written, and names that are long or strange: one line, and what there was stays."""

import errno
import os
import shutil
import subprocess

import pytest

from hf_scaling.records import read_ledger

FULL = "No space left on device; what was finished is kept, the same command goes on from there"


@pytest.fixture
def mounted(tmp_path):
    """Mount a small disk in memory, with what a folder holds on it."""
    place = tmp_path / "disk"
    place.mkdir()

    def mount(kilobytes, content=None, room=0):
        blocks = sum(-(-path.stat().st_size // 4096) + 1 for path in content.rglob("*")) * 4 if content else 0
        size = f"size={kilobytes + blocks + room}k"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", place], capture_output=True, check=False)
        if done.returncode:
            pytest.skip("only root may mount a disk")
        if content:
            shutil.copytree(content, place / "study")
        return place / "study"

    yield mount
    if os.path.ismount(place):
        subprocess.run(["umount", place], check=True)


def unfinished(tiny_study, folder, keep):
    """The tiny study with the first `keep` of its runs only."""
    shutil.copytree(tiny_study.folder, folder)
    ledger = folder / "runs.jsonl"
    kept = ledger.read_text().splitlines(keepends=True)[:keep]
    ledger.write_text("".join(kept))
    for run in folder.glob("runs/*"):
        if not any(f'"{run.name}"' in line for line in kept):
            shutil.rmtree(run)
    for forecast in folder.glob("forecasts/*"):
        forecast.unlink()
    return folder


@pytest.mark.parametrize("kilobytes", [200, 340])
def test_a_disk_that_is_full_before_training(commands, tiny_yaml, mounted, kilobytes):
    folder = mounted(kilobytes)
    ended = commands.run("sweep.py", "--config", tiny_yaml, "--output_dir", folder)
    assert ended.code == 2
    assert "Traceback" not in ended.stderr
    assert ended.problems[-1].endswith(FULL)
    assert not list(folder.rglob(".partial-*"))


def test_a_disk_that_fills_up_in_a_run_keeps_the_runs_before(commands, tiny_study, tiny_yaml, mounted, tmp_path):
    content = unfinished(tiny_study, tmp_path / "unfinished", 4)
    folder = mounted(0, content, room=160)
    before = (folder / "runs.jsonl").read_bytes()
    ended = commands.run("sweep.py", "--config", tiny_yaml, "--output_dir", folder)
    assert ended.code == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert "No space left on device" in ended.problems[-1]
    assert (folder / "runs.jsonl").read_bytes().startswith(before)
    subprocess.run(["mount", "-o", "remount,size=64m", folder.parent], check=True)
    ended = commands.run("train.py", "--config", tiny_yaml, "--output_dir", folder, "--run", "gpt2-c")
    assert ended.code == 0, ended.stderr
    rows, _ = read_ledger(folder / "runs.jsonl")
    expected = {row["run_id"]: row["val_loss"] for row in read_ledger(tiny_study.folder / "runs.jsonl")[0]}
    assert all(row["val_loss"] == expected[row["run_id"]] for row in rows)


def test_a_disk_that_can_only_be_read(commands, tiny_study, tiny_yaml, mounted):
    folder = mounted(64, tiny_study.folder)
    subprocess.run(["mount", "-o", "remount,ro", folder.parent], check=True)
    for place in (folder, folder.with_name("new")):
        ended = commands.run("sweep.py", "--config", tiny_yaml, "--output_dir", place)
        assert ended.code == 2
        assert ended.problems == [f"sweep.py: output_dir: {place} cannot be written (Read-only file system)"]
    assert commands.run("hf-scaling", "fit", folder).code == 0  # to read it is enough


def test_a_folder_of_somebody_else(tiny_yaml, tmp_path):
    """As a user without rights; a process of its own, since root may write anywhere."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    code = (
        "import os, sys; from hf_scaling.records import exit_code, write_text; from pathlib import Path;"
        "os.setuid(65534);"
        "sys.exit(exit_code('program', lambda: write_text(Path(sys.argv[1]) / 'sub' / 'file', 'text')))"
    )
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    ended = subprocess.run(
        ["python", "-c", code, closed], capture_output=True, text=True, check=False, env={**os.environ}
    )
    assert ended.returncode == 2
    assert ended.stderr.strip().startswith("program: ")
    assert ended.stderr.strip().endswith(os.strerror(errno.EACCES))


def test_a_name_of_255_letters_and_more(commands, tiny_yaml, tmp_path):
    longest = tmp_path / ("ü" * 127)  # 254 bytes, which is what a file system takes
    ended = commands.run("prepare_data.py", "--config", tiny_yaml, "--output_dir", longest)
    assert ended.code == 0, ended.stderr
    assert (longest / "tokens" / "train.npy").exists()
    longer = tmp_path / ("x" * 256)
    ended = commands.run("prepare_data.py", "--config", tiny_yaml, "--output_dir", longer)
    assert ended.code == 2
    assert ended.problems == [f"prepare_data.py: {longer}: File name too long"]
