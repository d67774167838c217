"""Files of a user: found in a fixed order, opened with care, and told apart by what can be seen from outside."""

import os
import stat
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import BinaryIO, NamedTuple

from hf_scaling.records import content_hash


class Found(NamedTuple):
    """What a place holds: (name below it, path) pairs sorted by name, and (name, reason) of folders that stay shut."""

    files: list[tuple[str, Path]]
    shut: list[tuple[str, str]]


def find_files(folder: Path, suffixes: tuple[str, ...]) -> Found:
    """All files below a folder with one of these suffixes; links to folders are not followed."""
    files: list[Path] = []
    errors: list[OSError] = []
    for parent, _, names in os.walk(folder, onerror=errors.append):
        files += [Path(parent, name) for name in names if has_suffix(name, suffixes)]
    shut = [(Path(error.filename), why(error)) for error in errors]
    return Found(
        sorted((label(path.relative_to(folder)), path) for path in files),
        sorted((label(path.relative_to(folder)), reason) for path, reason in shut),
    )


def label(path: PurePath | str) -> str:
    """A name to be written down: with forward slashes, and in letters that can be written whatever its bytes are."""
    return os.fsencode(PurePath(path).as_posix()).decode("utf-8", errors="replace")


def has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a file's name ends so, in whatever case; what macOS keeps beside a file under its name does not count."""
    return name.lower().endswith(suffixes) and not PurePath(name).name.startswith("._")


def open_file(path: Path) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        OSError: it cannot be opened, or is a pipe or device, which might never end.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("not a regular file")
    return open(path, "rb")


def why(error: Exception) -> str:
    """What went wrong with a file, without the place of the file on this machine."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return words or type(error).__name__


def files_identity(files: Iterable[tuple[str, Path]]) -> str:
    """SHA-256 over names, sizes and times of change (ns)."""
    seen: list[tuple[str, int, int]] = []
    for name, path in files:
        try:
            status = path.stat()
            seen.append((name, status.st_size, status.st_mtime_ns))
        except OSError as error:
            seen.append((name, -1, error.errno or 0))
    return content_hash(seen)
