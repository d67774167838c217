import numpy as np
import pytest

from hf_scaling.laws.design import expected_width, simulated_widths
from hf_scaling.laws.fit import fit
from hf_scaling.laws.forecast import forecast, new_run_interval, rolling_errors
from hf_scaling.laws.forms import CHINCHILLA, KAPLAN, POWER, Runs, to_theta
from hf_scaling.laws.frontier import flops_law, frontier, iso_flop, iso_flop_exponent

TRUTH = {"A": 15.8, "B": 31.5, "E": 0.8, "alpha": 0.3, "beta": 0.25}


def losses(runs, noise=0.0, seed=0, params=TRUTH, form=CHINCHILLA):
    log_loss = form.evaluate(to_theta(form.parameters, params)[None], runs)[0][0]
    return np.exp(log_loss + np.random.default_rng(seed).normal(0, noise, len(log_loss)))


def grid(sizes=6, horizons=4, seeds=1):
    pairs = [(n, d) for n in np.geomspace(1e4, 1e6, sizes) for d in np.geomspace(2e5, 2e6, horizons)] * seeds
    return Runs.of(*np.array(pairs).T)


def test_the_optimum_is_least_along_its_budget():
    runs = grid()
    made = fit(CHINCHILLA, runs, losses(runs))
    found = frontier(made, [1e10, 1e12])
    assert found.exponent == pytest.approx(0.25 / 0.55, rel=1e-4)
    for optimum in found.optima:
        assert 6 * optimum.n * optimum.d == pytest.approx(optimum.budget)
        n = optimum.n * np.geomspace(0.1, 10, 2001)
        along = made.predict(Runs.of(n, optimum.budget / (6 * n)))
        assert n[along.argmin()] == pytest.approx(optimum.n, rel=0.005)
        assert optimum.loss == pytest.approx(along.min())


def test_counted_flops_bend_the_frontier_and_the_optimum_is_still_least():
    runs = grid()
    counted = 90 * runs.n**0.8 * runs.d
    factor, exponent = flops_law(runs.n, runs.d, counted)
    assert (factor, exponent) == pytest.approx((90, 0.8))
    made = fit(CHINCHILLA, runs, losses(runs, 0.001), delta=np.inf)
    found = frontier(made, [1e10, 1e12], factor, exponent)
    for optimum in found.optima:
        n = optimum.n * np.geomspace(0.1, 10, 2001)
        along = made.predict(Runs.of(n, optimum.budget / (factor * n**exponent)))
        assert n[along.argmin()] == pytest.approx(optimum.n, rel=0.005)
        assert factor * optimum.n**exponent * optimum.d == pytest.approx(optimum.budget)
        assert optimum.n_interval[0] < optimum.n < optimum.n_interval[1]
        assert optimum.d_interval[0] < optimum.d < optimum.d_interval[1]
    near, far = found.optima
    assert np.log(far.n / near.n) / np.log(100) == pytest.approx(found.exponent)
    assert flops_law(np.full(3, 1e5), runs.d[:3], 7 * 1e5 * runs.d[:3]) == pytest.approx((7, 1))


def test_its_intervals_hold_the_truth_and_grow_with_the_distance():
    runs = grid(seeds=3)
    found = frontier(fit(CHINCHILLA, runs, losses(runs, 0.004), delta=np.inf), [1e11, 1e14])
    exact = frontier(fit(CHINCHILLA, runs, losses(runs), delta=np.inf), [1e11, 1e14])
    near, far = found.optima
    for optimum, true in zip(found.optima, exact.optima, strict=True):
        assert optimum.n_interval[0] < true.n < optimum.n_interval[1]
        assert optimum.d_interval[0] < true.d < optimum.d_interval[1]
    assert far.n_interval[1] / far.n_interval[0] > near.n_interval[1] / near.n_interval[0]
    assert far.extrapolated > 1 > near.extrapolated
    low, high = found.exponent_interval
    assert low < 0.25 / 0.55 < high


def test_only_a_form_with_an_optimum_has_a_frontier():
    runs = grid()
    with pytest.raises(ValueError, match="expected 'chinchilla'"):
        frontier(fit(KAPLAN, runs, losses(runs)), [1e12])
    with pytest.raises(ValueError, match="budgets: got -1"):
        frontier(fit(CHINCHILLA, runs, losses(runs)), [-1.0])


