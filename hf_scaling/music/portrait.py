"""What is measured of one tune: its validity, its key, its bars, its form, and the histograms of its notes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from hf_scaling.notation import (
    WHOLE,
    Bar,
    Key,
    Machine,
    Note,
    Repaired,
    Unrepairable,
    check,
    header,
    judge,
    melody_of,
    pitches_of,
    read,
    repair,
)

WIDEST = 12  # semitones; wider steps count as this wide
_STEPS = "CDEFGAB"
_NATURAL = dict(zip(_STEPS, (0, 2, 4, 5, 7, 9, 11), strict=True))
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_LONGEST_SECTION = 400  # notes that are compared; nothing a dance needs
# note values are told apart by half powers of two, from a 64th to a double whole note
_FIRST_VALUE, _VALUES = -6.0, 15


class Heard(NamedTuple):
    """A note of the first voice, tied ones taken together: its MIDI number and its length in whole notes."""

    pitch: int
    length: float


@dataclass(frozen=True, slots=True)
class Portrait:
    """One tune. The tiers are those of the text as written, all else is measured on the repaired text.

    A share is between 0 and 1, and None where a tune has nothing that it could be a share of.

    parses, strict, playable: as `notation.check` says; repaired_strict: whether the repaired text is strictly valid and
    has a metre, without which no bar could be wrong (repair gives none to a text that is little but noise).
    in_key: share of notes in the scale of the key that the tune declares; in_a_scale: in the best of the twelve major
    scales, whatever it declares; ends_on_tonic: whether its last note is its key's tonic.
    right_bars: share of bars as long as the metre says (pickups and split bars count as right).
    even_sections: share of sections of whole multiples of four bars; alike_sections: how alike two sections are on
    average, by edit distance over notes with their lengths (TunesFormer's measure, Wu et al., 2023).
    repeated_bars: share of bars that stood in the tune before, note for note.
    pitch_classes: counts above the tonic, shape (12,); steps: counts of intervals in semitones, shape (25,); values:
    counts of note values, shape (15,).
    melody: staff positions, for novelty.
    """

    parses: bool
    strict: bool
    playable: bool
    repaired_strict: bool
    in_key: float | None = None
    in_a_scale: float | None = None
    ends_on_tonic: float | None = None
    right_bars: float | None = None
    even_sections: float | None = None
    alike_sections: float | None = None
    repeated_bars: float | None = None
    pitch_classes: np.ndarray = field(default_factory=lambda: np.zeros(12))
    steps: np.ndarray = field(default_factory=lambda: np.zeros(2 * WIDEST + 1))
    values: np.ndarray = field(default_factory=lambda: np.zeros(_VALUES))
    melody: Sequence[int] = ()

    @property
    def has_music(self) -> bool:
        """Whether there are notes to measure."""
        return bool(self.steps.any())


def portray(text: str) -> Portrait:
    """Measure one tune. Any string is fine; nothing is raised."""
    as_written = check(text)
    tiers = (as_written.parses, as_written.strict, as_written.playable)
    try:
        mended: Repaired = repair(text)
    except Unrepairable:
        return Portrait(*tiers, repaired_strict=False)
    machine = read(mended.text)
    verdict = judge(machine, mended.text)
    notes, bars = listen(machine)
    if len(notes) < 2:
        return Portrait(*tiers, repaired_strict=verdict.strict)
    wrong_bars = sum(found.code in ("bar-long", "bar-short") for found in verdict.diagnostics)
    key, full_bar = header(mended.text).key, header(mended.text).meter.bar
    pitches = np.array([note.pitch for note in notes])
    tonic = _tonic(key)
    sections = sections_of(machine, bars)
    return Portrait(
        *tiers,
        repaired_strict=verdict.strict and full_bar is not None,
        in_key=_in_key(pitches, key),
        in_a_scale=_in_a_scale(pitches),
        ends_on_tonic=None if tonic is None else float(pitches[-1] % 12 == tonic),
        right_bars=1 - min(wrong_bars / verdict.n_bars, 1) if verdict.n_bars and full_bar else None,
        even_sections=_even(sections, float(full_bar)) if full_bar else None,
        alike_sections=_alike([section.notes for section in sections]),
        repeated_bars=_repeated(bars),
        pitch_classes=np.bincount((pitches - (tonic or 0)) % 12, minlength=12).astype(float),
        steps=np.bincount(np.clip(np.diff(pitches), -WIDEST, WIDEST) + WIDEST, minlength=2 * WIDEST + 1).astype(float),
        values=np.bincount(_values(notes), minlength=_VALUES).astype(float),
        melody=melody_of(machine),
    )


def listen(machine: Machine) -> tuple[list[Heard], list[list[Heard]]]:
    """The notes of the first voice, and the same bar by bar; a note tied over a bar line counts where it begins."""
    heard: list[Heard] = []
    bars: list[list[Heard]] = [[]]
    pitch_of = iter(pitches_of(machine))
    tied: int | None = None
    for event in machine.events:
        if isinstance(event, Bar) and event.line.line:
            bars.append([])
        if not isinstance(event, Note):
            continue
        pitch = next(pitch_of)
        if not event.main:
            continue
        length = float(event.duration) / WHOLE
        if pitch == tied and heard:
            heard[-1] = Heard(pitch, heard[-1].length + length)
        else:
            heard.append(Heard(pitch, length))
            bars[-1].append(heard[-1])
        tied = pitch if event.tie else None
    return heard, bars


class Section(NamedTuple):
    """What stands between two double bars or repeats, the second and later endings left out."""

    length: float  # in whole notes
    notes: list[Heard]
    repeated: bool  # by a repeat sign at its end


def sections_of(machine: Machine, bars: list[list[Heard]]) -> list[Section]:
    """The sections of a tune; `bars` are those of `listen`."""
    sections: list[Section] = []
    length, notes, other_ending = 0.0, list[Heard](), False
    lines = (event for event in machine.events if isinstance(event, Bar) and event.line.line)
    for bar, event in zip(bars, lines, strict=False):
        if not other_ending:
            length, notes = length + float(event.duration) / WHOLE, notes + bar
        line = event.line
        if line.repeat_end or line.repeat_start or (line.strong and not line.endings):
            if notes:
                sections.append(Section(length, notes, line.repeat_end))
            length, notes, other_ending = 0.0, [], False
        other_ending = other_ending or bool(line.endings and line.endings[0] > 1)
    return [*sections, Section(length, notes, False)] if notes else sections


def _even(sections: list[Section], full_bar: float) -> float | None:
    """A pickup more or less makes no difference."""
    bars = [round(section.length / full_bar) for section in sections]
    return float(np.mean([count > 0 and count % 4 == 0 for count in bars])) if bars else None


def _alike(sections: list[list[Heard]]) -> float | None:
    pairs = [(one, other) for index, one in enumerate(sections) for other in sections[index + 1 :]]
    if not pairs:
        return None
    return float(np.mean([likeness(*pair) for pair in pairs]))


def likeness(one: Sequence[object], other: Sequence[object]) -> float:
    """1 less the edit distance of two passages over the length of the longer, which is not empty."""
    return 1 - _edits(one, other) / max(len(one), len(other))


def _edits(one: Sequence[object], other: Sequence[object]) -> int:
    """The Levenshtein distance."""
    one, other = one[:_LONGEST_SECTION], other[:_LONGEST_SECTION]
    row = list(range(len(other) + 1))
    for count, left in enumerate(one, 1):
        above, row = row, [count]
        for place, right in enumerate(other, 1):
            row.append(min(above[place] + 1, row[-1] + 1, above[place - 1] + (left != right)))
    return row[-1]


def _repeated(bars: list[list[Heard]]) -> float | None:
    full = [tuple(bar) for bar in bars if bar]
    return 1 - len(set(full)) / len(full) if len(full) > 1 else None


def _tonic(key: Key | None) -> int | None:
    if key is None or key.tonic[:1] not in _NATURAL:
        return None
    return (_NATURAL[key.tonic[0]] + key.tonic.count("#") - key.tonic.count("b")) % 12


def _in_key(pitches: np.ndarray, key: Key | None) -> float | None:
    if key is None or not (key.tonic or key.explicit):
        return None
    scale = [(_NATURAL[step] + key.alteration(step)) % 12 for step in _STEPS]
    return float(np.isin(pitches % 12, scale).mean())


def _in_a_scale(pitches: np.ndarray) -> float:
    return max(float(np.isin((pitches - root) % 12, _MAJOR).mean()) for root in range(12))


def _values(notes: list[Heard]) -> np.ndarray:
    lengths = np.log2(np.maximum([note.length for note in notes], 1e-9))
    return np.clip(np.round(2 * (lengths - _FIRST_VALUE)), 0, _VALUES - 1).astype(int)
