import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar

from hf_scaling.laws import fit_power, local_exponents
from hf_scaling.laws.power import ALPHA_BOUNDS

SIZES_5 = np.geomspace(1e6, 1e8, 5)
# the amplitude is ours: with it the loss falls by .33 nats over two decades, and the spread is the published one
A, ALPHA, C, NOISE = 8.8, 0.2, 1.0, 0.005


def curve(n, a=A, alpha=ALPHA, c=C):
    return a * np.asarray(n) ** -alpha + c


@st.composite
def studies(draw):
    """Sizes and noisy losses of a falling, curved law."""
    count = draw(st.integers(5, 9))
    n = np.geomspace(1e5, 1e5 * 10 ** draw(st.floats(1.5, 4)), count)
    alpha, drop, c = draw(st.floats(0.15, 0.8)), draw(st.floats(0.3, 3)), draw(st.floats(0.8, 4))
    noise = draw(st.lists(st.floats(-0.004, 0.004), min_size=count, max_size=count))
    return n, drop * (n / n[0]) ** -alpha + c + np.array(noise)


def misfit(n, loss, a, alpha, c):
    return float(((loss - curve(n, a, alpha, c)) ** 2).sum())


@pytest.mark.parametrize(("low", "high"), [(1e4, 1e10), (1e6, 1e8), (1e6, 3e6)])
@pytest.mark.parametrize("alpha", [0.05, 0.2, 0.5, 1.2])
@pytest.mark.parametrize("c", [0.0, 0.5, 5.0])
def test_noise_free_data_give_their_parameters_back(low, high, alpha, c):
    n = np.geomspace(low, high, 6)
    a = 1.5 * low**alpha
    fit = fit_power(n, curve(n, a, alpha, c))
    assert fit.alpha == pytest.approx(alpha, rel=1e-6)
    assert fit.a == pytest.approx(a, rel=1e-6)
    assert fit.c == pytest.approx(c, abs=1e-6)
    assert fit.predict(n) == pytest.approx(curve(n, a, alpha, c), rel=1e-9)


@given(studies(), st.floats(1e-3, 1e3))
@settings(max_examples=40, deadline=None)
def test_a_change_of_the_unit_of_size_changes_only_a(study, factor):
    n, loss = study
    one, other = fit_power(n, loss), fit_power(n * factor, loss)
    assert other.alpha == pytest.approx(one.alpha, rel=1e-4)
    assert other.c == pytest.approx(one.c, abs=1e-4)
    assert other.a == pytest.approx(one.a * factor**one.alpha, rel=1e-2)
    assert other.objective == pytest.approx(one.objective, rel=1e-6, abs=1e-18)


@given(studies(), st.floats(0, 5))
@settings(max_examples=40, deadline=None)
def test_a_shift_of_the_losses_moves_only_c(study, shift):
    n, loss = study
    one, other = fit_power(n, loss), fit_power(n, loss + shift)
    if one.c > 0:  # at its bound, c would have liked to be lower, and now can be
        assert other.alpha == pytest.approx(one.alpha, rel=1e-4)
        assert other.c == pytest.approx(one.c + shift, abs=1e-4)
    assert other.objective <= one.objective * (1 + 1e-9) + 1e-18


@given(studies(), st.floats(0.2, 5))
@settings(max_examples=40, deadline=None)
def test_a_change_of_the_unit_of_loss_scales_a_and_c(study, factor):
    n, loss = study
    one, other = fit_power(n, loss), fit_power(n, loss * factor)
    assert other.alpha == pytest.approx(one.alpha, rel=1e-4)
    assert other.c == pytest.approx(one.c * factor, abs=1e-3)
    assert other.intervals["alpha"] == pytest.approx(one.intervals["alpha"], rel=1e-4)


@given(studies(), st.floats(*ALPHA_BOUNDS), st.floats(0, 10), st.floats(0, 10))
@settings(max_examples=60, deadline=None)
def test_no_parameters_within_the_bounds_fit_better(study, alpha, drop, c):
    n, loss = study
    assert fit_power(n, loss).objective <= misfit(n, loss, drop * n[0] ** alpha, alpha, c) + 1e-12


@given(studies(), st.randoms(use_true_random=False))
@settings(max_examples=20, deadline=None)
def test_the_order_of_the_runs_is_irrelevant(study, random):
    order = list(range(len(study[0])))
    random.shuffle(order)
    one, other = fit_power(*study), fit_power(study[0][order], study[1][order])
    assert other.alpha == pytest.approx(one.alpha, rel=1e-5)


