import math

import numpy as np
import pytest

from hf_scaling.laws import fit_power
from hf_scaling.laws.multiplier import multiplier, multiplier_at

N_24 = np.repeat(np.geomspace(1e6, 1e8, 8), 3)
NAMES = ("a", "b")


def loss(n, height=0.55, alpha=0.2, c=1.0):
    return height * (n / 1e6) ** -alpha + c


def reached(at, height=0.55, alpha=0.2, c=1.0):
    return ((at - c) / height) ** (-1 / alpha) * 1e6


def study(rng, noise=0.005, n=N_24, **law):
    return fit_power(n, loss(n, **law) + rng.normal(0, noise, len(n)))


def test_without_noise_it_is_the_truth_at_each_loss():
    n = np.geomspace(1e6, 1e8, 8)
    # the second family is as good as the first with a third of the parameters
    found = multiplier(fit_power(n, loss(n)), fit_power(n, loss(3 * n)), NAMES, "parameters")
    assert [at.loss for at in found.at] == pytest.approx([loss(3e6), (loss(3e6) + loss(1e8)) / 2, loss(1e8)], rel=1e-9)
    for at in found.at:
        assert at.multiplier == pytest.approx(3, rel=1e-3)
        assert at.reached[0] == pytest.approx(reached(at.loss), rel=1e-3)
        assert at.interval == pytest.approx((3, 3), rel=1e-2)
    assert found.verdict == "resolved"
    assert "a needs 3.00 times the parameters of b" in found.sentence


def test_the_other_way_round_it_is_the_inverse():
    rng = np.random.default_rng(1)
    first, second = study(rng, height=0.6), study(rng, alpha=0.25)
    one, other = multiplier(first, second, NAMES, "FLOPs"), multiplier(second, first, NAMES[::-1], "FLOPs")
    for here, there in zip(one.at, other.at, strict=True):
        assert here.loss == there.loss
        assert here.multiplier == pytest.approx(1 / there.multiplier)
        low, high = there.interval
        assert here.interval == pytest.approx((1 / high, 1 / low))
    assert one.verdict == other.verdict == "resolved"


def test_a_family_against_its_twin_is_not_resolved():
    rng = np.random.default_rng(2)
    found = multiplier(study(rng), study(rng), NAMES, "parameters")
    assert found.verdict == "not resolved"
    assert found.sentence.startswith("not resolved: the interval contains 1")


@pytest.mark.parametrize("behind", NAMES)
def test_without_a_common_loss_there_is_a_bound_and_no_estimate(behind):
    n = np.geomspace(1e6, 1e8, 5)
    worse, better = fit_power(n, loss(n, c=3.0)), fit_power(2 * n, loss(n))
    found = multiplier(*((worse, better) if behind == "a" else (better, worse)), NAMES, "parameters")
    assert found.at == ()
    assert found.behind == behind
    assert found.beyond == pytest.approx(1e8 / 2e6)
    assert found.verdict == "not resolved"
    assert f"{behind} is not as good with 50.0 times the parameters of the smallest" in found.sentence


def test_a_loss_that_a_curve_never_reaches_has_no_multiplier():
    n = np.geomspace(1e6, 1e8, 8)
    found = multiplier_at(fit_power(n, loss(n, c=1.5)), fit_power(n, loss(n)), 1.4)
    assert found.reached[0] is None
    assert found.reached[1] == pytest.approx(reached(1.4), rel=1e-3)
    assert (found.multiplier, found.interval, found.verdict) == (None, (None, None), "not resolved")
    assert found.figures == "undefined at 1.400"


def test_without_degrees_of_freedom_the_interval_is_open():
    n = np.geomspace(1e6, 1e8, 3)
    found = multiplier(fit_power(n, loss(n)), fit_power(n, loss(n, alpha=0.25)), NAMES, "parameters")
    assert found.at[1].multiplier > 1
    assert {at.interval for at in found.at} == {(None, None)}
    assert "not resolved: the interval is open" in found.sentence


def test_beyond_the_runs_it_is_left_out_and_the_reason_told():
    n = np.geomspace(1e6, 1e8, 8)
    # its largest run is better than the curve, which gets there far beyond it only
    better = np.array([0, 0, 0, 0, 0, 0, -0.04, 0.04])
    slow = fit_power(n, loss(n, alpha=0.4, c=1.1) - better)
    found = multiplier(slow, fit_power(n, loss(n, alpha=0.3)), NAMES, "seconds")
    highest, _, lowest = found.at
    assert lowest.beyond == pytest.approx((2.64, 1), abs=0.01)
    assert lowest.reached[0] == pytest.approx(lowest.beyond[0] * 1e8)
    assert (lowest.multiplier, lowest.interval, lowest.verdict) == (None, (None, None), "not resolved")
    assert found.reason(highest) is None
    told = "the curve of a misses its own runs: they reach 1.147 nats, it does only 2.6 times beyond their seconds"
    assert told in found.reason(lowest)
    assert told in found.sentence
    assert found.sentence.startswith("resolved: to a loss of 1.349 nats, a needs 1.67 times the seconds of b")


def test_a_flat_family_reaches_nothing():
    n = np.geomspace(1e6, 1e8, 5)
    found = multiplier_at(fit_power(n, np.full(5, 1.4)), fit_power(n, loss(n)), 1.4)
    assert found.reached[0] is None


def test_an_end_far_beyond_the_runs_is_open():
    n = np.geomspace(1e6, 1e8, 5)
    slow = fit_power(n, loss(n) + 0.02 * np.array([1, -1, 1, -1, 1]))
    found = multiplier_at(slow, fit_power(n, loss(n)), 1.25)
    assert found.multiplier is not None
    assert found.interval[1] is None


def test_levels_must_agree():
    n = np.geomspace(1e6, 1e8, 5)
    with pytest.raises(ValueError, match="one level"):
        multiplier(fit_power(n, loss(n), level=0.9), fit_power(n, loss(n), level=0.8), NAMES, "parameters")


@pytest.mark.parametrize("noisier", [1.0, 4.0])
def test_simulated_coverage(noisier):
    rng, replications, covered, at = np.random.default_rng(5), 50, 0, 1.36
    truth = reached(at, 0.6, 0.3, 1.05) / reached(at, 0.55, 0.25, 0.95)
    for _ in range(replications):
        first = study(rng, height=0.6, alpha=0.3, c=1.05)
        low, high = multiplier_at(first, study(rng, 0.005 * noisier, alpha=0.25, c=0.95), at).interval
        covered += (low is None or low <= truth) and (high is None or high >= truth)
    spread = math.sqrt(0.9 * 0.1 / replications)
    assert 0.9 - 3 * spread <= covered / replications <= 0.9 + 3 * spread
