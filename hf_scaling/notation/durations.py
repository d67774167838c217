"""Exact musical time.

A duration is a whole number of *ticks*; a whole note has `WHOLE` of them. `WHOLE` divides by every power of two up
to 1/1024 and by the common tuplet factors, so almost every duration is an `int`; the rest are `Fraction`s of a tick,
and Python mixes the two exactly. Floats never appear.
"""

from fractions import Fraction
from functools import lru_cache

WHOLE = 2**10 * 3**3 * 5 * 7
Ticks = int | Fraction

_MAX_DIGITS = 4  # "C10000" is a slip of the pen; int() of a huge string and fractions of huge denominators are slow


def scale(ticks: Ticks, numerator: int, denominator: int) -> Ticks:
    """Return `ticks * numerator / denominator`, an int whenever that is exact."""
    product = ticks * numerator
    if isinstance(product, int) and product % denominator == 0:
        return product // denominator
    quotient = Fraction(product) / denominator
    return quotient.numerator if quotient.denominator == 1 else quotient


def ticks_of(length: Fraction) -> Ticks:
    """Ticks of a length given in whole notes."""
    return scale(WHOLE, length.numerator, length.denominator)


@lru_cache(maxsize=4096)
def parse_length(text: str) -> tuple[int, int]:
    """Read a note length as ABC 2.1 §4.3 writes it, as (numerator, denominator) of the unit note length.

    "" is 1/1, "3" 3/1, "/" 1/2, "//" 1/4, "3/2" 3/2, "/4" 1/4. A length of zero, with a zero denominator or with
    more than four digits in a number gives (0, 1), which the grammar reports as a bad length.
    """
    digits, slash, rest = text.partition("/")
    if len(digits) > _MAX_DIGITS or len(rest) > _MAX_DIGITS:
        return 0, 1
    numerator = int(digits) if digits else 1
    if not slash:
        denominator = 1
    elif rest.isdecimal():
        denominator = int(rest)
    else:
        denominator = 2 ** (1 + len(rest))
    return (numerator, denominator) if numerator and denominator else (0, 1)
