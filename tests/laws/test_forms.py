import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_scaling.laws.forms import CHINCHILLA, DATA_CONSTRAINED, FORMS, KAPLAN, POWER, SMS, Runs, to_params, to_theta

# as published, or (sms, power, data) of the size of what was published
TRUTHS = {
    "power": {"a": 8.8, "alpha": 0.2, "c": 1.0},
    "data": {"b": 40.0, "beta": 0.3, "c": 1.0},
    "chinchilla": {"A": 482.01, "B": 2085.43, "E": 1.8172, "alpha": 0.3478, "beta": 0.3658},  # Besiroglu et al. 2024
    "kaplan": {"N_c": 6.4e13, "D_c": 1.8e13, "alpha_N": 0.076, "alpha_D": 0.103},  # Kaplan et al. 2020, table 2
    "data_constrained": {  # Muennighoff et al. 2023
        "A": np.exp(6.255414), "B": np.exp(7.3049974), "E": np.exp(0.6254804), "alpha": 0.3526596, "beta": 0.3526596,
        "R_D": 15.387756, "R_N": 5.309743,
    },
    "sms": {
        "d": 3e4, "A": 60.0, "B": 900.0, "E": 0.45, "alpha": 0.3, "beta": 0.32, "k": 0.85,
        "k_d": 8e-12, "k_n": 0.03, "k_u": 0.04, "k_in": -0.25,
    },
}  # fmt: skip


def design(seed=0, count=60):
    rng = np.random.default_rng(seed)
    return Runs.of(10 ** rng.uniform(7, 10, count), 10 ** rng.uniform(9, 11, count), 10 ** rng.uniform(9, 10.5, count))


def test_every_form_has_a_truth_here():
    assert set(TRUTHS) == set(FORMS)


@pytest.mark.parametrize("name", FORMS)
def test_gradients_are_those_of_differences(name):
    form, runs = FORMS[name], design()
    theta = to_theta(form.parameters, TRUTHS[name])[None]
    gradient = form.evaluate(theta, runs)[1][0]
    for index in range(theta.shape[1]):
        step = 1e-6 * (abs(theta[0, index]) or 1.0)
        ahead, behind = theta.copy(), theta.copy()
        ahead[0, index] += step
        behind[0, index] -= step
        slope = (form.evaluate(ahead, runs)[0][0] - form.evaluate(behind, runs)[0][0]) / (2 * step)
        assert gradient[:, index] == pytest.approx(slope, rel=1e-6, abs=1e-6 * np.abs(slope).max() + 1e-15)


@pytest.mark.parametrize("name", FORMS)
def test_parameters_and_theta_are_two_views_of_one_thing(name):
    form = FORMS[name]
    theta = to_theta(form.parameters, TRUTHS[name])
    assert to_params(form.parameters, theta) == pytest.approx(TRUTHS[name], rel=1e-12)


@pytest.mark.parametrize("name", FORMS)
def test_many_thetas_are_evaluated_as_one_by_one(name):
    form, runs = FORMS[name], design(count=7)
    one = to_theta(form.parameters, TRUTHS[name])
    several = np.stack([one, one * 1.01, one * 0.99])
    together = form.evaluate(several, runs)
    for index, theta in enumerate(several):
        apart = form.evaluate(theta[None], runs)
        for whole, part in zip(together, apart, strict=True):
            assert whole[index] == pytest.approx(part[0], rel=1e-12)


def test_the_papers_forms_as_they_write_them():
    n, d = np.array([7e7, 1e9]), np.array([2e10, 3e11])
    p = TRUTHS["chinchilla"]
    expected = p["E"] + p["A"] / n ** p["alpha"] + p["B"] / d ** p["beta"]
    assert np.exp(CHINCHILLA.evaluate(to_theta(CHINCHILLA.parameters, p)[None], Runs.of(n, d))[0][0]) == pytest.approx(
        expected
    )
    p = TRUTHS["kaplan"]
    expected = ((p["N_c"] / n) ** (p["alpha_N"] / p["alpha_D"]) + p["D_c"] / d) ** p["alpha_D"]
    assert np.exp(KAPLAN.evaluate(to_theta(KAPLAN.parameters, p)[None], Runs.of(n, d))[0][0]) == pytest.approx(expected)


def test_muennighoffs_published_value():
    theta = to_theta(DATA_CONSTRAINED.parameters, TRUTHS["data_constrained"])[None]
    runs = Runs.of([6.34e9], [242e9], [25e9])
    assert np.exp(DATA_CONSTRAINED.evaluate(theta, runs)[0][0, 0]) == pytest.approx(2.2256440889984477, rel=1e-14)


@given(st.floats(1e6, 1e10), st.floats(1e8, 1e11), st.floats(1.0, 30.0))
def test_repeating_data_is_worth_less_than_new_data_and_more_than_none(n, unique, epochs):
    theta = to_theta(DATA_CONSTRAINED.parameters, TRUTHS["data_constrained"])[None]

    def loss(d, u):
        return DATA_CONSTRAINED.evaluate(theta, Runs.of([n], [d], [u]))[0][0, 0]

    repeated, once = loss(epochs * unique, unique), loss(unique, unique)
    assert loss(epochs * unique, epochs * unique) <= repeated + 1e-12
    assert repeated <= once + 1e-12


def test_the_music_law_has_an_optimum_in_epochs_and_chinchillas_has_none():
    theta = to_theta(SMS.parameters, TRUTHS["sms"])[None]
    d = np.geomspace(1e9, 2e11, 40)
    runs = Runs.of(np.full(40, 1e9), d, np.full(40, 2.1e9))
    losses = SMS.evaluate(theta, runs)[0][0]
    assert 0 < losses.argmin() < 39
    assert np.all(
        np.diff(CHINCHILLA.evaluate(to_theta(CHINCHILLA.parameters, TRUTHS["chinchilla"])[None], runs)[0][0]) < 0
    )


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="d: missing"):
        CHINCHILLA.evaluate(to_theta(CHINCHILLA.parameters, TRUTHS["chinchilla"])[None], Runs.of([1e6]))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"n": [1e6, -1.0]}, "n: got -1.0"),
        ({"n": [1e6], "d": [np.nan]}, "d: got nan"),
        ({"n": [[1e6]]}, "one dimension"),
        ({"n": [1e6, 2e6], "d": [1e9]}, "one length"),
    ],
)
def test_runs_that_are_none(columns, message):
    with pytest.raises(ValueError, match=message):
        Runs.of(**columns)


def test_starts_of_the_power_form_hold_the_truth():
    n = np.geomspace(1e6, 1e9, 12)
    p = TRUTHS["power"]
    loss = p["a"] * n ** -p["alpha"] + p["c"]
    starts = POWER.starts(Runs.of(n), loss, np.ones(12))
    best = np.abs(POWER.evaluate(starts, Runs.of(n))[0] - np.log(loss)).max(axis=1).min()
    assert best < 3e-3  # the grid is 7 % wide
