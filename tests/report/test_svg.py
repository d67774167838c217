"""Charts as coordinates: whatever the values, marks and ticks lie within the axes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_scaling.report import svg
from hf_scaling.report.svg import Curve, Point, panel

POSITIVE = st.floats(1e-6, 1e18)
ANY = st.floats(-1e12, 1e12)


def points(pairs: list[tuple[float, float]], error: float = 0.0) -> list[Point]:
    return [Point(x, y, error, 0, ["a run"]) for x, y in pairs]


@given(st.lists(st.tuples(POSITIVE, ANY), min_size=1, max_size=20), st.floats(0, 1e6))
def test_marks_whiskers_and_ticks_lie_within_the_axes(pairs: list[tuple[float, float]], error: float) -> None:
    drawn = panel("t", "alt", ("N", "loss"), points(pairs, error))
    assert drawn is not None
    left, right, top, bottom = drawn.x.start, drawn.x.end, drawn.y.end, drawn.y.start
    assert 0 < left < right < svg.WIDTH
    assert 0 < top < bottom < svg.HEIGHT
    for point in drawn.points:
        x, y = map(float, drawn.at(point))
        assert left <= x <= right
        assert top <= y <= bottom
        assert all(top <= float(end) <= bottom for end in drawn.whisker(point) or ())
    for start, end, ticks in ((left, right, drawn.x_ticks), (top, bottom, drawn.y_ticks)):
        assert 1 <= len(ticks) <= 9
        assert all(start - 0.1 <= float(at) <= end + 0.1 for at, _ in ticks)


def test_larger_is_further_right_and_higher() -> None:
    drawn = panel("t", "alt", ("N", "loss"), points([(10, 1.0), (100, 2.0), (1000, 3.0)]))
    assert drawn is not None
    at = [tuple(map(float, drawn.at(point))) for point in drawn.points]
    assert at[0][0] < at[1][0] < at[2][0]
    assert at[0][1] > at[1][1] > at[2][1]
    assert at[1][0] - at[0][0] == pytest.approx(at[2][0] - at[1][0], abs=0.11)  # a logarithmic axis


@pytest.mark.parametrize(
    ("low", "high", "labels"),
    [
        (30_000, 1_000_000, ["50k", "100k", "200k", "500k", "1M"]),
        (1e3, 1e9, ["1k", "10k", "100k", "1M", "10M", "100M", "1B"]),
        (480, 520, ["480", "490", "500", "510", "520"]),
        (12, 77, ["20", "30", "50", "70"]),  # of 1, 2 and 5 there would be two
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, labels: list[str]) -> None:
    drawn = panel("t", "alt", ("N", "loss"), points([(low, 1.0), (high, 2.0)]))
    assert drawn is not None
    assert [label for _, label in drawn.x_ticks] == labels


def test_flops_are_written_as_powers_of_ten() -> None:
    assert svg.power_tick(2e11).replace("\N{NO-BREAK SPACE}", " ") == "2 × 10¹¹"
    assert svg.power_tick(1e12) == "10¹²"


def test_what_a_logarithm_cannot_show_is_left_out() -> None:
    assert panel("t", "alt", ("N", "s"), points([(0, 1.0), (-1, 2.0)])) is None
    drawn = panel("t", "alt", ("N", "s"), points([(1, 0.0), (2, 5.0)]), log=(True, True))
    assert drawn is not None
    assert [point.y for point in drawn.points] == [5.0]


def test_a_band_far_beyond_the_runs_stays_a_path() -> None:
    curve = Curve([1, 10, 100], [3.0, 2.0, 1.0], 0, [-1e300, 1.9, 0.9], [1e300, 2.1, 1.1])
    drawn = panel("t", "alt", ("N", "loss"), points([(2, 3.0), (90, 1.0)]), [curve])
    assert drawn is not None
    assert drawn.line(curve).count("L") == 2
    assert drawn.band(curve).endswith("Z")
    assert "e" not in drawn.band(curve)
    assert drawn.band(Curve([1, 10], [1.0, 1.0], 0)) == ""
