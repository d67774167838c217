"""What a set of tunes is worth, each number with an interval over tunes and to be read beside that of real tunes.

No single number says that music is good. These say how far tunes are from those that people wrote, each from its own
side, and `Yardstick.measure` gives the same numbers for held-out real tunes: what nobody can be expected to beat.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from hf_scaling.music.distributions import jensen_shannon, overlap_area
from hf_scaling.music.estimate import Estimate, mean, share
from hf_scaling.music.novelty import NEAR, longest_shared, nearest
from hf_scaling.music.portrait import Portrait
from hf_scaling.music.two_sample import two_sample_accuracy

HUMAN_SHARE = 0.95  # of real tunes share no longer passage with the training tunes than what is flagged


class Metric(NamedTuple):
    """How a metric is called, and what it says in one sentence."""

    label: str
    about: str


METRICS = {
    "parses": Metric("parses", "share of tunes whose notation is understood, as written"),
    "strict": Metric("strictly valid", "share of tunes that parse, each bar as long as the metre says, as written"),
    "playable": Metric("playable", "share of tunes that leave a player in no doubt, as written"),
    "repaired_strict": Metric(
        "strictly valid after repair", "the same after repair, which mends no bars, and with a metre"
    ),
    "in_key": Metric("notes in key", "share of a tune's notes in the scale of its K: field"),
    "in_a_scale": Metric("notes in one scale", "share of a tune's notes in the best of the twelve major scales"),
    "ends_on_tonic": Metric("ends on the tonic", "share of tunes whose last note is the tonic of their K: field"),
    "right_bars": Metric("bars of right length", "share of a tune's bars that are as long as its metre says"),
    "even_sections": Metric("sections of 4, 8, ... bars", "share of a tune's sections of a multiple of four bars"),
    "alike_sections": Metric("likeness of sections", "1 less the edit distance of two sections per note"),
    "repeated_bars": Metric("bars heard before", "share of a tune's bars that repeat one of its earlier bars"),
    "pitch_class_divergence": Metric("pitch classes, JS divergence", "bits, of pitch classes above the tonic"),
    "interval_divergence": Metric("intervals, JS divergence", "bits, of steps from note to note in semitones"),
    "rhythm_divergence": Metric("note values, JS divergence", "bits, of note values"),
    "pitch_class_overlap": Metric("pitch classes, overlap area", "of distances among real tunes and to real tunes"),
    "interval_overlap": Metric("intervals, overlap area", "of distances among real tunes and to real tunes"),
    "told_apart": Metric("told from real tunes", "accuracy of a logistic regression, cross-validated; 0.5 is chance"),
    "longest_shared": Metric("longest passage from training", "intervals, median: the longest that training has too"),
    "copied": Metric("copies more than people", "share of tunes that share a longer passage than 95 % of real tunes"),
    "near_duplicates": Metric("near-duplicates", "share of tunes that belong to a tune family of the training tunes"),
}
_OF_TEXT = ("parses", "strict", "playable", "repaired_strict")
_OF_MUSIC = ("in_key", "in_a_scale", "ends_on_tonic", "right_bars", "even_sections", "alike_sections", "repeated_bars")


def against(tunes: Sequence[Portrait], real: Sequence[Portrait]) -> dict[str, Estimate]:
    """The metrics that hold a set of tunes against real ones; none with fewer than two of a kind that hold music."""
    music, theirs = ([tune for tune in some if tune.has_music] for some in (tunes, real))
    if min(len(music), len(theirs)) < 2:
        return {}

    def counts(name: str) -> tuple[np.ndarray, np.ndarray]:
        one, other = (np.array([getattr(tune, name) for tune in some]) for some in (music, theirs))
        return one, other

    found = {
        "pitch_class_divergence": jensen_shannon(*counts("pitch_classes")),
        "interval_divergence": jensen_shannon(*counts("steps")),
        "rhythm_divergence": jensen_shannon(*counts("values")),
        "pitch_class_overlap": overlap_area(*counts("pitch_classes")),
        "interval_overlap": overlap_area(*counts("steps")),
        "told_apart": two_sample_accuracy(music, theirs),
    }
    return {name: estimate for name, estimate in found.items() if estimate}


@dataclass(frozen=True)
class Copying:
    """What one tune owes to the training tunes: its longest shared passage, and the nearest of them."""

    longest_shared: int
    nearest: int
    similarity: float


class Yardstick:
    """The real tunes that others are held against.

    Args:
        train: melodies (staff positions) of the training tunes.
        reference: held-out tunes that distributions are compared with.
        real: further held-out tunes, measured like anybody's: they say what a good number is.
    """

    def __init__(self, train: Sequence[Sequence[int]], reference: Sequence[Portrait], real: Sequence[Portrait]) -> None:
        self._train = train
        self._reference = [tune for tune in reference if tune.has_music]
        self.real = list(real)
        self.real_copying = self.copying(self.real)
        pairs = zip(self.real, self.real_copying, strict=True)
        lengths = [found.longest_shared for tune, found in pairs if tune.has_music]
        self.longest_human = int(np.quantile(lengths, HUMAN_SHARE, method="higher")) if lengths else 0

    @property
    def n_reference(self) -> int:
        """How many tunes distributions are compared with."""
        return len(self._reference)

    def copying(self, tunes: Sequence[Portrait]) -> list[Copying]:
        """What each tune shares with the training tunes."""
        melodies = [tune.melody for tune in tunes]
        pairs = zip(longest_shared(melodies, self._train), nearest(melodies, self._train), strict=True)
        return [Copying(longest, near.number, near.similarity) for longest, near in pairs]

    def measure(self, tunes: Sequence[Portrait], copying: Sequence[Copying]) -> dict[str, Estimate]:
        """Every metric of `METRICS` that these tunes allow, by name.

        The tiers count all tunes, the others those that hold music, and of real tunes as many as of these, so that
        a distance between few tunes is not mistaken for one between kinds.
        """
        found: dict[str, Estimate | None] = {name: share([getattr(tune, name) for tune in tunes]) for name in _OF_TEXT}
        music = [tune for tune in tunes if tune.has_music]
        found |= {name: mean([getattr(tune, name) for tune in music]) for name in _OF_MUSIC}
        found |= against(music, self._reference)
        theirs = [one for tune, one in zip(tunes, copying, strict=True) if tune.has_music]
        found["longest_shared"] = mean([one.longest_shared for one in theirs], np.median)
        found["copied"] = share([one.longest_shared > self.longest_human for one in theirs])
        found["near_duplicates"] = share([one.similarity >= NEAR for one in theirs])
        return {name: estimate for name, estimate in found.items() if estimate}

    def measure_real(self, n_tunes: int) -> dict[str, Estimate]:
        """The same for real tunes, at most `n_tunes` of them."""
        return self.measure(self.real[:n_tunes], self.real_copying[:n_tunes])
