"""What tunes share with the tunes that a model was trained on: the longest passage, and near-duplicates.

    import evaluate
    novelty = evaluate.load("hf_scaling/music/evaluate/tune_novelty")
    novelty.compute(predictions=[tune, ...], train=[training_tune, ...])["longest_shared"]["value"]

Passages are counted in intervals. People share some too: measure held-out real tunes against the same training tunes.
"""

from collections.abc import Sequence
from typing import Any

import datasets
import numpy as np

import evaluate
from hf_scaling.music.estimate import mean, share
from hf_scaling.music.novelty import NEAR, longest_shared, nearest
from hf_scaling.notation import melody


class TuneNovelty(evaluate.Metric):
    """`longest_shared`: the median, with an interval; `near_duplicates`: the share of tunes whose nearest training tune
    is as similar as tunes of one tune family; and both for each tune, in `each`.
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=__doc__,
            citation="",
            inputs_description="predictions: tunes in ABC notation; train: the training tunes, any number of them",
            features=datasets.Features({"predictions": datasets.Value("string")}),
        )

    def _compute(self, predictions: list[str], train: Sequence[str]) -> dict[str, Any]:
        ours, theirs = ([melody(text) for text in texts] for texts in (predictions, train))
        lengths, near = longest_shared(ours, theirs), nearest(ours, theirs)
        middle, hits = mean(lengths, np.median), share([found.similarity >= NEAR for found in near])
        assert middle
        assert hits
        each = [
            {"longest_shared": length, "nearest": found.number, "similarity": found.similarity}
            for length, found in zip(lengths, near, strict=True)
        ]
        return {"longest_shared": middle._asdict(), "near_duplicates": hits._asdict(), "each": each}
