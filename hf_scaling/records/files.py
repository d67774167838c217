"""Files that are either whole or absent, and hashes of what they hold."""

import errno
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hf_scaling.records.errors import UserError

PARTIAL = ".partial-"  # what an interrupted write leaves behind starts with this
_FULL = 2**16  # bytes; a disk with less is full


def content_hash(value: Any) -> str:
    """SHA-256 (hex) of `value` as canonical JSON: equal values hash equal, whatever the order of their keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_full(folder: Path) -> bool:
    return shutil.disk_usage(folder).free < _FULL


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Give the name of what was to be written to errors of the disk, which have none where a write fails."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        full = error.errno is None and _is_full(path.parent)  # numpy counts bytes instead
        number = errno.ENOSPC if full else error.errno or errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and takes the place of `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=PARTIAL, suffix=path.suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        with _naming(path):
            yield temporary
            with open(temporary, "rb") as file:
                os.fsync(file.fileno())
        temporary.chmod(0o644)  # mkstemp makes files private; a study folder is meant to be read
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `path`; on success it takes the place of `path`, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=PARTIAL, dir=path.parent))
    old = temporary.with_name(f"{temporary.name}-old")
    try:
        with _naming(path):
            yield temporary
        temporary.chmod(0o755)
        if path.exists():
            os.replace(path, old)  # a removal can be interrupted halfway, a rename cannot
        os.replace(temporary, path)
    finally:
        for leftover in (temporary, old):
            shutil.rmtree(leftover, ignore_errors=True)


def check_room(folder: Path) -> None:
    """Raise OSError if the disk of a folder is full: for libraries that say something else then."""
    if _is_full(folder):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def sweep_partials(folder: Path) -> None:
    """Remove what interrupted writes left anywhere under `folder`."""
    for leftover in sorted(folder.rglob(f"{PARTIAL}*")):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def set_aside(path: Path) -> Path:
    """Rename `path` to `<name>.replaced-<time>` so that nothing is lost; return the new place."""
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    aside, attempt = path.with_name(f"{path.name}.replaced-{stamp}"), 1
    while aside.exists():
        aside, attempt = path.with_name(f"{path.name}.replaced-{stamp}-{attempt}"), attempt + 1
    path.rename(aside)
    return aside


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically. NaN and infinity are refused: JSON has neither."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one JSON value a line, atomically."""
    write_text(path, "".join(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def read_json(path: Path) -> Any:
    """The JSON value in `path`.

    Raises:
        UserError: the file is absent or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: not found") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not valid JSON ({error}); delete it to have it rebuilt") from None


def read_jsonl(path: Path) -> list[Any]:
    """Every whole line of a JSON-lines file; a last line that an interruption cut short is left out.

    Raises:
        UserError: a whole line is damaged. Names the line.
    """
    rows = []
    with open(path, "rb") as lines:  # as bytes: only a line feed ends a line, and a cut may go through a character
        for number, line in enumerate(lines, 1):
            try:
                rows.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                if line.endswith(b"\n"):
                    raise UserError(f"{path}, line {number}: not valid JSON ({error})") from None
    return rows
