"""Figures of a scaling study: matplotlib, imported only when a figure is drawn.

Colours are those of Okabe & Ito (2008), told apart with any colour vision; families differ in marker and dash too, for
print. The background is opaque and light, so that a figure reads on light and on dark pages. Text is drawn as outlines,
so that an SVG looks the same where its font is missing, and no file holds a date: equal data give equal bytes.
"""

import csv
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MARKERS = "osD^vPX"
DASHES = ("-", "--", "-.", ":")
STYLE: Any = {  # newer matplotlib types its keys one by one, older does not
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same everywhere
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.hashsalt": "hf_scaling",
    "svg.fonttype": "path",
}


def save_figure(figure: "Figure", table: Sequence[Mapping[str, Any]], folder: Path, name: str) -> None:
    """Write `name`.png, `name`.svg and `name`.csv, the rows behind the figure, into `folder` (made if absent)."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".png", ".svg"):
        write_figure(figure, folder / f"{name}{suffix}")
    write_table(table, folder / f"{name}.csv")


def write_table(table: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write the rows behind a figure as CSV."""
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table[0]) if table else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)


def write_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as `.png` or `.svg`, by the suffix of `path`; equal figures give equal bytes."""
    import matplotlib

    timeless = {".png": {"Software": None}, ".svg": {"Date": None, "Creator": None}}
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, dpi=200, metadata=timeless[path.suffix])


@contextmanager
def drawing(
    rows: int, columns: int, width: float, legend_width: float = 0.0, height: float = 3.9, share: bool = True
) -> "Iterator[tuple[Figure, Sequence[Axes]]]":
    """A figure of panels, each `width` by `height` inches, that share the vertical axis unless told otherwise."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width * columns + legend_width, height * rows), layout="constrained")
        panels = figure.subplots(rows, columns, sharey=share, squeeze=False)
        yield figure, list(panels.flat)


@contextmanager
def gallery(count: int, width: float, most: int = 3) -> "Iterator[tuple[Figure, Sequence[Axes]]]":
    """A figure of `count` panels in rows of at most `most`; those in the first column bear the label of the rest."""
    columns = max(min(count, most), 1)
    rows = max(-(-count // columns), 1)
    with drawing(rows, columns, width) as (figure, panels):
        yield figure, panels[:count]
        for axes in panels[count:]:
            axes.set_axis_off()
        for axes in panels[columns::columns]:
            axes.set_ylabel(panels[0].get_ylabel())


def legend_above(axes: "Axes", columns: int = 1, **options: Any) -> None:
    """A legend over the panel, never over the data; a `title` stands in for the panel's own."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=columns, fontsize=8, alignment="left", **options)


def size_axis(axes: "Axes", sizes: Sequence[float]) -> None:
    """A logarithmic axis of sizes, with ticks such as 30k and 1M."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 1.6, max(sizes) * 1.6)
    wide = max(sizes) / min(sizes) > 300
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: short(n)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def plain_log_ticks(axes: "Axes") -> None:
    """Losses as 1, 1.5, 2 ... on the logarithmic axis, rather than as powers of ten."""
    plain_numbers(axes.yaxis, (1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0))


def plain_numbers(axis: "Axis", leading: Sequence[float]) -> None:
    """Ticks of a logarithmic axis written out, at these multiples of powers of ten; fewer where it spans many."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    axis.set_major_locator(LogLocator(subs=leading if high / low < 50 else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def counting(convention: str) -> str:
    """Which parameters N counts, as the report words it."""
    return {"total": "N counting all parameters", "non_embedding": "N without embeddings"}.get(
        convention, f"N {convention}"
    )


def short(n: float) -> str:
    """30000 as 30k, 1e6 as 1M, 347136 as 347k: three digits, as in the report."""
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if n >= 0.999 * unit:
            return f"{n / unit:.3g}{name}"
    return f"{n:g}"


def shades(colour: str, count: int) -> list[tuple[float, float, float]]:
    """`count` shades of a colour, light to dark, all of them with contrast against white."""
    from matplotlib.colors import to_rgb

    base = np.array(to_rgb(colour))
    light, dark = 0.5 * base + 0.5, 0.55 * base
    steps = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
    return [tuple((1 - step) * light + step * dark) for step in steps]
