"""The header of a tune, and its melody."""

from dataclasses import dataclass
from fractions import Fraction

from hf_scaling.notation.check import read
from hf_scaling.notation.fields import FREE, Key, Meter, parse_key, parse_meter, parse_unit
from hf_scaling.notation.grammar import Machine, Note


@dataclass(frozen=True, slots=True)
class Header:
    """The fields of a tune's header, in order, as (letter, value) without comments; and what they mean."""

    fields: list[tuple[str, str]]

    def first(self, letter: str) -> str | None:
        """The value of the first field of that letter, None if there is none."""
        return next((value for name, value in self.fields if name == letter), None)

    @property
    def title(self) -> str:
        """The first T: field, "" without one."""
        return self.first("T") or ""

    @property
    def rhythm(self) -> str:
        """The first R: field, "" without one."""
        return self.first("R") or ""

    @property
    def meter(self) -> Meter:
        """The metre; free where there is none or it cannot be read."""
        return parse_meter(self.first("M") or "") or FREE

    @property
    def key(self) -> Key | None:
        """The key; None where there is none or it cannot be read."""
        value = self.first("K")
        return None if value is None else parse_key(value)

    @property
    def unit_length(self) -> Fraction:
        """The unit note length in whole notes: L:, or else what the metre implies."""
        return parse_unit(self.first("L") or "") or self.meter.unit_length


def header(text: str) -> Header:
    """Read the header of a tune: everything up to its K: field. Never raises."""
    machine = Machine()
    start = 0
    while machine.in_header and start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        machine.feed(text[start:end])
        start = end
    machine.close()
    return Header([(field.letter, field.value) for field in machine.fields])


def melody(text: str) -> list[int]:
    """The first voice as diatonic staff positions: 0 is middle C (`C`), 7 the C above (`c`); accidentals ignored.

    Notes stand in written order; tied notes of one position count once, a chord counts as the note written first,
    grace notes and overlays are left out. Never raises: what is no music is passed over.
    """
    return melody_of(read(text))


def melody_of(machine: Machine) -> list[int]:
    """The `melody` of the tune that `machine` has read."""
    positions: list[int] = []
    tied: int | None = None
    for event in machine.events:
        if isinstance(event, Note) and event.main:
            if event.position != tied:
                positions.append(event.position)
            tied = event.position if event.tie else None
    return positions
