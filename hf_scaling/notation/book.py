"""Tune books: tunes with other text between them, and fields of a file header that all of them share."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from hf_scaling.notation.grammar import Machine

LONGEST_TUNE = 2**20  # characters
SHARED_FIELD = re.compile(r"[LMR]:")  # what a file may say for its tunes, of what changes the notes or names the dance


class Part(NamedTuple):
    """A stretch of a tune book: the line (from 1) that it begins on, the place of the tune in the book (from 1; 0 for
    what stands outside tunes), and its text.
    """

    line: int
    number: int
    text: str


def parts(lines: Iterable[str]) -> Iterator[Part]:
    """Cut a book into its tunes and what stands between them, streaming; put together again, they are the book.

    A tune starts at its X: field and ends at an empty line, as the standard says; but where the text goes on with
    music or fields at once, the empty line was a slip, and the tune goes on too. Every line of the parts ends in a
    newline, whatever it ended in; a byte order mark before X: is left out.
    """
    tune: list[str] = []
    behind: list[str] = []
    start, number, may_go_on = 1, 0, False
    for line in lines:
        line = line.rstrip("\r\n")
        if line.lstrip("\ufeff").startswith("X:"):
            yield from _parts(start, number, tune, behind)
            start, number = start + len(tune) + len(behind), number + 1
            tune, behind, may_go_on = [line.lstrip("\ufeff")], [], True
        elif may_go_on and (_goes_on(line) if behind else line.strip()):
            tune += [*behind, line]
            behind = []
        else:
            behind.append(line)
            may_go_on = may_go_on and (not line.strip() or line.startswith("%"))
    yield from _parts(start, number, tune, behind)


def _parts(start: int, number: int, tune: list[str], behind: list[str]) -> Iterator[Part]:
    if tune:
        yield Part(start, number, "\n".join(tune) + "\n")
    if behind:
        yield Part(start + len(tune), 0, "\n".join(behind) + "\n")


def _goes_on(line: str) -> bool:
    """Whether `line`, which stands after an empty line, still belongs to the tune before: a field, or music."""
    if line[:1].isalpha() and line[1:2] == ":":
        return True
    if "|" not in line or line.startswith("%"):
        return False
    machine = Machine()
    machine.feed(f"X:1\nK:C\n{line}\n")
    return machine.n_notes > 0 and not any(problem.code == "character" for problem in machine.problems)


def split_tunes(lines: Iterable[str]) -> Iterator[str]:
    """The tunes of a book, streaming, as `parts` cuts it; each ends in one newline and holds no empty line."""
    for part in parts(lines):
        if part.number:
            stripped = (line.rstrip() for line in part.text.split("\n"))
            yield "\n".join(line for line in stripped if line) + "\n"


def file_header(text: str) -> dict[str, str]:
    """The fields of a file header (ABC 2.1 §2.2.2), which hold for all tunes that say nothing else: letter -> line.

    text: what stands before the first tune; its header ends at the first empty line.
    """
    shared: dict[str, str] = {}
    for line in text.lstrip("\ufeff").split("\n"):
        if not line.strip():
            break
        if SHARED_FIELD.match(line):
            shared.setdefault(line[0], line)
    return shared


def with_shared(text: str, shared: dict[str, str]) -> str:
    """A tune with the fields of its file header, letter -> line, that it lacks; they stand right before its K:."""
    head, key, rest = text.partition("\nK:")
    missing = [line for letter, line in shared.items() if f"\n{letter}:" not in head]
    return "\n".join([head, *missing]) + key + rest if key else text
