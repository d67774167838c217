"""The Session's tunes (`adactio/TheSession-data`), up to the last revision whose licence allows training on them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from huggingface_hub import constants

from hf_scaling.data.sources.download import download
from hf_scaling.data.sources.session_tables import Row, Table, open_table, read_rows
from hf_scaling.data.sources.tune import Licence, RawTune, SourceOptions
from hf_scaling.records import UserError

REVISION = "43c37a8630a5f7609d490cd7da58a2ac0806e9e3"
_LAST_DAY = "2025-10-05"  # of revisions under ODbL-1.0, and that of REVISION
_ACCEPT = "odbl-1.0"
# what git calls json/tunes.json and csv/tunes.csv in REVISION
BLOBS = {
    "tunes.json": "0ea9470e0fa3ae456457cd3263ad2e5ba43a26c4",
    "tunes.csv": "b7f9f0608d314933acab39a2d3383eb29cbe706f",
}
LICENCE = Licence(
    identifier="odbl",
    text="https://opendatacommons.org/licenses/odbl/1-0/",
    notice=(
        "Contains information from The Session (thesession.org, adactio/TheSession-data up to revision "
        f"{REVISION[:7]} of {_LAST_DAY}), made available under the Open Database License (ODbL) 1.0. Later revisions "
        "forbid use with AI and large language models."
    ),
    commercial_use=True,
    redistributable=True,
)
_FORBIDS = re.compile(r"\bAI\b|(?i:artificial intelligence|language model|machine learning|\bLLMs?\b)")
_GRANTS = re.compile(r"(?i)open database license|\bODbL\b")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_WHY = (
    "from commit 2c07104 of 2025-10-08 on the licence forbids use with AI and large language models; expected "
    f"revision {REVISION} of {_LAST_DAY} or an older one under ODbL-1.0"
)
_SUFFIXES = {"maj": "", "ion": "", "dor": "dor", "phr": "phr", "lyd": "lyd", "mix": "mix"}
_SUFFIXES |= {"min": "m", "aeo": "m", "loc": "loc"}
_MODE = re.compile(rf"([A-G][#b]?)\s*(?i:({'|'.join(_SUFFIXES)})[a-z]*)")


def licence(options: SourceOptions) -> Licence:
    """ODbL-1.0, the only terms on which this source is read."""
    return LICENCE


def identity(options: SourceOptions) -> str | None:
    """git's name for the content of the table of tunes, wherever it lies; None where that is not on this machine."""
    if not options.the_session_path:
        return f"git blob {BLOBS['tunes.json']}"
    try:
        with open_table(Path(options.the_session_path)) as table:
            return f"git blob {table.blob()}"
    except (UserError, OSError):
        return None


def read(options: SourceOptions) -> Iterator[RawTune]:
    """Stream every setting of `tunes.json` or `tunes.csv`; the settings of one tune share their `group`.

    Raises:
        UserError: the licence is not accepted, the revision is not known to be under it, or the data are missing or
            damaged.
    """
    _check_accepted(options)
    path = Path(options.the_session_path) if options.the_session_path else _downloaded()
    with open_table(path) as table:
        rows = read_rows(table)
        if not rows:
            raise UserError(f"the_session_path: {table.place} holds no tune; expected a whole table of tunes")
        _check_licence(table, rows)
    yield from (_tune(row, table.file, number) for number, row in enumerate(rows, 1))


def _check_accepted(options: SourceOptions) -> None:
    if options.accept_licence != _ACCEPT:
        raise UserError(
            f"accept_licence: got {options.accept_licence!r}, but the source 'the_session' is under the Open Database "
            f"License up to revision {REVISION[:7]}, which asks for attribution and share-alike; read "
            f"{LICENCE.text} and set accept_licence: {_ACCEPT}"
        )
    revision = options.the_session_revision or REVISION
    if len(revision) < 7 or not REVISION.startswith(revision):
        raise UserError(
            f"the_session_revision: got {revision!r}, but only {REVISION[:7]} is known here to be under ODbL-1.0: "
            f"{_WHY}, the latter as a folder or zip with its LICENSE.md, named by the_session_path"
        )


def _downloaded() -> Path:
    base = os.environ.get("HF_SCALING_THE_SESSION_URL", "https://raw.githubusercontent.com/adactio/TheSession-data")
    path = Path(constants.HF_HOME, "hf_scaling", "TheSession-data", REVISION, "tunes.json")
    download(f"{base}/{REVISION}/json/tunes.json", path, BLOBS["tunes.json"], "the_session_path")
    return path


def _check_licence(table: Table, rows: list[Row]) -> None:
    """Raise UserError unless the table can be shown to be of a revision under ODbL-1.0."""
    for name, text in table.notices:
        if forbidden := _FORBIDS.search(text):
            raise UserError(f"the_session_path: {name} beside {table.place} speaks of {forbidden[0]!r}; {_WHY}")
    if table.blob() in BLOBS.values():
        return
    if strange := next((row.date for row in rows if row.date and not _DATE.match(row.date)), None):
        raise UserError(f"the_session_path: {table.place} has the date {strange[:40]!r}, expected YYYY-MM-DD; {_WHY}")
    newest = max((row.date for row in rows), default="")[:10]
    if newest > _LAST_DAY:
        raise UserError(f"the_session_path: {table.place} holds tunes of {newest}; {_WHY}")
    # before 2020-01-30 the data had no licence, and what grants nothing may be of any revision
    if not any(_GRANTS.search(text) for _, text in table.notices):
        raise UserError(
            f"the_session_path: {table.place} is not revision {REVISION[:7]}, and no LICENSE.md beside it grants ODbL; "
            "expected the whole checkout or zip of a revision under ODbL-1.0, or none to have that one downloaded"
        )


def _tune(row: Row, file: str, number: int) -> RawTune:
    fields = (("X", "1"), ("T", row.name), ("R", row.type), ("M", row.meter), ("L", "1/8"), ("K", _key(row.mode)))
    header = "".join(f"{letter}:{' '.join(value.split())}\n" for letter, value in fields)
    return RawTune(header + row.abc, "the_session", "the_session", file, number, row.setting_id, row.tune_id)


def _key(mode: str) -> str:
    """The value of K: for the column `mode`: 'Edorian' -> 'Edor', 'Gmajor' -> 'G', 'F#minor' -> 'F#m'."""
    match = _MODE.fullmatch(mode.strip())
    return match[1] + _SUFFIXES[match[2].lower()] if match else mode
