"""Tune books and the header of a tune."""

from collections.abc import Iterable, Iterator
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


def split_tunes(lines: Iterable[str]) -> Iterator[str]:
    """Split a tune book into its tunes, streaming; each tune ends in one newline and holds no empty line.

    A tune starts at its X: field and ends at an empty line, as the standard says; but where the text goes on with
    music or header fields before the next X:, the empty line was a slip and is left out, so that no tune is torn.
    Comments and free text between tunes belong to none.
    """
    tune: list[str] = []
    ended = False
    for line in lines:
        line = line.rstrip()
        if line.lstrip("\ufeff").startswith("X:"):
            if tune:
                yield "\n".join(tune) + "\n"
            tune, ended = [line.lstrip("\ufeff")], False
        elif tune and not line:
            ended = True
        elif tune and (not ended or _goes_on(line)):
            tune.append(line)
            ended = False
    if tune:
        yield "\n".join(tune) + "\n"


def _goes_on(line: str) -> bool:
    """Whether `line`, which stands after an empty line, still belongs to its tune: a field, or music."""
    if line.startswith("%"):
        return False
    if line[:1].isalpha() and line[1:2] == ":":
        return True
    machine = Machine()
    machine.feed(f"X:1\nK:C\n{line}\n")
    return "|" in line and machine.n_notes > 0 and not any(problem.code == "character" for problem in machine.problems)


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
