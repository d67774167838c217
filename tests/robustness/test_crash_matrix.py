"""benchmarks/crash_matrix.py in little: two sweeps on one study, one of them killed in each of a few stages."""

import json
import random
import runpy
from pathlib import Path

import pytest

from hf_scaling.records import read_jsonl

ROOT = Path(__file__).parents[2]


@pytest.fixture
def matrix(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return runpy.run_path(str(ROOT / "benchmarks" / "crash_matrix.py"))


def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(matrix, commands, tiny_study, tiny_yaml, tmp_path):
    folder = tmp_path / "study"
    killed = matrix["live"](
        lambda place: commands.start("sweep.py", "--config", tiny_yaml, "--output_dir", place),
        folder, "two sweeps", [("tokens", 0, True), ("runs", 1, False), ("figures", 1, False), ("samples", 1, False)],
        random.Random(1),
    )  # fmt: skip
    assert 1 <= len(killed) <= 4
    assert matrix["differences"](folder, tiny_study.folder) == []
    for path in folder.glob("runs/*/metrics.jsonl"):
        steps = [row["step"] for row in read_jsonl(path)]
        assert steps == sorted(set(steps))


def test_it_knows_the_stages(matrix, tiny_study):
    made = list(json.loads((tiny_study.folder / "stages.json").read_text()))
    assert made == [stage for stage in matrix["STAGES"] if stage in made]
