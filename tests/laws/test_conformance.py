"""Published results that the fitter must reproduce, on their data where these are at hand, and on simulated twins.

The value of Muennighoff's law needs no data: it, and its twin, stand in test_forms.py and test_fit.py. What the linter
says of the five points that decide the law of all 245, and its twin, are in test_lint.py.
"""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from hf_scaling.laws.fit import fit
from hf_scaling.laws.forms import CHINCHILLA, Runs, to_theta
from hf_scaling.laws.frontier import frontier
from hf_scaling.laws.solve import Problem

# Besiroglu et al. 2024, arXiv:2404.10102, of the same 240 rows
PUBLISHED = {"A": 477.84, "B": 2143.86, "E": 1.81724, "alpha": 0.34731, "beta": 0.36718}
HOFFMANN = {
    "A": np.exp(6.0073404), "B": np.exp(6.0179186), "E": np.exp(0.5267228), "alpha": 0.33917084, "beta": 0.2849083,
}  # fmt: skip


def epoch(drop=0):
    """N, C and loss of the runs read off Hoffmann et al.'s figure 4, without the `drop` highest losses."""
    folder = os.environ.get("HF_SCALING_REFERENCE_DATA")
    if not folder:
        pytest.skip("HF_SCALING_REFERENCE_DATA names no folder of reference data")
    with open(Path(folder) / "chinchilla_epoch_245.csv", encoding="utf-8") as file:
        rows = [[float(row[name]) for name in ("Model Size", "Training FLOP", "loss")] for row in csv.DictReader(file)]
    return np.array(sorted(rows, key=lambda row: row[2])[: len(rows) - drop]).T


@pytest.fixture(scope="module")
def published():
    n, c, loss = epoch(drop=5)
    return fit(CHINCHILLA, Runs.of(n, c / (6 * n)), loss, level=0.95)


def test_the_replication_of_chinchilla(published):
    assert published.n_points == 240
    assert published.params["A"] == pytest.approx(PUBLISHED["A"], rel=1e-3)
    assert published.params["B"] == pytest.approx(PUBLISHED["B"], rel=1e-3)
    assert published.params["E"] == pytest.approx(PUBLISHED["E"], abs=1e-4)
    assert published.params["alpha"] == pytest.approx(PUBLISHED["alpha"], abs=2e-5)
    assert published.params["beta"] == pytest.approx(PUBLISHED["beta"], abs=2e-5)
    assert published.objective == pytest.approx(0.00101827, abs=1e-8)


def test_its_bootstrap(published):
    thetas = published.bootstrap(1000, np.random.default_rng(0))
    thetas[:, 2] = np.exp(thetas[:, 2])
    for index, low, high in ((3, 0.317, 0.374), (4, 0.333, 0.415), (2, 1.770, 1.871)):
        found = np.quantile(thetas[:, index], [0.025, 0.975])
        assert found[1] - found[0] == pytest.approx(high - low, rel=0.1)
        assert found == pytest.approx([low, high], abs=0.1 * (high - low))


def test_its_compute_optimal_model_at_chinchillas_budget(published):
    (optimum,) = frontier(published, [5.88e23]).optima
    assert optimum.n == pytest.approx(74.0e9, rel=0.005)
    assert optimum.d / optimum.n == pytest.approx(17.9, abs=0.05)


def test_all_rows_give_another_law():
    n, c, loss = epoch()
    found = fit(CHINCHILLA, Runs.of(n, c / (6 * n)), loss).params
    assert found["E"] == pytest.approx(1.891, abs=0.001)
    assert found["beta"] == pytest.approx(0.453, abs=0.001)


def objectives(runs, loss):
    """Of Hoffmann et al.'s parameters as they were fitted, and as the paper rounds them."""
    problem = Problem(CHINCHILLA, runs, np.log(loss)[None], np.ones((1, len(loss))), 1e-3)
    rounded = {"A": 406.4, "B": 410.7, "E": 1.69, "alpha": 0.34, "beta": 0.28}
    return [problem.value(to_theta(CHINCHILLA.parameters, params)[None])[0] for params in (HOFFMANN, rounded)]


def test_hoffmanns_own_parameters_and_what_rounding_does_to_them():
    n, c, loss = epoch(drop=5)
    assert objectives(Runs.of(n, c / (6 * n)), loss) == pytest.approx([0.00123, 0.00412], abs=1e-5)


def hold_out_error(runs, loss):
    """Mean relative error at budgets of 1e21 FLOPs and more of a law fitted to the smaller ones."""
    small = np.flatnonzero(6 * runs.n * runs.d < 1e21)
    large = np.setdiff1d(np.arange(len(loss)), small)
    made = fit(CHINCHILLA, runs.take(small), loss[small])
    return np.mean(np.abs(made.predict(runs.take(large)) / loss[large] - 1))


