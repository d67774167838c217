"""The table of tunes of The Session, as JSON or CSV, in a folder, a zip archive or a file of its own."""

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any, NamedTuple

from hf_scaling.data.sources.archives import READ_ERRORS, is_archive, members, open_archive, open_member
from hf_scaling.data.sources.download import git_blob
from hf_scaling.data.sources.files import open_file, why
from hf_scaling.records import UserError

_TABLES = ("json/tunes.json", "csv/tunes.csv", "tunes.json", "tunes.csv")
_NOTICE = re.compile(r"(?i)(licen[cs]e|readme)[^/]*")
_MOST_BYTES = 2**28  # several times the table of 2025
_LONGEST_FIELD = 2**20
_LONGEST_NOTICE = 2**20
_FIELD = "the_session_path"
_ABSENT: Any = ()  # what stands for the cells that a row of a CSV file lacks


class Row(NamedTuple):
    """The columns that are read of a setting, as text."""

    tune_id: str
    setting_id: str
    name: str
    type: str
    meter: str
    mode: str
    abc: str
    date: str


@dataclass(frozen=True)
class Table:
    """A table of tunes: where it lies, for messages; its file name; its size; and the licences beside it by name."""

    place: str
    file: str
    size: int
    open: Callable[[], IO[bytes]]
    notices: list[tuple[str, str]]

    def blob(self) -> str:
        """git's name for its content."""
        with _told(self.place), self.open() as stream:
            return git_blob(stream, self.size)


class _Entry(NamedTuple):
    size: int
    open: Callable[[], IO[bytes]]


@contextmanager
def open_table(path: Path) -> Iterator[Table]:
    """Find the table of tunes at `path`: a checkout, its zip archive as GitHub makes it, or tunes.json or tunes.csv.

    Raises:
        UserError: there is none, or it is damaged or far too large.
    """
    if is_archive(path):
        with open_archive(path, _FIELD) as archive:
            entries = {name: _Entry(i.file_size, partial(open_member, archive, i)) for name, i in members(archive)}
            yield _table(entries, path)
    elif path.is_dir():
        yield _table(_folder_entries(path, _TABLES), path)
    elif path.is_file():
        above = path.parent.parent if path.parent.name in ("json", "csv") else path.parent
        entries = _folder_entries(above, (path.relative_to(above).as_posix(),))
        yield _table(entries, path, path.relative_to(above).as_posix())
    else:
        raise UserError(f"{_FIELD}: {path} not found; expected a folder, zip or tunes.json of adactio/TheSession-data")


def _folder_entries(folder: Path, tables: Iterable[str]) -> dict[str, _Entry]:
    notices = [path.name for path in folder.iterdir() if _NOTICE.fullmatch(path.name)]
    files = {name: folder / name for name in (*tables, *notices) if (folder / name).is_file()}
    return {name: _Entry(path.stat().st_size, partial(open_file, path)) for name, path in files.items()}


def _table(entries: dict[str, _Entry], path: Path, name: str | None = None) -> Table:
    name = name or next((name for name in _TABLES if name in entries), None)
    if name is None:
        raise UserError(f"{_FIELD}: {path} holds none of {', '.join(_TABLES)}; expected adactio/TheSession-data")
    if entries[name].size > _MOST_BYTES:
        raise UserError(f"{_FIELD}: {name} in {path} is {entries[name].size:,} bytes; expected at most {_MOST_BYTES:,}")
    notices = []
    for other in sorted(entries):
        if _NOTICE.fullmatch(other):
            with _told(f"{other} in {path}"), entries[other].open() as stream:
                notices.append((other, stream.read(_LONGEST_NOTICE).decode("utf-8", errors="replace")))
    place = str(path) if path.is_file() and path.name in name else f"{name} in {path}"
    return Table(place, name.rpartition("/")[2], *entries[name], notices)


@contextmanager
def _told(place: str) -> Iterator[None]:
    try:
        yield
    except READ_ERRORS as error:
        raise UserError(f"{_FIELD}: {place} cannot be read ({why(error)})") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{_FIELD}: {place} is not UTF-8 text ({error}); expected it as it was published") from None


def read_rows(table: Table) -> list[Row]:
    """All rows of a table, in order.

    Raises:
        UserError: the table is damaged, or lacks a column; names the row.
    """
    with _told(table.place), _long_fields(), io.TextIOWrapper(table.open(), "utf-8-sig", newline="") as text:
        rows = _csv_rows(text, table.place) if table.file.lower().endswith(".csv") else _json_rows(text, table.place)
        return [_row(row, f"{table.place}, row {number}") for number, row in enumerate(rows, 1)]


def _json_rows(text: IO[str], place: str) -> list[Any]:
    try:
        rows = json.load(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{_FIELD}: {place} is not valid JSON ({error}); expected a whole tunes.json") from None
    if not isinstance(rows, list):
        raise UserError(f"{_FIELD}: {place} holds no list of tunes; expected a whole tunes.json")
    return rows


def _csv_rows(text: IO[str], place: str) -> Iterator[dict[str, Any]]:
    try:
        yield from csv.DictReader(_bounded(text, place), restval=_ABSENT)
    except csv.Error as error:
        raise UserError(f"{_FIELD}: {place} is not valid CSV ({error}); expected a whole tunes.csv") from None


@contextmanager
def _long_fields() -> Iterator[None]:
    """The process's limit on a field's length, raised while a table is read, be it to its end or not."""
    before = csv.field_size_limit(_LONGEST_FIELD)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _bounded(text: IO[str], place: str) -> Iterator[str]:
    while line := text.readline(_LONGEST_FIELD):
        if len(line) == _LONGEST_FIELD and not line.endswith("\n"):
            raise UserError(f"{_FIELD}: {place} has a line of more than {_LONGEST_FIELD:,} characters; expected CSV")
        yield line


def _row(row: Any, place: str) -> Row:
    if not isinstance(row, dict):
        raise UserError(f"{_FIELD}: {place} is no tune; expected the columns {', '.join(Row._fields)}")
    for column in Row._fields:
        if column not in row or not isinstance(row[column], (str, int, type(None))):
            raise UserError(f"{_FIELD}: {place} has no {column!r}; expected the columns {', '.join(Row._fields)}")
    return Row(**{column: _text(row[column]) for column in Row._fields})


def _text(value: str | int | None) -> str:
    """A cell as text; halves of characters, which JSON can spell and nothing can write, become question marks."""
    return "" if value is None else str(value).encode(errors="replace").decode()
