import numpy as np
import pytest

from hf_scaling.laws import compare_exponents, fit_power

N_5 = np.geomspace(1e6, 1e8, 5)
N_24 = np.repeat(np.geomspace(1e6, 1e8, 8), 3)


def study(n, alpha, rng):
    """A law that loses .55 nats above its asymptote at a million parameters, seen through noise of .005 nats."""
    return fit_power(n, 0.55 * (n / 1e6) ** -alpha + 1 + rng.normal(0, 0.005, len(n)))


def test_the_difference_changes_sign_with_the_order():
    rng = np.random.default_rng(1)
    first, second = study(N_24, 0.4, rng), study(N_24, 0.2, rng)
    one, other = compare_exponents(first, second, ("a", "b")), compare_exponents(second, first, ("b", "a"))
    assert one.difference == pytest.approx(first.alpha - second.alpha)
    assert other.difference == -one.difference
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    assert one.verdict == other.verdict == "resolved"
    assert "the excess of a over its own floor c shrinks faster" in one.sentence
    assert "the excess of a over its own floor c shrinks faster" in other.sentence


def test_a_family_against_itself_is_not_resolved():
    fit = study(N_24, 0.3, np.random.default_rng(2))
    found = compare_exponents(fit, fit, ("a", "b"))
    assert found.difference == 0
    assert found.verdict == "not resolved"
    assert "contains 0" in found.sentence


def test_an_open_interval_on_one_side_leaves_the_difference_open():
    flat = fit_power(N_5, [2.0, 2.0, 2.0, 2.0, 2.0])
    found = compare_exponents(study(N_5, 0.3, np.random.default_rng(3)), flat, ("a", "b"))
    assert found.interval == (None, None)
    assert "is open" in found.sentence


def test_the_exponent_of_a_form_that_runs_contradict_is_not_compared():
    rng = np.random.default_rng(5)
    steps = np.where(np.searchsorted(np.unique(N_24), N_24) % 2, 0.02, -0.02)
    bent = fit_power(N_24, 0.55 * (N_24 / 1e6) ** -0.2 + 1 + steps + rng.normal(0, 0.005, 24))
    found = compare_exponents(study(N_24, 0.5, rng), bent, ("a", "b"))
    assert found.resolved
    assert found.verdict == "the form does not fit"
    assert "the form does not fit: the runs of b contradict it" in found.sentence
    assert "shrinks faster" not in found.sentence


def test_levels_must_agree():
    n, loss = N_5, 0.55 * (N_5 / 1e6) ** -0.3 + 1
    with pytest.raises(ValueError, match="one level"):
        compare_exponents(fit_power(n, loss, level=0.9), fit_power(n, loss, level=0.8), ("a", "b"))


@pytest.mark.parametrize(
    ("n", "noisier", "least", "most"),
    # two degrees of freedom each make the combination conservative; unequal noise must not make it liberal
    [(N_5, 1.0, 0.89, 0.99), (N_24, 1.0, 0.85, 0.96), (N_24, 4.0, 0.85, 0.96)],
)
def test_simulated_coverage_of_the_difference(n, noisier, least, most):
    rng, replications, covered = np.random.default_rng(11), 250, 0
    for _ in range(replications):
        second = fit_power(n, 0.55 * (n / 1e6) ** -0.2 + 1 + rng.normal(0, 0.005 * noisier, len(n)))
        low, high = compare_exponents(study(n, 0.25, rng), second, ("a", "b")).interval
        covered += (low is None or low <= 0.05) and (high is None or high >= 0.05)
    assert least <= covered / replications <= most


def test_a_gap_of_five_hundredths_needs_more_than_five_runs():
    rng = np.random.default_rng(7)
    share = {
        len(n): np.mean(
            [compare_exponents(study(n, 0.25, rng), study(n, 0.2, rng), ("a", "b")).resolved for _ in range(60)]
        )
        for n in (N_5, N_24)
    }
    assert share[5] < 0.35
    assert share[24] > 2 * share[5]
