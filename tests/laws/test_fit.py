import numpy as np
import pytest

from hf_scaling.laws import fit_power
from hf_scaling.laws.fit import fit, intervals_together
from hf_scaling.laws.forecast import new_run_interval
from hf_scaling.laws.forms import CHINCHILLA, DATA, DATA_CONSTRAINED, KAPLAN, POWER, SMS, Runs, to_params, to_theta
from hf_scaling.laws.solve import Problem
from tests.laws.test_forms import TRUTHS

CHINCHILLA_SMALL = {"A": 15.8, "B": 31.5, "E": 0.8, "alpha": 0.3, "beta": 0.3}


def losses(form, params, runs, noise=0.0, seed=0):
    log_loss = form.evaluate(to_theta(form.parameters, params)[None], runs)[0][0]
    return np.exp(log_loss + np.random.default_rng(seed).normal(0, noise, len(log_loss)))


def grid(sizes=6, horizons=4, seeds=1):
    n = np.geomspace(1e4, 1e6, sizes)
    d = np.geomspace(2e5, 2e6, horizons)
    pairs = np.array([(a, b) for a in n for b in d for _ in range(seeds)]).T
    return Runs.of(*pairs)


@pytest.mark.parametrize("delta", [1e-3, np.inf])
@pytest.mark.parametrize(
    ("form", "params"),
    [
        (DATA, {"b": 40.0, "beta": 0.3, "c": 1.0}),
        (CHINCHILLA, CHINCHILLA_SMALL),
        (KAPLAN, {"N_c": 1e6, "D_c": 1e5, "alpha_N": 0.2, "alpha_D": 0.3}),
    ],
)
def test_a_law_without_noise_comes_back(form, params, delta):
    runs = grid()
    assert fit(form, runs, losses(form, params, runs), delta=delta).params == pytest.approx(params, rel=1e-4)


def test_repetition_comes_back_where_data_are_repeated():
    params = TRUTHS["data_constrained"]  # as Muennighoff et al. published them
    n = np.tile(np.geomspace(1e7, 1e10, 6), 24)
    u = np.repeat(np.geomspace(1e8, 1e10, 4), 36)
    d = u * np.tile(np.repeat([1.0, 3.0, 10.0, 30.0, 60.0, 100.0], 6), 4)
    runs = Runs.of(n, d, u)
    made = fit(DATA_CONSTRAINED, runs, losses(DATA_CONSTRAINED, params, runs, 0.002), delta=np.inf)
    assert made.params["R_D"] == pytest.approx(params["R_D"], rel=0.15)
    for name in ("alpha", "beta", "R_D"):
        low, high = made.intervals[name]
        assert low < params[name] < high


def test_the_music_law_predicts_what_it_made():
    params = {
        "d": 3e4, "A": 60.0, "B": 900.0, "E": 0.45, "alpha": 0.3, "beta": 0.32, "k": 0.85,
        "k_d": 8e-12, "k_n": 0.03, "k_u": 0.04, "k_in": -0.25,
    }  # fmt: skip
    n = np.tile(np.repeat([190e6, 505e6, 1.07e9, 2e9], 12), 3)
    d = np.tile(np.geomspace(2e9, 1.2e11, 12), 12)
    runs = Runs.of(n, d, np.repeat([2.1e9, 8.4e9, 33.6e9], 48))
    made = fit(SMS, runs, losses(SMS, params, runs, 0.003))
    off = np.log(made.predict(runs) / losses(SMS, params, runs))
    assert np.abs(off).max() < 0.006
    plain = fit(CHINCHILLA, runs, losses(SMS, params, runs, 0.003))
    assert np.abs(np.log(plain.predict(runs) / losses(SMS, params, runs))).max() > 0.1


def test_the_general_search_agrees_with_the_closed_form():
    n = np.geomspace(1e6, 1e8, 8).repeat(3)
    loss = 30 * n**-0.2 + 1 + np.random.default_rng(1).normal(0, 0.005, 24)
    closed, searched = fit_power(n, loss), fit(POWER, Runs.of(n), loss, delta=np.inf)
    # one weighs losses, the other log-losses: nearly the same where they span little
    assert searched.params["alpha"] == pytest.approx(closed.alpha, abs=0.005)
    assert searched.intervals["alpha"] == pytest.approx(closed.alpha_interval, abs=0.006)


