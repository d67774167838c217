"""A user's own tune books: what becomes a tune, where it is said to come from, and what is wrong with the rest."""

import os
import tempfile
import tracemalloc
from collections import Counter
from pathlib import Path

import pytest

from hf_scaling.data.sources import SOURCES, RawTune, SourceOptions, Unread
from hf_scaling.data.sources.books import LONGEST_TUNE, read_book
from hf_scaling.notation import header
from hf_scaling.records import UserError

ABC_FILES = SOURCES["abc_files"]
BOOK = "X:1\nT:One\nM:6/8\nL:1/8\nK:D\nABc def|\n\nX:2\nT:Two\nM:C\nL:1/8\nK:G\nGABc d4|\n"


def options(path):
    return SourceOptions(abc_files=str(path))


def read(path):
    return list(ABC_FILES.read(options(path)))


def write(folder, **books):
    """Books by name, `__` for a folder."""
    for name, text in books.items():
        path = folder / (name.replace("__", "/") + ".abc")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def places(tunes):
    return [(tune.collection, tune.file, tune.number) for tune in tunes]


def test_a_book_gives_its_tunes_with_their_places(tmp_path):
    one, two = read(write(tmp_path, jigs=BOOK) / "jigs.abc")
    assert one.text == "X:1\nT:One\nM:6/8\nL:1/8\nK:D\nABc def|\n"
    assert two == RawTune("X:2\nT:Two\nM:C\nL:1/8\nK:G\nGABc d4|\n", "abc_files", "jigs", "jigs.abc", 2)


def test_a_folder_is_read_in_the_order_of_names_and_a_subfolder_is_a_collection(tmp_path):
    write(tmp_path, b=BOOK, a=BOOK, irish__x__deep=BOOK, irish__a=BOOK)
    (tmp_path / "notes.txt").write_text(BOOK)
    (tmp_path / "._a.abc").write_bytes(b"\0\5\26\7")
    (tmp_path / "LOUD.ABC").write_text(BOOK)
    assert places(read(tmp_path))[::2] == [
        ("LOUD", "LOUD.ABC", 1),
        ("a", "a.abc", 1),
        ("b", "b.abc", 1),
        ("irish", "irish/a.abc", 1),
        ("irish", "irish/x/deep.abc", 1),
    ]


def test_a_pattern_is_a_choice_of_the_folder_that_it_begins_with(tmp_path):
    write(tmp_path, a=BOOK, b=BOOK, sub__c=BOOK)
    assert places(read(tmp_path / "*.abc"))[::2] == [("a", "a.abc", 1), ("b", "b.abc", 1)]
    everything = read(tmp_path)
    assert read(tmp_path / "**" / "*.abc") == everything
    assert places(read(tmp_path / "s*" / "c.abc")) == [("sub", "sub/c.abc", 1), ("sub", "sub/c.abc", 2)]


def test_a_file_whose_name_looks_like_a_pattern_is_that_file(tmp_path):
    write(tmp_path, **{"set [a]": BOOK})
    assert places(read(tmp_path / "set [a].abc"))[0] == ("set [a]", "set [a].abc", 1)


