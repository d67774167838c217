"""The report of a study read back as HTML."""

from html.parser import HTMLParser
from pathlib import Path

from hf_scaling.report import write_report

VOID = {"meta", "img", "br", "link", "input", "hr", "col", "base", "embed", "source"}


class Page(HTMLParser):
    """Tags with their attributes, the visible text, and whether every tag was closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\N{NO-BREAK SPACE}", " ").replace("‑", "-").split())

    def values(self, *names: str) -> list[str]:
        return [value or "" for _, attrs in self.tags for name, value in attrs.items() if name in names]


def render(study: Path) -> Page:
    """Write the report and read it back."""
    return Page(write_report(study).read_text(encoding="utf-8"))
