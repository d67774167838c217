"""Tune books that somebody named on the command line, read with care: whatever they are, the answer is one line."""

import io
import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from itertools import chain, count, islice
from pathlib import Path
from typing import NamedTuple

from hf_scaling.data.encoding import LONGEST_LINE
from hf_scaling.notation import Part, file_header, parts, with_shared
from hf_scaling.notation.book import LONGEST_TUNE
from hf_scaling.records import UserError, write_text

STANDARD_INPUT = "-"
_KEY_LINE = re.compile(r"^K:", re.MULTILINE)


class Tune(NamedTuple):
    """A tune of a book, or what stands between tunes (number 0).

    file: as it was named, or "standard input"; number: its place in the book, from 1; raw: its text as it stands
    there, which begins on line `start`; text: the same with the fields of the file header that it lacks.
    """

    file: str
    number: int
    start: int
    raw: str
    text: str

    def line(self, line: int) -> int:
        """The line of the file that a line of `text` stands on."""
        before_key = self.raw.partition("\nK:")[0].count("\n") + 1
        added = self.text.count("\n") - self.raw.count("\n")
        return self.start - 1 + (line if line <= before_key else line - added)


def read_tunes(names: Sequence[str]) -> Iterator[Tune]:
    """Everything in the books of these names, "-" for standard input, in order and streaming.

    A file without any X: but with a K: is one tune that lacks its number.

    Raises:
        UserError: a book holds no tune, is not UTF-8 text, or has a line or a tune too long to be one.
        OSError: it cannot be read.
    """
    if list(names).count(STANDARD_INPUT) > 1:
        raise UserError("FILE: got - twice; standard input can be read once")
    for name in names:
        file = "standard input" if name == STANDARD_INPUT else os.fsencode(name).decode(errors="replace")
        pieces = parts(_lines(name, file))
        head = list(islice(pieces, 2))
        if not any(piece.number for piece in head):
            if not head or not _KEY_LINE.search(head[0].text):
                raise UserError(f"{file}: no tune in it; expected ABC notation, where a tune begins with a line X:1")
            head = [head[0]._replace(number=1)]
        shared = {} if head[0].number else file_header(head[0].text)
        for piece in chain(head, pieces):
            yield _tune(file, piece, shared)


def _tune(file: str, piece: Part, shared: dict[str, str]) -> Tune:
    text = with_shared(piece.text, shared) if piece.number else piece.text
    return Tune(file, piece.number, piece.line, piece.text, text)


def _lines(name: str, file: str) -> Iterator[str]:
    with nullcontext(sys.stdin.buffer) if name == STANDARD_INPUT else open(name, "rb") as stream:
        book = io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape")
        size = 0  # of the tune so far
        for number in count(1):
            line = book.readline(LONGEST_LINE + 1)
            if not line:
                return
            size = len(line) + (0 if line.startswith("X:") else size)
            if reason := _no_text(line, size):
                raise UserError(f"{file}, line {number}: {reason}")
            yield line


def _no_text(line: str, size: int) -> str | None:
    """Why a line cannot be one of a tune book; its bytes that are not UTF-8 have become surrogates."""
    if "\0" in line:
        return "a NUL byte; expected ABC notation as UTF-8 text"
    if not line.isascii() and any("\ud800" <= character <= "\udfff" for character in line):
        return "not UTF-8 text; iconv -f WINDOWS-1252 -t UTF-8 mends most old tune books"
    if len(line) > LONGEST_LINE:
        return f"longer than {LONGEST_LINE:,} characters; expected ABC notation"
    if size > LONGEST_TUNE:
        return f"a tune longer than {LONGEST_TUNE:,} characters; expected ABC notation"
    return None


def write_book(text: str, out: str | None, names: Sequence[str]) -> None:
    """Write a book to the file `out`, whole or not at all; None or "-" is standard output.

    Raises:
        UserError: `out` is a folder or one of the inputs `names`.
    """
    if out in (None, STANDARD_INPUT):
        sys.stdout.buffer.write(text.encode())
        sys.stdout.buffer.flush()
        return
    path = Path(str(out))
    if path.is_dir():
        raise UserError(f"--output: {out} is a folder; expected the name of a file")
    if path.exists() and any(name != STANDARD_INPUT and path.samefile(name) for name in names):
        raise UserError(f"--output: {out} is the input; name another file for the result")
    write_text(path, text)