def test_a_name_that_is_no_text_can_still_be_written_down(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/t\xffne.abc")).write_text(BOOK)
    (tune, _) = read(tmp_path)
    assert tune.file.encode() == "t\N{REPLACEMENT CHARACTER}ne.abc".encode()
    assert ABC_FILES.identity(options(tmp_path))


def test_duplicate_tune_numbers_are_two_tunes(tmp_path):
    tunes = read(write(tmp_path, a="X:1\nK:C\nabc|\n\nX:1\nK:C\ncba|\n"))
    assert [tune.number for tune in tunes] == [1, 2]
    assert [tune.text[-5:-2] for tune in tunes] == ["abc", "cba"]


def test_what_a_file_header_says_holds_for_tunes_that_say_nothing_else(tmp_path):
    book = "%abc-2.1\nM:6/8\nL:1/16\nR:jig\nZ:someone\n\nM:9/8\n\nX:1\nK:D\nabc|\n\nX:2\nM:2/4\nL:1/8\nK:D\nabc|\n"
    heads = [header(tune.text) for tune in read(write(tmp_path, a=book))]
    assert [(head.first("M"), head.first("L"), head.first("R")) for head in heads] == [
        ("6/8", "1/16", "jig"),
        ("2/4", "1/8", "jig"),
    ]
    assert all(head.first("Z") is None for head in heads)


def test_a_hundred_thousand_empty_tunes_are_read_one_by_one(tmp_path):
    tunes = ABC_FILES.read(options(write(tmp_path, a="X:1\n\n" * 100_000)))
    assert sum(tune.text == "X:1\n" for tune in tunes) == 100_000


def test_overlong_lines_and_tunes_are_counted_and_their_neighbours_kept(tmp_path):
    line = "abc def|" * 8  # 64 characters
    long_line = f"X:2\nK:C\n{line * 1100}\n"
    long_tune = "X:3\nK:C\n" + f"{line}\n" * 20_000
    tunes = read(write(tmp_path, a=BOOK[: BOOK.index("X:2")] + long_line + long_tune + "X:4\nK:C\nabc|\n"))
    assert [(type(tune), tune.number) for tune in tunes] == [(RawTune, 1), (Unread, 2), (Unread, 3), (RawTune, 4)]
    assert [tunes[1].reason, tunes[2].reason] == ["overlong line", "overlong tune"]


def test_an_endless_tune_takes_no_more_memory_than_the_longest_that_is_read():
    def lines():
        yield "X:1"
        for _ in range(12_000):
            yield "abc def gab|" * 100

    tracemalloc.start()
    (tune,) = read_book(lines(), "abc_files", "a", "a.abc")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert tune.reason == "overlong tune"
    assert peak < 8 * LONGEST_TUNE


@pytest.mark.parametrize("text", ["", "K:D\nabc|\n", "<html>no tunes here</html>", "\0" * 5000, "X :1\nK:D\n"])
def test_a_book_without_a_tune_is_counted_among_books_that_have_some(tmp_path, text):
    unread, *tunes = read(write(tmp_path, a=text, b=BOOK))
    assert unread == Unread("no tune in file", "abc_files", "a", "a.abc", 1)
    assert len(tunes) == 2


def test_a_file_of_one_overlong_line_says_so(tmp_path):
    unread = read(write(tmp_path, a="X:1 K:C " + "a" * 2**20, b=BOOK))[0]
    assert (unread.reason, unread.file) == ("overlong line", "a.abc")


def test_links_to_nowhere_and_pipes_are_counted_and_never_waited_for(tmp_path):
    write(tmp_path, b=BOOK)
    (tmp_path / "a.abc").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.abc").symlink_to(tmp_path / "loop.abc")
    (tmp_path / "round").symlink_to(tmp_path)
    os.mkfifo(tmp_path / "pipe.abc")
    tunes = read(tmp_path)
    assert Counter(type(tune) for tune in tunes) == {RawTune: 2, Unread: 3}
    unread = {tune.file: tune for tune in tunes if isinstance(tune, Unread)}
    assert {tune.reason for tune in unread.values()} == {"unreadable file"}
    assert unread["a.abc"].detail == "No such file or directory"
    assert unread["pipe.abc"].detail == "not a regular file"
    assert str(tmp_path) not in str(unread)


@pytest.fixture
def guarded():
    """A folder that all may enter, and this process without the powers of a superuser."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        write(folder, open__a=BOOK, shut__b=BOOK, file=BOOK)
        (folder / "shut").chmod(0)
        (folder / "file.abc").chmod(0)
        superuser = os.geteuid() == 0
        if superuser:
            os.seteuid(65534)
        yield folder
        if superuser:
            os.seteuid(0)
        (folder / "shut").chmod(0o700)


def test_files_and_folders_without_permission_are_counted_by_name(guarded):
    tunes = read(guarded)
    assert places(tunes) == [
        ("shut", "shut", 1),
        ("file", "file.abc", 1),
        ("open", "open/a.abc", 1),
        ("open", "open/a.abc", 2),
    ]
    assert [(tune.reason, tune.detail) for tune in tunes[:2]] == [("unreadable file", "Permission denied")] * 2


def test_where_permission_is_all_that_lacks_the_error_says_so(guarded):
    with pytest.raises(UserError, match=r"abc_files: got .*without a single tune \(.*Permission denied\); expected"):
        read(guarded / "shut")
    with pytest.raises(UserError, match="Permission denied"):
        read(guarded / "file.abc")


@pytest.mark.parametrize("name", ["empty", "nowhere", "nowhere.abc", "nothing*.abc", "**.abc", "", "words.abc", "a\0b"])
def test_nothing_to_read_is_one_line_of_error(tmp_path, name):
    (tmp_path / "empty").mkdir()
    (tmp_path / "words.abc").write_text("no tune at all")
    path = str(tmp_path / name) if name else name
    with pytest.raises(UserError, match=r"^abc_files: .*expected a tune book, a folder or zip archive") as caught:
        read(path)
    assert "\n" not in str(caught.value)
    ABC_FILES.identity(options(path))  # is asked first, and leaves the complaint to the reader


def test_without_a_path_the_error_names_the_field():
    with pytest.raises(UserError, match=r"^abc_files: not set; expected"):
        list(ABC_FILES.read(SourceOptions()))
    assert ABC_FILES.identity(SourceOptions()) is None


def test_the_identity_is_of_the_files_and_not_of_where_they_lie(tmp_path):
    for place in ("here", "there"):
        write(tmp_path / place, a=BOOK, sub__b=BOOK)
        for file in (tmp_path / place).rglob("*.abc"):
            os.utime(file, ns=(0, 1_000_000_000))
    here = ABC_FILES.identity(options(tmp_path / "here"))
    assert here == ABC_FILES.identity(options(tmp_path / "there"))
    (tmp_path / "there" / "a.abc").write_text(BOOK + "\n")
    assert ABC_FILES.identity(options(tmp_path / "there")) != here
    (tmp_path / "here" / "sub" / "b.abc").rename(tmp_path / "here" / "b.abc")
    assert ABC_FILES.identity(options(tmp_path / "here")) != here
    assert ABC_FILES.identity(options(tmp_path / "nowhere")) is None
