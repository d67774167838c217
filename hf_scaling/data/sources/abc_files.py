"""A user's own tune books: a file, a folder with all below it, a pattern of names, or a zip archive."""

import glob
from collections.abc import Callable, Iterator
from functools import partial
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import IO

from hf_scaling.data.encoding import read_lines
from hf_scaling.data.sources.archives import READ_ERRORS, is_archive, members, open_archive, open_member
from hf_scaling.data.sources.books import read_book
from hf_scaling.data.sources.files import Found, files_identity, find_files, has_suffix, label, open_file, why
from hf_scaling.data.sources.licences import files_licence
from hf_scaling.data.sources.tune import Licence, RawTune, SourceOptions, Unread
from hf_scaling.records import UserError

_SOURCE = "abc_files"
_SUFFIXES = (".abc",)
_EXPECTED = "a tune book, a folder or zip archive with .abc files in it, or a pattern such as 'tunes/*.abc'"


def licence(options: SourceOptions) -> Licence:
    """What the user says that the terms are."""
    return files_licence(options)


def identity(options: SourceOptions) -> str | None:
    """A hash over names, sizes and times of the files; None where they are not to be found."""
    try:
        return files_identity(_locate(options).files)
    except (UserError, OSError):
        return None


def read(options: SourceOptions) -> Iterator[RawTune | Unread]:
    """Stream the tunes of all books, in the order of the books' names.

    A book's collection is the folder that it lies in, where that is below the one given, or else its own name.

    Raises:
        UserError: nothing is there, or no tune is in any of it; or an archive is damaged or a bomb.
    """
    first: Unread | None = None
    found = False
    for tune in _read_all(_locate(options)):
        if isinstance(tune, RawTune):
            found = True
        else:
            first = first or tune
        yield tune
    if not found:
        reason = ", ".join(filter(None, (first.file, first.reason, first.detail))) if first else "no .abc file"
        raise UserError(f"abc_files: got {options.abc_files!r}, without a single tune ({reason}); expected {_EXPECTED}")


def _locate(options: SourceOptions) -> Found:
    if not options.abc_files:
        raise UserError(f"abc_files: not set; expected {_EXPECTED}")
    path = Path(options.abc_files)
    if path.is_dir():
        return find_files(path, _SUFFIXES)
    if path.exists():
        return Found([(label(path.name), path)], [])
    if not glob.has_magic(options.abc_files):
        raise UserError(f"abc_files: {path} not found; expected {_EXPECTED}")
    root = Path(*takewhile(lambda part: not glob.has_magic(part), path.parts))
    try:
        # pathlib's `**` does not follow links, which may lead back to where they stand
        matches = list(root.glob(str(path.relative_to(root))))
    except ValueError as error:  # such as '**.abc'
        raise UserError(f"abc_files: got {options.abc_files!r} ({error}); expected {_EXPECTED}") from None
    return Found(sorted((label(match.relative_to(root)), match) for match in matches if not match.is_dir()), [])


def _read_all(found: Found) -> Iterator[RawTune | Unread]:
    for name, reason in found.shut:
        yield Unread("unreadable file", _SOURCE, _collection(name), name, 1, reason)
    for name, path in found.files:
        if not is_archive(path):
            yield from _read_book(name, partial(open_file, path))
            continue
        before = f"{name}/" if len(found.files) > 1 else ""
        with open_archive(path, "abc_files") as archive:
            for member, info in members(archive):
                if has_suffix(member, _SUFFIXES):
                    yield from _read_book(before + member, partial(open_member, archive, info))


def _collection(name: str) -> str:
    path = PurePosixPath(name)
    return path.parts[0] if len(path.parts) > 1 else path.stem


def _read_book(name: str, open_book: Callable[[], IO[bytes]]) -> Iterator[RawTune | Unread]:
    number, collection = 0, _collection(name)
    try:
        with open_book() as book:
            for tune in read_book(read_lines(book), _SOURCE, collection, name):
                number = tune.number
                yield tune
    except READ_ERRORS as error:
        yield Unread("unreadable file", _SOURCE, collection, name, number + 1, why(error))
