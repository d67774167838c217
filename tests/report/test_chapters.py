"""The chapters in their order, and what each says of a study that has, or has not, what it is about."""

import base64
import csv
import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_scaling.laws.plots import with_profiles
from hf_scaling.records import UserError, append_row, read_json, read_jsonl, write_json, write_jsonl, write_text
from hf_scaling.report.frontier import misfits, optimum_rows
from hf_scaling.report.limits import falsifiers, limits
from hf_scaling.report.made import commands
from hf_scaling.report.reading import read_study
from tests.report.html_page import Page, render

Change = Callable[[str, Callable[[Any], None]], None]
ORDER = [
    *("scaling", "forecasts", "families", "frontier", "laws", "curves", "efficiency", "corpus", "baselines", "best"),
    *("worth", "music", "patterns", "decisions", "limits", "lint", "tables", "made"),
]


def downloads(page: Page) -> dict[str, bytes]:
    links = [attrs for tag, attrs in page.tags if tag == "a" and "download" in attrs]
    return {str(a["download"]): base64.b64decode(str(a["href"]).partition("base64,")[2]) for a in links}


def rows_of(page: Page, name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(downloads(page)[name].decode())))


@pytest.mark.parametrize("which", ["study", "several", "started"])
def test_the_chapters_come_in_order_whatever_has_run(which: str, request: pytest.FixtureRequest) -> None:
    page = render(request.getfixturevalue(which))
    heads = [str(attrs["id"]) for tag, attrs in page.tags if tag == "h2"]
    assert heads == ORDER
    assert [link[1:] for link in page.values("href") if link.startswith("#")][1 : 1 + len(ORDER)] == ORDER


def test_one_horizon_has_no_frontier_and_says_so(study: Path) -> None:
    text = render(study).text
    assert "one horizon, D = 4.19M tokens for every run, so there is no L(N, D) and no frontier" in text


def test_a_form_is_held_against_the_spread_of_seeds() -> None:
    def fit(family: str, off: float) -> dict[str, Any]:
        points = [
            {"n": n, "d": 1.0, "fitted": 1.0, "loss": 1 + sign * off + seed}
            for n, sign in enumerate((1, -1, 1, 1, -1, 1, -1, -1), 1)
            for seed in (-0.005, 0.005)
        ]
        return {"family": family, "n_convention": "total", "points": points, "params": dict.fromkeys("ABC", 1.0)}

    one, other = misfits({"fits": [fit("gpt2", 0.05), fit("folk_lstm", 0.005)]})
    assert "GPT‑2: the form does not fit: means over seeds lie 5.0" in one
    assert "it is not that of these runs" in one
    assert "seeds 0.7" in other
    assert "the form is not found wrong" in other
    single = fit("gpt2", 0.05)
    assert misfits({"fits": [single | {"points": single["points"][::2]}]}) == []


def test_a_form_that_does_not_fit_is_nowhere_said_to_be_resolved(several: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(several, tmp_path / "several"))
    joint = read_json(copy / "joint.json")
    (fit,) = joint["fits"]
    assert fit["verdict"] == "resolved"
    assert "the form does not fit" not in render(copy).text
    fit["points"] += [point | {"loss": 1.001 * point["loss"]} for point in fit["points"]]  # another seed
    for place, point in enumerate(fit["points"]):
        point["fitted"] = point["loss"] * (1.05 if place % 2 else 0.95)
    half = len(fit["points"]) // 2
    for one, other in zip(fit["points"][:half], fit["points"][half:], strict=True):
        other["fitted"] = one["fitted"]
    write_json(copy / "joint.json", joint)
    page = render(copy)
    chapter = page.text.rpartition("Compute-optimal frontier")[2].partition("Fitted laws")[0]  # the contents come first
    assert "GPT-2 all the form does not fit" in chapter
    assert "For GPT-2 the form does not fit: its lines and bands are not to be trusted." in chapter
    assert " resolved" not in chapter
    assert {row["verdict"] for row in rows_of(page, "joint_laws.csv")} == {"the form does not fit"}
    assert {row["verdict"] for row in rows_of(page, "frontier_optima.csv")} == {"the form does not fit"}
    assert "The form of L(N, D) does not fit GPT-2, so nothing follows there" in page.text


