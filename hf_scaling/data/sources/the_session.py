"""The Session's tunes (`adactio/TheSession-data`), up to the last revision whose licence allows training on them."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hf_scaling.data.sources.tune import Licence, RawTune, SourceOptions
from hf_scaling.records import UserError

REVISION = "43c37a8630a5f7609d490cd7da58a2ac0806e9e3"  # 2025-10-05, the last under ODbL-1.0
FORBIDDEN_FROM = "2025-10-08"  # commit 2c07104: use with AI and large language models is forbidden
LICENCE = Licence(
    identifier="odbl-1.0",
    notice=(
        "Contains information from The Session (thesession.org, adactio/TheSession-data), "
        "made available under the Open Database License (ODbL) 1.0."
    ),
    redistributable=True,
    commercial_use=True,
)
_MODES = {"major": "", "minor": "m", "dorian": "dor", "mixolydian": "mix", "aeolian": "m", "ionian": ""}
_COLUMNS = ("tune_id", "setting_id", "name", "type", "meter", "mode", "abc", "date")


def _key(mode: str) -> str:
    """`K:` of the column `mode`: 'Edorian' -> 'Edor', 'Gmajor' -> 'G', 'F#minor' -> 'F#m'."""
    for name, suffix in _MODES.items():
        if mode.lower().endswith(name):
            return mode[: -len(name)] + suffix
    return mode


def _tune(row: dict[str, Any], number: int) -> RawTune:
    row = {column: "" if row[column] is None else str(row[column]) for column in _COLUMNS}
    fields = (("X", "1"), ("T", row["name"]), ("R", row["type"]), ("M", row["meter"]), ("L", "1/8"))
    header = "".join(f"{letter}:{' '.join(value.split())}\n" for letter, value in fields)
    text = f"{header}K:{_key(row['mode'])}\n{row['abc']}"
    return RawTune(text, "the_session", "the_session", f"the_session/{row['setting_id']}/{number}", row["tune_id"])


def read(options: SourceOptions) -> Iterator[RawTune]:
    """Stream every setting of `tunes.json`; the settings of one tune share their `group`.

    Raises:
        UserError: the licence is not accepted, the folder is missing or holds a revision that forbids this use.
    """
    if options.accept_licence != LICENCE.identifier:
        raise UserError(
            f"accept_licence: got {options.accept_licence!r}, but the source 'the_session' is under the Open Database "
            f"License up to revision {REVISION[:7]}, which asks for attribution and share-alike; read "
            f"https://opendatacommons.org/licenses/odbl/1-0/ and set accept_licence: {LICENCE.identifier}"
        )
    if options.the_session_dir is None:
        raise UserError(
            "the_session_dir: not set; expected a folder that holds json/tunes.json of "
            f"https://github.com/adactio/TheSession-data at revision {REVISION}"
        )
    path = Path(options.the_session_dir) / "json" / "tunes.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"the_session_dir: {path} not found; expected a checkout of adactio/TheSession-data") from None
    except ValueError as error:
        raise UserError(f"the_session_dir: {path} is not valid JSON ({error}); expected a whole tunes.json") from None
    if not isinstance(rows, list):
        raise UserError(f"the_session_dir: {path} holds no list of tunes; expected a whole tunes.json")
    for number, row in enumerate(rows, 1):
        if missing := [column for column in _COLUMNS if not isinstance(row, dict) or column not in row]:
            raise UserError(
                f"the_session_dir: {path}, row {number} has no {missing[0]!r}; expected {', '.join(_COLUMNS)}"
            )
    if (newest := max((str(row["date"]) for row in rows), default="")) >= FORBIDDEN_FROM:
        raise UserError(
            f"the_session_dir: {path} holds tunes of {newest[:10]}; from {FORBIDDEN_FROM} on The Session's licence "
            f"forbids use with AI and large language models; expected revision {REVISION} or older"
        )
    yield from (_tune(row, number) for number, row in enumerate(rows, 1))
