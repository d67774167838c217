"""Shapes that JSON files share, beyond fields and their types: rows of numbers, and the two ends of an interval."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hf_scaling.records import UserError, read_json

Record = dict[str, Any]

NUMBER = (int, float)
KNOWN = (int, float, type(None))  # or null, where it is not known


def check_numbers(path: Path, name: str, values: Any, length: int | None = None) -> None:
    """Raise UserError unless `values` is a list of numbers, of that length if one is given."""
    _check(path, name, values, NUMBER, length)


def check_ends(path: Path, name: str, values: Any) -> None:
    """Raise UserError unless `values` are the two ends of an interval; null is an open one."""
    _check(path, name, values, KNOWN, 2)


def check_words(path: Path, name: str, values: Any, length: int | None = None) -> None:
    """Raise UserError unless `values` is a list of text, of that length if one is given."""
    _check(path, name, values, str, length)


def check_positive(path: Path, record: Record, names: Sequence[str]) -> None:
    """Raise UserError unless these numbers of a record are above 0: logarithms are taken of them."""
    for name in names:
        if not record[name] > 0:
            raise UserError(f"{path}: {name}: got {record[name]!r:.60}; delete the file to have it rebuilt")


def _check(path: Path, name: str, values: Any, kind: Any, length: int | None) -> None:
    fits = isinstance(values, Sequence) and not isinstance(values, str) and length in (None, len(values))
    if not fits or not all(isinstance(value, kind) for value in values):
        raise UserError(f"{path}: {name}: got {values!r:.60}; delete the file to have it rebuilt")


def read_list(path: Path) -> list[Record] | None:
    """A JSON file that holds a list, or None where there is no such file."""
    if not path.exists():
        return None
    found = read_json(path)
    if not isinstance(found, list):
        raise UserError(f"{path}: got {type(found).__name__}, expected a list; delete the file to have it rebuilt")
    return found
