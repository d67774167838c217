"""Characters to tokens: the lower half of the notation engine, a table-driven automaton.

Each `Row` is one lexical state: which characters may follow, and what kind of token the characters read so far make.
A character with no move ends the token, which is handed to `Lexer.token`, and starts the next one. The table is
plain data, so that a decoder can ask it which characters continue a token.

Three rows start tokens: `HEAD` (line start in the header), `LINE` (line start in the body) and `BODY`.
"""

import string

FIELD_LETTERS = frozenset(string.ascii_letters + "+")
BODY_FIELDS = frozenset("HIKLMNOPQRSTUVWXmrsw+")  # a line that starts with one of these and a colon is no music
LATE_FIELDS = frozenset("ABCDFGZ")
INLINE_FIELDS = frozenset("IKLMNPQRUVmr")
NOTES = "ABCDEFGabcdefg"
SHORTHANDS = frozenset(string.ascii_letters) - frozenset(NOTES) - frozenset("XYZxyz")
_BLANKS = " \t\r\ufeff"
_DIGITS = string.digits
_DECORATION = string.ascii_letters + _DIGITS + "<>().,-_^=:/'*#;?+"


class Row:
    """One lexical state.

    kind: the token made if the text ends here; default: the move of every character not in `moves` (None: the token
    ends); retreat: how many of the last characters do not belong to this token after all and are read again; plain:
    whether nothing is read again and the next token stands on the same line.
    """

    __slots__ = ("default", "kind", "moves", "plain", "retreat")

    def __init__(self, kind: str, retreat: int = 0) -> None:
        """Make a state without moves."""
        self.kind = kind
        self.retreat = retreat
        self.plain = not retreat and kind not in ("newline", "indent")
        self.moves: dict[str, Row | None] = {}
        self.default: Row | None = None

    def to(self, characters: str | frozenset[str], row: "Row") -> "Row":
        """Add moves on each of `characters` to `row`; returns self so that moves can be chained."""
        self.moves.update(dict.fromkeys(characters, row))
        return self

    def but(self, character: str, row: "Row") -> "Row":
        """A copy of this state in which `character` leads to `row`."""
        copy = Row(self.kind, self.retreat)
        copy.moves, copy.default = {**self.moves, character: row}, self.default
        return copy

    def until(self, character: str, row: "Row | None" = None) -> "Row":
        """Swallow everything up to `character`, which leads to `row` or ends the token; a line end always does."""
        self.default = self
        self.moves["\n"] = None
        self.moves[character] = row
        return self


def _with_length(row: Row) -> Row:
    """Let an ABC length (`2`, `/`, `/2`, `3/2`, `//`) follow `row`."""
    number, slash, slashes, denominator = (Row(row.kind) for _ in range(4))
    number.to(_DIGITS, number).to("/", slash)
    slash.to(_DIGITS, denominator).to("/", slashes)
    slashes.to("/", slashes)
    denominator.to(_DIGITS, denominator)
    return row.to(_DIGITS, number).to("/", slash)


def _note_moves(body: Row) -> None:
    note = _with_length(Row("note"))
    note.to(",'", note)
    sharp, flat, whole = (Row("accidental").to(NOTES, note) for _ in range(3))
    sharp.to("^", whole)
    flat.to("_", whole)
    body.to(NOTES, note).to("^", sharp).to("_", flat).to("=", whole)
    bars = Row("bar-rest")
    body.to("ZX", bars.to(_DIGITS, bars)).to("zx", _with_length(Row("rest"))).to("y", _with_length(Row("spacer")))


def _bar_moves(body: Row) -> None:
    end, comma = Row("bar"), Row("bar", retreat=1)
    ending = Row("bar")
    ending.to(_DIGITS, ending).to(",-", comma)
    comma.to(_DIGITS, ending)
    after = Row("bar")
    after.to(":", after)
    pipe = Row("bar").to("]", end).to(":", after).to("123456789", ending)
    pipe.to("|", pipe)
    double = Row("bar").to("|", pipe)
    double.to(":", double)
    field = Row("inline-open").until("]", Row("inline"))
    letter = Row("chord-open", retreat=1).to(":", field)
    bracket = Row("chord-open").to("|", pipe).to("123456789", ending).to(INLINE_FIELDS, letter)
    body.to("|", pipe).to(":", Row("character").to("|", pipe).to(":", double)).to("[", bracket)