@given(studies())
@settings(max_examples=30, deadline=None)
def test_intervals_hold_the_estimate_and_widen_with_the_level(study):
    narrow, wide = fit_power(*study, level=0.5), fit_power(*study, level=0.9)
    for name in ("alpha", "a", "c"):
        (low, high), (lower, higher) = narrow.intervals[name], wide.intervals[name]
        estimate = getattr(wide, name)
        assert lower is None or lower <= (estimate if low is None else low) * (1 + 1e-9) + 1e-9
        assert higher is None or higher >= (estimate if high is None else high) * (1 - 1e-9)
        assert low is None or low <= estimate * (1 + 1e-9)
        assert high is None or high >= estimate * (1 - 1e-9)


def test_interval_ends_lie_where_the_refitted_misfit_reaches_the_threshold():
    """Each end by brute force: hold one parameter there, minimise over the others."""
    n, loss = SIZES_5, curve(SIZES_5) + np.array([0.004, -0.003, 0.002, -0.005, 0.003])
    fit = fit_power(n, loss)

    def with_alpha(alpha):
        design = np.stack([n**-alpha, np.ones(5)], axis=1)
        return float(np.linalg.lstsq(design, loss, rcond=None)[1][0])

    def with_c(c):
        def misfit_of(alpha):
            g = n**-alpha
            return misfit(n, loss, g @ (loss - c) / (g @ g), alpha, c)

        return minimize_scalar(misfit_of, bounds=(0.01, 1), method="bounded", options={"xatol": 1e-10}).fun

    def with_a(a):
        def misfit_of(alpha):
            return misfit(n, loss, a, alpha, float(np.mean(loss - a * n**-alpha)))

        return minimize_scalar(misfit_of, bounds=(0.01, 1), method="bounded", options={"xatol": 1e-10}).fun

    for name, refit in (("alpha", with_alpha), ("c", with_c), ("a", with_a)):
        for end in fit.intervals[name]:
            assert refit(end) == pytest.approx(fit.threshold, rel=5e-3)
    # F(1, 2) at 90 % is 8.526: the square of Student's 2.920
    assert fit.threshold == pytest.approx(fit.objective * (1 + 8.526 / 2), rel=1e-3)


def test_the_band_holds_the_curve_and_flares_outside_the_data():
    fit = fit_power(SIZES_5, curve(SIZES_5) + np.array([0.004, -0.003, 0.002, -0.005, 0.003]))
    n = np.array([1e7, 1e10])
    lower, upper = fit.band(n)
    assert (lower < fit.predict(n)).all()
    assert (fit.predict(n) < upper).all()
    assert np.diff(upper - lower) > 0


def test_two_runs_weigh_as_one_with_a_smaller_standard_error():
    loss = curve(SIZES_5) + np.array([0.004, -0.003, 0.002, -0.005, 0.003])
    twice = fit_power(np.append(SIZES_5, SIZES_5[0]), np.append(loss, loss[0]))
    weighted = fit_power(SIZES_5, loss, stderr=[0.01 / math.sqrt(2), 0.01, 0.01, 0.01, 0.01])
    assert weighted.alpha == pytest.approx(twice.alpha, rel=1e-6)
    assert weighted.c == pytest.approx(twice.c, rel=1e-6)


def test_only_the_ratios_of_the_standard_errors_count():
    loss = curve(SIZES_5) + np.array([0.004, -0.003, 0.002, -0.005, 0.003])
    small = fit_power(SIZES_5, loss, stderr=[0.001, 0.002, 0.001, 0.001, 0.003])
    large = fit_power(SIZES_5, loss, stderr=[0.1, 0.2, 0.1, 0.1, 0.3])
    assert small.intervals["alpha"] == pytest.approx(large.intervals["alpha"], rel=1e-6)


@pytest.mark.parametrize(("sizes", "seeds"), [(5, 1), (8, 3)])
def test_simulated_intervals_cover_the_truth_as_often_as_they_say(sizes, seeds):
    rng, replications = np.random.default_rng(20), 500
    n = np.repeat(np.geomspace(1e6, 1e8, sizes), seeds)
    covered = 0
    for _ in range(replications):
        low, high = fit_power(n, curve(n) + rng.normal(0, NOISE, len(n))).alpha_interval
        covered += (low is None or low <= ALPHA) and (high is None or high >= ALPHA)
    # three standard errors of a proportion of .9 are .04
    assert covered / replications == pytest.approx(0.9, abs=0.04)


def test_five_sizes_and_one_seed_scatter_the_exponent_as_published():
    rng = np.random.default_rng(5)
    found = [fit_power(SIZES_5, curve(SIZES_5) + rng.normal(0, NOISE, 5)).alpha for _ in range(800)]
    assert np.percentile(found, [2.5, 97.5]) == pytest.approx([0.145, 0.258], abs=0.01)