@pytest.mark.parametrize(
    ("vertices", "reason"),
    [
        ([], "no budget was spent on runs of four sizes."),
        ([2e5], "one budget alone was spent on runs of four sizes."),
        ([None, None], "at no budget is there a minimum of the loss among the sizes tried."),
        ([2e5, None], None),
    ],
)
def test_iso_flop_profiles_are_shown_where_they_tell_something(
    several: Path, tmp_path: Path, vertices: list[float | None], reason: str | None
) -> None:
    copy = Path(shutil.copytree(several, tmp_path / "several"))
    joint = read_json(copy / "joint.json")
    for one in joint["frontiers"]:
        one["iso_flop"] = [{"budget": 1e12, "best_n": vertex, "n": [], "loss": []} for vertex in vertices]
    write_json(copy / "joint.json", joint)
    write_text(copy / "figures/iso_flop.svg", "<svg/>")
    text = render(copy).text
    assert ("IsoFLOP profiles: loss against N at equal C." in text) == (reason is None)
    assert (f"No IsoFLOP profiles are shown: {reason}" in text) == (reason is not None)
    assert ("Dots are vertices of IsoFLOP profiles" in text) == (2e5 in vertices)
    assert with_profiles(joint["frontiers"]) == ([] if reason else joint["frontiers"])


@pytest.mark.parametrize("damage", [{"fitted": None}, {"loss": "2.0"}, {"fitted": -1.0}, {"loss": 0}])
def test_a_damaged_point_of_a_joint_law_is_named(several: Path, tmp_path: Path, damage: dict[str, Any]) -> None:
    copy = Path(shutil.copytree(several, tmp_path / "several"))
    joint = read_json(copy / "joint.json")
    joint["fits"][0]["points"][3] |= damage
    write_json(copy / "joint.json", joint)
    with pytest.raises(UserError, match="joint.json"):
        render(copy)


def test_several_horizons_have_joint_laws_and_a_frontier(several: Path) -> None:
    page, joint = render(several), read_json(several / "joint.json")
    assert "fitted to the runs of all 3 horizons" in page.text
    for one in joint["frontiers"]:
        assert f"{one['exponent']:.3f}" in page.text
    assert len(rows_of(page, "frontier_optima.csv")) == sum(len(one["optima"]) for one in joint["frontiers"])
    charts = [attrs["aria-label"] for tag, attrs in page.tags if tag == "svg" and attrs.get("role") == "img"]
    assert any("Validation loss against training FLOPs of 30 runs at 3 horizons." in alt for alt in charts)
    assert any("GPT‑2 goes from 2.100 to 1.525 nats per token as N goes from 31.0k to 3.12M" in alt for alt in charts)


def test_families_stand_beside_each_other_at_equal_n_loss_and_context(study: Path) -> None:
    page, (pair,) = render(study), read_json(study / "comparison.json")
    assert "GPT-2 against LSTM" in page.text
    for size in pair["sizes"]:
        assert f"{size['difference']:.3f}".replace("-", "−") in page.text
    for cost in ("parameters N, total", "training compute C", "wall-clock seconds of training"):
        assert cost in page.text
    assert "5 to 8" in page.text
    assert "gpt2" not in page.text.partition("Before you believe it")[2].partition("Compute-optimal")[0]


def test_a_multiplier_is_left_out_with_its_reason_and_each_loss_has_its_verdict(study: Path, change: Change) -> None:
    at = {"loss": 1.8, "reached": [1.0, 2.0], "multiplier": 2.0, "interval": [1.2, 3.0], "verdict": "resolved"}
    out = {"loss": 1.5, "multiplier": None, "interval": [None, None], "verdict": "not resolved"}
    out |= {"reason": "the curve of folk_lstm misses its own runs: they reach 1.500 nats"}

    def alter(pairs: Any) -> None:
        pairs[0]["multipliers"]["wall_seconds"].update(at=[at | {"loss": 2.0}, at, out], verdict="resolved")

    change("comparison.json", alter)
    row = render(study).text.partition("wall-clock seconds of training")[2].partition("Exponents")[0]
    assert (
        "2.00 × [1.20, 3.00] at 2.000 resolved 2.00 × [1.20, 3.00] at 1.800 resolved left out: the curve of LSTM" in row
    )
    assert "the curve of LSTM misses its own runs: they reach 1.500 nats at 1.500 not resolved" in row


def test_one_family_is_not_compared(study: Path) -> None:
    ledger = study / "runs.jsonl"
    ledger.write_text("".join(line for line in ledger.read_text().splitlines(True) if "folk_lstm" not in line))
    write_json(study / "comparison.json", [])
    text = render(study).text
    assert "This study has one family, GPT-2, so nothing is compared." in text
    assert "One family was trained, so none is compared." in text