def _group_moves(body: Row) -> None:
    r, r_mark, q, q_mark, p = (Row("tuplet") for _ in range(5))
    p.to(":", q_mark)
    q_mark.to(_DIGITS, q).to(":", r_mark)
    q.to(_DIGITS, q).to(":", r_mark)
    r_mark.to(_DIGITS, r)
    r.to(_DIGITS, r)
    body.to("(", Row("slur-open").to("23456789", p)).to(")", Row("slur-close"))
    body.to("{", Row("grace-open").to("/", Row("grace-open"))).to("}", Row("grace-close"))
    body.to("]", _with_length(Row("chord-close")))
    more, less = Row("broken"), Row("broken")
    body.to(">", more.to(">", more)).to("<", less.to("<", less))
    body.to('"', Row("quote-open").until('"', Row("quote")))
    for mark, characters in ("!", _DECORATION), ("+", string.ascii_letters + _DIGITS + "."):
        inside = Row("decoration-open")
        body.to(mark, inside.to(characters, inside).to(mark, Row("decoration")))


_CHARACTER = Row("character")  # one character that no row knows


def _rows() -> tuple[Row, Row, Row]:
    head, line, body = Row(""), Row(""), Row("")
    space, newline, comment = Row("space"), Row("newline"), Row("comment")
    space.to(_BLANKS, space)
    body.default = _CHARACTER
    body.to(_BLANKS, space).to("\n", newline).to("%", comment.until("\n")).to("`$", Row("space"))
    body.to(SHORTHANDS | frozenset("~."), Row("shorthand")).to("-", Row("tie"))
    body.to("\\", Row("continuation")).to("&", Row("overlay"))
    _note_moves(body)
    _bar_moves(body)
    _group_moves(body)
    field = Row("field").until("\n")
    line.moves, line.default = dict(body.moves), body.default
    late = Row("", retreat=2)  # "C:|" is music, "C:Trad." a header field that comes too late
    late.default = field
    for character in "|:\n":
        late.moves[character] = None
    for letter, music in body.moves.items():  # a letter begins a field only if a colon follows
        if music and letter in BODY_FIELDS:
            line.to(letter, music.but(":", field))
        elif music and letter in LATE_FIELDS:
            line.to(letter, music.but(":", late))
    indent = Row("indent")
    head.to(_BLANKS, indent.to(_BLANKS, indent)).to("\n", newline).to("%", comment)
    head.to(FIELD_LETTERS, Row("", retreat=1).to(":", field))
    head.default = Row("", retreat=1)
    return head, line, body


HEAD, LINE, BODY = _rows()


class Lexer:
    """Feed characters; `token(kind, text, offset)` is called for each complete token.

    offset: index of the token's first character in everything fed so far. A token is complete when the character
    after it has come, or at `close`.
    """

    __slots__ = ("_row", "in_header", "offset", "pending")

    def __init__(self) -> None:
        """Stand before the first character."""
        self.in_header = True  # until the subclass has seen a K: field
        self.pending = ""  # the characters of the token that is not complete yet
        self.offset = 0  # of its first character
        self._row = HEAD

    def token(self, kind: str, text: str, offset: int) -> None:
        """Take one token; a subclass gives it meaning."""
        raise NotImplementedError

    def feed(self, text: str) -> None:
        """Read `text`, one character or many; the result does not depend on how a tune is cut up."""
        row, token, offset = self._row, self.pending, self.offset
        self.pending = ""  # with a second reference to it, each `+=` would copy the token
        for character in text:
            following = row.moves.get(character, row.default)
            while following is None:
                if row.plain:  # as `_end_token` would, but a call for every token takes a tenth of all time
                    self.token(row.kind, token, offset)
                    offset += len(token)
                    row, token = BODY, ""
                else:
                    self.offset = offset
                    row, token = self._end_token(row, token)
                    offset = self.offset
                following = row.moves.get(character, row.default)
            token += character
            row = following
        self._row, self.pending, self.offset = row, token, offset

    @property
    def pending_kind(self) -> str:
        """The kind of token that the pending characters make if the text ends here."""
        return self._row.kind

    def may_take_in(self, character: str) -> bool:
        """Whether `character` may become part of the pending token; if not, it finds that token settled."""
        row = self._row
        return row.retreat > 0 or row.moves.get(character, row.default) is not None

    def settle(self) -> None:
        """The pending token is complete, whatever follows."""
        while self.pending:
            self._row, self.pending = self._end_token(self._row, self.pending)

    def close(self) -> None:
        """End the text."""
        self.settle()

    def _end_token(self, row: Row, text: str) -> tuple[Row, str]:
        """Hand over a token; returns the state of the next one and what has been read of it already."""
        back = text[len(text) - row.retreat :]
        text = text[: len(text) - row.retreat]
        if text:
            offset = self.offset
            self.offset = offset + len(text)
            self.token(row.kind, text, offset)
        if back:
            self._row, self.pending = BODY, ""
            self.feed(back)
            return self._row, self.pending
        if row.plain:
            return BODY, ""
        return HEAD if self.in_header else LINE, ""
