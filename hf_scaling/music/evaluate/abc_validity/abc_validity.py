"""Share of tunes in ABC notation that parse, are strictly valid and can be played, with 90 % intervals.

import evaluate
validity = evaluate.load("hf_scaling/music/evaluate/abc_validity")
validity.compute(predictions=[tune, ...])["strict"]  # {"value": ..., "low": ..., "high": ..., "n": ...}
"""

from typing import Any

import datasets

import evaluate
from hf_scaling.music.estimate import share
from hf_scaling.music.portrait import portray

_TIERS = ("parses", "strict", "playable", "repaired_strict")


class AbcValidity(evaluate.Metric):
    """The tiers of `hf_scaling.notation.check`, and `repaired_strict`: strictly valid, with a metre, after repair."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions: tunes in ABC notation, one string each, with their headers",
            features=datasets.Features({"predictions": datasets.Value("string")}),
        )

    def _compute(self, predictions: list[str]) -> dict[str, Any]:
        tunes = [portray(text) for text in predictions]
        found = {name: share([getattr(tune, name) for tune in tunes]) for name in _TIERS}
        return {name: estimate._asdict() for name, estimate in found.items() if estimate}
