"""Checksums of files whose format has none, so that what rots on a disk is found before it is believed."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from hf_scaling.records.errors import UserError
from hf_scaling.records.files import PARTIAL, file_sha256, read_json, write_json

CHECKSUMS = "checksums.json"  # beside what it vouches for


def checksums(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """SHA-256 (hex) of each of these files, and of every file in these folders, by its path within `folder`."""
    paths = [
        path for name in names for path in ([folder / name] if (folder / name).is_file() else _files(folder / name))
    ]
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in paths}


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(PARTIAL))


def first_damaged(folder: Path, expected: Mapping[str, str]) -> str | None:
    """The first file that is absent or not what it was, or None."""
    for name, checksum in expected.items():
        if not (folder / name).is_file() or file_sha256(folder / name) != checksum:
            return name
    return None


def vouch(folder: Path, names: Iterable[str]) -> None:
    """Write the checksums of a folder's files beside them."""
    write_json(folder / CHECKSUMS, checksums(folder, names))


def vouched(folder: Path) -> dict[str, str]:
    """The checksums that lie in a folder; none where it has no such file.

    Raises:
        UserError: the file is damaged itself.
    """
    path = folder / CHECKSUMS
    if not path.exists():
        return {}
    found = read_json(path)
    if not isinstance(found, dict):
        raise UserError(f"{path}: got {type(found).__name__}, expected checksums by file")
    return found


def check_vouched(folder: Path) -> None:
    """Raise UserError if a file of this folder of a run is not what the run's checksums say; others have none."""
    run = folder.parent
    expected = {name: of for name, of in vouched(run).items() if name.startswith(f"{folder.name}/")}
    if damaged := first_damaged(run, expected):
        raise UserError(
            f"{run / damaged}: damaged, or changed after it was written; remove {run} and its row in the ledger "
            "to have it trained again"
        )
