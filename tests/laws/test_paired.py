import math

import numpy as np
import pytest

from hf_scaling.laws.context import context_bins, context_sentence
from hf_scaling.laws.paired import SeedSpread, bootstrap_differences, paired_difference

NAMES = ("a", "b")


def tunes(rng, count, gap, seed_noise=0.0, seeds=1):
    """Nats by family, shape (seeds, tunes), and tokens: tunes differ far more than the families do."""
    tokens = rng.integers(60, 600, count).astype(float)
    hard = rng.normal(1.5, 0.3, count)
    nats = [
        tokens * (hard + offset + rng.normal(0, 0.05, (seeds, count)) + rng.normal(0, seed_noise, (seeds, 1)))
        for offset in (gap, 0.0)
    ]
    return nats[0], nats[1], tokens


def test_a_constant_gap_has_an_interval_without_width():
    tokens = np.array([10.0, 20.0, 30.0])
    first = np.array([[12.0, 31.0, 40.0]])
    found = bootstrap_differences(first + 0.25 * tokens, first, tokens, 50, np.random.default_rng(0))
    assert found == pytest.approx(np.full((50, 1), 0.25))


def test_sizes_share_a_resample_and_a_seed_gives_the_same_ones():
    first, second, tokens = tunes(np.random.default_rng(1), 40, 0.02)
    both = bootstrap_differences(
        np.vstack([first, 2 * first]), np.vstack([second, 2 * second]), tokens, 100, np.random.default_rng(3)
    )
    again = bootstrap_differences(first, second, tokens, 100, np.random.default_rng(3))
    assert both[:, 1] == pytest.approx(2 * both[:, 0])
    assert both[:, 0] == pytest.approx(again[:, 0])


def test_many_tunes_are_resampled_in_parts(monkeypatch):
    monkeypatch.setattr("hf_scaling.laws.paired._CHUNK", 100)
    first, second, tokens = tunes(np.random.default_rng(1), 40, 0.02)
    found = bootstrap_differences(first, second, tokens, 15, np.random.default_rng(3))
    assert found.shape == (15, 1)
    assert len(np.unique(found)) == 15


def test_pairing_takes_out_what_is_hard_for_both():
    rng = np.random.default_rng(2)
    first, second, tokens = tunes(rng, 100, 0.0)
    spread = bootstrap_differences(first, second, tokens, 500, rng).std()
    alone = bootstrap_differences(first, np.zeros_like(first), tokens, 500, rng).std()
    assert spread < alone / 3


def test_the_spread_of_seeds_is_pooled_over_sizes():
    found = SeedSpread.of([[1.0, 1.2], [2.0, 2.2, 2.1], [3.0]])
    assert found.degrees_of_freedom == 3
    assert found.deviation == pytest.approx(math.sqrt((0.02 + 0.02) / 3))
    assert found.reach(4, 0.9) == pytest.approx(2.3534 * found.deviation / 2, rel=1e-4)  # Student's t, 3 degrees
    assert SeedSpread.of([[1.0], [2.0]]).reach(1, 0.9) is None


def test_seeds_widen_the_interval_only_where_both_families_have_them():
    draws = np.linspace(0.1, 0.3, 1001)
    alone = paired_difference(0.2, draws, (0.05, None), NAMES, 0.9)
    both = paired_difference(0.2, draws, (0.12, 0.05), NAMES, 0.9)
    assert not alone.with_seeds
    assert alone.interval == pytest.approx((0.11, 0.29))
    assert "evaluation noise only" in alone.sentence
    assert both.interval == pytest.approx((0.2 - math.hypot(0.09, 0.13), 0.2 + math.hypot(0.09, 0.13)))
    assert "evaluation and seeds" in both.sentence
    assert alone.verdict == both.verdict == "resolved"
    assert alone.sentence.startswith("resolved: b has the lower loss")


def test_an_interval_around_zero_is_not_resolved():
    found = paired_difference(0.0, np.linspace(-0.1, 0.1, 101), (None, None), NAMES, 0.9)
    assert found.verdict == "not resolved"
    assert found.sentence.startswith("not resolved: the interval contains 0; loss(a) - loss(b) = +0.0000")


# the sum of two sources, each with its own t quantile, is somewhat conservative
@pytest.mark.parametrize(("seeds", "seed_noise", "least", "most"), [(1, 0.0, 0.84, 0.95), (3, 0.01, 0.87, 1.0)])
def test_simulated_coverage(seeds, seed_noise, least, most):
    rng, replications, covered = np.random.default_rng(6), 300, 0
    for _ in range(replications):
        first, second, tokens = tunes(rng, 60, 0.02, seed_noise, seeds)
        means = [nats.mean(axis=0, keepdims=True) for nats in (first, second)]
        draws = bootstrap_differences(*means, tokens, 400, rng)[:, 0]
        reaches = [SeedSpread.of([nats.sum(axis=1) / tokens.sum()]).reach(seeds, 0.9) for nats in (first, second)]
        difference = float((means[0] - means[1]).sum() / tokens.sum())
        low, high = paired_difference(difference, draws, tuple(reaches), NAMES, 0.9).interval
        covered += low <= 0.02 <= high
    assert least <= covered / replications <= most


def test_contexts_are_told_by_octave():
    first = np.arange(1.0, 12.0)
    bins = context_bins(first, first - 1)
    assert [(one.least, one.most) for one in bins] == [(1, 1), (2, 2), (3, 4), (5, 8), (9, 11)]
    assert [one.losses[0] for one in bins] == [1, 2, 3.5, 6.5, 10]
    assert {one.difference for one in bins} == {1.0}


@pytest.mark.parametrize(
    ("late", "said"), [(2.0, "the gap grows"), (0.5, "the gap shrinks"), (-0.5, "the gap changes sides once over all")]
)
def test_the_trend_with_context_in_words(late, said):
    gap = np.where(np.arange(64) < 8, 1.0, late)
    sentence = context_sentence(context_bins(1 + gap, np.ones(64)), NAMES)
    assert sentence.startswith("not tested: b is lower by 1.000 nats after 5 to 8 tokens of context")
    assert said in sentence
