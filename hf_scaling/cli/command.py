"""What a subcommand of `hf-scaling` is, and the kinds of values that several of them take."""

import argparse
from collections.abc import Callable
from typing import NamedTuple


class Command(NamedTuple):
    """One subcommand: its one-line help, the function that adds its options, and the one that runs it.

    `run` may return an exit code; None is 0. `more` stands below the options of `--help`, as it is written.
    """

    help: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int | None]
    more: str | None = None


def level(text: str) -> float:
    """A probability strictly between 0 and 1."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number between 0 and 1, such as 0.9")
    return value


def count(text: str) -> int:
    """A whole number, 0 or greater."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number")
    return int(text)
