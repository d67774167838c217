"""What is measured of tunes: one tune at a time, sets of tunes, and what they owe to others."""

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_scaling.music.distributions import jensen_shannon, overlap_area
from hf_scaling.music.estimate import mean, share
from hf_scaling.music.metrics import METRICS, Yardstick
from hf_scaling.music.novelty import longest_shared, nearest
from hf_scaling.music.portrait import portray
from hf_scaling.music.preferences import Answer, preferences
from hf_scaling.notation import melody

HEAD = "X:1\nT:A Tune\nM:4/4\nL:1/8\nK:D\n"


def tunes(count: int, notes: str, seed: int, bars: int = 8) -> list[str]:
    draw = random.Random(seed)
    return [HEAD + "|".join("".join(draw.choices(notes, k=8)) for _ in range(bars)) + "|]\n" for _ in range(count)]


# one tune


def test_a_regular_tune():
    found = portray(HEAD + "|:DFAd DFAd|D4 E4|DFAd DFAd|D8:|\n|:d2d2 A4|d2d2 A4|d2d2 A4|D8:|\n")
    assert (found.parses, found.strict, found.playable, found.repaired_strict) == (True,) * 4
    assert (found.in_key, found.in_a_scale, found.ends_on_tonic) == (1, 1, 1)
    assert (found.right_bars, found.even_sections) == (1, 1)
    assert found.repeated_bars == pytest.approx(4 / 8)  # bars 3, 6, 7, and the last, which is bar 4 again
    assert found.pitch_classes.sum() == found.values.sum() == found.steps.sum() + 1 == len(found.melody) == 29
    assert found.pitch_classes[0] == 17  # D, which is the tonic


def test_what_is_wrong_with_a_tune_is_counted():
    found = portray(HEAD + "DFAd ^Aggf|D4 E2|DFAd D4|d8|^E8|]\n")
    assert not found.strict
    assert found.right_bars == pytest.approx(4 / 5)
    assert found.even_sections == 0
    assert found.ends_on_tonic == 0
    assert found.in_key == pytest.approx(1 - 2 / 17)
    assert found.alike_sections is None


def test_how_alike_sections_are():
    same, other = "|:DFAd fdAF|D8:|\n", "|:GBdg gdBG|G8:|\n"
    assert portray(HEAD + same + same).alike_sections == 1
    assert portray(HEAD + same + other).alike_sections == pytest.approx(1 / 9)  # of nine notes one stays, a d
    with_endings = "|:DFAd fdAF|1 D8:|2 E8|]\n"
    assert portray(HEAD + with_endings + same).alike_sections == 1  # the second ending left out


def test_keys_without_a_tonic_and_tunes_without_a_metre_are_not_judged_by_them():
    found = portray("X:1\nM:none\nL:1/8\nK:none\nCDE^F|C8|]\n")
    assert (found.in_key, found.ends_on_tonic, found.right_bars, found.even_sections) == (None,) * 4
    assert not found.repaired_strict


@given(st.text(alphabet="ABCdefg|:[]1234/\n \"!{}()^_='<>XTMLKVz,-~%", max_size=80))
def test_any_string_can_be_measured(text):
    for tune in (text, HEAD + text):
        found = portray(tune)
        for name in ("in_key", "in_a_scale", "right_bars", "even_sections", "alike_sections", "repeated_bars"):
            value = getattr(found, name)
            assert value is None or 0 <= value <= 1


# what tunes owe to others


@given(
    st.lists(st.lists(st.integers(0, 3), max_size=12), max_size=4), st.lists(st.lists(st.integers(0, 3), max_size=12))
)
def test_the_longest_shared_passage_is_that_of_a_plain_search(ours, train):
    def passages(tune, length):
        steps = [b - a for a, b in zip(tune, tune[1:], strict=False)]
        return {tuple(steps[i : i + length]) for i in range(len(steps) - length + 1)}

    expected = [
        max((n for n in range(1, 12) if any(passages(tune, n) & passages(other, n) for other in train)), default=0)
        for tune in ours
    ]
    assert longest_shared(ours, train) == expected


