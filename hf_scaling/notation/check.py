"""Is this a tune, is it right, can it be played?"""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple

from hf_scaling.notation.grammar import Machine
from hf_scaling.notation.problems import CODES, Problem


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
