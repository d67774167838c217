"""The musical worth of a study's models, as a person has it measured, and the page on which people compare tunes."""

import json
import os
import re
import shutil
from importlib.util import find_spec

import pytest

from hf_scaling.music.metrics import METRICS
from hf_scaling.records import append_row, finished_rows, read_json, read_jsonl, write_json, write_jsonl

AUDIO = [package for package in ("midirenderer", "pretty_midi", "soundfile") if find_spec(package) is None]


@pytest.fixture(scope="module")
def measured(commands, tiny_study, tmp_path_factory):
    """The tiny study with twelve tunes of each model measured, and what the command printed."""
    folder = tmp_path_factory.mktemp("measured") / "study"
    shutil.copytree(tiny_study.folder, folder)
    ended = commands.run("evaluate_music.py", folder, "--number", 12)
    assert ended.code == 0, ended.stderr
    return folder, ended


def test_every_model_is_measured_beside_real_tunes(measured):
    folder, ended = measured
    record = read_json(folder / "music.json")
    assert [model["best"] for model in record["models"]] == [False] * 6 + [True]
    assert [model["family"] for model in record["models"][:6]] == ["gpt2"] * 3 + ["folk_lstm"] * 3
    for measures in (record["real"], *(model["metrics"] for model in record["models"])):
        assert {"parses", "strict", "playable", "repaired_strict"} <= set(measures) <= set(METRICS)
        assert all(one["low"] <= one["value"] <= one["high"] for one in measures.values())
    assert record["real"]["parses"]["value"] == 1
    assert {trend["verdict"] for trend in record["trends"]} <= {"resolved", "not resolved", "too few sizes"}
    rows = read_jsonl(folder / "music.jsonl")
    for row in rows:
        tunes = read_jsonl(folder / "music" / f"{row['run_id']}.jsonl")
        assert sum(tune["parses"] for tune in tunes) / 12 == pytest.approx(row["metrics"]["parses"]["value"])
    assert {path.suffix for path in (folder / "music").glob("metrics.*")} == {".png", ".svg", ".csv"}
    assert f"music: {folder / 'music.json'}" in ended.stdout


def test_the_report_shows_it(measured):
    folder, _ = measured
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count('id="worth"') == 1
    assert all(f">{metric.label}<" in page for metric in METRICS.values())


