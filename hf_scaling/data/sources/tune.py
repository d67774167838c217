"""What a source yields, on what terms, and what a study may tell it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Licence:
    """The terms of a source.

    identifier: as the Hub's `license` field takes it, "other" where no such name fits, "unknown" where nothing is
    said; text: the licence's wording or the address where it stands; notice: what every card of data or models made
    from the source must say.
    """

    identifier: str
    text: str
    notice: str
    commercial_use: bool
    redistributable: bool


@dataclass(frozen=True, slots=True)
class RawTune:
    """One tune as its source has it, and where it came from.

    file: of the collection; number: place in that file, from 1; setting: the source's own identifier of this
    version, "" where it has none; group: joins tunes that the source itself calls settings of one tune.
    """

    text: str
    source: str
    collection: str
    file: str
    number: int
    setting: str = ""
    group: str = ""


@dataclass(frozen=True, slots=True)
class Unread:
    """What should have been a tune and could not be read: one of `REASONS`, and what exactly was wrong."""

    reason: str
    source: str
    collection: str
    file: str
    number: int
    detail: str = ""


REASONS = {
    "unreadable file": "the file cannot be opened or is damaged",
    "no tune in file": "the file holds no X: field, with which a tune begins",
    "overlong line": "a line of more than 64 KiB",
    "overlong tune": "a tune of more than 1 MiB",
    "conversion failed": "the converter from MIDI gave an error or nothing",
    "conversion timed out": "the converter from MIDI took too long and was stopped",
    "conversion ran away": "the converter from MIDI wrote more than a tune can hold and was stopped",
}
"""Why a source could not read something, with what each reason means."""


@dataclass(frozen=True)
class SourceOptions:
    """What a study may tell its sources; `None` leaves a choice to the source."""

    collections: list[str] = field(default_factory=list)
    accept_licence: str | None = None
    the_session_path: str | None = None
    the_session_revision: str | None = None
    abc_files: str | None = None
    midi_files: str | None = None
    files_licence: str | None = None
    hub_dataset: str | None = None
    hub_revision: str | None = None
    hub_split: str = "train"
    hub_column: str | None = None


class Source(Protocol):
    """What a module of this folder that is a source offers."""

    def licence(self, options: SourceOptions) -> Licence:
        """The terms of what would be read; reads nothing itself."""

    def identity(self, options: SourceOptions) -> str | None:
        """What would be read, told apart from everything else that might be; None where it is not to be had here."""

    def read(self, options: SourceOptions) -> Iterator[RawTune | Unread]:
        """Stream the tunes, in an order of their own; raises UserError where the options are wrong."""
