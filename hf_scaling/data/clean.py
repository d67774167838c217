"""A raw tune made fit to learn from, or the one reason why it is not."""

import re
from dataclasses import dataclass

from hf_scaling.notation import check, header

_KEPT_IN_BODY = ("K:", "M:", "L:")  # the rest of the body's fields say nothing that is played
_FIELD = re.compile(r"(?![A-Ga-gxyz]:[|:])[A-Za-z+]:")  # "D:|" is a note before a repeat, no discography
_COMMENT = re.compile(r"(?<!\\)%.*")
_SPACES = re.compile(r"[ \t]+")


@dataclass(frozen=True)
class CleanTune:
    """A tune as models see it: `X: T: R: M: L: K:` in this order, then the music; every line ends with a newline."""

    text: str
    title: str
    rhythm: str
    meter: str
    key: str

    @property
    def body(self) -> str:
        """The music, without the header."""
        return self.text.split("\nK:", 1)[1].split("\n", 1)[1]


@dataclass(frozen=True)
class Reject:
    """Why a tune was left out; one of a short list of reasons, so that they can be counted."""

    reason: str


def _body_lines(lines: list[str]) -> list[str]:
    """The music behind the `K:` line, with fields that are not played left out and continued lines joined."""
    start = next(index for index, line in enumerate(lines) if line.startswith("K:")) + 1
    body = [line.replace("`", "").strip() for line in lines[start:]]
    kept = [line for line in body if line and (not _FIELD.match(line) or line.startswith(_KEPT_IN_BODY))]
    joined = re.sub(r"\\\n", " ", "\n".join(kept)).rstrip("\\ \t")
    lines = [_SPACES.sub(" ", line).strip() for line in joined.split("\n")]
    return [line for line in lines if line]


def clean(raw: str, min_chars: int, max_chars: int) -> CleanTune | Reject:
    """Normalise one raw tune. Cleaning a clean tune changes nothing.

    Comments, lyrics, and bibliographic and personal fields go; `X:` is always 1 and `L:` always written, with the
    standard's default where the source leaves it out; of several titles the first stays. `min_chars` and `max_chars`
    bound the length of the result in characters.
    """
    text = raw.replace("\ufeff", "").replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    lines = [_COMMENT.sub("", line).strip() for line in text.split("\n")]
    if not any(line.startswith("K:") for line in lines):
        return Reject("no key")
    if any(line.startswith("V:") or "[V:" in line for line in lines):
        return Reject("several voices")
    body = _body_lines(lines)
    if not body:
        return Reject("no music")
    head = header("\n".join(lines))
    fields = {
        "X": "1",
        "T": head.title,
        "R": head.rhythm,
        "M": head.first("M") or "none",
        "L": str(head.unit_length),
        "K": head.first("K") or "",
    }
    fields = {letter: " ".join(value.split()) for letter, value in fields.items()}
    if not fields["K"]:
        return Reject("no key")
    written = [f"{letter}:{value}" for letter, value in fields.items() if value]
    result = "\n".join([*written, *body]) + "\n"
    if len(result) < min_chars:
        return Reject("too short")
    if len(result) > max_chars:
        return Reject("too long")
    if not check(result).parses:
        return Reject("not legal notation")
    return CleanTune(result, fields["T"], fields["R"], fields["M"], fields["K"])