def test_three_points_leave_no_interval_and_say_so():
    fit = fit_power([1e6, 1e7, 1e8], curve([1e6, 1e7, 1e8]))
    assert fit.intervals["alpha"] == (None, None)
    assert fit.verdict == "not resolved"
    assert "no interval is possible" in fit.sentence
    assert fit.residual_std is None
    assert fit.band([1e6]) is None


def test_a_wide_interval_is_not_resolved():
    n = np.geomspace(1e6, 1e8, 5)
    fit = fit_power(n, curve(n) + np.array([0.02, -0.02, 0.02, -0.02, 0.02]))
    low, high = fit.intervals["alpha"]
    assert low is None or high is None or high - low > fit.alpha
    assert fit.verdict == "not resolved"


def test_a_clear_law_is_resolved():
    n = np.repeat(np.geomspace(1e6, 1e8, 8), 3)
    fit = fit_power(n, curve(n) + np.random.default_rng(0).normal(0, NOISE, 24))
    assert fit.verdict == "resolved"
    assert "21 degrees of freedom" in fit.sentence
    assert fit.warnings == ()


@pytest.mark.parametrize(
    ("loss", "warning"),
    [
        ([2.0, 2.0, 2.0, 2.0, 2.0], "does not fall with size"),
        ([2.0, 2.1, 2.2, 2.3, 2.4], "loss rises with size between N = 1,000,000 and 3,162,278"),
        ([3.0, 2.5, 2.2, 2.3, 2.1], "loss rises with size between N = 10,000,000 and 31,622,777"),
        ([3.0, 2.0, 2.0, 2.0, 2.0], "alpha is at a bound of the search"),
        ([3.0, 2.8, 2.6, 2.4, 2.2], "c is at its bound 0"),
    ],
)
def test_odd_losses_are_fitted_with_a_warning(loss, warning):
    fit = fit_power(SIZES_5, loss)
    assert any(warning in line for line in fit.warnings)
    assert np.isfinite(fit.predict(SIZES_5)).all()


@pytest.mark.parametrize("loss", [[2.0] * 5, [2.0, 2.1, 2.2, 2.3, 2.4], [3.0, 2.0, 2.0, 2.0, 2.0]])
def test_an_exponent_that_the_data_do_not_bound_is_open(loss):
    fit = fit_power(SIZES_5, loss)
    assert fit.intervals["alpha"][1] is None
    assert fit.verdict == "not resolved"


def test_a_run_that_outweighs_all_others_is_named():
    fit = fit_power(SIZES_5, curve(SIZES_5), stderr=[0.01, 0.01, 0.0001, 0.01, 0.01])
    assert any("of the weight" in line for line in fit.warnings)


def test_extreme_but_valid_numbers_do_not_overflow():
    with np.errstate(all="raise", under="ignore"):
        fit = fit_power([1e-3, 1.0, 1e10, 1e30], [1e30, 1.0, 1e-10, 1e-30])
        assert all(end is None or math.isfinite(end) for ends in fit.intervals.values() for end in ends)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1, 2, 2], [3, 2, 1]), "distinct sizes, got 2"),
        (([1, 2, 0], [3, 2, 1]), "n: got 0.0"),
        (([1, 2, 3], [3, 2, math.nan]), "loss: got nan"),
        (([1, 2, 3], [3, 2, math.inf]), "loss: got inf"),
        (([1, 2, 3], [3, 2]), "one length"),
        (([[1, 2, 3]], [3, 2, 1]), "one dimension"),
        (([1, 2, 3], [3, 2, 1], [0.1, 0.1, 0.0]), "stderr: got 0.0"),
        (([1, 2, 3], [3, 2, 1], None, 1.0), "level: got 1.0"),
    ],
)
def test_bad_arrays_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        fit_power(*arguments)


def test_local_exponents_of_a_pure_power_law_are_its_exponent():
    found = local_exponents(SIZES_5[::-1], 5 * SIZES_5[::-1] ** -0.3)
    assert [slope for *_, slope in found] == pytest.approx([0.3] * 4)
    assert [ends[:2] for ends in found] == [pytest.approx(pair) for pair in zip(SIZES_5, SIZES_5[1:], strict=False)]


def test_local_exponents_average_the_seeds_of_a_size():
    assert local_exponents([1e6, 1e6, 1e7], [2.9, 3.1, 3.0]) == [(1e6, 1e7, pytest.approx(0, abs=1e-12))]


def test_laws_import_neither_torch_nor_transformers_nor_matplotlib():
    probe = (
        "import sys, hf_scaling.laws, hf_scaling.laws.plots, hf_scaling.study.fits;"
        "print([m for m in ('torch', 'transformers', 'datasets', 'matplotlib') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
