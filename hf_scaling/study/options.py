"""A study from its flat YAML file and the command line: the command line outranks the file, the file the defaults."""

import argparse
import difflib
import math
import types
import typing
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml

from hf_scaling.records import UserError
from hf_scaling.study.config import StudyConfig


def _convert(name: str, value: Any, kind: Any) -> Any:
    """`value`, from YAML or a command line, as the type that a field has."""
    if typing.get_origin(kind) is types.UnionType:
        inner = next(part for part in typing.get_args(kind) if part is not type(None))
        return None if value is None or value in ("null", "none") else _convert(name, value, inner)
    if typing.get_origin(kind) is list:
        if not isinstance(value, list):
            raise UserError(f"{name}: got {value!r}, expected a list")
        return [_convert(name, part, typing.get_args(kind)[0]) for part in value]
    if kind is bool:
        if str(value).lower() in ("true", "false"):
            return str(value).lower() == "true"
        raise UserError(f"{name}: got {value!r}, expected true or false")
    words = {int: "a whole number", float: "a number", str: "text"}[kind]
    if isinstance(value, (bool, list, dict)) or value is None:
        hint = "; a colon with a space behind it makes a mapping in YAML" if isinstance(value, dict) else ""
        raise UserError(f"{name}: got {value!r}, expected {words}{hint}")
    try:
        number = float(value) if kind is not str else 0.0  # PyYAML reads 3e-4 as text, and people write 1e6 for an int
        if kind is int and number != int(number) or not math.isfinite(number):
            raise ValueError
        return str(value) if kind is str else int(str(value)) if kind is int and str(value).isdigit() else kind(number)
    except (ValueError, OverflowError):
        raise UserError(f"{name}: got {value!r}, expected {words}") from None


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        loaded = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(
            f"--config: {path} not found; expected a YAML file such as recipes/studies/laptop.yaml"
        ) from None
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(loaded, dict):
        raise UserError(f"{path}: got {type(loaded).__name__}, expected keys and values")
    known = [f.name for f in fields(StudyConfig)]
    for key in loaded:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"expected some of {', '.join(known)}"
            raise UserError(f"{path}: unknown key {key!r}; {hint}")
    return loaded


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> typing.NoReturn:
        raise UserError(message)


def add_study_options(parser: argparse.ArgumentParser, default_config: Path) -> None:
    """`--config`, `--overwrite`, and one option for every field of StudyConfig."""
    parser.add_argument(
        "--config",
        type=Path,
        default=default_config,
        metavar="FILE",
        help=f"study to run (default: {default_config.name})",
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="set aside a study of another configuration and start anew"
    )
    group = parser.add_argument_group("fields of the study (they outrank the file)")
    for f in fields(StudyConfig):
        is_list = typing.get_origin(f.type) is list
        group.add_argument(
            f"--{f.name}",
            nargs="*" if is_list else None,
            default=argparse.SUPPRESS,
            metavar="VALUE",
            help=f.metadata["help"].replace("%", "%%"),
        )


def make_parser(description: str) -> argparse.ArgumentParser:
    """A parser whose errors are UserErrors."""
    return _Parser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)


def load_config(path: Path, overrides: dict[str, Any]) -> StudyConfig:
    """The study in a YAML file, with overrides by field name.

    Raises:
        UserError: the file or a value is wrong.
    """
    values = _read_yaml(path) | overrides
    kinds = {f.name: f.type for f in fields(StudyConfig)}
    return StudyConfig(**{name: _convert(name, value, kinds[name]) for name, value in values.items()})


def parse_study(parser: argparse.ArgumentParser, argv: Sequence[str] | None) -> tuple[StudyConfig, argparse.Namespace]:
    """The study that a command line asks for, and the options that are not fields of it."""
    arguments = parser.parse_args(argv)
    names = {f.name for f in fields(StudyConfig)}
    overrides = {name: value for name, value in vars(arguments).items() if name in names}
    return load_config(arguments.config, overrides), arguments