def test_intervals_are_where_the_profile_passes_the_threshold():
    runs = grid()
    made = fit(CHINCHILLA, runs, losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.004), delta=np.inf)
    for end in made.intervals["alpha"]:
        # brute force: the other parameters, fitted with alpha where the interval ends
        rest = np.random.default_rng(0)
        best = np.inf
        for _ in range(3):
            theta = made.theta + rest.normal(0, 0.01, 5)
            for _ in range(200):
                theta[3] = end
                value, slopes = made.form.evaluate(theta[None], runs)
                residual = np.log(made.loss) - value[0]
                theta = (
                    theta
                    + np.linalg.lstsq(slopes[0][:, [0, 1, 2, 4]], residual, rcond=None)[0] @ np.eye(5)[[0, 1, 2, 4]]
                )
            best = min(best, float(residual @ residual) / 2)
        assert best - made.objective == pytest.approx(made.threshold(0.9), rel=1e-3)


def test_a_level_nests_in_the_higher_one():
    runs = grid()
    loss = losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.004)
    narrow, wide = (fit(CHINCHILLA, runs, loss, level=level).intervals["alpha"] for level in (0.5, 0.9))
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_as_many_runs_as_parameters_give_no_interval():
    runs = Runs.of(np.geomspace(1e4, 1e6, 5), np.array([1e6, 2e6, 1e6, 2e6, 1e6]))
    made = fit(CHINCHILLA, runs, losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.004))
    assert made.intervals["alpha"] == (None, None)
    assert made.verdict == "not resolved"
    assert "no degree of freedom" in made.sentence
    assert made.noise is None


def test_what_the_runs_do_not_tell_is_open():
    # one D only: beta cannot be known
    n = np.geomspace(1e4, 1e6, 12)
    runs = Runs.of(n, np.full(12, 1e6))
    made = fit(CHINCHILLA, runs, losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.004), delta=np.inf)
    assert None in made.intervals["beta"]
    assert "beta" in made.unresolved


def test_too_few_runs_and_wrong_values():
    runs = Runs.of([1e4, 1e5, 1e6], [1e6, 1e6, 2e6])
    with pytest.raises(ValueError, match="5 parameters and needs as many runs, got 3"):
        fit(CHINCHILLA, runs, [3.0, 2.0, 1.0])
    with pytest.raises(ValueError, match="loss: got -1.0"):
        fit(POWER, runs, [3.0, 2.0, -1.0])
    with pytest.raises(ValueError, match="loss has 2 values"):
        fit(POWER, runs, [3.0, 2.0])


def test_weights_follow_the_errors_of_the_evaluation():
    runs = grid(seeds=2)
    loss = losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.002)
    loss[::2] *= 1.1  # every second run is off, and says so
    stderr = np.where(np.arange(len(loss)) % 2 == 0, 100.0, 0.001) * loss
    made = fit(CHINCHILLA, runs, loss, stderr, delta=np.inf)
    clean = fit(CHINCHILLA, runs.take(np.arange(1, len(loss), 2)), loss[1::2], delta=np.inf)
    assert made.params == pytest.approx(clean.params, rel=1e-3)


def test_leaving_a_run_out_is_fitting_without_it():
    runs = grid(4, 3)
    loss = losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.004)
    made = fit(CHINCHILLA, runs, loss, delta=np.inf)
    left_out = made.without_each()
    kept = np.delete(np.arange(12), 5)
    alone = fit(CHINCHILLA, runs.take(kept), loss[kept], delta=np.inf)
    assert to_params(CHINCHILLA.parameters, left_out[5]) == pytest.approx(alone.params, rel=1e-3)


