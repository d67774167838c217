"""The straight line in log N."""

import numpy as np
import pytest

from hf_scaling.laws.trend import fit_trend
from hf_scaling.music.estimate import holm


def test_a_line_is_found_with_the_interval_of_a_textbook():
    n = np.array([1e3, 1e4, 1e5, 1e6])
    found = fit_trend(n, [1.0, 2.0, 3.0, 4.2], level=0.9)
    assert found.slope == pytest.approx(1.06)
    # residuals .04, -.02, -.08, .06 give s² = .006, Sxx = 5, and t(2) at 95 % is 2.920
    assert found.interval[1] - found.slope == pytest.approx(2.920 * np.sqrt(0.006 / 5), rel=1e-3)
    assert 0.001 < found.p < 0.1
    assert found.predict(1e3) == pytest.approx(0.96)


def test_noise_is_not_resolved_and_two_sizes_are_too_few():
    assert fit_trend([1e3, 1e4, 1e5], [1.0, 2.0, 1.0]).p > 0.9
    assert fit_trend([1e3, 1e3, 1e4], [1.0, 2.0, 1.0]) is None
    draw = np.random.default_rng(0)
    n = np.geomspace(1e4, 1e7, 5)
    covered = [low <= 0 <= high for low, high in (fit_trend(n, draw.normal(size=5)).interval for _ in range(300))]
    assert 0.85 < np.mean(covered) < 0.95


def test_counts_of_a_few_tunes_make_no_trend_however_well_they_lie_on_a_line():
    n = np.geomspace(3e4, 1e6, 5)
    shares = np.array([0.03, 0.025, 0.02, 0.015, 0.01])
    errors = np.sqrt(shares * (1 - shares) / 100)
    assert fit_trend(n, shares).p < 1e-3
    assert fit_trend(n, shares, errors=errors).p > 0.2
    assert fit_trend(n, shares, errors=1e-9).interval == pytest.approx(fit_trend(n, shares).interval, abs=1e-8)
    constant = fit_trend(n, np.zeros(5), errors=0.02)
    assert constant.interval[0] < 0 < constant.interval[1]
    assert constant.p == 1


def test_noise_of_counting_alone_is_covered():
    draw = np.random.default_rng(1)
    n = np.geomspace(1e4, 1e7, 5)
    found = [fit_trend(n, draw.normal(size=5), errors=1.0) for _ in range(300)]
    assert np.mean([one.interval[0] <= 0 <= one.interval[1] for one in found]) > 0.9
    assert np.mean([one.p < 0.1 for one in found]) < 0.1


def test_holm_raises_each_of_several():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
