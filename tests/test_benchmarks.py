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
