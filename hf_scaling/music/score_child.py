"""The child's side of `score.py`: music21 writes MusicXML, verovio engraves it, and the picture is made inert."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import verovio
from music21 import defaults, musicxml, tempo

from hf_scaling.music.abc_score import load

_SVG = "http://www.w3.org/2000/svg"
_LINK = "http://www.w3.org/1999/xlink"
_ELEMENTS = frozenset(
    (
        "svg",
        "g",
        "defs",
        "symbol",
        "use",
        "path",
        "text",
        "tspan",
        "rect",
        "polygon",
        "polyline",
        "line",
        "ellipse",
        "circle",
        "style",
        "title",
        "desc",
    )
)
_OPTIONS = {
    "adjustPageHeight": True,
    "breaks": "auto",
    "footer": "none",
    "header": "auto",
    "pageHeight": 60_000,
    "pageMarginBottom": 50,
    "pageMarginLeft": 50,
    "pageMarginRight": 50,
    "pageMarginTop": 50,
    "pageWidth": 2_000,
    "scale": 40,
    "svgViewBox": True,
    "xmlIdSeed": 1,
}

defaults.title = defaults.author = ""  # else music21 signs every score


def work(abc: str, path: Path) -> dict[str, Any]:
    """Engrave `abc` as one SVG page at `path`."""
    score = load(abc)
    for mark in list(score.recurse().getElementsByClass(tempo.TempoIndication)):
        score.remove(mark, recurse=True)  # its note sign needs a music font for text, which a browser lacks
    xml = musicxml.m21ToXml.GeneralObjectExporter(score).parse().decode()
    toolkit = verovio.toolkit()
    toolkit.setOptions(_OPTIONS)
    if not toolkit.loadData(xml) or toolkit.getPageCount() != 1:
        raise ValueError("verovio cannot engrave this tune on one page")
    path.write_text(inert(toolkit.renderToSVG(1)), encoding="utf-8")
    return {}


def inert(svg: str) -> str:
    """The same picture with nothing in it that a browser could run or fetch: only drawing elements, no event
    attributes, no links but those within the picture. Text goes through a parser and comes out escaped.
    """
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _LINK)
    root = ElementTree.fromstring(svg)
    for parent in root.iter():
        for child in list(parent):
            name = child.tag.removeprefix(f"{{{_SVG}}}") if isinstance(child.tag, str) else ""
            if name not in _ELEMENTS or (
                name == "style" and ("url" in (child.text or "") or "@" in (child.text or ""))
            ):
                parent.remove(child)
        for name, value in list(parent.attrib.items()):
            local = name.rpartition("}")[2].lower()
            if local.startswith("on") or (local == "href" and not value.startswith("#")):
                del parent.attrib[name]
    return ElementTree.tostring(root, encoding="unicode")
