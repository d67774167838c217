"""The straight line in log N."""

import numpy as np
import pytest

from hf_scaling.laws.trend import fit_trend


def test_a_line_is_found_with_the_interval_of_a_textbook():
    n = np.array([1e3, 1e4, 1e5, 1e6])
    found = fit_trend(n, [1.0, 2.0, 3.0, 4.2], level=0.9)
    assert found.slope == pytest.approx(1.06)
    # residuals .04, -.02, -.08, .06 give s² = .006, Sxx = 5, and t(2) at 95 % is 2.920
    assert found.interval[1] - found.slope == pytest.approx(2.920 * np.sqrt(0.006 / 5), rel=1e-3)
    assert found.verdict == "resolved"
    assert found.predict(1e3) == pytest.approx(0.96)


def test_noise_is_not_resolved_and_two_sizes_are_too_few():
    assert fit_trend([1e3, 1e4, 1e5], [1.0, 2.0, 1.0]).verdict == "not resolved"
    assert fit_trend([1e3, 1e3, 1e4], [1.0, 2.0, 1.0]) is None
    draw = np.random.default_rng(0)
    n = np.geomspace(1e4, 1e7, 5)
    covered = [low <= 0 <= high for low, high in (fit_trend(n, draw.normal(size=5)).interval for _ in range(300))]
    assert 0.85 < np.mean(covered) < 0.95