def test_the_nearest_tune_is_the_one_that_was_copied_whatever_its_key():
    train = [melody(text) for text in tunes(6, "DEFGABd", seed=1)]
    copy = [position + 3 for position in train[4]]
    copy[-1] += 1
    (found, none) = nearest([copy, [0, 1]], train)
    assert found.number == 4
    assert 0.8 < found.similarity < 1
    assert none.similarity == 0
    assert nearest([copy], []) == [(0, 0.0)]


# sets of tunes


def test_divergence_of_the_same_and_of_nothing_in_common():
    counts = np.random.default_rng(0).integers(1, 9, size=(40, 5)).astype(float)
    same = jensen_shannon(counts, counts)
    assert (same.value, same.low) == (pytest.approx(0, abs=1e-12), 0)
    apart = jensen_shannon(np.eye(2)[[0] * 5], np.eye(2)[[1] * 5])
    assert apart.value == pytest.approx(1)
    half = jensen_shannon(np.array([[1.0, 1, 0]]), np.array([[0, 1.0, 1]]))
    assert half.value == pytest.approx(0.5)  # by hand: one bit for each of the two halves that are not shared


def test_overlap_area_falls_as_sets_move_apart():
    draw = np.random.default_rng(0)
    real, alike = draw.poisson(8, size=(2, 60, 6)) + 1.0
    far = draw.poisson([1, 2, 4, 8, 16, 32], size=(60, 6)) + 1.0
    assert overlap_area(alike, real).value > 0.85 > 0.4 > overlap_area(far, real).value


def test_intervals_hold_what_they_should():
    assert share([True] * 10).low == pytest.approx(0.787, abs=1e-3)  # Wilson's for 10 of 10: 1 / (1 + z²/n)
    assert share([]) is None
    assert mean([None, None]) is None
    draw = np.random.default_rng(1)
    covered = [found.low <= 3 <= found.high for found in (mean(list(draw.normal(3, 1, size=40))) for _ in range(100))]
    assert 80 <= sum(covered) <= 97  # 90 are expected


def test_a_yardstick_tells_noise_from_real_tunes_and_real_tunes_from_none():
    train, reference, real = (tunes(30, "DDEFGABd", seed) for seed in (1, 2, 3))
    yardstick = Yardstick([melody(text) for text in train], *([portray(t) for t in some] for some in (reference, real)))
    own = yardstick.measure_real(30)
    noise = [portray(text) for text in tunes(30, "^C,=cd'_B,,", 4)]
    copies = [portray(text) for text in train]
    bad = yardstick.measure(noise, yardstick.copying(noise))
    copied = yardstick.measure(copies, yardstick.copying(copies))
    assert set(own) <= set(bad) <= set(METRICS)
    assert own["told_apart"].low < 0.5 < 0.9 < bad["told_apart"].low
    assert own["interval_divergence"].high < bad["interval_divergence"].low
    assert own["in_key"].value == 1 > bad["in_key"].high
    assert copied["near_duplicates"].value == copied["copied"].value == 1
    assert own["copied"].value <= 0.05
    for estimate in (*own.values(), *bad.values()):
        assert estimate.low <= estimate.value <= estimate.high


# what people prefer


def test_preferences_are_recovered():
    draw = random.Random(0)
    chance = {("good", "bad"): 0.9, ("good", "real"): 0.3, ("bad", "real"): 0.05}
    answers = [
        Answer(f"listener {number % 8}", a, b, float(draw.random() < chance[a, b]))
        for number in range(600)
        for a, b in [draw.choice(list(chance))]
    ]
    found = {preference.kind: preference for preference in preferences(answers, "real")}
    assert list(found) == ["real", "good", "bad"]
    assert found["real"].chance.value == 0.5
    assert found["good"].chance.low < 0.3 < found["good"].chance.high
    assert found["bad"].chance.high < 0.1
    assert sum(one.won for one in found.values()) == 600


def test_winning_everything_and_no_difference_have_finite_answers():
    (first, second) = preferences([Answer("a", "x", "real", 1.0)] * 5, "real")
    assert (first.kind, second.kind) == ("x", "real")
    assert 0.5 < first.chance.value < 1
    assert preferences([Answer("a", "x", "real", 0.5)] * 4, "real")[0].chance.value == pytest.approx(0.5, abs=1e-4)
