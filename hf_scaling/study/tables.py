"""Reading anybody's table of runs: CSV, JSON lines, Parquet, a study folder, or a data set on the Hub."""

import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hf_scaling.records import LEDGER, UserError, read_ledger

Row = tuple[str, dict[str, Any]]  # where it stands, for messages, and its cells
_EXPECTED = "a .csv, .jsonl or .parquet table, a study folder with runs.jsonl, or a Hub data set such as owner/name"
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_LONGEST, _MOST_NAMES = 60, 12  # of a value, and of a list of columns, in a message


def read_table(path: Path) -> list[Row]:
    """The rows of a table; of a ledger its finished runs. Every row has the columns of the first.

    Raises:
        UserError: it cannot be read, or holds no row.
    """
    source = path / LEDGER if path.is_dir() else path
    readers = {".csv": _csv_rows, ".jsonl": _jsonl_rows, ".parquet": _parquet_rows}
    if source.exists():
        if source.suffix.lower() not in readers:
            raise UserError(f"{source}: expected {_EXPECTED}")
        rows = list(readers[source.suffix.lower()](source))
    elif source is path and _HUB_NAME.fullmatch(str(path)) and path.suffix.lower() not in readers:
        rows = list(_hub_rows(str(path)))
    else:
        raise UserError(f"{source}: not found; expected {_EXPECTED}")
    if not rows:
        raise UserError(f"{source}: no finished run in it")
    return rows


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, row) for each line with content; cells stay text."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            names = [name.strip() for name in next(reader, [])]
            if not any(names):
                raise UserError(f"{path}: the first line must name the columns, such as N,D,loss")
            if len(set(names)) < len(names):
                raise UserError(f"{path}: two columns share a name: {listed(names)}")
            for cells in reader:
                where = f"{path}, line {reader.line_num}"
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(names):
                    raise UserError(f"{where}: {len(cells)} cells, expected {len(names)} as in the first line")
                yield where, dict(zip(names, (cell.strip() for cell in cells), strict=True))
        except UnicodeDecodeError as error:
            raise UserError(f"{path}: not UTF-8 text ({error.reason} at byte {error.start})") from None
        except csv.Error as error:
            raise UserError(f"{path}, line {reader.line_num}: not valid CSV ({error})") from None


def _jsonl_rows(path: Path) -> Iterator[Row]:
    """A ledger's finished runs; or, without a column `status`, each line of somebody else's file."""
    with open(path, "rb") as file:
        first = file.readline()
    try:
        foreign = not first.strip() or (isinstance(found := json.loads(first), dict) and "status" not in found)
    except (ValueError, RecursionError):
        foreign = path.name != LEDGER  # either reader names the line, a ledger's with a cure
    if foreign:
        yield from _foreign_rows(path)
        return
    ledger, notes = read_ledger(path)
    for note in notes:
        print(note, file=sys.stderr)
    rows = [row for row in ledger if row["status"] == "finished"]
    names = list(dict.fromkeys(name for row in rows for name in row))
    for row in rows:
        yield f"{path}, run {row['run_id']}", {name: row.get(name) for name in names}


def _foreign_rows(path: Path) -> Iterator[Row]:
    found: list[Row] = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_without_twins)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {number}: not valid JSON ({error})") from None
        if not isinstance(row, dict):
            raise UserError(f"{path}, line {number}: expected an object, got {type(row).__name__}")
        found.append((f"{path}, line {number}", row))
    names = list(dict.fromkeys(name for _, row in found for name in row))
    yield from ((where, {name: row.get(name) for name in names}) for where, row in found)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a name stands twice in one object")
    return row


def _parquet_rows(path: Path) -> Iterator[Row]:
    import pyarrow.parquet

    with open(path, "rb") as file:  # pyarrow's own words for a file that cannot be opened name no file
        try:
            table = pyarrow.parquet.ParquetFile(file).read()
            names, rows = table.column_names, table.to_pylist()
        except (pyarrow.ArrowException, OSError, OverflowError, ValueError) as error:
            raise UserError(f"{path}: not valid Parquet ({error})") from None
    if len(set(names)) < len(names):
        raise UserError(f"{path}: two columns share a name: {listed(names)}")
    yield from _finished(str(path), rows)


def _hub_rows(name: str) -> Iterator[Row]:
    """The rows of a data set's only split, or of its split `train`."""
    from datasets import load_dataset
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    try:
        found = load_dataset(name)
    except (DatasetsError, HfHubHTTPError, OSError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(f"{name}: no such file, and no data set on the Hub that can be read ({reason})") from None
    split = "train" if "train" in found else next(iter(found))
    yield from _finished(f"{name}, split {split}", found[split].to_list())


def _finished(where: str, rows: list[dict[str, Any]]) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        if row.get("status", "finished") == "finished":
            yield f"{where}, row {number}", row


def shown(value: Any) -> str:
    """A value of somebody's table, short enough for a message."""
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def listed(names: Sequence[str]) -> str:
    """Names of columns, the first of them where there are many."""
    told = [name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..." for name in names[:_MOST_NAMES]]
    return ", ".join(told) + (f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else "")
