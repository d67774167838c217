"""Files inside the page, as data URIs: what would make it too heavy stays out."""

import base64
import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_MEDIA_TYPES = {
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".mid": "audio/midi",
    ".opus": "audio/ogg",
    ".csv": "text/csv;charset=utf-8",
    ".yaml": "text/plain;charset=utf-8",
}
HEAVY = 2**20  # bytes of a figure, of which a page of a long study holds a dozen
PAGE = 14_000_000  # bytes of all data URIs together: the page stays below 15 MB


def data_uri(path: Path, limit: int | None = None) -> str | None:
    """The file as a data URI, or None where there is no such file, or one of more bytes than `limit`."""
    if not path.is_file() or (limit is not None and path.stat().st_size > limit):
        return None
    return encoded(path.read_bytes(), path.suffix)


def encoded(content: bytes, suffix: str) -> str:
    """Bytes as the data URI of a file with that suffix."""
    return f"data:{_MEDIA_TYPES[suffix]};base64,{base64.b64encode(content).decode('ascii')}"


def figure_uri(stem: Path) -> str | None:
    """A figure as SVG, or as PNG where there is no SVG or too heavy a one."""
    return data_uri(stem.with_suffix(".svg"), HEAVY) or data_uri(stem.with_suffix(".png"))


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV; the columns are those of all rows, in the order in which they first come."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