def test_what_is_measured_is_left_alone_and_what_is_missing_is_measured_again(commands, measured, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(measured[0], folder)
    whole = (folder / "music.jsonl").read_bytes()
    rows = read_jsonl(folder / "music.jsonl")
    write_jsonl(folder / "music.jsonl", rows[:-2] + rows[-1:])
    ended = commands.run("evaluate_music.py", folder, "--number", 12)
    assert ended.code == 0, ended.stderr
    assert "music: 6 of 7 models measured\n" in ended.stdout
    assert (folder / "music.jsonl").read_bytes() == whole
    assert read_json(folder / "music.json") == read_json(measured[0] / "music.json")


def test_models_of_shorter_horizons_are_left_alone_and_families_stand_as_configured(commands, measured, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(measured[0], folder)
    shutil.rmtree(folder / "music")
    rows = [row | ({} if row["size"] == "a" else {"n_tokens": 1024}) for row in finished_rows(folder / "runs.jsonl")]
    (folder / "runs.jsonl").unlink()
    for row in reversed(rows):
        append_row(folder / "runs.jsonl", row)
    ended = commands.run("evaluate_music.py", folder, "--number", 2)
    assert ended.code == 0, ended.stderr
    models = read_json(folder / "music.json")["models"][:-1]
    assert [(model["family"], model["size"]) for model in models] == [("gpt2", "a"), ("folk_lstm", "a")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--number", "1"], "--number: got 1, expected 2 to 100,000"),
        (["--temperature", "0"], "temperature: got 0.0, expected a number above 0"),
    ],
)
def test_what_cannot_be_is_refused(commands, tiny_study, tmp_path, options, message):
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    ended = commands.run("evaluate_music.py", folder, *options)
    assert ended.code == 2
    assert ended.problems[-1] == f"evaluate_music.py: {message}"
    ended = commands.run("evaluate_music.py", tmp_path)
    assert f"{tmp_path}: holds no runs.jsonl and dataset" in ended.problems[-1]


# --- hf-scaling listen and preferences


@pytest.fixture
def with_tunes(tiny_study, tmp_path):
    """The tiny study as if one of its models had written real tunes, with a title that would tell who did."""
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    tunes = (
        "X:1\nT:</script><script>alert('machine')\nC:A. Machine\nM:4/4\nL:1/8\nQ:1/4=200\nK:D\nDFAd fdAF|GBdB AFED|]\n"
    )
    write_jsonl(folder / "music" / "model.jsonl", [{"text": "no tune"}, {"text": tunes}, {"text": tunes}])
    write_json(folder / "music.json", {"models": [{"run_id": "model", "family": "gpt2", "best": False}]})
    return folder


@pytest.mark.skipif(bool(AUDIO) and not os.environ.get("HF_SCALING_REQUIRE_ALL"), reason=f"not installed: {AUDIO}")
def test_a_page_tells_nobody_who_wrote_what_and_its_answers_become_preferences(commands, with_tunes, tmp_path):
    page = tmp_path / "page.html"
    ended = commands.run("hf-scaling", "listen", with_tunes, "-o", page, "--pairs", 2)
    assert ended.code == 0, ended.stderr
    text = page.read_text(encoding="utf-8")
    visible = re.sub(r"data:[^\"]*", "", text)
    assert text.count("data:audio/ogg;base64,") == text.count("data:image/svg+xml;base64,") == 4
    assert visible.count("<script>") == 1
    assert not re.search("(?i)machine|real tunes|gpt2|https?:", visible)
    key = read_json(tmp_path / "page.key.json")
    assert sorted(key["pairs"][0]) == sorted(key["pairs"][1]) == ["model", "real tunes"]

    chosen = {str(number): "AB"[pair.index("model")] for number, pair in enumerate(key["pairs"], 1)}
    write_json(tmp_path / "answers.json", {"page": key["page"], "answers": chosen})
    shown = commands.run("hf-scaling", "preferences", tmp_path / "page.key.json", tmp_path / "answers.json", "--json")
    assert shown.code == 0, shown.stderr
    first, second = map(json.loads, shown.stdout.splitlines())
    assert (first["kind"], first["won"], first["answers"]) == ("model", 2, 2)
    assert second["chance"]["value"] == 0.5 < first["chance"]["value"] < 1

    for wrong, message in (
        ({"page": "another", "answers": chosen}, "answers to page 'another'"),
        ({"page": key["page"], "answers": {"1": "C"}}, "got 'C', expected one of A, B, neither"),
        ({"page": key["page"], "answers": {"9": "A"}}, "answer '9'"),
        ([], "not the answers of a listener"),
    ):
        write_json(tmp_path / "answers.json", wrong)
        refused = commands.run("hf-scaling", "preferences", tmp_path / "page.key.json", tmp_path / "answers.json")
        assert refused.code == 2
        assert message in refused.problems[0]


def test_a_page_that_cannot_be_is_refused(commands, with_tunes, tiny_study, tmp_path):
    for options, message in (
        ([tiny_study.folder], "draw tunes first: python recipes/evaluate_music.py"),
        ([with_tunes, "--models", "nobody"], "--models: got 'nobody', expected some of model"),
        ([with_tunes, "--pairs", "0"], "--pairs: got 0"),
        ([with_tunes, "--pairs", "9"], "2 of 9 tunes can be played"),
    ):
        refused = commands.run("hf-scaling", "listen", *options, "-o", tmp_path / "page.html")
        assert refused.code == 2, refused.stderr
        assert message in refused.problems[-1]
