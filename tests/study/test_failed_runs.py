"""A run that fails gets a row with the reason; the study goes on without it and tries again at the next start."""

import gc
import json
import math
import runpy
import shutil
from pathlib import Path

import pytest
import torch

from hf_scaling.models import build_model
from hf_scaling.records import read_json, read_ledger
from hf_scaling.study import best, forecasts, plan, stages, workers
from hf_scaling.training import precision, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def unfinished(tiny_study, tmp_path):
    """The tiny study without two of its runs."""
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    ledger = folder / "runs.jsonl"
    kept = [line for line in ledger.read_text().splitlines(keepends=True) if '"gpt2-b-' not in line]
    ledger.write_text("".join(line for line in kept if '"gpt2-c-' not in line))
    for run_folder in (*folder.glob("runs/gpt2-b-*"), *folder.glob("runs/gpt2-c-*")):
        shutil.rmtree(run_folder)
    (forecast,) = folder.glob("forecasts/gpt2-*")  # it rests on a run that is no longer there
    forecast.unlink()
    return folder


@pytest.fixture
def start(tiny_yaml, unfinished):
    """Run a recipe on the unfinished study, in this process; returns its exit code."""

    def call(name, *more):
        gc.collect()  # an earlier start is over, and its lock with it
        main = runpy.run_path(str(ROOT / "recipes" / name))["main"]
        return main(["--config", str(tiny_yaml), "--output_dir", str(unfinished), *more])

    return call


def break_models(monkeypatch, width, broken):
    """Have models of this width built by `broken`."""
    monkeypatch.setattr(
        run,
        "build_model",
        lambda config, seed: (broken if getattr(config, "n_embd", 0) == width else build_model)(config, seed),
    )


def without_numbers(config, seed):
    model = build_model(config, seed)
    if model.device.type != "meta":
        torch.nn.init.constant_(model.get_input_embeddings().weight, math.nan)
    return model


def test_a_study_goes_on_without_a_failed_run_and_tries_it_again(tiny_study, unfinished, start, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        break_models(patch, 16, without_numbers)
        assert start("sweep.py") == 1
    said = capsys.readouterr().out
    rows = read_ledger(unfinished / "runs.jsonl")[0]
    assert [row["status"] for row in rows] == ["finished"] * 4 + ["failed", "finished"]
    failed = rows[4]
    assert failed["error"] == "loss is nan at step 1"
    assert failed["run_id"].startswith("gpt2-b-")
    assert failed["started_at"] <= failed["finished_at"]
    assert f"{failed['run_id']}" in said
    assert "failed: loss is nan at step 1" in said
    assert "1 runs failed; the same command tries them again" in said
    assert not list(unfinished.glob("runs/*/checkpoints"))
    fit = next(fit for fit in read_json(unfinished / "fits.json")["fits"] if fit["family"] == "gpt2")
    assert fit["params"]["alpha"] is None
    assert "2 distinct sizes, the power form needs at least 3" in fit["sentence"]
    assert failed["run_id"] in (unfinished / "report.html").read_text(encoding="utf-8")

    assert start("sweep.py") == 0
    assert "runs: 5 of 6 finished" in capsys.readouterr().out
    rows = read_ledger(unfinished / "runs.jsonl")[0]
    assert [row["status"] for row in rows] == ["finished"] * 4 + ["failed", "finished", "finished"]
    losses = {row["run_id"]: row["val_loss"] for row in rows if row["status"] == "finished"}
    assert losses == {row["run_id"]: row["val_loss"] for row in read_ledger(tiny_study.folder / "runs.jsonl")[0]}
    assert read_json(unfinished / "fits.json") == read_json(tiny_study.folder / "fits.json")


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory.\n  Tried to allocate 4 TiB"), "CUDA out of memory. Tried to"),
        (RuntimeError("x" * 3000), "x" * 500),
        (MemoryError(), "MemoryError"),
        (ValueError("api_key not configured"), "api_key not configured"),  # by a tracker, say
        (ConnectionError("hf_0123456789abcdefgh refused"), "<token> refused"),
    ],
)
def test_the_reason_stands_in_the_row(error, reason, unfinished, start, monkeypatch, capsys):
    def fail(config, seed):
        if torch.get_default_device().type == "meta":
            return build_model(config, seed)
        raise error

    break_models(monkeypatch, 16, fail)
    assert start("train.py", "--run", "gpt2-b") == 1
    row = json.loads(capsys.readouterr().out.partition("{")[2].join(["{", ""]))
    assert row["status"] == "failed"
    assert row["error"].startswith(reason)
    assert len(row["error"]) <= 500
    assert "\n" not in row["error"]
    assert read_ledger(unfinished / "runs.jsonl")[0][-1] == row
    trace = (unfinished / "runs" / row["run_id"] / "failure.txt").read_text(encoding="utf-8")
    assert type(error).__name__ in trace
    assert "hf_0" not in trace


