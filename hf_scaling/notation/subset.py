"""The part of legal ABC that a constrained decoder lets a model write: plain to read, and safe with every player.

It holds nearly all of what cleaned tunes hold. Left out are

- `%`, backslashes, empty lines, unprintable characters, voices and overlays;
- inline fields and fields in the body; header fields but X:, K:, L:, M: and those of text, any of them twice or out of
  the order of cleaned tunes, values of K:, L: and M: beyond `VALUES`, and text that is longer than 80 characters or
  begins like a bar line: weak models write their music into the header;
- a shorthand behind another, or with nothing behind it on its line: weak models spell words with them;
- chords of more than five notes, and more than eight grace notes at once;
- a tuplet or a second broken rhythm while a broken rhythm waits for its note, and what `customs.py` calls odd;
- rests but `z`, ties of rests, spacers, `""`, `!!`, tuplets with colons, space inside groups;
- denominators but 1, 2, 4, 8 and 16, numbers above 999, more than two octave marks or two signs of broken rhythm;
- notes, rests, grace notes, slurs and tuplets in a bar that is full (with `bars` "strict");
- within quotes, all but letters, digits, spaces and `.#~>'-^_`, and more than a dozen of them: weak models open a quote
  and put the rest of the tune into it;
- a header without M:, and endings that no `:|` parts;
- bar lines but `| || |] |: :| :|| :: [|]` and those with one ending, and bar lines without time before them except at
  the start of a line.

A prompt may hold all of it, though not end in what is odd.
"""

from collections.abc import Iterator
from itertools import product

from hf_scaling.notation.durations import Ticks
from hf_scaling.notation.fields import parse_key
from hf_scaling.notation.grammar import Machine

NOTES = "ABCDEFGabcdefg"
DENOMINATORS = (1, 2, 4, 8, 16)
MOST_DIGITS = 3
_MOST_OCTAVES, _MOST_SLURS, _MOST_NUMBER = 2, 3, 6
_MOST_CHORD, _MOST_GRACE = 5, 8  # 3 and 7 are the most in 7,711 strictly valid tunes of the laptop study
_MOST_TEXT = 80  # no title and no rhythm of 12,018 tunes of the laptop study is longer
_TEXT_BEGINS = "\"'(?"  # with one of these, or a letter or digit: behind `F:|` music21 reads a header line as music
_MODES = "maj min mix dor phr lyd loc ion aeo major minor mixolydian dorian phrygian lydian locrian ionian aeolian"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_QUOTED = _LETTERS + "0123456789 .#~>'-^_"  # music21 stumbles over what else a quote may hold
_MOST_QUOTED = 12  # of 4,474 quotes in the laptop study's tunes 9 are longer
_LENGTHS = ("note", "rest", "chord-close")
_TIED = ("note", "chord-close")
MUSIC_FOLLOWS = ("tuplet", "broken", "slur-open", "grace-close")  # no bar line, space or line end follows
SLUR_MAY_END = (*_LENGTHS, "slur-close", "tie", "space", "grace-close", "broken")
_BARS = {"|": "|]:", ":|": "|", "[|": "]", "[": "|"}  # what makes a bar line longer
_LAST_ENDING = "4"


def _keys() -> Iterator[str]:
    yield from ("none", "HP", "Hp")
    modes = [f"{space}{name}" for mode in _MODES.split() for name in (mode, mode.title()) for space in ("", " ")]
    for step, sign, mode in product("ABCDEFG", ("", "#", "b"), ["", "m", "M", *modes]):
        key = parse_key(step + sign + mode)
        if key and abs(key.fifths) <= 7:
            yield step + sign + mode


VALUES = {
    "K": frozenset(_keys()),
    "M": frozenset(["C", "C|", "none", *(f"{beats}/{beat}" for beats in range(1, 17) for beat in (1, 2, 4, 8, 16))]),
    "L": frozenset(f"1/{part}" for part in (1, 2, 4, 8, 16, 32)),
}
"""The values that these fields may get."""


def _shortest() -> dict[str, str]:
    """For every beginning of a field with one of VALUES, its shortest completion."""
    found: dict[str, str] = {}
    for letter, values in VALUES.items():
        for value in sorted(values, key=lambda value: (len(value), value)):
            for end in range(len(value) + 1):
                found.setdefault(f"{letter}:{value[:end]}", value[end:] + "\n")
    return found


SHORTEST = _shortest()


