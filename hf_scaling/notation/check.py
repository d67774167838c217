"""Is this a tune, is it right, can it be played?"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from hf_scaling.notation.grammar import Machine, Problem

_NOT_PLAYABLE = ("parses", "playable")

CODES: dict[str, tuple[tuple[str, ...], str]] = {
    "no-number": (_NOT_PLAYABLE, "no X: field"),
    "no-key": (_NOT_PLAYABLE, "no K: field before the music"),
    "header-order": (("parses",), "X: is not the first field, or a header field stands after K:"),
    "header-line": (("parses",), "a line in the header that is no field"),
    "field-letter": (("parses",), "a field that ABC 2.1 does not know"),
    "field-value": (("parses",), "an X:, M:, L: or K: field whose value is not one"),
    "second-tune": (("parses",), "a second X: field"),
    "empty-line": (("parses",), "music after an empty line, which ends a tune"),
    "no-music": (_NOT_PLAYABLE, "neither a note nor a rest"),
    "no-notes": (("playable",), "only rests"),
    "character": (("parses",), "a character without meaning where it stands"),
    "accidental": (("parses",), "an accidental without its note"),
    "shorthand": (("strict",), "a shorthand letter (H-W, h-w) that no U: field defines; players pass over it"),
    "continuation": (("parses",), "something after the backslash that joins two lines"),
    "quote-open": (_NOT_PLAYABLE, "a chord symbol or annotation that is not closed on its line"),
    "decoration-open": (_NOT_PLAYABLE, "a decoration that is not closed"),
    "inline-open": (_NOT_PLAYABLE, "an inline field that is not closed on its line"),
    "chord-open": (_NOT_PLAYABLE, "a chord that is not closed before the bar or the line ends"),
    "chord-close": (_NOT_PLAYABLE, "a ] without its ["),
    "chord-empty": (_NOT_PLAYABLE, "a chord without notes"),
    "grace-open": (_NOT_PLAYABLE, "grace notes that are not closed before the bar or the line ends"),
    "grace-close": (_NOT_PLAYABLE, "a } without its {"),
    "group-content": (("parses",), "a rest in a chord or among grace notes"),
    "length": (_NOT_PLAYABLE, "a length of zero, or with a number of more than five digits"),
    "note-long": (("strict", "playable"), "a note or rest of more than 64 whole notes"),
    "too-many-notes": (("playable",), "more than 10,000 notes"),
    "broken-rhythm": (("strict",), "a broken rhythm mark without a note on both sides"),
    "tuplet": (("strict",), "a tuplet without all its notes, inside another, or with impossible numbers"),
    "slur-open": (("strict",), "a slur that is not closed"),
    "slur-close": (("strict",), "a ) without its ("),
    "bar-long": (("strict",), "a bar longer than the metre says"),
    "bar-short": (("strict",), "a bar shorter than the metre says that is no pickup and no part of a split bar"),
    "repeat-open": (("strict",), "a |: without its :|"),
    "ending": (("strict",), "numbered endings that do not run 1, 2, ..."),
}
"""Every diagnostic code: the tiers that it rules out, and what it means. Nothing that fails to parse is strict."""


class Diagnostic(NamedTuple):
    """One thing wrong with a tune; line and column count from 1."""

    code: str
    line: int
    column: int
    message: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker says of a tune.

    parses: every character is understood, the header is legal and there is music. strict: it parses, every bar is as
    long as its metre says, and groups, repeats and endings are balanced. playable: at least one note sounds and
    nothing leaves a player in doubt; this asks neither for `strict` nor for all of `parses`.
    n_notes: notes without grace notes; n_bars: bars of the first voice.
    """

    parses: bool
    strict: bool
    playable: bool
    n_notes: int
    n_bars: int
    diagnostics: list[Diagnostic] = field(default_factory=list)


def check(text: str) -> Verdict:
    """Check one tune. Any string is fine; nothing is raised; the time is linear in its length."""
    return judge(read(text), text)


def judge(machine: Machine, text: str) -> Verdict:
    """What is to be said of `text`, which `machine` has read."""
    broken = {tier for problem in machine.problems for tier in CODES[problem.code][0]}
    return Verdict(
        parses="parses" not in broken,
        strict=not broken & {"parses", "strict"},
        playable="playable" not in broken,
        n_notes=machine.n_notes,
        n_bars=machine.n_bars,
        diagnostics=_located(text, machine.problems),
    )


def read(text: str) -> Machine:
    """Run the engine over a whole tune."""
    machine = Machine()
    machine.feed(text)
    machine.close()
    return machine


def _located(text: str, problems: list[Problem]) -> list[Diagnostic]:
    if not problems:
        return []
    starts = [0]
    for content in text.split("\n"):
        starts.append(starts[-1] + len(content) + 1)
    found = []
    for code, offset, message in sorted(problems, key=lambda problem: problem.offset):
        line = bisect_right(starts, offset)
        found.append(Diagnostic(code, line, offset - starts[line - 1] + 1, message))
    return found
