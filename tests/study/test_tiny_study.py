"""A whole study, started again, stopped at every moment, and shared by two: nothing is lost and nothing done twice."""

import json
import runpy
import shutil
import signal
import time
from pathlib import Path

import pytest

from hf_scaling.records import read_jsonl, read_ledger

SAMENESS = runpy.run_path(str(Path(__file__).parents[1] / "sameness.py"))
timeless, numbers, leftovers = (SAMENESS[name] for name in ("timeless", "numbers", "leftovers"))


def whole_checkpoint(run, step):
    state = run / "checkpoints" / f"checkpoint-{step}" / "trainer_state.json"
    try:
        return json.loads(state.read_text())["global_step"] == step
    except (OSError, ValueError):
        return False


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".lock")]
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def sweep(commands, tiny_yaml):
    """Start the tiny study in a folder."""
    return lambda folder, *more: commands.start("sweep.py", "--config", tiny_yaml, "--output_dir", folder, *more)


def test_a_second_start_changes_no_file_and_says_so(tiny_study, sweep):
    before = contents(tiny_study.folder)
    again = sweep(tiny_study.folder).wait()
    assert again.code == 0
    assert again.problems == []
    assert contents(tiny_study.folder) == before
    said = again.stdout.splitlines()
    for stage in ("dataset", "tokenizer", "tokens", "fits", "comparison", "figures", "best", "samples", "report"):
        assert f"{stage}: complete, nothing to do" in said
    assert "runs: 6 of 6 finished, nothing to do" in said
    assert said[-1] == f"report: {tiny_study.folder / 'report.html'}"


def test_killed_at_every_stage_it_ends_in_the_same_bits(tiny_study, sweep, tmp_path):
    folder = tmp_path / "study"
    ledger = folder / "runs.jsonl"

    def ended_runs():
        return ledger.read_bytes().count(b"\n") if ledger.exists() else 0

    def checkpoints(pattern):
        return any(folder.glob(f"runs/{pattern}/checkpoints/*/trainer_state.json"))

    moments = {
        "while the data set is written": lambda: any(folder.glob(".partial-*")),
        "when the folder is claimed and nothing else is there": lambda: (folder / "dataset").exists(),
        "in the first run": lambda: checkpoints("gpt2-a-*"),
        "while a model is saved": lambda: any(folder.glob("runs/*/.partial-*")),
        "right behind a row of the ledger": lambda: ended_runs() == 2,
        "in the third run": lambda: checkpoints("gpt2-b-*"),
        "in the best run": lambda: checkpoints("best-*"),
        "while figures are drawn": lambda: (folder / "fits.json").exists(),
        "while samples are written": lambda: (folder / "figures").exists() and any(folder.glob(".partial-*")),
    }
    for moment, arrived in moments.items():
        assert sweep(folder).kill_when(arrived).code == -signal.SIGKILL, moment
    ended = sweep(folder).wait()
    assert ended.code == 0, ended.stderr
    assert leftovers(folder) == []
    rows, notes = read_ledger(ledger)
    assert [row["status"] for row in rows] == ["finished"] * 6
    assert notes == []
    assert numbers(folder) == numbers(tiny_study.folder)
    for path in folder.glob("runs/*/metrics.jsonl"):
        steps = [row["step"] for row in read_jsonl(path)]
        assert all(a < b for a, b in zip(steps, steps[1:], strict=False))


