"""Whatever text comes in: no exception but ours, the same result however it is fed, work in line with its length."""

import contextlib
import gc
import sys
import time
from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hf_scaling.notation import (
    CODES,
    Machine,
    Unrepairable,
    canonical_repeats,
    check,
    header,
    judge,
    melody,
    melody_of,
    parts,
    read,
    repair,
    split_tunes,
    transpose,
)

HEAD = "X:1\nM:4/4\nL:1/8\nK:D\n"
LAYOUT = [
    "X:1\n",
    "K:D\n",
    "M:6/8\n",
    "L:1/8\n",
    "T:x\n",
    "Z:a\n",
    "V:2\n",
    "W:",
    "[K:G]",
    "[M:3/4",
    "\n",
    "\r",
    "\ufeff",
    "\\",
    "%",
]
BARS = ["|", ":|", "|:", "::", "|1", "[2", "[1,2 ", "|]", "[", "]"]
MARKS = [
    "(3",
    "(9:2:0",
    "(",
    ")",
    "{",
    "}",
    "<",
    ">>",
    "-",
    "&",
    "!",
    "+",
    '"',
    '"Am"',
    "~",
    "k",
    " ",
    "?",
    "\u00e9",
    "/",
]
NOTES = ["A", "b'", "C,,3/2", "^", "_e", "z4", "Z9", "y2", "0", "99999999"]
PIECES = st.lists(st.sampled_from(LAYOUT + BARS + MARKS + NOTES), max_size=40).map("".join)
TEXTS = st.one_of(st.text(max_size=60), PIECES, PIECES.map(HEAD.__add__))


def repaired_text(text: str) -> str:
    """The text after repair, or as it is where there is none."""
    with contextlib.suppress(Unrepairable):
        return repair(text).text
    return text


@given(TEXTS)
@settings(max_examples=400)
def test_any_text_has_a_verdict_and_whatever_is_repaired_plays(text: str) -> None:
    verdict = check(text)
    assert verdict.strict <= verdict.parses
    lines = text.split("\n")
    for code, line, column, message in verdict.diagnostics:
        assert 1 <= line <= len(lines) + 1
        assert 1 <= column <= len((lines + [""])[line - 1]) + 1
        assert code
        assert "\n" not in message
    try:
        repaired = repair(text)
    except Unrepairable as error:  # for want of something to play, not for want of an end to the repairs
        if str(error).partition(":")[0] in CODES:
            return
        raise
    assert check(repaired.text).playable
    assert repair(repaired.text) == (repaired.text, [])
    assert bool(repaired.repairs) == (repaired.text != text)
    assert verdict.playable or repaired.repairs
    assert all(1 <= done.line <= len(lines) for done in repaired.repairs)


@pytest.mark.parametrize("ending", ["|3-3-10", "|1-", "|1--2", ":|2,3-", "[1-2-,3"])
def test_a_numbered_ending_may_be_any_row_of_its_characters(ending: str) -> None:
    text = f"X:1\nK:C\n|:CDEF{ending} GABc|]\n"
    check(text)
    assert check(repair(text).text).playable


@pytest.mark.parametrize(
    "music",
    [
        "E,=a3/2::%%K:D\nz4\n[1,3 yD\n^F[CEG]2\nA:|[M:3/4]|]:|2 ",
        "A>B\nw:E,:|A>B}X:1\n[1,3 E,!trill!E,X:1\n|]U:k=!f!\n[M:3/4]:|2 U:k=!f!\n3/2",
    ],
)
def test_a_last_bar_with_nothing_in_it_to_drop_is_closed(music: str) -> None:
    repaired = repair(f"X:1\nM:none\nL:1/8\nK:Ador\n{music}")
    assert check(repaired.text).playable
    assert repaired.repairs[-1].code == "last-bar"