def test_the_hold_out_of_large_budgets():
    n, c, loss = epoch(drop=5)
    assert hold_out_error(Runs.of(n, c / (6 * n)), loss) <= 0.0106


# the twins: data simulated from the published parameters, with noise and outliers like those of the reading


def simulated(seed=0, outliers=0, params=PUBLISHED):
    rng = np.random.default_rng(seed)
    n = np.exp(rng.uniform(np.log(6e7), np.log(1.6e10), 240))
    d = np.exp(rng.uniform(np.log(1e9), np.log(3e11), 240))
    log_loss = CHINCHILLA.evaluate(to_theta(CHINCHILLA.parameters, params)[None], Runs.of(n, d))[0][0]
    log_loss += rng.normal(0, 0.004, 240)
    log_loss[:outliers] += 0.15
    return Runs.of(n, d), np.exp(log_loss)


def test_simulated_the_published_parameters_come_back():
    runs, loss = simulated()
    made = fit(CHINCHILLA, runs, loss, level=0.99)
    for name, value in PUBLISHED.items():
        low, high = made.intervals[name]
        assert low < value < high, name
    assert made.params["alpha"] == pytest.approx(PUBLISHED["alpha"], abs=0.02)
    assert made.verdict == "resolved"


def test_without_noise_they_come_back_exactly():
    runs, _ = simulated()
    loss = np.exp(CHINCHILLA.evaluate(to_theta(CHINCHILLA.parameters, PUBLISHED)[None], runs)[0][0])
    for delta in (1e-3, np.inf):
        made = fit(CHINCHILLA, runs, loss, delta=delta)
        assert made.params == pytest.approx(PUBLISHED, rel=1e-5)
        assert made.objective < 1e-14


def test_simulated_the_bootstrap_holds_the_published_parameters():
    runs, loss = simulated()
    thetas = fit(CHINCHILLA, runs, loss).bootstrap(200, np.random.default_rng(0))
    low, high = np.quantile(thetas, [0.025, 0.975], axis=0)
    truth = to_theta(CHINCHILLA.parameters, PUBLISHED)
    assert np.all((low < truth) & (truth < high))
    assert high[3] - low[3] < 0.05


def test_simulated_the_compute_optimal_model_comes_back():
    runs, noisy = simulated()
    exact = np.exp(CHINCHILLA.evaluate(to_theta(CHINCHILLA.parameters, PUBLISHED)[None], runs)[0][0])
    (optimum,) = frontier(fit(CHINCHILLA, runs, exact), [5.88e23]).optima
    assert optimum.n == pytest.approx(74.0e9, rel=0.005)
    assert optimum.d / optimum.n == pytest.approx(17.9, abs=0.05)
    (found,) = frontier(fit(CHINCHILLA, runs, noisy), [5.88e23]).optima
    assert found.n_interval[0] < optimum.n < found.n_interval[1]


def test_simulated_five_points_give_another_law():
    runs, loss = simulated()
    clean = fit(CHINCHILLA, runs, loss)
    few = np.argsort(runs.d)[:5]
    loss[few] *= 1.3
    found = fit(CHINCHILLA, runs, loss).params
    assert found["beta"] > clean.intervals["beta"][1]
    assert found["E"] > clean.intervals["E"][1]


def test_simulated_rounding_hoffmanns_parameters_spoils_the_fit():
    runs, loss = simulated(params=HOFFMANN)
    fitted, rounded = objectives(runs, loss)
    assert rounded > 2 * fitted
    assert fit(CHINCHILLA, runs, loss).objective <= fitted


def test_simulated_the_hold_out_of_large_budgets():
    assert hold_out_error(*simulated()) <= 0.0106


def test_outliers_move_least_squares_and_not_huber():
    runs, clean = simulated()
    _, spoilt = simulated(outliers=10)
    moved = [
        abs(
            fit(CHINCHILLA, runs, spoilt, delta=delta).params["E"]
            - fit(CHINCHILLA, runs, clean, delta=delta).params["E"]
        )
        for delta in (1e-3, np.inf)
    ]
    assert moved[0] < moved[1] / 3


def test_bootstrap_and_profile_agree_where_the_noise_is_even():
    runs, loss = simulated()
    made = fit(CHINCHILLA, runs, loss, delta=np.inf)
    resampled = np.quantile(made.bootstrap(400, np.random.default_rng(1))[:, 3], [0.05, 0.95])
    low, high = made.intervals["alpha"]
    assert resampled[1] - resampled[0] == pytest.approx(high - low, rel=0.3)
