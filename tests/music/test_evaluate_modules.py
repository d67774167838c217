"""The metrics for the library `evaluate`, loaded as a user loads them."""

import random
from pathlib import Path

import evaluate
import pytest

ROOT = Path(__file__).parents[2] / "hf_scaling" / "music" / "evaluate"
HEAD = "X:1\nT:A Tune\nM:4/4\nL:1/8\nK:D\n"
GOOD = HEAD + "|:DFAd fdAF|GBdB AFED|EFGA BAGF|EDEF D4:|\n"
SHORT_BAR = HEAD + "DFAd fdAF|GBd|EFGA BAGF|EDEF D4|]\n"
NOISE = "not a tune"


@pytest.fixture
def load(tmp_path: Path):
    return lambda name: evaluate.load(str(ROOT / name), cache_dir=str(tmp_path))


def test_every_module_says_how_it_is_loaded():
    folders = [path.parent for path in ROOT.glob("*/__init__.py")]
    assert len(folders) == 3
    for folder in folders:
        path = folder.relative_to(ROOT.parents[2])
        assert f'evaluate.load("{path}")' in (folder / f"{folder.name}.py").read_text(encoding="utf-8")


def test_validity(load):
    found = load("abc_validity").compute(predictions=[GOOD, SHORT_BAR, NOISE, GOOD])
    assert {name: one["value"] for name, one in found.items()} == {
        "parses": 0.75,
        "strict": 0.5,
        "playable": 0.75,
        "repaired_strict": 0.5,
    }
    assert all(one["low"] < one["value"] < one["high"] and one["n"] == 4 for one in found.values())


def test_distances(load):
    draw = random.Random(0)
    real = [HEAD + "|".join("".join(draw.choices("DEFGABde", k=8)) for _ in range(8)) + "|]\n" for _ in range(12)]
    other = [HEAD + "d'2 D,2 d'2 D,2|c'2 C,2 c'2 C,2|]\n"] * 4
    metric = load("tune_distances")
    same, far = metric.compute(predictions=real, real=real), metric.compute(predictions=other, real=real)
    assert same["interval_divergence"]["value"] == pytest.approx(0, abs=1e-9)
    assert far["interval_divergence"]["value"] > 0.7
    assert far["interval_overlap"]["value"] < 0.1
    assert same["interval_overlap"]["value"] > 0.7
    assert "told_apart" not in far  # too few tunes for that
    assert same["told_apart"]["low"] < 0.5


def test_novelty(load):
    new = HEAD + "d2D2 e2E2|f2F2 g2G2|]\n"
    transposed = GOOD.replace("K:D", "K:G").translate(str.maketrans("DEFGABd", "GABcdeg")).replace("f", "b")
    found = load("tune_novelty").compute(predictions=[new, GOOD, transposed], train=[SHORT_BAR, GOOD])
    assert [one["nearest"] for one in found["each"][1:]] == [1, 1]
    assert found["each"][1]["similarity"] == 1
    assert found["each"][0]["similarity"] == 0
    assert found["each"][1]["longest_shared"] == 28  # all of its 29 notes
    assert found["each"][0]["longest_shared"] <= 1
    assert found["near_duplicates"]["value"] == pytest.approx(2 / 3)
