"""A process of a two-process run that dies or fails alone: nobody waits for it for ever, and the next start goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from hf_scaling.records import read_ledger

ROOT = Path(__file__).parents[2]

# recipes/train.py, in which some processes fail at block 160 of 320; the others are given seconds to fail as well
FAILS = """
import errno, os, runpy, sys
from datetime import timedelta
import torch
from hf_scaling.training import blocks, processes

processes._FOR_A_FAILURE, processes._FOR_THE_ROW = timedelta(seconds=4), 4
whole = blocks.TokenBlocks.__getitem__

def broken(self, index):
    if os.environ["RANK"] in "{ranks}" and index >= 160:
        raise {error}
    return whole(self, index)

blocks.TokenBlocks.__getitem__ = broken
sys.argv[0] = "{recipe}"
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def rank(number, parent):
    """The process of this rank below a launcher."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            stat, environment = (path / "stat").read_text(), (path / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if f" {parent} " in stat.rpartition(")")[2][:20] and f"RANK={number}".encode() in environment:
            return int(path.name)
    return None


@pytest.fixture
def study(tiny_yaml, tmp_path):
    """What train.py is told."""
    options = ["--output_dir", tmp_path / "study", "--run", "gpt2-c", "--tokens_per_run", 20480]
    return ["--config", tiny_yaml, *options]


def launch(script, study):
    """Start a script as two processes."""
    accelerate = Path(sys.executable).with_name("accelerate")
    launcher = ROOT / "accelerate_configs" / "cpu_2proc.yaml"
    return subprocess.Popen(
        [accelerate, "launch", "--config_file", launcher, script, *map(str, study)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def check_that_it_goes_on(commands, folder, study):
    """The same command trains from the last checkpoint to the end."""
    assert list(folder.glob("runs/*/checkpoints/checkpoint-*"))
    ended = commands.run("train.py", *study)
    assert ended.code == 0, ended.stderr
    assert [row["status"] for row in read_ledger(folder / "runs.jsonl")[0]][-1] == "finished"


def test_a_partner_that_dies_ends_the_launch_and_the_next_start_goes_on(commands, study, tmp_path):
    folder = tmp_path / "study"
    launched = launch(ROOT / "recipes" / "train.py", study)
    until = time.monotonic() + 300
    while not list(folder.glob("runs/*/checkpoints/*/trainer_state.json")):
        assert time.monotonic() < until
        assert launched.poll() is None, launched.communicate()[0]
        time.sleep(0.01)
    os.kill(rank(1, launched.pid), signal.SIGKILL)
    said, _ = launched.communicate(timeout=120)
    assert launched.returncode != 0, said
    rows = read_ledger(folder / "runs.jsonl")[0]  # one, unless the launcher was quicker than the main process
    assert [row["status"] for row in rows] in (["failed"], [])
    assert all("a process of the run died, or failed alone" in row["error"] for row in rows)
    check_that_it_goes_on(commands, folder, study)


@pytest.fixture
def fails(tmp_path):
    """Write the script in which these processes fail with this error."""

    def write(ranks, error):
        path = tmp_path / "fails.py"
        path.write_text(FAILS.format(ranks=ranks, error=error, recipe=ROOT / "recipes" / "train.py"))
        return path

    return write


def test_one_that_fails_alone_ends_the_launch_with_its_reason(fails, commands, study, tmp_path):
    folder = tmp_path / "study"
    launched = launch(fails("1", "ValueError('no such block')"), study)
    try:
        said, _ = launched.communicate(timeout=150)
    finally:
        launched.terminate()
    assert launched.returncode != 0, said
    (row,) = read_ledger(folder / "runs.jsonl")[0]
    assert row["status"] == "failed"
    assert "a process of the run died, or failed alone (process 1: no such block)" in row["error"]
    check_that_it_goes_on(commands, folder, study)


def test_a_disk_that_fails_the_main_process_alone_takes_one_line(fails, commands, study, tmp_path):
    folder = tmp_path / "study"
    script = fails("0", "OSError(errno.ENOSPC, 'No space left on device', 'metrics.jsonl')")
    main, follower = (each.wait() for each in commands.start_two(script, *study))
    assert main.code == 2
    assert main.problems[-1].startswith("train.py: metrics.jsonl: No space left on device; what was finished is kept")
    assert follower.code != 0
    assert read_ledger(folder / "runs.jsonl")[0] == []
    check_that_it_goes_on(commands, folder, study)


def test_where_all_fail_the_run_has_failed_and_they_stay_together(fails, commands, study, tmp_path):
    script = fails("01", "RuntimeError('no luck for anybody')")
    main, follower = (each.wait() for each in commands.start_two(script, *study))
    assert main.code == 1
    assert follower.code == 0, follower.stderr
    (row,) = read_ledger(tmp_path / "study" / "runs.jsonl")[0]
    assert (row["status"], row["error"]) == ("failed", "no luck for anybody")