def test_forecasts_stand_beside_outcomes_and_those_not_made_have_a_reason(study: Path, change: Change) -> None:
    text = render(study).text
    told = "GPT-2 3M 17 4.19M yes yes 1.530 [1.500, 1.560] 1.525 0.33 % 6.23 % – 3.12M power 2 2030-01-01T00:00:00Z"
    assert f"{told} 00000000" in text
    assert "No forecast of folk_lstm-3M-00000000: too few runs." in text
    change("scores.json", lambda scores: scores.clear())
    assert "No run was forecast" in render(study).text
    change("scores.json", lambda scores: scores.append({}))


def test_efficiency_is_told_of_every_size(study: Path) -> None:
    page = render(study)
    rows = rows_of(page, "efficiency.csv")
    assert [row["size"] for row in rows] == ["30k", "100k", "300k", "1M", "3M"] * 2
    run = read_jsonl(study / "runs.jsonl")[0]
    assert float(rows[0]["flops_per_second"]) == pytest.approx(run["flops"] / run["wall_seconds"])
    assert "10 finished runs took 38 min 15 s on synthetic CPU, their times added up. They cost" in page.text
    assert "At the size 3M and D = 4.19M GPT-2 takes in 1.00 times the tokens a second of LSTM." in page.text


def test_times_are_held_against_the_plan(study: Path) -> None:
    config = yaml.safe_load((study / "study.yaml").read_text())
    foreseen = {row["run_id"]: row["wall_seconds"] / 2 for row in read_jsonl(study / "runs.jsonl")}
    config["resolved"]["predicted_seconds"] = foreseen
    (study / "study.yaml").write_text(yaml.safe_dump(config))
    text = render(study).text
    assert "Runs took 2.00 to 2.00 times the time foreseen, the middle one 2.00 times." in text
    assert "predicted_seconds" not in text


def test_a_point_tells_its_run_without_a_script(study: Path) -> None:
    page = render(study)
    assert "GPT-2 30k, N = 31.0k, D = 4.19M, seed 17" in page.text
    marks = [attrs for tag, attrs in page.tags if tag == "g" and "mark" in (attrs.get("class") or "").split()]
    assert len(marks) == 5 * 10  # five charts of ten runs
    assert "script" not in {tag for tag, _ in page.tags}


def test_every_table_can_be_taken_away_unrounded(study: Path, change: Change) -> None:
    page = render(study)
    runs = rows_of(page, "runs.csv")
    assert [float(row["val_loss"]) for row in runs] == [row["val_loss"] for row in read_jsonl(study / "runs.jsonl")]
    assert downloads(page)["profile.csv"] == (study / "figures/profile.csv").read_bytes()
    assert {row["reason"]: int(row["tunes"]) for row in rows_of(page, "rejected.csv")} == {
        "no key": 12,
        "same music as another tune": 34,
    }
    expected = {"laws", "local_exponents", "forecasts_scored", "families", "splits", "leaks", "licences", "baselines"}
    expected |= {"best_model", "samples", "patterns", "lint", "stages"}
    assert {f"{name}.csv" for name in expected} <= set(downloads(page))
    for name in expected:
        assert rows_of(page, f"{name}.csv"), name


def test_what_is_too_heavy_for_the_page_lies_beside_it(study: Path) -> None:
    (study / "figures/training_curves.csv").write_text("x\n" + "1\n" * 5_500_000)
    (study / "figures/profile.csv").write_text("x\n" + "1\n" * 2**20)
    (study / "figures/training_curves.svg").write_text(" " * 2**20 + "<svg/>")
    (study / "figures/training_curves.png").write_bytes(b"PNG")
    page = render(study)
    assert "training_curves.csv" not in downloads(page)
    assert "would weigh more than 15 MB with them, is training_curves.csv." in page.text
    assert "profile.csv" in downloads(page)
    assert f"data:image/png;base64,{base64.b64encode(b'PNG').decode()}" in page.values("src")
    assert (study / "report.html").stat().st_size < 4 * 2**20


