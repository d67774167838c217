"""Bytes of tune books to lines of text, streaming, however long the file and whatever its encoding and line ends."""

import codecs
from collections.abc import Iterable, Iterator
from typing import IO

LONGEST_LINE = 2**16  # bytes
_CHUNK = 2**16
_BOMS_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(line: bytes) -> str:
    """Text of bytes that are UTF-8 or else Windows-1252, as ABC of the nineties is; never raises.

    Line by line, not file by file: tune books are put together from files of several encodings.
    """
    for encoding in ("utf-8", "cp1252"):
        try:
            return line.decode(encoding)
        except UnicodeDecodeError:
            continue
    return line.decode("latin-1")  # the five bytes that Windows-1252 leaves open


def read_lines(stream: IO[bytes]) -> Iterator[str | None]:
    """The lines of a file, without their ends (LF, CRLF or CR); None in place of a line above LONGEST_LINE bytes.

    UTF-8 and UTF-16 with a byte order mark are told by it. NUL bytes are left out: one before an `X:` would hide the
    tune. Memory is bounded by a chunk and a line.
    """
    rest, skipping = b"", False
    for chunk in _utf8_chunks(stream):
        *lines, rest = _split(rest + chunk.replace(b"\0", b""))
        for line in lines:
            yield None if skipping or len(line) > LONGEST_LINE else decode(line)
            skipping = False
        if len(rest) > LONGEST_LINE:
            rest, skipping = b"", True
    if rest or skipping:
        yield None if skipping else decode(rest.rstrip(b"\r"))


def _split(text: bytes) -> list[bytes]:
    """Split at every line end; a CR at the very end may be half of a CRLF and stays."""
    held = text[-1:] if text.endswith(b"\r") else b""
    text = text[: len(text) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return (text + held).split(b"\n")


def _utf8_chunks(stream: IO[bytes]) -> Iterator[bytes]:
    """The file in pieces, without a byte order mark; UTF-16 becomes UTF-8."""
    chunks: Iterable[bytes] = iter(lambda: stream.read(_CHUNK), b"")
    first = next(iter(chunks), b"")
    if first.startswith(_BOMS_16):
        decoder = codecs.getincrementaldecoder("utf-16")(errors="replace")
        yield decoder.decode(first).encode()
        for chunk in chunks:
            yield decoder.decode(chunk).encode()
        yield decoder.decode(b"", final=True).encode()
    else:
        yield first.removeprefix(codecs.BOM_UTF8)
        yield from chunks
