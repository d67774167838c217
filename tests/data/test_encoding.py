"""Bytes to lines: every encoding that tune books come in, every line end, and lines without end."""

import io
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_scaling.data import encoding
from hf_scaling.data.encoding import LONGEST_LINE, decode, read_lines

TITLE = "T:Máire Ní Eidhin – “Fáinne Óir”"


def lines_of(data):
    return list(read_lines(io.BytesIO(data)))


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_encoding_and_line_end_reads_the_same(codec, end):
    lines = ["X:1", TITLE, "K:D", "", "ABc|"]
    assert lines_of(end.join(lines).encode(codec)) == lines
    assert lines_of((end.join(lines) + end).encode(codec)) == lines


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_the_byte_order_mark_tells_the_order(codec):
    assert lines_of(f"\ufeffX:1\n{TITLE}".encode(codec)) == ["X:1", TITLE]


def test_nul_bytes_are_left_out_wherever_they_stand():
    book = b"X:1\r\nK:D\r\n\r\nX:2\r\nK:G"
    padded = b"\0\0" + b"\0".join(bytes([byte]) for byte in book) + b"\0" * 600
    assert lines_of(padded) == lines_of(book) == ["X:1", "K:D", "", "X:2", "K:G"]


def test_a_book_put_together_from_two_encodings_is_read_line_by_line():
    assert lines_of("T:Óró\n".encode() + "T:Óró\n".encode("latin-1")) == ["T:Óró", "T:Óró"]


def test_the_bytes_that_windows_leaves_open_are_read_too():
    assert decode(b"\xe9\x81") == "é\x81"


@given(st.binary(max_size=200))
def test_decoding_never_fails_and_can_be_written(data):
    assert decode(data).encode("utf-8") is not None
    for line in lines_of(data):
        assert "\n" not in line
        assert "\r" not in line


@given(
    lines=st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=12)),
    ends=st.lists(st.sampled_from(["\n", "\r\n"]), min_size=1),
    codec=st.sampled_from(["utf-8-sig", "utf-16"]),
    chunk=st.integers(4, 40),
)
def test_where_the_file_is_cut_into_chunks_makes_no_difference(lines, ends, codec, chunk):
    text = "".join(line + ends[number % len(ends)] for number, line in enumerate(lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "_CHUNK", chunk)
        assert lines_of(text.encode(codec)) == [line.replace("\0", "") for line in lines]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r", b""])
@pytest.mark.parametrize("length", [LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, 3 * LONGEST_LINE + 7])
def test_an_overlong_line_is_one_none_and_the_next_line_is_whole(length, end):
    data = b"before\n" + b"a" * length + end + (b"after\nlast" if end else b"")
    before, long, *after = lines_of(data)
    assert before == "before"
    assert long == ("a" * length if length <= LONGEST_LINE else None)
    assert after == (["after", "last"] if end else [])


class Endless(io.RawIOBase):
    """So many bytes without a line end, made as they are read; keeps account of how many were handed out."""

    def __init__(self, size):
        self.left = size

    def read(self, size=-1):
        assert 0 < size <= 2**20, "a bounded reader asks for bounded pieces"
        size = min(size, self.left)
        self.left -= size
        return b"a" * size


def test_a_single_line_of_fifty_megabytes_is_read_to_its_end_and_kept_nowhere():
    stream = Endless(50 * 2**20)
    tracemalloc.start()
    assert list(read_lines(stream)) == [None]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert stream.left == 0
    assert peak < 2**20