def test_iso_flop_profiles_cross_check_the_form():
    budgets = np.array([1e10, 1e11, 1e12])
    exact = frontier(fit(CHINCHILLA, grid(), losses(grid())), budgets.tolist())
    n = np.concatenate([optimum.n * np.geomspace(0.3, 3, 7) for optimum in exact.optima])
    c = budgets.repeat(7)
    profiles = iso_flop(c.tolist(), n.tolist(), losses(Runs.of(n, c / (6 * n))).tolist())
    assert [profile.budget for profile in profiles] == pytest.approx(budgets)
    for profile, optimum in zip(profiles, exact.optima, strict=True):
        assert profile.best_n == pytest.approx(optimum.n, rel=0.1)
        assert profile.best_loss == pytest.approx(optimum.loss, rel=0.01)
    assert iso_flop_exponent(profiles) == pytest.approx(exact.exponent, abs=0.02)


def test_a_budget_with_few_sizes_or_without_a_minimum_has_no_vertex():
    n = [1e4, 1e5, 1e6]
    assert iso_flop([1e10] * 3, n, [3.0, 2.0, 1.0]) == []
    (profile,) = iso_flop([1e10] * 4, [1e4, 1e5, 1e6, 1e7], [4.0, 3.0, 2.0, 1.0])
    assert profile.best_n is None
    assert iso_flop_exponent([profile]) is None


def test_rolling_origin_prefers_the_form_that_made_the_data():
    runs = grid(4, 3)
    cost = runs.n * runs.d
    of_kaplan = {"N_c": 1e6, "D_c": 1e5, "alpha_N": 0.2, "alpha_D": 0.3}
    for form, params in ((CHINCHILLA, TRUTH), (KAPLAN, of_kaplan)):
        loss = losses(runs, 0.002, params=params, form=form)
        made = forecast([CHINCHILLA, KAPLAN], runs, loss, cost, Runs.of([4e6], [4e6]))
        assert made.form == form.name
        assert set(made.rolling_errors) == {"chinchilla", "kaplan"}
        true = losses(Runs.of([4e6], [4e6]), params=params, form=form)[0]
        assert made.loss == pytest.approx(true, rel=0.02)
        for level in (0.5, 0.9):
            low, high = made.intervals[level]
            assert low < made.loss < high


def test_rolling_errors_never_look_ahead():
    runs = grid(4, 3)
    loss, cost = losses(runs, 0.002), runs.n * runs.d
    late = np.argsort(cost)[-1]
    changed = loss.copy()
    changed[late] *= 1.5
    before, after = (rolling_errors(CHINCHILLA, runs, values, cost) for values in (loss, changed))
    assert before[:-1] == pytest.approx(after[:-1], rel=1e-9)
    assert after[-1] > before[-1] + 0.3


def test_a_forecast_needs_two_runs_more_than_parameters():
    n = np.geomspace(1e4, 1e6, 4)
    with pytest.raises(ValueError, match="4 runs in hand, a forecast needs at least 5"):
        forecast([POWER], Runs.of(n), n**-0.2, n, Runs.of([1e7]))


def test_intervals_of_a_new_run_cover_it():
    """90 % over simulated studies: 5 sizes predict the sixth."""
    n, inside, studies = np.geomspace(1e4, 1e6, 6), 0, 60
    params = {"a": 15.8, "alpha": 0.3, "c": 1.0}
    for seed in range(studies):
        loss = losses(Runs.of(n), 0.004, seed, params, POWER)
        made = fit(POWER, Runs.of(n[:-1]), loss[:-1], delta=np.inf)
        low, high = new_run_interval(made, Runs.of(n[-1:]), 0.9)
        inside += (low is None or low <= loss[-1]) and (high is None or loss[-1] <= high)
    assert 0.78 <= inside / studies <= 1  # three standard deviations of a binomial


def test_the_expected_width_is_what_simulation_gives():
    runs = grid(seeds=2)
    expected = expected_width(CHINCHILLA, TRUTH, runs, 0.003, "alpha")
    simulated, closed = simulated_widths(CHINCHILLA, TRUTH, runs, 0.003, "alpha", studies=12)
    assert simulated == pytest.approx(expected, rel=0.3)
    assert closed == 1.0


def test_more_seeds_are_narrower_and_collinear_designs_tell_nothing():
    few, many = (expected_width(CHINCHILLA, TRUTH, grid(seeds=seeds), 0.003, "alpha") for seeds in (1, 4))
    assert many < few / 1.8
    n = np.geomspace(1e4, 1e6, 8)
    assert expected_width(CHINCHILLA, TRUTH | {"beta": 0.3}, Runs.of(n, 20 * n), 0.003, "alpha") == float("inf")
    assert expected_width(CHINCHILLA, TRUTH, grid(5, 1), 0.003, "alpha") == float("inf")