@given(TEXTS)
@settings(max_examples=200)
def test_what_else_reads_a_tune_takes_any_text(text: str) -> None:
    machine = read(text)
    assert (judge(machine, text), melody_of(machine)) == (check(text), melody(text))
    assert header(text).fields == [(field.letter, field.value) for field in machine.fields]
    assert check(canonical_repeats(text)).n_notes == machine.n_notes


@given(TEXTS)
@settings(max_examples=200)
@example("\ufeffX:1\nK:C\nC|\n\n% part\nD|\n\nwords\nE|\n")
def test_a_book_put_together_again_is_the_book(text: str) -> None:
    lines = text.split("\n")
    found = list(parts(lines))
    whole = "".join(part.text for part in found)
    assert whole.replace("\ufeff", "") == (text + "\n").replace("\ufeff", "").replace("\r\n", "\n").replace(
        "\r\n", "\n"
    )
    at = 1
    for part in found:
        assert part.line == at
        at += part.text.count("\n")
    numbers = [part.number for part in found if part.number]
    assert numbers == list(range(1, len(list(split_tunes(lines))) + 1))


@given(TEXTS)
@settings(max_examples=200)
def test_fed_in_pieces_or_at_once_is_the_same(text: str) -> None:
    whole, pieces = read(text), Machine()
    for character in text:
        pieces.feed(character)
    pieces.close()
    assert (pieces.tokens, pieces.problems, pieces.events) == (whole.tokens, whole.problems, whole.events)
    assert "".join(token[1] for token in whole.tokens) == text


def calls(work: Callable[[], object]) -> int:
    """How many functions, ours and built in, a piece of work calls: its length in time that no load can change."""
    made = 0

    def called(frame: object, event: str, argument: object) -> None:
        nonlocal made
        made += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        work()
    finally:
        sys.setprofile(before)
    return made


@pytest.mark.parametrize("work", [check, repaired_text, lambda text: list(parts(text.split("\n")))])
@pytest.mark.parametrize(
    "piece",
    ["[", '"', "(3", "{g", "C\n\n", "X:1\n", "V:a\n", "|:", "|1", "^", "[K:", "!", "9", "A<", "(", "A8|\n\nno\n"],
)
def test_work_is_linear_in_the_length(piece: str, work: Callable[[str], object]) -> None:
    def made(count: int) -> int:
        return calls(lambda: work("X:1\nK:C\n" + piece * count + "C|]\n"))

    assert made(800) < 8 * made(200)  # a quadratic step would make it 16


@pytest.mark.parametrize("work", [check, repaired_text, canonical_repeats, lambda text: transpose(text, 1)])
@pytest.mark.parametrize(
    "piece", [" ", "T: ", "K:", "K: ", "C/", "C/9973", "1-99,", "[1-9,", ":", "|", ">", "\\", "w:-"]
)
def test_no_single_step_takes_time_squared(piece: str, work: Callable[[str], object]) -> None:
    """Steps within a call, as of a regular expression, are not counted: squared, these would take minutes."""
    work("X:1\nT:" + piece * 30_000 + "\nC|\n")
    work("X:1\nK:C\n[1" + piece * 30_000 + "\nC|\n")


def test_a_long_token_fed_in_pieces_is_linear_too() -> None:
    def seconds(count: int) -> float:
        machine = Machine()
        start = time.process_time()
        for character in "%" * count:
            machine.feed(character)
        assert machine.pending == "%" * count
        return time.process_time() - start

    assert seconds(400_000) < 40 * max(seconds(40_000), 0.01)


def test_a_header_is_read_without_the_music_behind_it() -> None:
    long = HEAD + "GABc dedB|" * 5_000
    assert header(long).fields == header(HEAD).fields
    assert calls(lambda: header(long)) < calls(lambda: read(long)) / 20


def test_a_tune_that_has_been_read_is_freed_at_once() -> None:
    gc.collect()
    gc.disable()
    try:
        read(HEAD + '[GB]2 (3GAB "Am"{a}c>d|:e4:|')
        assert gc.collect() == 0
    finally:
        gc.enable()
