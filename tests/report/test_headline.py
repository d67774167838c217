"""The finding in three sentences, each with its interval."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hf_scaling.report.headline import headline
from hf_scaling.report.reading import read_study

Change = Callable[[str, Callable[[Any], None]], None]


def sentences(study: Path) -> dict[str, str]:
    found = headline(read_study(study))
    return {lead: text.replace("\N{NO-BREAK SPACE}", " ").replace("‑", "-") for lead, text in found}


def test_three_sentences_with_intervals(study: Path) -> None:
    found = sentences(study)
    assert list(found) == ["Size.", "Families.", "Tested."]
    assert all(text.endswith(".") and ". " not in text for text in found.values())
    assert (
        "loss of GPT-2 falls from 2.100 to 1.525 nats per token between 31.0k and 3.12M parameters (" in found["Size."]
    )
    assert "90 % interval [" in found["Size."]
    told = "at equal N, on the same tunes, GPT-2 is better from 30k (by 0.050 [0.050, 0.050]) to 3M (by 0.175 [0.175, "
    assert told in found["Families."]
    told = "(90 % intervals in nats per token, of the evaluation, not the seeds, not corrected for 5 comparisons); "
    assert told in found["Families."]


def test_families_fall_back_on_the_ledger_until_they_are_compared(study: Path) -> None:
    (study / "comparison.json").unlink()
    assert ": at the largest matched size, 3M (N = 3.12M), GPT-2 is better" in sentences(study)["Families."]


def test_runs_without_tuned_rates_or_seeds_rank_recipes(study: Path, change: Change) -> None:
    told = "These runs rank recipes, not families (learning rates that were not tuned and one seed each): at equal N"
    assert sentences(study)["Families."].startswith(told)
    change("lint.json", lambda lint: lint["findings"].clear())
    assert sentences(study)["Families."].startswith("At equal N")


def test_an_exception_at_one_size_does_not_stand_for_all(study: Path, change: Change) -> None:
    def alter(pairs: Any) -> None:
        for size, middle in zip(pairs[0]["sizes"], (0.24, 0.14, 0.10, 0.01, -0.0152), strict=True):
            ends = [middle - 0.015, middle + 0.015]
            verdict = "not resolved" if middle == 0.01 else "resolved"
            size.update(difference=middle, interval=ends, verdict=verdict, with_seeds=True)

    change("comparison.json", alter)
    told = (
        "LSTM is better from 30k (by 0.240 [0.225, 0.255]) to 300k (by 0.100 [0.085, 0.115]), at 1M neither is shown "
        "to be better (0.010 [−0.005, 0.025]), GPT-2 is better at 3M by 0.015 [0.0002, 0.030] (90 % intervals in nats "
        "per token, of evaluation and seeds, not corrected for 5 comparisons)"
    )
    assert told in sentences(study)["Families."]


@pytest.mark.parametrize(
    ("difference", "interval", "verdict", "words"),
    [
        (0.2, [0.1, 0.3], "resolved", "LSTM is better at 3M by 0.200 [0.100, 0.300]"),
        (
            -0.2,
            [-0.3, -0.1],
            "resolved",
            "GPT-2 is better from 30k (by 0.050 [0.050, 0.050]) to 3M (by 0.200 [0.100, 0.300])",
        ),
        (0.1, [-0.1, 0.3], "not resolved", "at 3M neither is shown to be better (0.100 [−0.100, 0.300])"),
    ],
)
def test_the_sign_of_a_difference_decides_who_is_better(
    study: Path, change: Change, difference: float, interval: list[float], verdict: str, words: str
) -> None:
    def alter(pairs: Any) -> None:
        pairs[0]["sizes"][-1].update(difference=difference, interval=interval, verdict=verdict)

    change("comparison.json", alter)
    assert words in sentences(study)["Families."]


def test_what_equal_loss_costs_is_told_with_its_interval(study: Path, change: Change) -> None:
    at = {"loss": 1.8, "reached": [1e12, 5e11], "multiplier": 2.0, "interval": [1.2, None], "verdict": "resolved"}

    def alter(pairs: Any) -> None:
        last = at | {"loss": 1.5, "multiplier": 0.9, "interval": [0.8, 1.1]}
        pairs[0]["multipliers"]["flops"].update(at=[at | {"loss": 2.0}, at, last], verdict="resolved")

    change("comparison.json", alter)
    words = "by the fitted curves, to a loss of 1.800 nats GPT-2 takes 2.00 × the compute of LSTM, "
    words += "90 % interval [1.20, open], and to 1.500, "
    words += "the lowest that both reach, 0.90 × [0.80, 1.10]."
    assert sentences(study)["Families."].endswith(words)
    change("comparison.json", lambda pairs: pairs[0]["exponents"]["total"].update(verdict="the form does not fit"))
    assert "by the fitted curves, not both of which fit their runs, to a loss" in sentences(study)["Families."]


@pytest.mark.parametrize(("behind", "ahead"), [("gpt2", "folk_lstm"), ("folk_lstm", "gpt2")])
def test_a_family_that_never_gets_there_is_told_with_a_bound(
    study: Path, change: Change, behind: str, ahead: str
) -> None:
    def alter(pairs: Any) -> None:
        pairs[0]["multipliers"]["flops"].update(at=[], behind=behind, beyond=46.5, verdict="not resolved")

    change("comparison.json", alter)
    labels = {"gpt2": "GPT-2", "folk_lstm": "LSTM"}
    apart = f"; no size of {labels[behind]} reaches the loss of any of {labels[ahead]}"
    words = f"{apart}, even with 46 times the compute of the smallest {labels[ahead]}."
    assert sentences(study)["Families."].endswith(words)


def test_forecasts_are_scored_beside_persistence(study: Path, change: Change) -> None:
    words = (
        "1 forecast was sealed, with 1 outcome; 90 % intervals held 1 of 1 of GPT-2; the mean error is 0.33 %, better "
        "than the 6.23 % of expecting"
    )
    assert words in sentences(study)["Tested."]
    change("scores.json", lambda scores: scores[0].update(error=0.1, inside={"0.5": False, "0.9": False}))
    assert (
        "90 % intervals held 0 of 1 of GPT-2; the mean error is 10.00 %, no better than"
        in (sentences(study)["Tested."])
    )


@pytest.mark.parametrize(
    ("bpc", "verdict"),
    [
        (1.904, "needs 1.904 ± 0.013 bits per character and PPMd order 16 needs 2.000: the model beats the compressor "
         "by 0.096;"),
        (1.990, "the model beats the compressor by 0.010, less than two standard errors of the evaluation;"),
        (2.000, "the model does not beat the compressor, which is better by 0.000, less than two standard errors"),
        (2.300, "the model does not beat the compressor, which is better by 0.300;"),
    ],
)  # fmt: skip
def test_whether_the_best_model_beats_a_compressor_is_told(
    study: Path, change: Change, bpc: float, verdict: str
) -> None:
    change("best.json", lambda best: best.update(test_bpc=bpc))
    assert f"On the test tunes the best model needs {bpc:.3f}" in sentences(study)["Tested."]
    assert verdict in sentences(study)["Tested."]


@pytest.mark.parametrize("absent", ["best.json", "dataset/baselines.json"])
def test_no_verdict_without_both_sides(study: Path, absent: str) -> None:
    (study / absent).unlink()
    assert "compressor" not in sentences(study)["Tested."]
    (study / "scores.json").unlink()
    assert sentences(study)["Tested."].startswith("Nothing was forecast, and no best model has been held against")


def test_no_verdict_on_a_compressor_that_was_not_run(study: Path, change: Change) -> None:
    change("dataset/baselines.json", lambda baselines: baselines["models"].pop(0))
    assert "compressor" not in sentences(study)["Tested."]


def test_a_verdict_needs_no_standard_error(study: Path, change: Change) -> None:
    change("best.json", lambda best: best.update(test_loss_stderr=None))
    assert "the best model needs 1.904 bits per character" in sentences(study)["Tested."]


def test_nothing_is_found_before_a_run_has_finished(started: Path) -> None:
    assert sentences(started) == {"": "No run has finished yet, so there is nothing to report."}
