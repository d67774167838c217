import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_scaling.records import UserError
from hf_scaling.report import formats

NUMBERS = ("fixed", "count", "short", "power_of_ten", "duration", "memory", "percent")


def shown(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("short", 1_038_000, "1.04M"),
        ("short", 999_999, "1.00M"),
        ("short", 30_400, "30.4k"),
        ("short", 512, "512"),
        ("power_of_ten", 3.2e12, "3.2 × 10¹²"),
        ("power_of_ten", 9.96e12, "1.0 × 10¹³"),
        ("power_of_ten", 2.5e-5, "2.5 × 10⁻⁵"),
        ("power_of_ten", 0.004, "0.004"),
        ("power_of_ten", 0, "0"),
        ("fixed", -0.0131, "−0.013"),
        ("count", 1234567, "1,234,567"),
        ("duration", 7.84, "7.8 s"),
        ("duration", 59.7, "1 min 00 s"),
        ("duration", 3725, "1 h 02 min"),
        ("memory", 512 * 2**20, "512 MiB"),
        ("memory", 1023 * 2**20, "1023 MiB"),
        ("percent", 0.213, "21 %"),
        ("interval", [0.145, None], "[0.145, open]"),
        ("interval", [None, None], "[open, open]"),
        ("interval", [0.00018, -0.00004], "[0.0002, −0.00004]"),
        ("interval", [0, 1e-9], "[0.000, 0.000]"),
        ("fixed", -0.0004, "0.000"),
        ("family", "gpt2", "GPT‑2"),
        ("family", "other", "other"),
        ("listed", ["a"], "a"),
        ("listed", ["a", "b", "c"], "a, b and c"),
        ("plain", {"a": [1, True]}, "a: 1, true"),
    ],
)
def test_values_as_a_reader_wants_them(name: str, value: object, expected: str) -> None:
    assert shown(getattr(formats, name)(value)) == expected


def test_an_error_that_rounds_to_nothing_is_a_bound() -> None:
    assert shown(formats.plus_minus(1.2346, 0.0118)) == "1.235 ± 0.012"
    assert shown(formats.plus_minus(1.2346, 0.00001)) == "1.235 ± < 0.001"
    assert formats.plus_minus(1.2346, None) == "1.235"


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", ["7", True, math.nan, math.inf, 10**400, [1]])
def test_what_is_no_number_is_refused(name: str, value: object) -> None:
    with pytest.raises(UserError, match="where a number is expected"):
        getattr(formats, name)(value)


@pytest.mark.parametrize("name", NUMBERS)
def test_an_absent_value_is_a_dash(name: str) -> None:
    assert getattr(formats, name)(None) == "–"


@given(st.floats(min_value=1, max_value=1e15))
def test_short_keeps_three_significant_digits(value: float) -> None:
    text = formats.short(value)
    scale = {"k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}.get(text[-1], 1.0)
    number = float(text.rstrip("kMBT")) * scale
    assert number == pytest.approx(value, rel=5.1e-3)
    assert number < 1000 * scale or scale == 1e12
