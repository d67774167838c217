"""Make a damaged tune playable, and say what was done.

The engine finds what is wrong; each problem has one small edit of the text (`header.py`, `body.py`). Edits are applied
together (`edits.py`), and the engine looks again, until it finds nothing more that can be mended. Wrong bar lengths
stay as they are, but for a last bar that was cut off.
"""

from typing import NamedTuple

from hf_scaling.notation.check import CODES, read
from hf_scaling.notation.repair.body import body_edits, end_edits
from hf_scaling.notation.repair.edits import Draft, Repair
from hf_scaling.notation.repair.header import header_edits

_ROUNDS = 24  # one repair may bring another to light, but not for ever


class Unrepairable(ValueError):  # noqa: N818  (it says what the text is)
    """No playable tune can be made of this text."""


class Repaired(NamedTuple):
    """A tune that passes `playable`, and what was done to get there; no repairs means that it came back as it was."""

    text: str
    repairs: list[Repair]


def repair(text: str) -> Repaired:
    """Mend a tune: header, balance of groups, stray characters, repeats and endings, last bar.

    Idempotent; the time is linear in the length. Raises Unrepairable if no playable tune can be made, as where there
    are no notes.
    """
    draft = Draft(text)
    repairs: list[Repair] = []
    for _ in range(_ROUNDS):
        machine = read(draft.text)
        edits = header_edits(draft.text, machine) or body_edits(machine) or end_edits(machine)
        if not edits:
            break
        repairs += draft.apply(edits)
    else:
        raise Unrepairable("this text is too far from a tune: mending one thing keeps breaking another")
    for problem in machine.problems:
        if "playable" in CODES[problem.code][0]:
            raise Unrepairable(f"{problem.code}: {problem.message}")
    return Repaired(draft.text, repairs)