def test_ctrl_c_takes_one_line_and_the_next_start_goes_on_from_the_checkpoint(tiny_study, sweep, tmp_path):
    folder = tmp_path / "study"

    def well_within_a_run():
        return any(folder.glob("runs/gpt2-c-*/checkpoints/checkpoint-1?/trainer_state.json"))

    stopped = sweep(folder).kill_when(well_within_a_run, signal.SIGINT)
    assert stopped.code == 130
    assert stopped.problems[-1] == "sweep.py: interrupted; the same command goes on from here"
    assert "Traceback" not in stopped.stderr
    (metrics,) = folder.glob("runs/gpt2-c-*/metrics.jsonl")
    before = metrics.read_text().splitlines()
    # the signal may have torn the checkpoint that brought it; then the one before is the last
    reached = max(step for step in (8, 10, 12, 14, 16, 18) if whole_checkpoint(metrics.parent, step))
    finished = (folder / "runs.jsonl").read_bytes()
    (run_id,) = [row["run_id"] for row in read_ledger(tiny_study.folder / "runs.jsonl")[0] if "gpt2-c" in row["run_id"]]

    # the first rows are those of the interrupted attempt, clock times included: it did not begin again
    resumed = sweep(folder).kill_when(lambda: run_id in (folder / "runs.jsonl").read_text())
    assert "runs: 4 of 6 finished" in resumed.stdout
    assert metrics.read_text().splitlines()[:reached] == before[:reached]
    assert (folder / "runs.jsonl").read_bytes().startswith(finished)
    (row,) = [row for row in read_ledger(folder / "runs.jsonl")[0] if row["run_id"] == run_id]
    assert timeless(row) == numbers(tiny_study.folder)["ledger"][run_id]


def test_training_may_end_on_one_machine_and_the_study_on_another(tiny_study, sweep, tmp_path):
    trained, folder = tmp_path / "with a GPU", tmp_path / "study"
    ended = sweep(trained, "--train-only").wait()
    assert ended.code == 0, ended.stderr
    assert ended.stdout.splitlines()[-1].startswith(f"{trained}: every model is trained; without --train-only")
    assert (trained / "best.json").exists()
    assert not [name for name in ("fits.json", "figures", "report.html") if (trained / name).exists()]
    trained.rename(folder)
    ended = sweep(folder).wait()
    assert ended.code == 0, ended.stderr
    assert "runs: 6 of 6 finished, nothing to do" in ended.stdout
    assert numbers(folder) == numbers(tiny_study.folder)


def test_two_at_once_share_the_work_and_do_nothing_twice(tiny_study, sweep, tmp_path):
    folder = tmp_path / "study"
    first, second = sweep(folder), sweep(folder)
    for ended in (first.wait(), second.wait()):
        assert ended.code == 0, ended.stderr
    assert f"{folder}: another process is at work there; joining it as soon as it trains" in (
        first.wait().stdout + second.wait().stdout
    )
    rows, notes = read_ledger(folder / "runs.jsonl")
    assert [row["status"] for row in rows] == ["finished"] * 6
    assert notes == []
    assert numbers(folder) == numbers(tiny_study.folder)
    assert leftovers(folder) == []


def test_what_a_killed_partner_left_is_taken_over(tiny_study, sweep, tmp_path):
    folder = tmp_path / "study"
    first = sweep(folder)
    until = time.monotonic() + 60
    while not list(folder.glob("runs/*/checkpoints/*/trainer_state.json")):
        assert time.monotonic() < until
        time.sleep(0.01)
    second = sweep(folder)
    assert first.kill_when(lambda: len(list((folder / ".locks").glob("*"))) > 1).code == -signal.SIGKILL
    ended = second.wait()
    assert ended.code == 0, ended.stderr
    assert numbers(folder) == numbers(tiny_study.folder)


def test_a_row_that_was_cut_short_is_trained_again(tiny_study, sweep, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    ledger = folder / "runs.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:-40])
    ended = sweep(folder).wait()
    assert ended.code == 0, ended.stderr
    assert f"{ledger}, line 6: cut short by an interruption; the row is left out" in ended.stdout
    assert "runs: 5 of 6 finished" in ended.stdout
    assert "best: complete, nothing to do" in ended.stdout
    assert numbers(folder) == numbers(tiny_study.folder)
    assert ledger.read_bytes().startswith(b"".join(whole.splitlines(keepends=True)[:5]))
