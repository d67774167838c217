"""The same study, however its runs are spread: side by side, by name, over processes, over horizons, or again."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from hf_scaling.records import read_json, read_ledger

ROOT = Path(__file__).parents[2]
FEW = ["--ladder", "a=8x1x1x16", "b=16x1x2x32", "c=24x1x2x96", "--best_tokens", "4096", "--tokens_per_run", "4096"]


@pytest.fixture(scope="module")
def sweep(commands, tiny_yaml):
    """Run the tiny study, with a shorter horizon, to its end."""

    def run(folder, *more):
        return commands.run("sweep.py", "--config", tiny_yaml, "--output_dir", folder, *FEW, *more)

    return run


def losses(folder):
    return {row["run_id"]: row["val_loss"] for row in read_ledger(folder / "runs.jsonl")[0]}


@pytest.fixture(scope="module")
def horizons(sweep, tmp_path_factory):
    """The study at two horizons, one run at a time."""
    folder = tmp_path_factory.mktemp("horizons") / "study"
    ended = sweep(folder, "--horizons", 0.5, 1)
    assert ended.code == 0, ended.stderr
    return folder


def test_each_horizon_has_its_runs_and_the_law_is_that_of_the_longest(horizons):
    rows = read_ledger(horizons / "runs.jsonl")[0]
    assert len(rows) == 12
    assert sorted({row["n_tokens"] for row in rows}) == [2048, 4096]
    fits = read_json(horizons / "fits.json")["fits"]
    longest = {row["val_loss"] for row in rows if row["n_tokens"] == 4096 and row["family"] == "gpt2"}
    assert {point["loss"] for point in fits[0]["points"]} == longest
    assert not any("D varies" in warning for fit in fits for warning in fit["warnings"])
    assert not (horizons / "trunks").exists()
    report = (horizons / "report.html").read_text(encoding="utf-8")
    assert all(row["run_id"] in report for row in rows)


def test_side_by_side_the_numbers_are_the_same(horizons, sweep, tmp_path):
    ended = sweep(tmp_path / "study", "--horizons", 0.5, 1, "--side_by_side", 2)
    assert ended.code == 0, ended.stderr
    assert yaml.safe_load((tmp_path / "study" / "study.yaml").read_text())["resolved"]["side_by_side"] == 2
    assert set(losses(tmp_path / "study").values()) == set(losses(horizons).values())
    assert read_json(tmp_path / "study" / "fits.json") == read_json(horizons / "fits.json")


def test_a_dry_run_prints_the_plan_and_trains_nothing(sweep, tmp_path):
    ended = sweep(tmp_path / "study", "--dry-run")
    assert ended.code == 0, ended.stderr
    said = ended.stdout.splitlines()
    assert said[-1].startswith("6 runs, predicted to train for ")
    header = next(line for line in said if line.startswith("run  "))
    assert all(name in header for name in ("N", "D", "C (FLOPs)", "learning rate", "seconds", "memory (GB)"))
    assert not (tmp_path / "study" / "runs").exists()


def test_runs_by_name_or_number_make_up_the_study(sweep, tmp_path):
    folder = tmp_path / "study"
    first = sweep(folder, "--only", "gpt2-a", 1)
    assert first.code == 0, first.stderr
    assert "4 runs are left; the study ends with the last of them" in first.stdout
    assert [run_id.rpartition("-")[0] for run_id in losses(folder)] == ["gpt2-a", "folk_lstm-a"]
    last = sweep(folder, "--only", "gpt2-b", "folk_lstm-b", "gpt2-c", "folk_lstm-c")
    assert last.code == 0, last.stderr
    assert (folder / "report.html").exists()
    wrong = sweep(folder, "--only", "gpt3-a")
    assert wrong.code == 2
    assert wrong.problems[-1].startswith("sweep.py: got run 'gpt3-a', expected a run id, a number below 6 or some of")


def test_retraining_sets_the_earlier_results_aside(sweep, tmp_path):
    folder = tmp_path / "study"
    assert sweep(folder).code == 0
    before = losses(folder)
    ended = sweep(folder, "--force-retrain")
    assert ended.code == 0, ended.stderr
    (aside,) = folder.glob("earlier.replaced-*")
    assert f"earlier results: {aside}" in ended.stdout
    assert "dataset: complete, nothing to do" in ended.stdout
    assert losses(aside) == losses(folder) == before
    assert (aside / "report.html").exists()
    started = [read_ledger(each / "runs.jsonl")[0][0]["started_at"] for each in (aside, folder)]
    assert started[0] <= started[1]


def test_tuned_rates_are_those_of_the_trials(sweep, tmp_path):
    folder = tmp_path / "study"
    trials = ["--tune_sizes", "a", "b", "c", "--tune_factors", 0.25, 1, 4, "--tune_tokens", 2048]
    ended = sweep(folder, *trials, "--families", "folk_lstm", "--best_tokens", 20480)
    assert ended.code == 0, ended.stderr
    trials = read_ledger(folder / "trials.jsonl")[0]
    assert sorted((row["size"], row["learning_rate"]) for row in trials) == [
        (size, rate) for size in "abc" for rate in (0.01, 0.04, 0.16)
    ]
    found = json.loads((folder / "learning_rates.json").read_text())["families"]["folk_lstm"]
    for row in read_ledger(folder / "runs.jsonl")[0]:
        expected = found["rate"] * (row["n_params"] / 100_000) ** -found["exponent"]
        assert row["learning_rate"] == pytest.approx(expected, rel=0.01)
    for warning in found["warnings"]:
        assert f"warning: {warning}" in ended.stdout


def launch(configuration, folder, tiny_yaml, *more):
    accelerate = Path(sys.executable).with_name("accelerate")
    command = [accelerate, "launch", "--config_file", ROOT / "accelerate_configs" / configuration]
    options = ["--config", tiny_yaml, "--output_dir", folder, "--run", "gpt2-b", "--threads", "1", *more]
    # the launcher asks a network for its machines otherwise
    environment = os.environ | {"MASTER_ADDR": "127.0.0.1"}
    return subprocess.run(
        [*command, ROOT / "recipes" / "train.py", *FEW, *options],
        capture_output=True, text=True, cwd=ROOT, env=environment, check=False,
    )  # fmt: skip


def test_two_processes_train_as_one(tiny_yaml, tmp_path):
    rows = []
    for configuration in ("cpu.yaml", "cpu_2proc.yaml"):
        ended = launch(configuration, tmp_path / configuration, tiny_yaml)
        assert ended.returncode == 0, ended.stderr
        rows += read_ledger(tmp_path / configuration / "runs.jsonl")[0]
    assert [row["n_processes"] for row in rows] == [1, 2]
    assert rows[0]["run_id"] == rows[1]["run_id"]
    assert rows[1]["val_loss"] == pytest.approx(rows[0]["val_loss"], rel=1e-5)
    assert rows[0]["updates"] == rows[1]["updates"]


def test_a_batch_that_two_processes_cannot_share_is_one_line(tiny_yaml, tmp_path):
    ended = launch("cpu_2proc.yaml", tmp_path / "study", tiny_yaml, "--batch_size", "3")
    assert ended.returncode != 0
    assert "train.py: batch_size: got 3 with gradient_accumulation_steps 1, which 2 processes" in ended.stderr
