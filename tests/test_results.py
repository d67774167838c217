"""The committed results: each is what its own ledger says, and is drawn again from it."""

import csv
import importlib.metadata
import json
import re
import shutil
from pathlib import Path

import pytest

from hf_scaling.records import read_json, read_ledger
from hf_scaling.study.evidence import derive
from hf_scaling.study.lint import lint
from hf_scaling.study.options import load_config
from hf_scaling.study.tune import tune

ROOT = Path(__file__).parents[1]
STUDIES = sorted(path.parent for path in (ROOT / "results").glob("*/study.yaml"))
LOCKED = re.search(r"^matplotlib==(\S+)", (ROOT / "docs" / "requirements-lock.txt").read_text(), re.M)[1]


@pytest.fixture(scope="module", params=STUDIES, ids=[study.name for study in STUDIES])
def study(request):
    return request.param


@pytest.fixture(scope="module")
def derived(study, tmp_path_factory):
    """The study with its laws and figures made again."""
    folder = shutil.copytree(study, tmp_path_factory.mktemp("results") / study.name)
    for made in ("fits.json", "comparison.json", "joint.json", "scores.json"):
        (folder / made).unlink(missing_ok=True)
    shutil.rmtree(folder / "figures")
    derive(folder)
    return folder


def same(ours, theirs):
    """Equal, numbers to the three digits that tables show: on another processor a search ends elsewhere behind them."""
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in theirs)
    if isinstance(theirs, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(theirs, float):
        return ours == pytest.approx(theirs, rel=2e-3, abs=1e-4)
    return ours == theirs


def number(cell):
    try:
        return float(cell)
    except ValueError:
        return cell


def table(path):
    with open(path, encoding="utf-8", newline="") as file:
        return [list(map(number, row)) for row in csv.reader(file)]


def pieces(svg):
    """The text between numbers, and the numbers; without names of elements, which are hashes of what they hold."""
    return re.split(r"(-?\d+\.\d+)", re.sub(r'(id="|#)\w+', r"\1", svg.read_text(encoding="utf-8")))


def test_there_are_some():
    assert {study.name for study in STUDIES} >= {"laptop"}


@pytest.mark.parametrize("name", ["laptop", "quick"])
def test_a_study_has_the_rates_that_its_trials_found(name):
    kept = ROOT / "results" / f"{name}_rates"
    found = tune(read_ledger(kept / "trials.jsonl")[0])
    assert same(found, read_json(kept / "learning_rates.json"))
    config = load_config(ROOT / "recipes" / "studies" / f"{name}.yaml", {})
    for family, rule in found["families"].items():
        assert rule["warnings"] == []
        assert config.rate_rule(family) == pytest.approx((rule["rate"], rule["exponent"]), rel=0.02)


def test_the_laws_are_those_of_the_ledger(study, derived):
    made = sorted(path.name for path in derived.glob("*.json") if not (study / path.name).exists())
    assert made == []
    for name in ("fits.json", "comparison.json", "joint.json", "scores.json"):
        if (study / name).exists():
            assert same(read_json(derived / name), read_json(study / name)), name


def test_the_linter_says_the_same_of_what_it_can_check_there(study):
    """Numbers aside, which another processor rounds otherwise."""
    kept, now = read_json(study / "lint.json"), lint(study)
    assert [(one["code"], one["where"]) for one in now["findings"]] == [
        (one["code"], one["where"]) for one in kept["findings"] if one["code"] in now["checked"]
    ]


def test_so_are_the_figures_and_their_tables(study, derived):
    assert {path.name for path in (derived / "figures").iterdir()} == {
        path.name for path in (study / "figures").iterdir()
    }
    for path in sorted((study / "figures").glob("*.csv")):
        assert same(table(derived / "figures" / path.name), table(path)), path.name
    if importlib.metadata.version("matplotlib") != LOCKED:
        return  # another version draws another picture
    for path in sorted((study / "figures").glob("*.svg")):
        drawn, committed = (pieces(folder / "figures" / path.name) for folder in (derived, study))
        assert drawn[::2] == committed[::2], path.name
        points = zip(drawn[1::2], committed[1::2], strict=True)
        assert all(float(a) == pytest.approx(float(b), abs=0.5) for a, b in points), path.name  # half a point


def test_no_tune_and_no_path_of_the_machine_is_in_it(study):
    for path in study.rglob("*"):
        assert path.suffix not in (".arrow", ".safetensors", ".html", ".opus"), path
        if path.suffix in (".json", ".jsonl", ".yaml", ".txt", ".csv"):
            assert not re.search(r"/(root|home|work|tmp)/", path.read_text(encoding="utf-8")), path


def test_every_run_of_its_plan_has_finished(study):
    plan = {run["run_id"] for run in read_json(study / "plan.json")}
    rows = [json.loads(line) for line in (study / "runs.jsonl").read_text().splitlines()]
    assert {row["run_id"] for row in rows if row["status"] == "finished"} == plan
