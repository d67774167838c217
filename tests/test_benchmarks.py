"""Benchmarks start, and their committed results keep the contract; what they measure is not for tests."""

import json
import runpy
from pathlib import Path

import pytest

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


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_a_result_says_what_was_missed(path):
    result = json.loads(path.read_text(encoding="utf-8"))
    assert result.keys() == {"name", "command", "machine", "date", "git_commit", "rows", "ratios", "goals", "met"}
    assert result["name"] == path.stem
    assert result["command"].startswith("python benchmarks/")
    assert result["rows"]
    assert result["goals"].keys() == result["met"].keys() <= result["ratios"].keys()


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
