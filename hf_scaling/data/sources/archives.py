"""Zip archives from anywhere: members are read where they lie, nothing is ever unpacked to disk."""

import struct
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO

from hf_scaling.records import UserError

# a bomb unpacks to a thousand times its size, text to less than ten times; a small archive may be of any shape
_FREE = 64 * 2**20  # bytes
_HIGHEST_RATIO = 100
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others may ask for gigabytes of memory

READ_ERRORS = (OSError, EOFError, zipfile.BadZipFile, zlib.error)
"""What may be raised by opening and reading a member, or a plain file."""


def is_archive(path: Path) -> bool:
    """Whether a file is, or says that it is, a zip archive."""
    return path.is_file() and (path.suffix.lower() == ".zip" or zipfile.is_zipfile(path))


def open_archive(path: Path, field: str) -> zipfile.ZipFile:
    """Open a zip archive.

    Raises:
        UserError: it is damaged, or would unpack to more than a hundred times its size; names `field`.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError, EOFError) as error:
        raise UserError(f"{field}: {path} is no readable zip archive ({error}); expected a whole one") from None
    # zipfile stops at the size that a member declares, so sizes need no watching while members are read
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > max(_FREE, _HIGHEST_RATIO * path.stat().st_size):
        archive.close()
        raise UserError(
            f"{field}: {path} would unpack to {unpacked:,} bytes, more than {_HIGHEST_RATIO} times its size, as a zip "
            "bomb does; expected an archive of text, or the unpacked files"
        )
    return archive


def members(archive: zipfile.ZipFile) -> list[tuple[str, zipfile.ZipInfo]]:
    """The files of an archive, sorted by name; a folder that holds them all is left out of the names."""
    files = [info for info in archive.infolist() if info.filename and not info.is_dir()]
    tops = {info.filename.partition("/")[::2] for info in files if not info.filename.startswith("__MACOSX/")}
    folders = {folder for folder, rest in tops if rest}
    inside = f"{folders.pop()}/" if len(folders) == 1 and all(rest for _, rest in tops) else ""
    return sorted(((info.filename.removeprefix(inside), info) for info in files), key=lambda member: member[0])


def open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> IO[bytes]:
    """Open a member for reading.

    Raises:
        OSError: its name leads out of the archive, it is encrypted, or packed in an unusual way.
        zipfile.BadZipFile: it is damaged.
    """
    path = PurePosixPath(info.filename.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or info.filename[1:2] == ":":
        raise OSError("its name leads out of the archive")
    if info.flag_bits & 0x1:
        raise OSError("encrypted")
    if info.compress_type not in _METHODS:
        raise OSError("neither stored nor deflated, the two ways of packing that are read")
    try:
        return archive.open(info)
    except (NotImplementedError, RuntimeError, struct.error, ValueError) as error:
        raise zipfile.BadZipFile(str(error)) from None
