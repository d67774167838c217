"""What is legal and in hardly any folk tune: a decoder writes none of it, the checker has nothing against it.

- Notes that a broken rhythm or a tuplet binds and that are of unequal length as written: what a broken rhythm then
  means is undefined (ABC 2.1 §4.4), and players differ.
- A bar cut in two at a plain bar line, as the checker lets a line of text end.
- A part of short bars only: neither pickup nor complement makes one without a full bar.

So a bar is short only where a part begins, as a pickup, and where a part ends, as its complement.
"""

from hf_scaling.notation.bars import parse_bar_line
from hf_scaling.notation.grammar import Machine


def is_odd(machine: Machine, settled: Machine, bars: bool) -> bool:
    """Whether the token that is pending makes something of that kind if it is complete.

    settled: the machine with its token ended; bars: whether bars are of concern.
    """
    kind = machine.pending_kind
    if kind in ("note", "rest", "chord-close") and not settled.groups.n_notes:
        return machine.rhythm.length not in (None, settled.written)
    if not bars or kind != "bar" or not _is_short(machine):
        return False
    line = parse_bar_line(machine.pending)
    if line.strong:
        return line.line and not machine.lengths.may_end_short()
    return settled.lengths.halved


def ends_oddly(settled: Machine) -> bool:
    """Whether the bar that has begun is short, and there should be none where a tune ends here."""
    return _is_short(settled) and not settled.lengths.may_end_short()


def _is_short(machine: Machine) -> bool:
    return machine.full_bar is not None and 0 < machine.bar_ticks < machine.full_bar
