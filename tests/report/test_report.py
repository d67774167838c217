"""The report as a reader meets it: rendered from a synthetic study folder and read back as HTML."""

import base64
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_scaling.records import UserError, append_row, read_jsonl, write_jsonl
from hf_scaling.report import write_report
from tests.report.html_page import render

Change = Callable[[str, Callable[[Any], None]], None]
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}{% raw %}",
    "</title></style><svg onload=x>",
)


def alter_samples(study: Path, **changes: Any) -> None:
    path = study / "samples/samples.jsonl"
    write_jsonl(path, [{**row, **changes} for row in read_jsonl(path)])


def test_page_is_well_formed_with_all_sections_and_unique_ids(study: Path) -> None:
    page = render(study)
    assert page.open == []
    ids = page.values("id")
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in page.values("href") if link.startswith("#")} <= set(ids)
    assert set(page.values("aria-labelledby")) <= set(ids)
    levels = [int(tag[1]) for tag, _ in page.tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b - a <= 1 for a, b in zip(levels, levels[1:], strict=False))
    assert "Not run yet" not in page.text


def test_page_needs_nothing_beside_itself(study: Path) -> None:
    page = render(study)
    assert all(value.startswith(("data:", "#")) for value in page.values("src", "href", "srcset", "data", "action"))
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in page.tags}
    html = (study / "report.html").read_text(encoding="utf-8")
    assert "url(" not in html
    assert "@import" not in html
    policy = next(attrs["content"] for _, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.split("; ")[0] == "default-src 'none'"
    assert "script-src" not in policy


def test_every_image_has_a_text_and_every_table_a_caption(study: Path) -> None:
    page = render(study)
    images = [attrs for tag, attrs in page.tags if tag == "img"]
    assert len(images) == 5 + 10
    assert all(attrs["alt"] for attrs in images)
    tags = [tag for tag, _ in page.tags]
    assert tags.count("table") > 10
    assert all(tags[place + 1] == "caption" for place, tag in enumerate(tags) if tag == "table")
    zooms = [attrs["aria-label"] for tag, attrs in page.tags if tag == "input"]
    assert len(set(zooms)) == len(images)
    assert page.values("tabindex") == []  # a browser makes a stop of a box that scrolls, and of no other


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text_wherever_it_comes_from(study: Path, change: Change, text: str) -> None:
    clean = [tag for tag, _ in render(study).tags]
    alter_samples(study, title=text, prompt=text, abc=text, raw=text)
    change("dataset/statistics.json", lambda value: value["rejected"].update({"no key": 1, text: 2}))
    change("dataset/statistics.json", lambda value: value["licences"][0].update(source=text, notice=text))
    change("dataset/baselines.json", lambda value: value["models"][1].update(name=text))
    change("dataset/baselines.json", lambda value: value.update(convention=text))
    change("stages.json", lambda value: value.update({text: {"key": "", "seconds": 1.0, "files": {text: text}}}))
    change("best.json", lambda value: value.update(size=text))
    change("fits.json", lambda value: [fit.update(warnings=[text]) for fit in value["fits"]])
    change("comparison.json", lambda pairs: pairs[0]["cautions"].append(text))
    change("comparison.json", lambda pairs: [size.update(size=text, sentence=text) for size in pairs[0]["sizes"]])
    change("scores.json", lambda scores: scores[0].update(run_id=text, form=text))
    change("scores.json", lambda scores: scores[1].update(reason=text))
    change("patterns.json", lambda value: [tune.update(form=text, figure=text) for tune in value["tunes"]])
    change("patterns.json", lambda value: [one.update(label=text, about=text) for one in value["patterns"].values()])
    change("lint.json", lambda value: [found.update(what=text, code=text) for found in value["findings"]])
    config = study / "study.yaml"
    config.write_text(config.read_text() + yaml.safe_dump({"name": text, "learning_rates": [text], "optimizer": text}))
    study = study.rename(study.with_name(text.replace("/", "_")))
    page = render(study)
    assert page.open == []
    assert {tag for tag, _ in page.tags} == set(clean) | {"code"}
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]
    assert "".join(text.split()) in "".join(page.text.split())
    assert page.values("src").count("x") == 0


