"""Processes that load data, which only a machine with a GPU has: one that dies, and those of a study that is killed."""

import gc
import os
import re
import runpy
import shutil
import signal
import time
from pathlib import Path

import pytest
import torch
from torch.utils.data import get_worker_info

from hf_scaling.records import finished_rows, read_ledger
from hf_scaling.training import run, trainer

ROOT = Path(__file__).parents[2]

# recipes/train.py, with workers on a CPU
WITH_WORKERS = """
import runpy, sys
from hf_scaling.training import trainer

arguments = trainer._training_arguments

def with_workers(*given):
    made = arguments(*given)
    made.dataloader_num_workers = 2
    return made

trainer._training_arguments = with_workers
runpy.run_path("{recipe}", run_name="__main__")
"""


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_worker_that_dies_fails_its_run_alone(tiny_study, tiny_yaml, tmp_path, monkeypatch):
    folder, killed = tmp_path / "study", tmp_path / "killed"
    shutil.copytree(tiny_study.folder, folder)
    ledger, reference = folder / "runs.jsonl", tiny_study.folder / "runs.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    ledger.write_text("".join(line for line in lines if '"gpt2-' not in line))
    for path in [*folder.glob("runs/gpt2-*"), *folder.glob("forecasts/*")]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    arguments = trainer._training_arguments

    def with_workers(*given):
        made = arguments(*given)
        made.dataloader_num_workers = 2
        return made

    class Deadly(run.TokenBlocks):
        def __getitem__(self, index):
            if index >= 80 and get_worker_info() and not killed.exists():
                killed.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().__getitem__(index)

    monkeypatch.setattr(trainer, "_training_arguments", with_workers)
    monkeypatch.setattr(run, "TokenBlocks", Deadly)

    def start():
        gc.collect()  # an earlier start is over, and its lock with it
        main = runpy.run_path(str(ROOT / "recipes" / "sweep.py"))["main"]
        return main(["--config", str(tiny_yaml), "--output_dir", str(folder), "--only", "gpt2-a", "gpt2-b"])

    start()
    rows = read_ledger(ledger)[0][3:]
    assert [(row["run_id"][:6], row["status"]) for row in rows] == [("gpt2-a", "failed"), ("gpt2-b", "finished")]
    # torch hears of it from the signal or from the empty queue, whichever comes first, and says so differently
    assert re.search(r"DataLoader worker .*(killed by signal: Killed|exited unexpectedly)", rows[0]["error"])

    start()
    losses = {row["run_id"]: row["val_loss"] for row in finished_rows(ledger)}
    assert losses.items() <= {row["run_id"]: row["val_loss"] for row in finished_rows(reference)}.items()
    assert len(losses) == 5


def children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"  # dead, and not yet buried
    except FileNotFoundError:
        return False


def test_workers_die_with_a_study_that_is_killed_and_leave_it_to_the_next_start(commands, tiny_yaml, tmp_path):
    folder, script = tmp_path / "study", tmp_path / "train.py"
    script.write_text(WITH_WORKERS.format(recipe=ROOT / "recipes" / "train.py"))
    study = ["--config", tiny_yaml, "--output_dir", folder, "--run", "gpt2-c", "--tokens_per_run", 20480]
    started = commands.start(script, *study)
    until = time.monotonic() + 120
    while not list(folder.glob("runs/*/checkpoints/*/trainer_state.json")):
        assert time.monotonic() < until
        time.sleep(0.005)
    workers = children(started.pid)
    assert len(workers) == 2
    started.kill_when(lambda: True)
    until = time.monotonic() + 5  # a moment to die; by themselves they would live on for seconds after their work
    while any(map(alive, workers)):
        assert time.monotonic() < until
        time.sleep(0.005)
    ended = commands.run("train.py", *study)
    assert ended.code == 0, ended.stderr
    (row,) = read_ledger(folder / "runs.jsonl")[0]
    assert row["status"] == "finished"
