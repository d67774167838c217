"""The same study, however its runs are made: side by side, by name, over processes, over horizons, compiled, again."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from hf_scaling.records import read_json, read_ledger
from hf_scaling.records.files import PARTIAL
from hf_scaling.study.config import TRACKERS
from hf_scaling.study.data_stages import prepare
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.options import load_config
from hf_scaling.study.stages import plan
from hf_scaling.tokenization import load_tokenizer
from tests.conftest import for_two_on_a_cpu

ROOT = Path(__file__).parents[2]
LAUNCHERS = ROOT / "accelerate_configs"
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
    assert "Shown are the runs of the longest of 2 horizons" in report


def test_side_by_side_the_numbers_are_the_same(horizons, sweep, tmp_path):
    ended = sweep(tmp_path / "study", "--horizons", 0.5, 1, "--side_by_side", 2)
    assert ended.code == 0, ended.stderr
    assert yaml.safe_load((tmp_path / "study" / "study.yaml").read_text())["resolved"]["side_by_side"] == 2
    assert set(losses(tmp_path / "study").values()) == set(losses(horizons).values())
    assert read_json(tmp_path / "study" / "fits.json") == read_json(horizons / "fits.json")
    forecasts = sorted((tmp_path / "study" / "forecasts").glob("*.json"))
    assert len(forecasts) == 4
    for path in forecasts:  # they waited for all smaller runs
        family = path.name.partition("-")[0]
        smaller = [run for run in losses(horizons) if run.startswith((f"{family}-a", f"{family}-b"))]
        assert sorted(read_json(path)["basis"]) == sorted(smaller)


def test_a_dry_run_prints_the_plan_trains_nothing_and_settles_nothing(sweep, tmp_path):
    ended = sweep(tmp_path / "study", "--tune_sizes", "a", "b", "c", "--dry-run")
    assert ended.code == 0, ended.stderr
    said = ended.stdout.splitlines()
    assert said[-2].startswith("6 runs, predicted to train for ")
    assert said[-1].startswith("before them, 30 trials, predicted to train for ")
    assert not (tmp_path / "study" / "trials.jsonl").exists()
    assert yaml.safe_load((tmp_path / "study" / "study.yaml").read_text())["resolved"] == {}
    header = next(line for line in said if " N non-embedding " in line)
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
    assert wrong.problems[-1].startswith(
        "sweep.py: --only: got 'gpt3-a', expected a run id, a number below 6 or some of"
    )


def test_what_is_planned_side_by_side_trains_one_by_one_under_a_launcher(commands, tiny_yaml, tmp_path):
    path = tmp_path / "study"
    folder = StudyFolder(load_config(tiny_yaml, {"output_dir": str(path), "side_by_side": "2"}))
    assert plan(folder, prepare(folder)).resolved["side_by_side"] == 2
    del folder  # and its lock
    study = ["--config", tiny_yaml, "--output_dir", path, "--side_by_side", 2]
    for ended in [each.wait() for each in commands.start_two("sweep.py", *study, "--only", "gpt2-a")]:
        assert ended.code == 0, ended.stderr
    assert len(losses(path)) == 1


def test_retraining_sets_the_earlier_results_aside(tiny_study, commands, tiny_yaml, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    before = losses(folder)
    again = ["--config", tiny_yaml, "--output_dir", folder, "--force-retrain"]
    assert commands.run("sweep.py", *again, "--dry-run").code == 0
    refused = commands.run("sweep.py", *again, "--only", "gpt2-a")
    assert refused.problems == [
        "sweep.py: --force-retrain: sets every run aside, not only those of --only; leave one of them out"
    ]
    assert losses(folder) == before
    (folder / "earlier").mkdir()  # as a start leaves it that is killed there
    ended = commands.run("sweep.py", *again)
    assert ended.code == 0, ended.stderr
    empty, aside = sorted(folder.glob("earlier.replaced-*"))
    assert not list(empty.iterdir())
    assert f"earlier results: {aside}" in ended.stdout
    assert "dataset: complete, nothing to do" in ended.stdout
    assert losses(aside) == losses(folder) == before
    assert (aside / "report.html").exists()
    started = [read_ledger(each / "runs.jsonl")[0][0]["started_at"] for each in (aside, folder)]
    assert started[0] <= started[1]


def test_tuned_rates_are_those_of_the_trials(sweep, tmp_path):
    folder = tmp_path / "study"
    trials = ["--tune_sizes", "a", "b", "c", "--tune_factors", 0.25, 1, 4, "--tune_tokens", 2048]
    ended = sweep(folder, *trials, "--families", "folk_lstm", "--train-only")
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
    stated = re.search(r"learning_rates: \[(folk_lstm=.+)\]", ended.stdout)[1]
    again = sweep(tmp_path / "again", "--families", "folk_lstm", "--learning_rates", stated, "--train-only")
    assert again.code == 0, again.stderr
    tuned, given = (
        [row["learning_rate"] for row in read_ledger(path / "runs.jsonl")[0]] for path in (folder, tmp_path / "again")
    )
    assert given == pytest.approx(tuned, rel=0.01)


def launch(configuration, folder, tiny_yaml):
    """Train gpt2-b of the tiny study under a launcher's configuration."""
    accelerate = Path(sys.executable).with_name("accelerate")
    options = ["--config", tiny_yaml, "--output_dir", folder, "--run", "gpt2-b", "--threads", "1"]
    return subprocess.run(
        [accelerate, "launch", "--config_file", configuration, ROOT / "recipes" / "train.py", *FEW, *options],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip


def test_what_a_killed_partner_left_is_swept_by_who_goes_on_alone(tiny_yaml, tmp_path):
    folder = StudyFolder(load_config(tiny_yaml, {"output_dir": str(tmp_path / "study")}))
    folder.share()
    left = folder.path / f"{PARTIAL}samples" / ".002.opus.part"
    left.parent.mkdir()
    left.touch()
    folder.hold_alone()
    assert not left.parent.exists()


@pytest.fixture(scope="module")
def alone(tiny_yaml, tmp_path_factory):
    """The row of gpt2-b, trained by one process."""
    folder = tmp_path_factory.mktemp("alone") / "study"
    ended = launch(LAUNCHERS / "cpu.yaml", folder, tiny_yaml)
    assert ended.returncode == 0, ended.stderr
    return read_ledger(folder / "runs.jsonl")[0][0]


@pytest.fixture
def fsdp(tmp_path):
    return for_two_on_a_cpu("fsdp2", tmp_path)


def test_two_processes_train_as_one(alone, tiny_yaml, tmp_path):
    ended = launch(LAUNCHERS / "cpu_2proc.yaml", tmp_path / "study", tiny_yaml)
    assert ended.returncode == 0, ended.stderr
    (row,) = read_ledger(tmp_path / "study" / "runs.jsonl")[0]
    assert (alone["n_processes"], row["n_processes"]) == (1, 2)
    assert row["run_id"] == alone["run_id"]
    assert row["updates"] == alone["updates"]
    assert row["val_loss"] == pytest.approx(alone["val_loss"], rel=1e-5)


def test_weights_cut_over_two_processes_train_as_one(alone, fsdp, tiny_yaml, tmp_path):
    ended = launch(fsdp, tmp_path / "study", tiny_yaml)
    assert ended.returncode == 0, ended.stderr
    (row,) = read_ledger(tmp_path / "study" / "runs.jsonl")[0]
    assert row["val_loss"] == pytest.approx(alone["val_loss"], rel=1e-5)
    assert list((tmp_path / "study" / "runs").glob("*/model/model.safetensors"))


@pytest.mark.parametrize(
    ("option", "environment", "reason"),
    [
        (
            ["--optimizer", "muon"],
            {"ACCELERATE_USE_FSDP": "true"},
            "optimizer: got 'muon', which needs whole matrices, but FSDP cuts them; use adamw",
        ),
        (["--batch_size", "3"], {}, "batch_size: got 3 with gradient_accumulation_steps 1, which 2 processes"),
    ],
)
def test_what_two_processes_cannot_do_is_one_line(option, environment, reason, commands, tiny_yaml, tmp_path):
    study = ["--config", tiny_yaml, "--output_dir", tmp_path / "study", *FEW, "--run", "gpt2-b", *option]
    main, follower = (each.wait() for each in commands.start_two("train.py", *study, **environment))
    assert main.code == 2
    assert main.problems[-1].startswith(f"train.py: {reason}")
    assert follower.code == 0, follower.stderr


def trained(commands, tiny_yaml, folder, *more):
    """The row of gpt2-b of the tiny study."""
    study = ["--config", tiny_yaml, "--output_dir", folder, *FEW, "--run", "gpt2-b", *more]
    ended = commands.run("train.py", *study)
    assert ended.code == 0, ended.stderr
    return read_ledger(folder / "runs.jsonl")[0][0]


def test_a_batch_may_be_cut_into_micro_batches(alone, commands, tiny_yaml, tmp_path):
    for batch_size, accumulation in ((4, 2), (1, 8)):
        cut = ["--batch_size", batch_size, "--gradient_accumulation_steps", accumulation]
        row = trained(commands, tiny_yaml, tmp_path / str(batch_size), *cut)
        assert row["val_loss"] == pytest.approx(alone["val_loss"], rel=1e-5)
        assert row["batch_tokens"] == alone["batch_tokens"]


def test_a_third_family_needs_no_more_than_its_name_and_rate(alone, commands, tiny_yaml, tmp_path):
    llama = ["--families", "llama", "--learning_rates", "llama=2e-2", "--run", "llama-b"]
    row = trained(commands, tiny_yaml, tmp_path / "study", *llama)
    assert row["family"] == "llama"
    assert row["n_params"] == pytest.approx(alone["n_params"], rel=0.02)
    assert row["perplexity"] < len(load_tokenizer(tmp_path / "study" / "tokenizer"))  # it has begun to learn


@pytest.mark.skipif(not shutil.which("g++"), reason="torch.compile needs a C++ compiler")
def test_compiled_it_trains_as_it_stands(alone, commands, tiny_yaml, tmp_path):
    row = trained(commands, tiny_yaml, tmp_path / "study", "--compile", "true")
    assert (alone["compiled"], row["compiled"]) == (False, True)
    assert row["val_loss"] == pytest.approx(alone["val_loss"], rel=1e-3)


@pytest.mark.skipif(
    not all(map(find_spec, TRACKERS)) and not os.environ.get("HF_SCALING_REQUIRE_ALL"), reason="a tracker is missing"
)
def test_each_run_has_its_own_in_every_tracker_beside_its_metrics(commands, tiny_yaml, tmp_path):
    study = ["--config", tiny_yaml, "--output_dir", tmp_path / "study", *FEW, "--only", "gpt2-a", "gpt2-b"]
    local = {"WANDB_MODE": "offline", "TRACKIO_DIR": str(tmp_path / "trackio")}
    ended = commands.start("sweep.py", *study, "--report_to", *TRACKERS, cwd=tmp_path, environment=local).wait()
    assert ended.code == 0, ended.stderr
    with sqlite3.connect(tmp_path / "trackio" / "tiny.db") as tracked:
        names = {name for (name,) in tracked.execute("SELECT DISTINCT run_name FROM metrics")}
    folders = list((tmp_path / "study" / "runs").iterdir())
    assert {folder.name for folder in folders} == names
    assert len(names) == len(list(tmp_path.glob("wandb/offline-run-*/*.wandb"))) == 2
    for folder in folders:
        assert list(folder.glob("tensorboard/**/events.out.tfevents.*"))
        assert (folder / "metrics.jsonl").exists()
