"""benchmarks/crash_matrix.py in little: two sweeps on one study, a few of them killed at random moments."""

import random
import runpy
from pathlib import Path

from hf_scaling.records import read_jsonl

ROOT = Path(__file__).parents[2]


def test_killed_at_random_moments_it_ends_as_if_it_had_not_been(commands, tiny_study, tiny_yaml, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    matrix = runpy.run_path(str(ROOT / "benchmarks" / "crash_matrix.py"))
    folder = tmp_path / "study"
    killed = matrix["live"](
        lambda place: commands.start("sweep.py", "--config", tiny_yaml, "--output_dir", place),
        folder, "two sweeps", 5, random.Random(1), most=4,
    )  # fmt: skip
    assert 1 <= len(killed) <= 4
    assert matrix["differences"](folder, tiny_study.folder) == []
    for path in folder.glob("runs/*/metrics.jsonl"):
        steps = [row["step"] for row in read_jsonl(path)]
        assert steps == sorted(set(steps))
