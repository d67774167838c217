"""Cards from templates in which nothing that a study folder holds can act as Markdown, HTML or YAML."""

import re
from functools import cache
from pathlib import Path
from typing import Any

from huggingface_hub import CardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined, UndefinedError
from markupsafe import Markup

from hf_scaling.records import UserError

# punctuation that opens something in Markdown, in HTML, or in the Hub's extensions (mentions, formulas, bare links)
_ACTIVE = re.compile(r"[!#$&()*+\-.:<=>@\[\\\]^_`{|}~]")


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)


def one_line(text: str) -> str:
    """`text` without line breaks, control characters and marks that turn the direction of writing."""
    return " ".join(_printable(text).split())


def inert(text: str) -> str:
    """`text` as Markdown that shows its characters and does nothing: CommonMark 0.31, section 2.4."""
    return _ACTIVE.sub(r"\\\g<0>", one_line(text))


def number(value: Any, form: str = ",") -> Markup:
    """A number by Python's format; a dash for None.

    Raises:
        UserError: something else.
    """
    if value is None:
        return Markup("–")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"card: got {value!r} in the study folder where a number is expected")
    return Markup(format(value, form))


def code_block(text: str) -> Markup:
    """`text` as an indented code block, which no line of it can end."""
    return Markup("\n".join(f"    {_printable(line)}".rstrip() for line in text.strip("\n").split("\n")))


def permitted(allowed: bool) -> Markup:
    """What a permission reads as."""
    return Markup("yes" if allowed else "no")


def _shown(value: Any) -> str:
    return str(value) if isinstance(value, Markup) else inert(str(value))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).with_name("cards")),
        undefined=StrictUndefined,
        finalize=_shown,  # every value is made inert, but for those that the functions above made
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(number=number, code_block=code_block, permitted=permitted)
    environment.globals.update(plural=lambda count: Markup("" if count == 1 else "s"))
    return environment


def render(template: str, data: CardData, **content: Any) -> str:
    """A card: metadata as the Hub wants them, and the template's text below.

    Raises:
        UserError: the study folder lacks what the card needs.
    """
    try:
        text = _environment().get_template(template).render(content)
    except UndefinedError as error:
        raise UserError(f"card: the study folder lacks a field that {template} needs: {error.message}") from None
    return f"---\n{data.to_yaml()}\n---\n{text}"