def test_the_samples_are_read_beside_real_tunes(study: Path, change: Change) -> None:
    text = render(study).text
    assert "The 10 samples as they were delivered, beside 3 real tunes of the validation split." in text
    contrast = {"samples": 0.2, "real": 0.8, "n": 10, "p": 0.004, "verdict": "less"}
    change("patterns.json", lambda value: value["contrasts"].update(ends_on_tonic=contrast))
    text = render(study).text
    assert "; ends on the tonic (20 % against 80 %)." in text.partition("The samples have less than real tunes: ")[2]
    assert "ends on the tonic 20 % 80 % 0.004 less" in text
    faults = "the checker found 7 faults, in 7 of 10 tunes; most often bar-length (7)."
    assert faults in text


def test_what_was_cut_off_is_said_wherever_form_is_spoken_of(study: Path, change: Change) -> None:
    assert "does not hold for" not in render(study).text
    ledger = study / "samples/samples.jsonl"
    samples = read_jsonl(ledger)
    samples[1]["complete"] = False
    write_jsonl(ledger, samples)
    caveat = (
        "1 of 10 samples (2) goes on to the end of the block of tokens and was cut off or closed there: what is said "
    )
    caveat += "of form and of endings does not hold for it."
    text = render(study).text
    assert text.count(caveat) == 2
    assert f"As written 1 of 10 was cut off before an end. {caveat}" in text
    assert text.count("(cut off)") == 1
    # under the constraint each tune ends, and what tells is whether the block was full
    for sample in samples:
        sample |= {"constrain": "strict", "written": "x" * (254 if sample["index"] in (3, 7) else 240)}
    write_jsonl(ledger, samples)
    config = study / "study.yaml"
    config.write_text(config.read_text() + "context_length: 256\n")
    assert render(study).text.count("2 of 10 samples (3 and 7) go on to the end of the block") == 2
    record = worth(0.0)
    record["models"] = [record["models"][0] | {"complete": share} for share in (0.9, 0.6)]
    write_json(study / "music.json", record)
    told = "Of these tunes 10 % to 40 %, by the model, were cut off at the end of the model’s block"
    assert render(study).text.count(told) == 2


def test_what_was_kept_of_a_study_says_that_its_samples_cannot_be_read(study: Path) -> None:
    (study / "dataset/dataset_dict.json").unlink()
    kept = "this folder is what was kept of a study, without its tunes."
    assert kept not in render(study).text  # with the reading that was kept, too
    (study / "patterns.json").unlink()
    text = render(study).text
    assert kept in text
    assert "the reading of the samples" not in text
    assert "the checker found 7 faults" in text