def test_a_bootstrap_is_a_function_of_its_seed():
    runs = grid(4, 3)
    made = fit(CHINCHILLA, runs, losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.004))
    first, again, other = (made.bootstrap(8, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("delta", [1e-3, np.inf])
def test_intervals_of_a_joint_form_cover(delta):
    """90 % intervals of alpha over simulated studies of 5 sizes, 3 horizons and 2 seeds."""
    runs, inside, studies = grid(5, 3, seeds=2), 0, 40
    for seed in range(studies):
        made = fit(CHINCHILLA, runs, losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.004, seed), delta=delta)
        low, high = made.intervals_of(["alpha"])["alpha"]
        inside += (low is None or low <= 0.3) and (high is None or high >= 0.3)
    # three standard deviations of a binomial of 40 at .9 are .14
    assert 0.76 <= inside / studies <= 1


@pytest.mark.parametrize("delta", [1e-3, np.inf])
def test_runs_in_pieces_sum_to_the_whole(delta):
    runs = grid(50, 50)  # more than fit into one piece
    log_loss = np.log(losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.004))
    assert len(runs.blocks) > 2
    theta = to_theta(CHINCHILLA.parameters, CHINCHILLA_SMALL) * np.array([[1.0], [1.01]])
    whole = Problem(CHINCHILLA, runs, log_loss[None], np.ones((1, 2500)), delta)
    parts = [
        Problem(CHINCHILLA, runs.take(rows), log_loss[rows][None], np.ones((1, len(rows))), delta)
        for rows in np.array_split(np.arange(2500), 7)
    ]
    assert whole.value(theta) == pytest.approx(sum(part.value(theta) for part in parts))
    for found, pieces in zip(
        whole.expand(theta), zip(*(part.expand(theta) for part in parts), strict=True), strict=True
    ):
        assert found == pytest.approx(sum(pieces))
    residual = CHINCHILLA.evaluate(theta, runs)[0] - log_loss
    inside = np.minimum(np.abs(residual), delta)
    assert whole.value(theta) == pytest.approx((inside * (np.abs(residual) - inside / 2)).sum(axis=1))


def test_many_runs_give_narrow_intervals_around_the_truth():
    runs = grid(50, 50)
    made = fit(CHINCHILLA, runs, losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.004), level=0.999)
    for name, value in CHINCHILLA_SMALL.items():
        low, high = made.intervals[name]
        assert low < value < high
        assert high - low < 0.5 * value


def test_intervals_of_many_fits_are_those_of_each():
    runs = grid()
    fits = [fit(CHINCHILLA, runs, losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.002, seed)) for seed in range(3)]
    for made, found in zip(fits, intervals_together(fits, ["alpha", "A"]), strict=True):
        alone = made.intervals_of(["alpha", "A"])
        assert found["alpha"] == pytest.approx(alone["alpha"], rel=1e-6)
        assert found["A"] == pytest.approx(alone["A"], rel=1e-6)


def test_a_richer_form_never_fits_worse():
    runs = Runs.of(*np.array([(n, d, d / 3) for n in np.geomspace(1e4, 1e6, 6) for d in np.geomspace(2e5, 2e6, 6)]).T)
    loss = losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.004)
    for delta in (1e-3, np.inf):
        plain, richer = (fit(form, runs, loss, delta=delta).objective for form in (CHINCHILLA, DATA_CONSTRAINED))
        assert richer <= plain * (1 + 1e-4)  # a rate at its bound is not quite without repetition


@pytest.mark.parametrize("delta", [1e-3, np.inf])
@pytest.mark.parametrize(("column", "unknown"), [("d", {"B", "beta", "E"}), ("n", {"A", "alpha", "E"})])
def test_what_one_value_of_a_column_cannot_tell_is_open(column, unknown, delta):
    varied = np.geomspace(1e4, 1e6, 20)
    runs = Runs.of(**{"n": varied, "d": varied} | {column: np.full(20, 1e5)})
    loss = losses(CHINCHILLA, CHINCHILLA_SMALL, runs, 0.03)
    made = fit(CHINCHILLA, runs, loss, delta=delta)
    assert {name for name, ends in made.intervals.items() if ends == (None, None)} >= unknown
    elsewhere = Runs.of([3e5], [3e5])
    assert new_run_interval(made, elsewhere, 0.9) == (None, None)
