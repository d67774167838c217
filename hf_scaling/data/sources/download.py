"""One file from the network to the cache: whole and checked, or not at all."""

import hashlib
import time
from pathlib import Path
from typing import IO, Any

from filelock import FileLock
from huggingface_hub import get_session
from huggingface_hub.errors import HTTPError, OfflineModeIsEnabled
from tqdm import tqdm

from hf_scaling.records import UserError, check_https

_ATTEMPTS = 5
_PAUSE = 1.0  # seconds after the first failed attempt; doubled after each
_TIMEOUT = 30.0  # seconds without a byte
_MOST_BYTES = 2**28
_MOST_REDIRECTS = 5
_LATER = "the same command goes on where it stopped"


class _TryAgainError(Exception):
    """What may be better in a moment."""


def git_blob(stream: IO[bytes], size: int) -> str:
    """The name by which git knows a file's content: SHA-1 (hex) of its size and its bytes."""
    digest = hashlib.sha1(f"blob {size}\0".encode())
    while chunk := stream.read(2**20):
        digest.update(chunk)
    return digest.hexdigest()


def download(url: str, path: Path, blob: str, field: str) -> None:
    """Bring the file at `url` to `path`, unless it is there, with a progress bar.

    What an interrupted download left is gone on with, if the server can (RFC 9110, range requests). The file takes
    its place only when its `git_blob` is `blob`. Other processes that want the same wait.

    Raises:
        UserError: the network or the server fails, or the content is another; names `field`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.incomplete")
    with FileLock(path.with_name(f"{path.name}.lock")):
        if path.exists() and _blob_of(path) == blob:
            return
        for attempt in range(_ATTEMPTS):
            try:
                _fetch(url, partial, path.name, field)
                break
            except (_TryAgainError, HTTPError) as error:
                problem = error
                time.sleep(_PAUSE * 2**attempt if attempt < _ATTEMPTS - 1 else 0)
            except OfflineModeIsEnabled:
                raise UserError(f"{field}: not set, and HF_HUB_OFFLINE forbids {url}; name a local copy") from None
        else:
            raise UserError(f"{field}: {url} could not be downloaded ({problem}); {_LATER}, or name a local copy")
        if (got := _blob_of(partial)) != blob:
            partial.unlink()
            raise UserError(f"{field}: {url} gave git blob {got}, expected {blob}; try again, or name a local copy")
        partial.replace(path)


def _blob_of(path: Path) -> str:
    with open(path, "rb") as file:
        return git_blob(file, path.stat().st_size)


def _fetch(url: str, partial: Path, name: str, field: str) -> None:
    """Append to `partial` what it lacks, or write it anew where the server cannot start in the middle."""
    start = partial.stat().st_size if partial.exists() else 0
    # a compressed answer would have lengths of its own
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    for _ in range(_MOST_REDIRECTS):
        check_https(url, field)
        with get_session().stream("GET", url, headers=headers, timeout=_TIMEOUT, follow_redirects=False) as answer:
            if answer.next_request is None:
                _store(answer, start, partial, name, field)
                return
            url = str(answer.next_request.url)
    raise UserError(f"{field}: {url} leads on and on; name a local copy")


def _store(answer: Any, start: int, partial: Path, name: str, field: str) -> None:
    """Read what a server answers."""
    url = answer.url
    if answer.status_code == 416 and start:  # nothing lies behind `start`: the file is whole, or of no use
        return
    if answer.status_code in (408, 429) or answer.status_code >= 500:
        raise _TryAgainError(f"HTTP {answer.status_code}")
    if answer.status_code not in (200, 206):
        raise UserError(f"{field}: {url} could not be downloaded (HTTP {answer.status_code}); name a local copy")
    resumed = answer.status_code == 206 and answer.headers.get("Content-Range", "").startswith(f"bytes {start}-")
    start = start if resumed else 0
    length = int(answer.headers["Content-Length"]) + start if "Content-Length" in answer.headers else None
    with (
        open(partial, "ab" if resumed else "wb") as file,
        tqdm(desc=name, total=length, initial=start, unit="B", unit_scale=True, leave=False) as bar,
    ):
        for chunk in answer.iter_bytes():
            file.write(chunk)
            bar.update(len(chunk))
            if file.tell() > _MOST_BYTES:
                partial.unlink()
                raise UserError(f"{field}: {url} sends more than {_MOST_BYTES:,} bytes; name a local copy")
