"""Tune books: where a tune begins and ends, and what its book says for it."""

import pytest

from hf_scaling.notation import check, file_header, parts, split_tunes, with_shared

BOOK = """% a book
M:3/4
L:1/16

X: 1
K:C
CDE|

EFG|

% a remark
GAB|

some words about it
%%%
X:2

K:D
DEF|
"""


def test_a_book_is_cut_without_tearing_a_tune() -> None:
    assert [(part.line, part.number) for part in parts(BOOK.splitlines(keepends=True))] == [
        (1, 0),
        (5, 1),
        (13, 0),
        (16, 2),
    ]
    assert list(split_tunes(BOOK.splitlines(keepends=True))) == [
        "X: 1\nK:C\nCDE|\nEFG|\n% a remark\nGAB|\n",
        "X:2\nK:D\nDEF|\n",
    ]


@pytest.mark.parametrize(
    ("line", "goes_on"),
    [("GAB|", True), ("K:D", True), ("w: la la", True), ("A good tune", False), ("GAB", False), ("on | off?", False)],
)
def test_an_empty_line_ends_a_tune_unless_it_goes_on(line: str, goes_on: bool) -> None:
    (tune,) = split_tunes(["X:1", "K:C", "C|", "", line])
    assert (line in tune) == goes_on


def test_words_end_a_tune_for_good() -> None:
    assert list(split_tunes(["X:1", "K:C", "C|", "", "words", "", "D|"])) == ["X:1\nK:C\nC|\n"]


def test_line_ends_and_byte_order_marks_do_not_matter() -> None:
    (part,) = parts(["\ufeffX:1\r\n", "K:C\r\n", "C|"])
    assert part == (1, 1, "X:1\nK:C\nC|\n")


def test_no_lines_no_parts() -> None:
    assert list(parts([])) == []
    assert [part.number for part in parts(["", "words"])] == [0]


def test_a_tune_takes_from_the_file_header_what_it_lacks() -> None:
    before, tune, *_ = parts(BOOK.splitlines())
    shared = file_header(before.text)
    assert shared == {"M": "M:3/4", "L": "L:1/16"}
    assert with_shared("X:1\nL:1/8\nK:C\nC6|]\n", shared) == "X:1\nL:1/8\nM:3/4\nK:C\nC6|]\n"
    assert check(with_shared("X:1\nL:1/8\nK:C\nC6|]\n", shared)).strict
    assert with_shared(tune.text, {}) == tune.text
    assert with_shared("no key", shared) == "no key"


def test_a_file_header_ends_at_an_empty_line() -> None:
    assert file_header("words\nM:3/4\n\nL:1/8\n") == {"M": "M:3/4"}