def test_text_that_utf8_cannot_hold_does_not_stop_the_report(study: Path) -> None:
    path = study / "samples/samples.jsonl"
    path.write_text(path.read_text().replace("Synthetic Reel 1", "\\ud800 Reel 1"))
    assert "? Reel 1" in render(study).text


def test_score_is_inert_and_files_outside_the_samples_stay_outside(study: Path) -> None:
    evil = '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>'
    (study / "samples/001.svg").write_text(evil)
    page = render(study)
    assert "alert(1)" not in (study / "report.html").read_text(encoding="utf-8")
    assert f"data:image/svg+xml;base64,{base64.b64encode(evil.encode()).decode()}" in page.values("src")
    (study.parent / "secret.svg").write_text("<svg>secret</svg>")
    alter_samples(study, score="../../secret.svg", midi={"file": "../../study.yaml", "seconds": 1.0, "notes": 2})
    page = render(study)
    assert page.text.count("the tune could not be engraved") == 10
    assert page.text.count("no MIDI") == 10


def test_a_study_that_has_not_run_says_so_in_every_section(started: Path) -> None:
    page = render(started)
    assert page.open == []
    assert page.text.count("Not run yet") == 13
    assert "No run has finished yet, so there is nothing to report." in page.text
    assert "synthetic run" in page.text


@pytest.mark.parametrize(
    ("absent", "words"),
    [
        ("fits.json", "Not run yet: the fits."),
        ("lint.json", "Not run yet: the linter."),
        ("best.json", "Not run yet: the longer training of the best model."),
        ("samples/samples.jsonl", "Not run yet: the generation of tunes."),
        ("dataset/statistics.json", "Not run yet: the data set."),
        ("dataset/baselines.json", "Not run yet: the baselines."),
        ("comparison.json", "Not run yet: the comparison of families."),
        ("scores.json", "Not run yet: the scores of sealed forecasts."),
        ("patterns.json", "Not run yet: the reading of the samples."),
        ("figures/profile.svg", "Not run yet: the profiles of the exponents."),
        ("figures/training_curves.svg", "Not run yet: the training curves."),
    ],
)
def test_one_missing_part_is_said_to_be_missing(study: Path, absent: str, words: str) -> None:
    (study / absent).unlink()
    page = render(study)
    assert page.text.count("Not run yet") == 1
    assert words in page.text


