"""What a few tunes are like as music, one by one and beside real ones: form, repetition, melody, rhythm, cadence.

A handful of tunes says little about the model that wrote them: `contrast` says of each pattern whether they differ from
real tunes by more than chance, all patterns asked about together taken into account.
"""

from collections import Counter
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any, NamedTuple

import numpy as np

from hf_scaling.music.estimate import LEVEL, holm
from hf_scaling.music.portrait import Heard, Section, likeness, listen, portray, sections_of
from hf_scaling.notation import header, melody_of, read

_ALIKE = 0.7  # two sections at least this alike share a letter
_STEP, _FIFTH = 2, 7  # semitones
_FIGURE = 3  # intervals
_PERMUTATIONS = 4999


class Pattern(NamedTuple):
    """What is counted in a tune: how it is called, what it says, whether it is a share."""

    label: str
    about: str
    share: bool


PATTERNS = {
    "sections": Pattern("sections", "parts between double bars or repeats", False),
    "even_sections": Pattern("sections of 4, 8, ... bars", "share of a tune’s sections", True),
    "returns": Pattern("sections that return", "share of sections much like an earlier one, or repeated by sign", True),
    "repeated_bars": Pattern("bars heard before", "share of a tune’s bars that repeat an earlier one", True),
    "one_rhythm": Pattern("bars in the commonest rhythm", "share of a tune’s bars with its most frequent rhythm", True),
    "one_figure": Pattern("melody in the commonest figure", "share of three intervals in a row that are these", True),
    "steps": Pattern("steps", "share of intervals of at most a whole tone", True),
    "leaps": Pattern("leaps", "share of intervals wider than a fifth", True),
    "range": Pattern("range in semitones", "from the lowest note to the highest", False),
    "note_values": Pattern("note values", "how many different lengths of notes", False),
    "in_key": Pattern("notes in key", "share of notes in the scale of its K: field", True),
    "ends_on_tonic": Pattern("ends on the tonic", "share of tunes", True),
    "step_to_end": Pattern("last note reached by step", "share of tunes", True),
}


class Look(NamedTuple):
    """One tune: its form as letters with bars, such as `2×A8 B8`, its commonest figure, and the value of each pattern
    that it has.
    """

    form: str
    figure: str
    values: dict[str, float]


def look(text: str) -> Look:
    """Look at one tune that can be read. Any string is fine; one without melody has no values."""
    machine = read(text)
    notes, bars = listen(machine)
    if len(notes) < 2:
        return Look("", "", {})
    portrait, sections = portray(text), sections_of(machine, bars)
    letters = _letters(sections)
    steps = np.abs(np.diff([note.pitch for note in notes]))
    rhythms = Counter(tuple(note.length for note in bar) for bar in bars if bar)
    figures = _figures(melody_of(machine))
    values = {
        "sections": len(sections),
        "even_sections": portrait.even_sections,
        "returns": _returns(sections, letters),
        "repeated_bars": portrait.repeated_bars,
        "one_rhythm": max(rhythms.values()) / rhythms.total(),
        "one_figure": max(figures.values()) / figures.total() if figures else None,
        "steps": np.mean(steps <= _STEP),
        "leaps": np.mean(steps > _FIFTH),
        "range": np.ptp([note.pitch for note in notes]),
        "note_values": len({note.length for note in notes}),
        "in_key": portrait.in_key,
        "ends_on_tonic": portrait.ends_on_tonic,
        "step_to_end": steps[-1] <= _STEP,
    }
    full_bar = header(text).meter.bar
    form = _form(sections, letters, float(full_bar) if full_bar else None)
    return Look(form, _shown(figures), {name: float(value) for name, value in values.items() if value is not None})


def _letters(sections: Sequence[Section]) -> list[str]:
    """A letter for each section, the same for those that are alike."""
    known: list[Sequence[Heard]] = []
    found = []
    for section in sections:
        place = next((i for i, one in enumerate(known) if likeness(one, section.notes) >= _ALIKE), len(known))
        if place == len(known):
            known.append(section.notes)
        found.append(ascii_uppercase[place % 26] * (1 + place // 26))  # AA follows Z, as on a page of rehearsal marks
    return found


def _returns(sections: Sequence[Section], letters: Sequence[str]) -> float:
    again = [section.repeated or letters[i] in letters[:i] for i, section in enumerate(sections)]
    return float(np.mean(again))


def _form(sections: Sequence[Section], letters: Sequence[str], full_bar: float | None) -> str:
    bars = [(round(section.length / full_bar) or "<1") if full_bar else "" for section in sections]
    return " ".join(
        f"{'2×' * section.repeated}{letter}{count}"
        for section, letter, count in zip(sections, letters, bars, strict=True)
    )


def _figures(melody: Sequence[int]) -> Counter[tuple[int, ...]]:
    """How often each row of intervals, in staff positions, occurs."""
    steps = np.diff(melody).tolist()
    return Counter(tuple(steps[i : i + _FIGURE]) for i in range(len(steps) - _FIGURE + 1))


def _shown(figures: Counter[tuple[int, ...]]) -> str:
    """`+1 0 −2, 5 times`; nothing where none occurs twice."""
    if not figures or (most := max(figures.values())) < 2:
        return ""
    figure = next(found for found, count in figures.items() if count == most)
    steps = " ".join(f"{step:+d}" if step else "0" for step in figure)
    return f"{steps.replace('-', '−')}, {most} times"


def compare_with_real(samples: Sequence[tuple[int, str]], real: Sequence[str]) -> dict[str, Any]:
    """The content of `patterns.json`: each sample, given with its number, and all of them beside real tunes."""
    looks, theirs = [look(text) for _, text in samples], [look(text) for text in real]
    return {
        "level": LEVEL,
        "n_real": len(real),
        "patterns": {name: pattern._asdict() for name, pattern in PATTERNS.items()},
        "tunes": [{"index": index} | one._asdict() for (index, _), one in zip(samples, looks, strict=True)],
        "contrasts": contrast(looks, theirs),
    }


def contrast(samples: Sequence[Look], real: Sequence[Look]) -> dict[str, dict[str, Any]]:
    """For each pattern that both have: the means, and whether they differ by more than chance.

    `p` is that of a permutation test of the difference of means, adjusted after Holm (1979) for all patterns;
    `verdict` is `more`, `less` or `not told apart`, at 1 less `LEVEL`.
    """
    found: dict[str, dict[str, Any]] = {}
    for name in PATTERNS:
        ours, theirs = (np.array([one.values[name] for one in some if name in one.values]) for some in (samples, real))
        if min(len(ours), len(theirs)) > 1:
            means = {"samples": float(ours.mean()), "real": float(theirs.mean())}
            found[name] = means | {"n": len(ours), "p": _permutation_p(ours, theirs)}
    for one, p in zip(found.values(), holm([one["p"] for one in found.values()]), strict=True):
        side = "more" if one["samples"] > one["real"] else "less"
        one.update(p=p, verdict=side if p < 1 - LEVEL else "not told apart")
    return found


def _permutation_p(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Two-sided; the same every time."""
    pooled = np.concatenate((ours, theirs))
    rng = np.random.default_rng(0)
    means = np.array([rng.permutation(pooled)[: len(ours)].mean() for _ in range(_PERMUTATIONS)])
    distance = abs(ours.mean() - pooled.mean())
    return float((1 + np.sum(np.abs(means - pooled.mean()) >= distance - 1e-12)) / (1 + _PERMUTATIONS))
