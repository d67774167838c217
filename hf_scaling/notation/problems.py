"""What can be wrong with a tune, and what was found wrong with one."""

from typing import NamedTuple

_NOT_PLAYABLE = ("parses", "playable")

CODES: dict[str, tuple[tuple[str, ...], str]] = {
    "no-number": (_NOT_PLAYABLE, "no X: field"),
    "no-key": (_NOT_PLAYABLE, "no K: field before the music"),
    "header-order": (("parses",), "X: is not the first field, or a header field stands after K:"),
    "header-line": (("parses",), "a line in the header that is no field"),
    "field-letter": (("parses",), "a field that ABC 2.1 does not know"),
    "field-value": (("parses",), "an X:, M:, L: or K: field whose value is not one"),
    "second-tune": (("parses",), "a second X: field"),
    "empty-line": (("parses",), "music after an empty line, which ends a tune"),
    "no-music": (_NOT_PLAYABLE, "neither a note nor a rest"),
    "no-notes": (("playable",), "only rests"),
    "character": (("parses",), "a character without meaning where it stands"),
    "accidental": (("parses",), "an accidental without its note"),
    "shorthand": (("strict",), "a shorthand letter (H-W, h-w) that no U: field defines; players pass over it"),
    "continuation": (("parses",), "something after the backslash that joins two lines"),
    "quote-open": (_NOT_PLAYABLE, "a chord symbol or annotation that is not closed on its line"),
    "decoration-open": (_NOT_PLAYABLE, "a decoration that is not closed"),
    "inline-open": (_NOT_PLAYABLE, "an inline field that is not closed on its line"),
    "chord-open": (_NOT_PLAYABLE, "a chord that is not closed before the bar or the line ends"),
    "chord-close": (_NOT_PLAYABLE, "a ] without its ["),
    "chord-empty": (_NOT_PLAYABLE, "a chord without notes"),
    "grace-open": (_NOT_PLAYABLE, "grace notes that are not closed before the bar or the line ends"),
    "grace-close": (_NOT_PLAYABLE, "a } without its {"),
    "group-content": (("parses",), "a rest in a chord or among grace notes"),
    "length": (_NOT_PLAYABLE, "a length of zero, or with a number of more than four digits"),
    "note-long": (("strict", "playable"), "a note or rest of more than 64 whole notes"),
    "too-many-notes": (("playable",), "more than 10,000 notes"),
    "broken-rhythm": (("strict",), "a broken rhythm mark without a note on both sides"),
    "tuplet": (("strict",), "a tuplet without all its notes, inside another, or with impossible numbers"),
    "slur-open": (("strict",), "a slur that is not closed"),
    "slur-close": (("strict",), "a ) without its ("),
    "bar-long": (("strict",), "a bar longer than the metre says"),
    "bar-short": (("strict",), "a bar shorter than the metre says that is no pickup and no part of a split bar"),
    "repeat-open": (("strict",), "a |: without its :|"),
    "ending": (("strict",), "numbered endings that do not run 1, 2, ..."),
}
"""Every diagnostic code: the tiers that it rules out, and what it means. Nothing that fails to parse is strict."""


class Problem(NamedTuple):
    """Something wrong: a code of `CODES`, an index into the tune's text, and a message for people."""

    code: str
    offset: int
    message: str


class Problems(list[Problem]):
    """The problems of one tune, in the order in which they showed.

    The rules of the grammar hold this list, not the machine that holds them: without circles, a tune that has been
    read is freed at once.
    """

    def report(self, code: str, offset: int, message: str) -> None:
        """Note down a problem."""
        self.append(Problem(code, offset, message))
