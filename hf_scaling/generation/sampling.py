"""From logits to one score a token, so that the highest score is a sample."""

from collections.abc import Sequence

import torch

_BLOCK = 32  # steps for which each row draws its noise at once
_OUTSIDE = 1e4  # is taken from what stands outside the nucleus: last, but in order


class Sampler:
    """Samples each row with a generator of its own, by the Gumbel-max trick, from the nucleus of top-p.

    The highest of a row's scores is a sample from the nucleus at the temperature; if the tokens with the highest
    scores are ruled out, the next is a sample from what is left of the nucleus, and at last from what stands outside.
    """

    def __init__(self, seeds: Sequence[int], temperature: float, top_p: float, banned: Sequence[int]) -> None:
        """banned: tokens that are never to be sampled."""
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        self._temperature, self._top_p, self._banned = temperature, top_p, list(banned)
        self._noise = torch.empty(0)
        self._step = _BLOCK

    def __call__(self, logits: torch.Tensor) -> torch.Tensor:
        """Scores (rows, vocab_size), finite, of the next step's logits (rows, vocab_size)."""
        scores = logits.float().cpu() / self._temperature
        scores[:, self._banned] = -torch.inf
        probabilities = torch.softmax(scores, dim=-1)
        outside = probabilities < self._least(probabilities)
        scores = scores.clamp(min=-1e9) + self._gumbel(scores.shape[1])
        return scores - _OUTSIDE * outside

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows only."""
        self._generators = [self._generators[row] for row in rows.tolist()]
        self._noise = self._noise[rows]

    def _least(self, probabilities: torch.Tensor) -> torch.Tensor:
        """The least probability in the nucleus, (rows, 1)."""
        if self._top_p >= 1:
            return torch.zeros(len(probabilities), 1)
        ordered = probabilities.sort(dim=-1, descending=True).values
        before = ordered.cumsum(dim=-1) - ordered
        inside = before < self._top_p
        inside[:, 0] = True
        return ordered.masked_fill(~inside, 1.0).amin(dim=-1, keepdim=True)

    def _gumbel(self, size: int) -> torch.Tensor:
        if self._step == _BLOCK:
            uniform = torch.stack([torch.rand(_BLOCK, size, generator=generator) for generator in self._generators])
            self._noise, self._step = -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7))), 0
        self._step += 1
        return self._noise[:, self._step - 1]
