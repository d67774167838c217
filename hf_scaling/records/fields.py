"""JSON objects from a study folder, held to the fields that a reader needs."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hf_scaling.records.errors import UserError
from hf_scaling.records.files import read_json


def check_fields(path: Path, value: Any, fields: Mapping[str, Any]) -> None:
    """Raise UserError unless `value`, which was read from `path`, is an object with these fields of these types."""
    if not isinstance(value, dict):
        raise UserError(f"{path}: got {type(value).__name__}, expected an object")
    for name, kind in fields.items():
        if not isinstance(value.get(name), kind):
            raise UserError(f"{path}: {name}: got {value.get(name)!r}; delete the file to have it rebuilt")


def read_object(path: Path, fields: Mapping[str, Any] = MappingProxyType({})) -> dict[str, Any]:
    """A JSON file that holds an object with these fields.

    Raises:
        UserError: it is absent or holds something else.
    """
    value = read_json(path)
    check_fields(path, value, fields)
    return dict(value)


def read_optional(path: Path, fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """The same, or None where there is no such file."""
    return read_object(path, fields) if path.exists() else None
