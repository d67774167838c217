"""Reading the runs of a study, or of anybody's table, and refusing what cannot be fitted."""

import csv
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_scaling.records import LEDGER, UserError, read_ledger

# the first name is the one that messages ask for; the ledger's own names are among them, so one rule reads both
_ALIASES = {
    "n": ("N", "n_params"),
    "d": ("D", "n_tokens"),
    "loss": ("loss", "val_loss"),
    "group": ("family", "group"),
    "stderr": ("stderr", "val_loss_stderr"),
}
_NON_EMBEDDING = "n_params_non_embedding"


@dataclass(frozen=True)
class Point:
    """One finished run. `n` maps a convention (`total`, `non_embedding`; `given` for a bare column) to its N."""

    family: str
    size: str
    n: Mapping[str, float]
    d: float | None
    loss: float
    stderr: float | None


def read_points(
    path: Path,
    n_column: str | None = None,
    d_column: str | None = None,
    loss_column: str | None = None,
    group_column: str | None = None,
) -> list[Point]:
    """Read runs from a `.csv` table, a `.jsonl` ledger or a study folder that holds `runs.jsonl`.

    Columns are found by name (`N` or `n_params`, `D` or `n_tokens`, `loss` or `val_loss`, and optionally `family` or
    `group`, `stderr` or `val_loss_stderr`; case does not matter) unless they are named here. Loss is in nats per
    token. With `n_params_non_embedding` beside `n_params`, both conventions of N are kept. Of a ledger only finished
    runs are used.

    Raises:
        UserError: the file cannot be read, a column is missing or ambiguous, or a value is not a positive number.
    """
    source = path / LEDGER if path.is_dir() else path
    if not source.exists():
        raise UserError(
            f"{source}: not found; expected a .csv table, a .jsonl ledger or a study folder with runs.jsonl"
        )
    readers = {".csv": _csv_rows, ".jsonl": _ledger_rows}
    if source.suffix.lower() not in readers:
        raise UserError(f"{source}: expected a .csv table, a .jsonl ledger or a study folder with runs.jsonl")
    rows = list(readers[source.suffix.lower()](source))
    if not rows:
        raise UserError(f"{source}: no finished run in it")
    names = list(rows[0][1])
    chosen = {"n": n_column, "d": d_column, "loss": loss_column, "group": group_column, "stderr": None}
    columns = {role: _find_column(source, names, role, name) for role, name in chosen.items()}
    if columns["n"] is None or columns["loss"] is None:
        role = "n" if columns["n"] is None else "loss"
        expected = " or ".join(_ALIASES[role])
        raise UserError(f"{source}: no column {expected}; found {', '.join(names)}; name yours with --{role}-column")
    return [_point(where, row, columns) for where, row in rows]


def _csv_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, row) for each line with content; cells stay text."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            names = [name.strip() for name in next(reader, [])]
            if not any(names):
                raise UserError(f"{path}: the first line must name the columns, such as N,D,loss")
            if len(set(names)) < len(names):
                raise UserError(f"{path}: two columns share a name: {', '.join(names)}")
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


def _ledger_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, row) for each finished run; every row has the fields of the first and those that files may lack."""
    ledger, notes = read_ledger(path)
    for note in notes:
        print(note, file=sys.stderr)
    rows = [row for row in ledger if row["status"] == "finished"]
    names = list(dict.fromkeys(name for row in rows for name in row))
    for row in rows:
        yield f"{path}, run {row['run_id']}", {name: row.get(name) for name in names}


def _find_column(path: Path, names: Sequence[str], role: str, chosen: str | None) -> str | None:
    """The one column for a role, or None where there is none."""
    if chosen is not None:
        if chosen not in names:
            raise UserError(
                f"--{role}-column: got {chosen!r}, expected one of the columns of {path}: {', '.join(names)}"
            )
        return chosen
    aliases = {alias.lower() for alias in _ALIASES[role]}
    found = [name for name in names if name.lower() in aliases]
    if len(found) > 1:
        hint = "" if role == "stderr" else f", or name one with --{role}-column"
        raise UserError(f"{path}: columns {', '.join(found)} mean the same; keep one{hint}")
    return found[0] if found else None


def _point(where: str, row: Mapping[str, Any], columns: Mapping[str, str | None]) -> Point:
    n_column, loss_column = columns["n"], columns["loss"]
    assert n_column is not None
    assert loss_column is not None
    given = _number(where, row, n_column)
    if n_column == "n_params" and _NON_EMBEDDING in row:
        n = {"total": given, "non_embedding": _number(where, row, _NON_EMBEDDING)}
    else:
        n = {"given": given}
    family = "all" if columns["group"] is None else str(row[columns["group"]])
    if not family or not family.isprintable():  # a control character would reach the terminal
        raise UserError(f"{where}: {columns['group']}: got {family!r}, expected a name")
    stderr = None if columns["stderr"] is None else row[columns["stderr"]]
    return Point(
        family=family,
        size=str(row.get("size") or f"{given:.4g}"),
        n=n,
        d=None if columns["d"] is None else _number(where, row, columns["d"]),
        loss=_number(where, row, loss_column),
        # a run without standard error is legitimate: its family is then fitted unweighted, with a warning
        stderr=None if stderr in (None, "") else _number(where, row, str(columns["stderr"])),
    )


def _number(where: str, row: Mapping[str, Any], column: str) -> float:
    try:
        value = float(row[column])
    except (TypeError, ValueError):
        value = math.nan
    if not 0 < value < math.inf:
        raise UserError(f"{where}: {column}: got {row[column]!r}, expected a positive number")
    return value
