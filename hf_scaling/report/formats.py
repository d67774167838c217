"""Numbers as a reader wants them; every function gives a dash where the value is absent.

Units stand behind a no-break space. Raises UserError where a file holds something else than a number.
"""

from collections.abc import Sequence
from typing import Any

from hf_scaling.records import UserError

DASH = "–"
_LARGEST = 1e300  # NaN, infinity and integers beyond the range of floats all fail the comparison
NBSP = "\N{NO-BREAK SPACE}"
_MINUS = "\N{MINUS SIGN}"
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_FAMILIES = {"gpt2": "GPT\N{NON-BREAKING HYPHEN}2", "folk_lstm": "LSTM", "llama": "LLaMA"}
_CONVENTIONS = {"total": "counting all parameters", "non_embedding": "without embeddings", "given": "as given"}


def family(name: str) -> str:
    """`gpt2` as GPT‑2 that no line break cuts; a name that is not known stays as it is."""
    return _FAMILIES.get(name, name)


def convention(name: str) -> str:
    """Which parameters an N counts, in words."""
    return _CONVENTIONS.get(name, name)


def finite(value: Any) -> float | None:
    """The number, or None for None.

    Raises:
        UserError: something else, an infinity or not a number.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < _LARGEST:
        raise UserError(f"report: got {value!r} in the study folder where a number is expected")
    return float(value)


def _signed(text: str) -> str:
    return text.replace("-", _MINUS)


def fixed(value: Any, digits: int = 3) -> str:
    """1.2346 as 1.235."""
    number = finite(value)
    return DASH if number is None else _signed(f"{number:z.{digits}f}")  # z: no minus on a zero


def plus_minus(value: Any, error: Any, digits: int = 3) -> str:
    """1.2346 and 0.0118 as 1.235 ± 0.012; an error that would round to 0 is shown as a bound."""
    number = finite(error)
    if number is None or value is None:
        return fixed(value, digits)
    least = 10.0**-digits
    shown = f"<{NBSP}{fixed(least, digits)}" if 0 < number < least / 2 else fixed(number, digits)
    return f"{fixed(value, digits)}{NBSP}±{NBSP}{shown}"


def count(value: Any) -> str:
    """12345 as 12,345."""
    number = finite(value)
    return DASH if number is None else _signed(f"{number:,.0f}")


def short(value: Any) -> str:
    """1038000 as 1.04M: three significant digits."""
    number = finite(value)
    if number is None:
        return DASH
    rounded = float(f"{number:.3g}")  # first, so that 999,999 becomes 1.00M and not 1000k
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if rounded >= unit:
            scaled = rounded / unit
            return f"{scaled:.{2 if scaled < 10 else 1 if scaled < 100 else 0}f}{name}"
    return f"{rounded:g}"


def power_of_ten(value: Any, digits: int = 2) -> str:
    """3.2e12 as 3.2 × 10¹²; what reads well without a power stays plain."""
    number = finite(value)
    if number is None:
        return DASH
    if number == 0 or 1e-3 <= abs(number) < 1e4:
        return _signed(f"{float(f'{number:.{digits + 1}g}'):g}")  # 1310, not 1.31e+03
    mantissa, exponent = f"{number:.{digits - 1}e}".split("e")
    return f"{_signed(mantissa)}{NBSP}×{NBSP}10{str(int(exponent)).translate(_SUPERSCRIPT)}"


def duration(seconds: Any) -> str:
    """75 as 1 min 15 s."""
    number = finite(seconds)
    if number is None:
        return DASH
    if number < 9.95:
        return f"{number:.1f}{NBSP}s"
    minutes, rest = divmod(round(number), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{NBSP}h{NBSP}{minutes:02d}{NBSP}min"
    return f"{minutes}{NBSP}min{NBSP}{rest:02d}{NBSP}s" if minutes else f"{rest}{NBSP}s"


def memory(size: Any) -> str:
    """536870912 as 512 MiB."""
    number = finite(size)
    if number is None:
        return DASH
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= unit:
            return f"{number / unit:.3g}{NBSP}{name}" if number < 999.5 * unit else f"{number / unit:.0f}{NBSP}{name}"
    return f"{number:.0f}{NBSP}B"


def percent(share: Any, digits: int = 0) -> str:
    """0.213 as 21 %."""
    number = finite(share)
    return DASH if number is None else f"{100 * number:.{digits}f}{NBSP}%"


def interval(ends: Sequence[Any] | None, digits: int = 3) -> str:
    """[0.145, 0.258], with `open` for an end that the data do not bound.

    An end that would round to 0 has up to two more digits, so that it shows its side.
    """
    low, high = ends or (None, None)
    return "[" + ", ".join("open" if end is None else _end(end, digits) for end in (low, high)) + "]"


def _end(value: Any, digits: int) -> str:
    size = abs(finite(value) or 0.0)
    finer = next((more for more in range(3) if size >= 0.5 * 10.0 ** -(digits + more)), 0)
    return fixed(value, digits + finer)


def plain(value: Any) -> str:
    """A configuration value, in the words of its file."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return DASH
    if isinstance(value, dict):
        return ", ".join(f"{key}: {plain(item)}" for key, item in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(plain(item) for item in value) or "none"
    return str(value)


def yes_or_no(value: Any) -> str:
    """A permission in a word."""
    return DASH if value is None else "yes" if value else "no"


def listed(words: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1] if words else "")))