class Subset:
    """The characters of an alphabet that may stand next, in groups that all lead to the same state."""

    def __init__(self, alphabet: str) -> None:
        """Only characters of `alphabet` come into question."""
        self._alphabet = frozenset(alphabet)
        self._text = "".join(sorted(character for character in self._alphabet - set("%\\") if character.isprintable()))
        self._begin = "".join(character for character in self._text if character.isalnum() or character in _TEXT_BEGINS)
        self._known: dict[str, str] = {}  # groups, and what the alphabet has of them
        self._next: dict[str, str] = {}
        for field, rest in SHORTEST.items():
            self._next[field] = self._next.get(field, "")
            if len(field) > 2:
                self._next[field[:-1]] = self._next.get(field[:-1], "") + field[-1]
            if rest == "\n":
                self._next[field] += "\n"

    def choices(self, machine: Machine, settled: Machine, room: Ticks | None) -> list[str]:
        """What the subset lets stand next, whether or not it would be legal here.

        settled: the machine with its token ended; room: what the bar then has left, None if that is of no concern.
        """
        return [usable for group in self._choices(machine, settled, room) if (usable := self._usable(group))]

    def _usable(self, group: str) -> str:
        if group not in self._known:
            self._known[group] = "".join(character for character in group if character in self._alphabet)
        return self._known[group]

    def _choices(self, machine: Machine, settled: Machine, room: Ticks | None) -> list[str]:
        kind, pending = machine.pending_kind, machine.pending
        if kind == "field":
            return self._value(pending)
        if machine.in_header:
            if pending and kind != "newline":
                return [":"]
            if not machine.order.numbered:
                return ["X"]
            return [*machine.order.following]
        if kind == "quote-open":
            return [*([_QUOTED] if len(pending) <= _MOST_QUOTED else []), *(['"'] if len(pending) > 1 else [])]
        if kind == "decoration-open":
            return [_LETTERS + ".", *([pending[0]] if len(pending) > 1 else [])]
        if kind == "accidental":
            return [NOTES, *(pending if pending in "^_" else "")]
        if kind in ("character", ""):  # a colon that begins a bar line
            return ["|", *(":" if pending == ":" and not settled.repeats.first_only else "")]
        if kind == "bar" and pending == ":|" and machine.repeats.first_only:
            return ["2", "["]
        if pending == "[" and machine.repeats.first_only and machine.repeats.ended:
            return ["2"]
        return [*_longer(machine), *_starts(settled, kind, machine, room)]

    def _value(self, field: str) -> list[str]:
        letter, value = field[0], field[2:]
        if letter in VALUES:
            return [*self._next.get(field, "\n")]
        if letter == "X":
            return [*("0123456789" if len(value) < _MOST_NUMBER else ""), *("\n" if value else "")]
        if not value.strip():
            return [self._begin]
        return [*([self._text] if len(value) < _MOST_TEXT else []), "\n"]


def length_of(pending: str) -> str:
    """The length at the end of a note, rest or chord."""
    return pending.lstrip("^_=]z,'" + NOTES)


def _longer(machine: Machine) -> Iterator[str]:
    """Characters that make the token longer."""
    kind, pending = machine.pending_kind, machine.pending
    if kind in _LENGTHS:
        number, slash, divisor = length_of(pending).partition("/")
        if slash:
            yield from {"": "/1248", "1": "6"}.get(divisor, "")
        else:
            yield "/"
            yield from "0123456789"[not number :] if len(number) < MOST_DIGITS else ""
            octaves = pending.lstrip("^_=" + NOTES)
            if kind == "note" and not number and len(octaves) < _MOST_OCTAVES:
                yield from octaves[:1] or ",'"
    elif kind in ("bar", "chord-open"):
        repeats = machine.repeats
        number = str(len(repeats.endings) + 1)
        yield from "" if repeats.first_only and pending == "|" else _BARS.get(pending, "")
        if number == "1" or (number <= _LAST_ENDING and (pending == ":|" or (repeats.ended and not machine.bar_ticks))):
            yield from number if pending in ("|", "[", ":|") and (number != "1" or pending != ":|") else ""
    elif kind == "broken" and len(pending) < 2:
        yield pending
    elif kind == "slur-open" and not machine.rhythm.waiting:
        yield from "23456789"


def _starts(machine: Machine, before: str, unsettled: Machine, room: Ticks | None) -> Iterator[str]:
    """Characters that start a token behind one of the kind `before`; no time passes where there is no `room`.

    unsettled: the machine with that token pending.
    """
    groups = machine.groups
    inside = groups.grace or groups.chord is not None
    if before in _TIED and not inside and not unsettled.rhythm.pair:
        yield from "><"
    if room is not None and room < 0:  # nothing else makes the bar shorter
        return
    if (room is None or room) and groups.n_notes < (_MOST_GRACE if groups.grace else _MOST_CHORD):
        yield from (NOTES, "^", "_", "=")
    if inside:
        if before == "note":
            yield from "}" if groups.grace else "]-"
        elif before == "tie":
            yield "]"
        return
    if room is None or room:
        yield from "z{"
        if groups.n_slurs < _MOST_SLURS:
            yield "("
    yield from '"!['
    if before != "shorthand":
        yield "".join(sorted(machine.shorthands))
    if before in (*_TIED, "broken"):
        yield "-"
    if before in SLUR_MAY_END:
        yield ")"
    if before not in ("space", "newline", "shorthand", "tuplet", "slur-open"):
        yield " "
        if before not in MUSIC_FOLLOWS:
            yield "\n"
    if machine.bar_ticks and before not in MUSIC_FOLLOWS:
        yield "|"
        if before != "shorthand":  # which a colon makes a field at the start of a line
            yield ":"
    elif before == "newline":
        yield "|"