def test_a_failure_is_told_by_the_exit_code_where_the_study_does_not_end(unfinished, start, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        break_models(patch, 16, without_numbers)
        assert start("sweep.py", "--only", "gpt2-b") == 1
        said = capsys.readouterr().out.splitlines()
        assert said[-2] == "2 runs are left; the study ends with the last of them"
        assert said[-1].endswith(" failed: loss is nan at step 1; the same command tries it again")
        assert start("sweep.py", "--train-only") == 1
        assert "failed: loss is nan at step 1" in capsys.readouterr().out
    assert start("sweep.py", "--train-only") == 0
    assert "failed" not in capsys.readouterr().out
    assert not list(unfinished.glob("runs/*/failure.txt"))


def test_a_rate_was_not_tried_where_the_machine_failed(tiny_yaml, tmp_path, monkeypatch, capsys):
    def start():
        gc.collect()
        trials = ["--tune_sizes", "a", "b", "c", "--tune_factors", ".5", "1", "2", "--tune_tokens", "2048"]
        study = ["--config", str(tiny_yaml), "--output_dir", str(tmp_path / "study"), "--families", "gpt2"]
        main = runpy.run_path(str(ROOT / "recipes" / "sweep.py"))["main"]
        return main([*study, *trials, "--only", "gpt2-a"])

    def fail(config, seed):
        if torch.get_default_device().type == "meta":
            return build_model(config, seed)
        raise RuntimeError("the fan is broken")

    with monkeypatch.context() as patch:
        break_models(patch, 24, fail)
        assert start() == 2
    assert "the fan is broken; the same command tries this rate again" in capsys.readouterr().err
    assert not (tmp_path / "study" / "learning_rates.json").exists()
    assert start() == 0
    trials = read_ledger(tmp_path / "study" / "trials.jsonl")[0]
    assert [row["status"] for row in trials] == ["finished"] * 6 + ["failed"] * 3 + ["finished"] * 3


def test_what_a_gpu_has_trained_is_concluded_without_one(tiny_yaml, tmp_path, monkeypatch, capsys):
    def start(*more):
        gc.collect()
        study = ["--config", str(tiny_yaml), "--output_dir", str(tmp_path / "study"), "--families", "gpt2"]
        main = runpy.run_path(str(ROOT / "recipes" / "sweep.py"))["main"]
        return main([*study, "--precision", "fp16", "--tokens_per_run", "2048", "--best_tokens", "2048", *more])

    # products of fp16, which a CPU must do without help, take it half a minute
    monkeypatch.setattr(plan, "predict", lambda runs: {spec.run_id: 1.0 for spec in runs})
    with monkeypatch.context() as patch:
        for module in (precision, stages, best):
            patch.setattr(module, "check_precision", lambda asked: None)  # as where there is one
        assert start("--only", "gpt2-a") == 0
    assert start("--train-only") == 2
    assert "sweep.py: precision: got 'fp16', but there is no GPU here" in capsys.readouterr().err
    with monkeypatch.context() as patch:
        for module in (precision, stages, best):
            patch.setattr(module, "check_precision", lambda asked: None)
        assert start("--train-only") == 0
    # what the conclusion does, no precision decides
    monkeypatch.setattr(stages, "conclude", lambda folder, prepared, rows, best_key: None)
    monkeypatch.setattr(stages, "summarize", lambda study: 0)
    assert start() == 0


def test_a_study_whose_every_run_fails_says_why(unfinished, start, monkeypatch, capsys):
    shutil.rmtree(unfinished / "runs")
    (unfinished / "runs.jsonl").unlink()

    def fail(*arguments):
        raise RuntimeError("the fan is broken")

    monkeypatch.setattr(run, "load_model", fail)
    monkeypatch.setattr(run, "TokenBlocks", fail)
    assert start("sweep.py") == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith("sweep.py: no run has finished; the last one failed with: the fan is broken")
    )


def test_a_best_model_that_diverges_takes_one_line(tiny_study, tiny_yaml, tmp_path, monkeypatch, capsys):
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    (folder / "best.json").unlink()
    load = run.load_model

    def diverged(path):
        model = load(path)
        torch.nn.init.constant_(model.get_input_embeddings().weight, math.nan)
        return model

    monkeypatch.setattr(run, "load_model", diverged)
    main = runpy.run_path(str(ROOT / "recipes" / "sweep.py"))["main"]
    assert main(["--config", str(tiny_yaml), "--output_dir", str(folder)]) == 2
    assert "sweep.py: best: loss is nan at step" in capsys.readouterr().err.splitlines()[-1]


def test_a_clock_that_is_set_back_does_not_put_a_run_before_its_forecast(unfinished, start, monkeypatch):
    monkeypatch.setattr(forecasts, "now", lambda: "2999-01-01T00:00:00Z")  # and then it was set back
    assert start("sweep.py") == 0
    (path,) = unfinished.glob("forecasts/gpt2-*")
    rows = {row["run_id"]: row for row in read_ledger(unfinished / "runs.jsonl")[0]}
    assert rows[path.stem]["started_at"] == read_json(path)["sealed_at"]


def test_what_another_process_trains_is_one_line(unfinished, start, capsys):
    (run_id,) = [row["run_id"] for row in read_json(unfinished / "plan.json") if row["run_id"].startswith("gpt2-b-")]
    with workers._claim(unfinished, run_id) as mine:
        assert mine
        assert start("train.py", "--run", "gpt2-b") == 2
        said = "train.py: --run: gpt2-b is being trained by another process; start again when that ended\n"
        assert capsys.readouterr().err.endswith(said)
        (unfinished / "runs.jsonl").unlink()
        assert start("train.py", "--run", "gpt2-b") == 2
        assert capsys.readouterr().err.endswith(said)
