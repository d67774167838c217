"""How far tunes are from real ones: Jensen-Shannon divergences and overlap areas of their notes, and a classifier.

    import evaluate
    distances = evaluate.load("hf_scaling/music/evaluate/tune_distances")
    distances.compute(predictions=[tune, ...], real=[real_tune, ...])["interval_divergence"]["value"]

Read each number beside that of as many other real tunes in place of the predictions.
"""

from collections.abc import Sequence
from typing import Any

import datasets

import evaluate
from hf_scaling.music.metrics import against
from hf_scaling.music.portrait import portray


class TuneDistances(evaluate.Metric):
    """What `hf_scaling.music.metrics.against` measures; tunes without two notes are left out."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions: tunes in ABC notation; real: the real tunes, any number of them",
            features=datasets.Features({"predictions": datasets.Value("string")}),
        )

    def _compute(self, predictions: list[str], real: Sequence[str]) -> dict[str, Any]:
        ours, theirs = ([portray(text) for text in texts] for texts in (predictions, real))
        return {name: estimate._asdict() for name, estimate in against(ours, theirs).items()}
