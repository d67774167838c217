"""A process of a two-process run that dies: nobody waits for it for ever, and the next start goes on."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from hf_scaling.records import read_ledger

ROOT = Path(__file__).parents[2]


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


def test_a_partner_that_dies_ends_the_launch_and_the_next_start_goes_on(commands, tiny_yaml, tmp_path):
    folder = tmp_path / "study"
    accelerate = Path(sys.executable).with_name("accelerate")
    launcher = ROOT / "accelerate_configs" / "cpu_2proc.yaml"
    study = ["--config", tiny_yaml, "--output_dir", folder, "--run", "gpt2-c", "--tokens_per_run", 20480]
    launched = subprocess.Popen(
        [accelerate, "launch", "--config_file", launcher, ROOT / "recipes" / "train.py", *map(str, study)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
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
    assert list(folder.glob("runs/*/checkpoints/checkpoint-*"))
    ended = commands.run("train.py", *study)
    assert ended.code == 0, ended.stderr
    assert [row["status"] for row in read_ledger(folder / "runs.jsonl")[0]][-1] == "finished"
