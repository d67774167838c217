"""What a source yields, and on what terms."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Licence:
    """The terms of a source: `notice` is what every card of data or models made from it must say."""

    identifier: str
    notice: str
    redistributable: bool
    commercial_use: bool


@dataclass(frozen=True)
class RawTune:
    """One tune as its source has it, and where it came from.

    `group` joins tunes that the source itself calls settings of one tune; empty where it says nothing.
    """

    text: str
    source: str
    collection: str
    tune_id: str
    group: str = ""


@dataclass(frozen=True)
class SourceOptions:
    """What a study may tell a source."""

    collections: list[str] = field(default_factory=list)
    accept_licence: str | None = None
    the_session_dir: str | None = None
