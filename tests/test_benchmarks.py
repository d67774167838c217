"""Benchmarks start, and their committed results keep the contract; what they measure is not for tests."""

import importlib
import json
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from hf_scaling.records import append_row, write_json
from hf_scaling.training.row import device

FOLDER = Path(__file__).parents[1] / "benchmarks"
# fuzz_notation imports atheris, which has no wheel for every Python
SCRIPTS = sorted(path for path in FOLDER.glob("*.py") if path.stem not in ("common", "fuzz_notation"))
RESULTS = sorted((FOLDER / "results").glob("*.json"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_it_finds_all_that_it_imports_and_says_how_it_is_run(script, monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    content = runpy.run_path(str(script))
    assert f"python benchmarks/{script.name}" in content["__doc__"]
    assert callable(content["main"])


def check_contract(path):
    """A result says what was missed."""
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result.keys() == {"name", "command", "machine", "date", "git_commit", "rows", "ratios", "goals", "met"}
    assert result["name"] == path.stem
    assert result["command"].startswith("python benchmarks/")
    assert result["rows"]
    assert result["goals"].keys() == result["met"].keys() <= result["ratios"].keys()
    return result


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_result_says_what_was_missed(path):
    check_contract(path)


@pytest.fixture
def original_study(monkeypatch, tmp_path):
    """Run the benchmark on a study whose runs took this many seconds each, all at once; its exit code."""
    monkeypatch.syspath_prepend(str(FOLDER))
    module, common = (importlib.import_module(name) for name in ("original_study", "common"))
    monkeypatch.setattr(common, "_git_commit", lambda: "0" * 40)
    monkeypatch.setattr(common, "_FOLDER", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks/original_study.py", str(tmp_path / "study")])

    def run(seconds, planned=10, trained_on=None):
        write_json(tmp_path / "study" / "plan.json", [{"run_id": f"gpt2-{number}"} for number in range(planned)])
        for number in range(10):
            append_row(tmp_path / "study" / "runs.jsonl", {
                "run_id": f"gpt2-{number}", "study": "gpu_original", "family": "gpt2", "size": "1M", "n_params": 10**6,
                "n_params_non_embedding": 10**6, "n_tokens": 10**6, "flops": 6e12, "flops_causal": 6e12,
                "val_loss": 1.5, "wall_seconds": seconds, "device": trained_on or device(), "precision": "fp16",
                "compiled": True, "threads": 4, "status": "finished", "started_at": "2025-01-31T23:59:00Z",
                "finished_at": "2025-02-01T00:00:40Z",
            })  # fmt: skip
        return module.main()

    return run


@pytest.mark.parametrize(("seconds", "met"), [(30.0, True), (31.0, False)])
def test_the_original_plan_is_held_against_five_minutes(seconds, met, original_study, tmp_path):
    assert original_study(seconds) == 0
    (path,) = (tmp_path / "results").iterdir()
    result = check_contract(path)
    assert path.stem.startswith("original_study")
    label = "300 s / training of 10 runs"
    assert result["ratios"] == {label: pytest.approx(30 / seconds), "300 s / first start to last end": 3.0}
    assert (result["goals"], result["met"]) == ({label: 1.0}, {label: met})
    assert sum(row.get("wall_seconds", 0) for row in result["rows"]) == 10 * seconds


@pytest.mark.parametrize(
    ("study", "problem"),
    [
        ({"planned": 11}, "1 of 11 runs have not finished, gpt2-10 among them"),
        ({"trained_on": "another"}, "trained on another, but this is "),
    ],
)
def test_an_original_plan_that_was_not_trained_here_and_whole_is_refused(study, problem, original_study, capsys):
    assert original_study(1.0, **study) == 2
    assert problem in capsys.readouterr().err


def test_the_parts_of_a_lent_gpu_are_had_one_at_a_time_and_none_takes_ten_minutes(tmp_path):
    for name in ("timeout", "cp", "tar"):
        (tmp_path / name).write_text('#!/bin/bash\necho "${0##*/} $@" >> "$CALLS"\n')
        (tmp_path / name).chmod(0o755)
    calls = tmp_path / "calls"
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "CALLS": str(calls)}

    def run(*parts):
        calls.unlink(missing_ok=True)
        command = ["bash", FOLDER / "gpu.sh", tmp_path / "out", *parts]
        ended = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        called = [line.split() for line in calls.read_text().splitlines()] if calls.exists() else []
        return ended, [words[1:] for words in called if words[0] == "timeout"]

    order = ["tests", "throughput", "original", "ladder"]
    for part in order:
        bounds = {" ".join(words[1:4]): int(words[0]) for words in run(part)[1]}
        assert sum(bounds.values()) <= 600, part  # what is warmed at once counts once
    whole, called = run()
    assert [line.partition(":")[0] for line in whole.stdout.splitlines()] == order
    assert whole.returncode == 0
    studies = [word for words in called for word in words if word.endswith(".yaml")]
    assert studies == [f"recipes/studies/{name}.yaml" for name in ("gpu_original", "gpu_seed_ladder")]
    refused, called = run("everything")
    assert (refused.returncode, called) == (2, [])


def test_the_table_of_models_beside_a_compressor_is_that_of_the_result():
    rows = json.loads((FOLDER / "results" / "loss_vs_compressors.json").read_text(encoding="utf-8"))["rows"]
    ppmd = next(row["test_bpc"] for row in rows if "run_id" not in row)
    found = {}
    for row in (row for row in rows if "run_id" in row):
        told = f"{row['test_bpc']:.3f}"
        found.setdefault((row["family"], row["n_params"]), {})[round(row["epochs"])] = (
            f"**{told}**" if row["test_bpc"] < ppmd else told
        )
    names = {"gpt2": "GPT-2", "folk_lstm": "LSTM"}
    expected = {f"| {names[family]} | {n:,} | {by[1]} | {by[3]} |" for (family, n), by in found.items()}
    text = (FOLDER.parent / "docs" / "training.md").read_text(encoding="utf-8")
    assert {line for line in text.splitlines() if line.startswith(("| GPT", "| LSTM"))} == expected
