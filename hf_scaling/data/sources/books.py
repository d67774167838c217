"""Tune books of any size: tunes one by one, and what is too long kept out of memory and counted."""

from collections.abc import Iterable, Iterator

from hf_scaling.data.sources.tune import RawTune, Unread
from hf_scaling.notation import split_tunes, with_shared
from hf_scaling.notation.book import LONGEST_TUNE, SHARED_FIELD


class _Lines:
    """Passes the lines of a book on, but for what is too long; what was left out is told by `faults`.

    faults: number of the tune -> reason; 0 stands for what comes before the first tune.
    shared: letter -> field of the file header (ABC 2.1 §2.2.2), which holds for tunes that say nothing else.
    """

    def __init__(self, lines: Iterable[str | None]) -> None:
        self._lines = lines
        self.faults: dict[int, str] = {}
        self.shared: dict[str, str] = {}

    def __iter__(self) -> Iterator[str]:
        tune, size, in_file_header = 0, 0, True
        for line in self._lines:
            if line is None:
                self.faults.setdefault(tune, "overlong line")
                continue
            if line.lstrip("\ufeff").startswith("X:"):
                tune, size = tune + 1, 0
            elif not tune:
                in_file_header = in_file_header and bool(line.strip())
                if in_file_header and SHARED_FIELD.match(line):
                    self.shared.setdefault(line[0], line)
            size += len(line) + 1
            if size > LONGEST_TUNE:
                self.faults.setdefault(tune, "overlong tune")
            else:
                yield line


def read_book(lines: Iterable[str | None], source: str, collection: str, file: str) -> Iterator[RawTune | Unread]:
    """The tunes of a book, numbered by their place in it, which need not be what X: says.

    Args:
        lines: of the book, None for one that was too long to be read.
        source, collection, file: where the book comes from.
    """
    passed = _Lines(lines)
    number = 0
    for number, text in enumerate(split_tunes(passed), 1):
        if reason := passed.faults.pop(number, None):
            yield Unread(reason, source, collection, file, number)
        else:
            yield RawTune(with_shared(text, passed.shared), source, collection, file, number)
    if not number:
        yield Unread(passed.faults.get(0, "no tune in file"), source, collection, file, 1)