def test_a_folder_that_is_no_study_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"{tmp_path.name}.*not a study folder"):
        write_report(tmp_path)
    with pytest.raises(UserError, match="absent.*not a study folder"):
        write_report(tmp_path / "absent")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("study.yaml", "a: [", "study.yaml: not valid YAML"),
        ("study.yaml", "- a", "study.yaml: got list"),
        ("fits.json", "{", "fits.json: not valid JSON"),
        ("lint.json", '{"findings": [{}], "checked": [], "unchecked": []}', "lint.json: code: got None"),
        ("fits.json", '{"fits": [{}]}', "fits.json: family: got None"),
        ("best.json", "[]", "best.json: got list"),
        ("stages.json", '{"data": {"seconds": "long"}}', "stages.json: seconds: got 'long'"),
        ("best.json", '{"family": "a", "size": "b", "n_params": "x"}', "best.json: n_params: got 'x'"),
        ("samples/samples.jsonl", "{}\n", "samples.jsonl: index: got None"),
        ("fits.json", '{"fits": [], "comparison": {"total": {}}}', "fits.json: families: got None"),
        ("dataset/leak_report.json", "{}", "leak_report.json: split_threshold: got None"),
        (
            "dataset/statistics.json",
            '{"splits": {"train": {}}, "rejected": {}}',
            "statistics.json: tunes: got None",
        ),
        ("dataset/statistics.json", '{"splits": {}, "rejected": {"a": "1"}}', "statistics.json: a: got '1'"),
        ("dataset/statistics.json", '{"splits": {}, "rejected": {}, "licences": [{}]}', "json: source: got None"),
        ("dataset/statistics.json", '{"splits": {}, "rejected": {}, "sources": []}', "json: sources: got []"),
        ("dataset/baselines.json", '{"models": []}', "baselines.json: convention: got None"),
        ("comparison.json", "{}", "comparison.json: got dict, expected a list"),
        ("comparison.json", '[{"families": []}]', "comparison.json: level: got None"),
        ("scores.json", '[{"run_id": 1}]', "scores.json: run_id: got 1"),
        ("joint.json", '{"fits": [{}], "frontiers": [], "left_out": {}, "level": 0.9}', "joint.json: family: got None"),
        ("patterns.json", '{"patterns": {}}', "patterns.json: n_real: got None"),
        ("tokenizer/tokenizer.json", '{"model": 3}', "tokenizer.json: model: got 3"),
    ],
)
def test_a_damaged_file_is_named_and_the_old_report_stays(study: Path, name: str, content: str, words: str) -> None:
    before = write_report(study).read_bytes()
    (study / name).parent.mkdir(exist_ok=True)
    (study / name).write_text(content)
    with pytest.raises(UserError, match=words.replace("[", r"\[")):
        write_report(study)
    assert (study / "report.html").read_bytes() == before


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where each value of a JSON document stands."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from leaves(inner, (*path, key))


def test_whatever_one_value_becomes_the_answer_is_a_page_or_one_line(study: Path) -> None:
    draw, pages, lines = random.Random(0), 0, []
    names = [path.relative_to(study) for path in study.rglob("*.json") if "runs" not in path.parts]
    for name in draw.choices(sorted(names), k=40):
        original = (study / name).read_text(encoding="utf-8")
        whole = json.loads(original)
        *way, last = draw.choice(list(leaves(whole)))
        around = reduce(lambda inner, key: inner[key], way, whole)
        around[last] = draw.choice([None, "x", [], {}, [1], {"a": 1}, -1, True])
        (study / name).write_text(json.dumps(whole))
        try:
            write_report(study)
            pages += 1
        except UserError as error:
            lines.append(str(error))
        (study / name).write_text(original)
    assert pages
    assert lines
    assert not [line for line in lines if "\n" in line]


@pytest.mark.parametrize("number", ["Infinity", "NaN", "1e999", "1" * 400])
def test_a_baseline_that_is_no_number_is_refused(study: Path, number: str) -> None:
    path = study / "dataset/baselines.json"
    path.write_text(path.read_text().replace("4.0", number))
    with pytest.raises(UserError):
        write_report(study)


def test_bars_are_as_long_as_the_bits_that_they_stand_for(study: Path) -> None:
    page = render(study)
    widths = [value for value in page.values("style") if value.startswith("width")]
    assert widths == ["width: 47.6%", "width: 50.0%", "width: 100.0%"]
    assert "best model: GPT-2 3M 1.904 ± 0.013 1.890 PPMd order 16 2.000 2.010 2-gram Kneser-Ney 4.000" in page.text
    assert "The baselines were given 270k characters of training text." in page.text
    assert "Synthetic bits, counted by nobody." in page.text


def test_baselines_stand_alone_until_there_is_a_best_model(study: Path) -> None:
    (study / "best.json").unlink()
    text = render(study).text
    assert "There is no best model yet to set beside these baselines." in text
    assert "PPMd order 16 2.000 2.010" in text


