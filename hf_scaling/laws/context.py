"""Does a family gain by a longer context? Losses by the number of tokens that precede a token in its block."""

from dataclasses import dataclass
from itertools import pairwise

from hf_scaling.laws.forms import Array


@dataclass(frozen=True)
class ContextBin:
    """Mean loss of each family over positions with `least` to `most` tokens of context, nats per token."""

    least: int
    most: int
    losses: tuple[float, float]

    @property
    def difference(self) -> float:
        """Of the first family less the second."""
        return self.losses[0] - self.losses[1]

    @property
    def tokens(self) -> str:
        """`5 to 8 tokens`, `1 token`."""
        if self.least == self.most:
            return f"{self.least} token{'s' * (self.least > 1)}"
        return f"{self.least} to {self.most} tokens"


def context_bins(first: Array, second: Array) -> list[ContextBin]:
    """Octaves of context: 1, 2, 3 to 4, 5 to 8 tokens and so on.

    Args:
        first, second: nats per token at 1, 2, ... tokens of context, shape (context_length,) both. Every position but
            those of the last block counts equally often, so that plain means will do.
    """
    found, most = [], 1
    while (least := most // 2 + 1) <= len(first):
        end = min(most, len(first))
        inside = slice(least - 1, end)
        found.append(ContextBin(least, end, (float(first[inside].mean()), float(second[inside].mean()))))
        most *= 2
    return found


def context_sentence(bins: list[ContextBin], names: tuple[str, str]) -> str:
    """How the gap changes from the shortest octave with a steady mean to the longest, in words."""
    short, long = bins[min(3, len(bins) - 1)], bins[-1]

    def lower(at: ContextBin) -> str:
        return f"{names[1] if at.difference > 0 else names[0]} is lower by {abs(at.difference):.3f} nats"

    trend = "grows" if abs(long.difference) > abs(short.difference) else "shrinks"
    signs = [at.difference > 0 for at in bins]
    turns = sum(one != other for one, other in pairwise(signs))
    times = {1: "once", 2: "twice"}.get(turns, f"{turns} times")
    course = f"changes sides {times} over all lengths" if turns else trend
    return (
        f"not tested: {lower(short)} after {short.tokens} of context, {lower(long)} after {long.tokens}: the gap "
        f"{course}; without an interval, for losses by tune and position are not stored"
    )
