"""The best learning rate of a size, and the rule through several."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_scaling.laws import best_rate, fit_rate_rule

GRID = [0.001 * 2**step for step in range(7)]


@given(optimum=st.floats(math.log(0.0021), math.log(0.031)), curvature=st.floats(0.01, 5), floor=st.floats(0.5, 4))
def test_the_vertex_of_a_parabola_is_found(optimum, curvature, floor):
    losses = [floor + curvature * (math.log(rate) - optimum) ** 2 for rate in GRID]
    found = best_rate(GRID, losses)
    assert found.rate == pytest.approx(math.exp(optimum), rel=1e-3)
    assert found.on_edge is None


@pytest.mark.parametrize(("losses", "end"), [([1, 2, 3], "lowest"), ([3, 2, 1], "highest")])
def test_an_optimum_on_the_edge_is_named(losses, end):
    found = best_rate([0.1, 0.2, 0.4], losses)
    assert found.on_edge == end
    assert found.rate in (0.1, 0.4)


def test_a_rate_that_diverged_bounds_the_grid():
    assert best_rate([0.1, 0.2, 0.4, 0.8], [3, 2, 1, math.inf]).on_edge is None
    with pytest.raises(ValueError, match="2 rates with a finite loss, expected at least 3"):
        best_rate([0.1, 0.2, 0.4], [3, 2, math.nan])


@given(rate=st.floats(1e-4, 0.1), exponent=st.floats(-1, 1))
def test_a_power_law_of_rates_is_recovered(rate, exponent):
    n = [1e4, 5e4, 1e6]
    found = fit_rate_rule(n, [rate * (size / 1e5) ** -exponent for size in n], 1e5)
    assert found == (pytest.approx(rate), pytest.approx(exponent, abs=1e-6))