def test_the_corpus_tells_terms_rejects_and_leaks(study: Path, change: Change) -> None:
    text = render(study).text
    assert "synthetic 1,000 other no yes Nothing here was composed." in text
    assert "1,000 tunes are kept; 46 were left out, each for one reason." in text
    assert "test in train 0 (0 %) 0 (0 %) 0 (0 %) 50 3" in text
    assert "a random split’s test in train 11 (22 %) 7 (14 %) 4 (8 %) 50" in text
    assert "Transposed copies" not in text
    change("dataset/statistics.json", lambda value: value["splits"]["train"].update(transposed_copies=1800))
    assert "train 900 700 270,000 1,800 validation 50 40 15,000 –" in render(study).text


def test_a_study_of_an_earlier_version_still_gives_a_page(study: Path, change: Change) -> None:
    for name in ("dataset/baselines.json", "dataset/corpus.svg"):
        (study / name).unlink()
    change("dataset/statistics.json", lambda value: [value.pop(key) for key in ("licences", "sources")])
    page = render(study)
    assert page.open == []
    assert "synthetic – – – – no rights, no tunes." in page.text


def test_equal_studies_give_equal_bytes(study: Path) -> None:
    first = write_report(study).read_bytes()
    assert write_report(study).read_bytes() == first
    assert not list(study.glob(".partial-*"))


def test_repaired_tunes_never_count_as_valid(study: Path) -> None:
    words = "Of 10 tunes, 3 are valid as the model wrote them; 7 needed repair"
    assert words in render(study).text
    good = {"parses": True, "strict": True, "playable": True, "diagnostics": []}
    alter_samples(study, raw_verdict=good)
    assert words in render(study).text


def test_tunes_cut_off_and_scores_that_failed_say_so(study: Path) -> None:
    alter_samples(study, complete=False, score=None, score_error="engraving took more than 60 s")
    text = render(study).text
    assert text.count("cut off before its end") == 10
    assert text.count("could not be engraved (engraving took more than 60 s).") == 10


def test_stage_times_leave_the_report_itself_out(study: Path) -> None:
    text = render(study).text
    assert (
        "Stage Wall time dataset 31 s tokenizer 0.1 s tokens 0.1 s fits 0.4 s training, summed over runs 38 min" in text
    )


def test_midi_can_be_downloaded_under_its_name(study: Path) -> None:
    links = {attrs["download"]: attrs["href"] for tag, attrs in render(study).tags if "download" in attrs}
    assert [name for name in links if (name or "").endswith(".mid")] == [f"{index:03}.mid" for index in range(1, 11)]
    content = (links["003.mid"] or "").removeprefix("data:audio/midi;base64,")
    assert base64.b64decode(content) == (study / "samples/003.mid").read_bytes()


def test_failed_runs_are_shown_with_their_reason_and_count_as_limit(study: Path) -> None:
    rows = [json.loads(line) for line in (study / "runs.jsonl").read_text().splitlines()]
    failed = {
        **rows[0],
        "run_id": "gpt2-30k-ffffffff",
        "status": "failed",
        "val_loss": None,
        "error": "diverged at <step 7>",
    }
    (study / "runs.jsonl").unlink()
    for row in [failed, {**rows[0], "status": "failed", "error": "killed"}, *rows]:
        append_row(study / "runs.jsonl", row)
    text = render(study).text
    assert "failed diverged at <step 7>" in text
    assert "finished, after 1 failed" in text
    assert "killed" not in text
    assert "Failed runs, missing from every fit: 1 of 11." in text


def test_the_page_is_made_without_heavy_libraries() -> None:
    code = (
        "import sys, hf_scaling.report; print({'torch', 'transformers', 'datasets', 'matplotlib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_families_stand_in_the_order_of_the_configuration_whoever_finished_first(study: Path) -> None:
    assert [attrs.get("class") for tag, attrs in render(study).tags if tag == "span"][:2] == ["s0", "s1"]
    first = render(study).text.index("● GPT-2 ■ LSTM")
    config = study / "study.yaml"
    config.write_text(config.read_text() + "families: [folk_lstm, gpt2]\n")
    assert render(study).text.index("● LSTM ■ GPT-2") == first