def test_the_sum_of_times_stands_beside_what_the_clock_said(study: Path) -> None:
    write_json(
        study / "stages.json",
        {"learning rates": {"seconds": 60.0, "files": {}}, "best": {"seconds": 4210.0, "files": {}}},
    )
    told = "their times added up; besides, tuning took 1 min 00 s and the best model took 1 h 10 min. They cost"
    assert told in render(study).text
    rows = read_jsonl(study / "runs.jsonl")
    for row in rows:
        del row["checksum"]
        row |= {"started_at": "2030-01-01T00:00:00Z", "finished_at": "2030-01-01T00:20:00Z"}
    (study / "runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    text = render(study).text
    assert (
        "10 finished runs took 3 h 20 min on synthetic CPU, their times added up; from the first start to the last "
        in text
    )
    assert "end 20 min 00 s passed; besides, tuning took" in text
    assert "From the first start of a run to the last end 20 min 00 s passed, pauses and all." in text


def worth(change: float) -> dict[str, Any]:
    def estimate(value: float) -> dict[str, float]:
        return {"value": value, "low": value - 0.05, "high": value + 0.05, "n": 10}

    model = {"run_id": "a", "family": "gpt2", "size": "3M", "n_params": 3, "n_tokens": 1, "best": False}
    metrics = {"parses": estimate(0.5 + change), "in_key": estimate(0.7)}
    trend = {"family": "gpt2", "metric": "parses", "verdict": "resolved", "slope": 0.1, "interval": [0.05, 0.15]}
    return {
        "drawing": {"n_tunes": 10, "seed": 0, "temperature": 1.0, "top_p": 1.0}, "level": 0.9, "n_real": 10,
        "n_reference": 10, "longest_human": 3, "real": {"parses": estimate(0.9), "in_key": estimate(0.7)},
        "metrics": {name: {"label": name, "about": name} for name in metrics},
        "models": [model | {"metrics": metrics}], "trends": [trend],
    }  # fmt: skip


def test_tunes_drawn_freely_are_read_too(study: Path) -> None:
    assert "No tunes were drawn from every model of this study" in render(study).text
    write_json(study / "music.json", worth(0.0))
    text = render(study).text
    assert "10 tunes of GPT-2 3M, drawn freely, depart from real ones in 1 of 2 metrics" in text
    assert "parses (0.50 against 0.90)" in text
    assert "they are not told apart in: in_key." in text
    assert "GPT-2: rising with size: parses." in text
    write_json(study / "music.json", worth(0.4))
    assert "depart from real ones in 0 of 2 metrics; they are not told apart in: parses; in_key." in render(study).text


def test_the_largest_model_is_one_of_the_longest_horizon(study: Path) -> None:
    record = worth(0.0)
    one = record["models"][0]
    record["models"] = [one | {"size": "old", "n_params": 9}, one | {"size": "new", "n_params": 8, "n_tokens": 2}]
    write_json(study / "music.json", record)
    text = render(study).text
    assert "10 tunes of GPT-2 new, drawn freely" in text
    assert "GPT-2 old" not in text


def test_seeds_are_told_where_there_are_several(study: Path) -> None:
    assert "30k seed 17" not in render(study).text
    append_row(study / "runs.jsonl", read_jsonl(study / "runs.jsonl")[0] | {"run_id": "again", "seed": 18})
    text = render(study).text
    assert "30k seed 17 31.0k" in text
    assert "30k seed 18 31.0k" in text


def test_decisions_are_those_of_this_study(study: Path) -> None:
    config = yaml.safe_load((study / "study.yaml").read_text()) | {"optimizer": "muon", "context_length": 256}
    config |= {"learning_rates": ["gpt2=8e-3", "folk_lstm=2e-2:0.1"], "learning_rate_exponent": 0.5}
    (study / "study.yaml").write_text(yaml.safe_dump(config))
    (study / "tokenizer").mkdir()
    (study / "tokenizer/tokenizer.json").write_text(json.dumps({"model": {"vocab": {"a": 0, "b": 1}}}))
    text = render(study).text
    assert "A token is a character, 2 of them with the special ones," in text
    assert "Optimizer: Muon for hidden matrices and AdamW for the rest" in text
    assert "not tuned here: 8e-3 for GPT-2 (exponent 0.5) and 2e-2 for LSTM (exponent 0.1)" in text
    assert "at the size 30k the families differ in N by 2.9 %" in text
    tuned = {"rate": 0.01, "exponent": 0.25, "sizes": [1, 2, 3], "warnings": ["edge"]}
    write_json(study / "learning_rates.json", {"families": {"gpt2": tuned}})
    words = (
        "GPT-2’s rates were tuned at 3 sizes: 0.01 at 100,000 parameters, exponent 0.25; an optimum lies on the edge"
    )
    assert words in render(study).text


def test_given_rates_are_told_before_anything_has_run(started: Path) -> None:
    config = yaml.safe_load((started / "study.yaml").read_text())
    config |= {"families": ["gpt2"], "learning_rates": ["gpt2=8e-3:0.2", "folk_lstm=2e-2"]}
    (started / "study.yaml").write_text(yaml.safe_dump(config))
    assert "not tuned here: 8e-3 for GPT-2 (exponent 0.2)." in render(started).text


def test_what_would_prove_it_wrong_follows_from_what_is_claimed(study: Path, started: Path, change: Change) -> None:
    def resolve(fits: Any) -> None:
        fits["fits"][0]["verdict"] = "resolved"
        fits["fits"][0].update(residual_std=0.05, degrees_of_freedom=2)
        fits["fits"][0]["curve"].update(n=[1e5, 4.68e6], loss=[2.05, 1.5], lower=[2.0, 1.4], upper=[2.1, 1.6])

    change("fits.json", resolve)
    text = " ".join(falsifiers(read_study(study))).replace("\N{NO-BREAK SPACE}", " ").replace("‑", "-")
    told = "models of N = 4.68M, trained alike on D = 4.19M tokens, the mean loss of whose 2 seeds lies outside "
    assert f"{told}[1.356, 1.644]" in text  # the band and 2.92 * 0.05 / 2^0.5, in squares
    assert "Forecasts:" not in text  # one outcome contradicts nothing
    change("scores.json", lambda scores: scores.extend([scores[0]] * 15))
    told = "Forecasts: 5 or more of 16 outcomes outside their 90 % intervals, which independent ones would give"
    assert told in " ".join(falsifiers(read_study(study))).replace("\N{NO-BREAK SPACE}", " ")
    assert "LSTM: its exponent is not resolved" in text
    assert "GPT-2’s fall: seeds, or a rate tuned at each size, with which 3M is no better than 30k" in text
    assert falsifiers(read_study(started)) == ["Nothing is claimed yet that could be falsified."]


def test_an_optimum_stands_beside_the_best_run_within_its_budget() -> None:
    optimum = {"budget": 2e12, "n": 1e5, "d": 1e6, "n_interval": [None, None], "loss": 1.4, "extrapolated": 0.5}
    one = {"family": "gpt2", "n_convention": "total", "flops_convention": "as counted", "optima": [optimum]}
    run = {"family": "gpt2", "n_params": 1e5, "n_tokens": 1e6}
    runs = [run | {"flops": 1e12, "val_loss": 1.6}, run | {"flops": 2e12, "val_loss": 1.5}]
    runs.append(run | {"flops": 3e12, "val_loss": 1.3})
    ((_, _, (row,)),) = optimum_rows({"fits": [], "frontiers": [one]}, runs)
    assert row["observed"] == "1.500"


def test_limits_name_seeds_choices_context_and_passes(study: Path, change: Change) -> None:
    (study / "study.yaml").write_text(
        (study / "study.yaml").read_text() + "context_length: 256\ntune_sizes: [30k, 1M]\n"
    )
    change("dataset/statistics.json", lambda value: value.update(tune_length_percentiles={"50": 200, "75": 270}))
    change("best.json", lambda best: best.update(n_unique_tokens=4_194_304))
    for row in read_jsonl(study / "runs.jsonl"):
        append_row(study / "runs.jsonl", row | {"run_id": f"{row['run_id']}-again", "seed": 18})
    text = " ".join(limits(read_study(study))).replace("\N{NO-BREAK SPACE}", " ")
    assert "No size has more than 2 seeds" in text
    assert "were chosen on the validation split" in text
    assert "A quarter of the tunes has 270 characters or more, a block 256 tokens" in text
    assert "The best model read its text 4.0 times" in text
    assert "follow a power law of N from there, stretched to 3M beyond them." in text


def test_the_name_is_that_of_the_configuration(study: Path) -> None:
    assert read_study(study).name == "synthetic"
    (study / "study.yaml").write_text((study / "study.yaml").read_text() + "name: tunes\n")
    assert "Scaling study tunes" in render(study).text


def test_the_page_holds_what_makes_the_study_again(study: Path) -> None:
    page = render(study)
    (name,) = [name for name in downloads(page) if name.endswith(".yaml")]
    saved = yaml.safe_load(downloads(page)[name])
    config = yaml.safe_load((study / "study.yaml").read_text())
    assert saved == {key: value for key, value in config.items() if key not in ("config_hash", "resolved")}
    made = commands(read_study(study))
    assert made[0] == f"git checkout {'0' * 40}"
    assert made[1] == "pip install . torch==0.0-synthetic"
    assert made[2] == f"accelerate launch recipes/sweep.py --config {name}"
    assert all(line in page.text for line in made)


def test_the_corpus_that_is_a_package_is_pinned_like_the_others(study: Path) -> None:
    path = study / "dataset" / "statistics.json"
    write_json(path, read_json(path) | {"identity": {"music21": "music21 10.5.1"}})
    assert commands(read_study(study))[1].endswith(" music21==10.5.1")


def test_a_name_that_a_shell_would_read_is_quoted(study: Path) -> None:
    config = yaml.safe_load((study / "study.yaml").read_text()) | {"name": "a; rm -rf b"}
    (study / "study.yaml").write_text(yaml.safe_dump(config))
    assert "accelerate launch recipes/sweep.py --config 'a; rm -rf b.yaml'" in commands(read_study(study))


def test_the_study_of_several_horizons_is_not_changed_by_its_report(several: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(several, tmp_path / "several"))
    (copy / "report.html").unlink(missing_ok=True)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    render(copy)
    assert {
        path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.name != "report.html"
    } == before


def test_the_files_that_models_read_are_told_apart_by_their_hashes(study: Path) -> None:
    text = render(study).text
    assert f"tokenizer/tokenizer.json {'a' * 64} tokens/train.npy {'b' * 64}" in text
    (study / "stages.json").unlink()
    assert "SHA-256 of the tunes" not in render(study).text
