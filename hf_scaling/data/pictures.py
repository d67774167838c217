"""The pictures of a data set: small multiples of what `statistics.json` counts."""

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_scaling.laws.plots import COLOURS, STYLE, write_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BLUE, _PALE = COLOURS[0], "#8FC1E3"
_SPLITS = {"train": (COLOURS[0], "-"), "validation": (COLOURS[1], "--"), "test": (COLOURS[2], ":")}
_ROWS = (
    ("tune_length_histogram", "family_sizes", "rejected"),
    ("keys", "meters", "rhythms"),
    ("collections", "characters"),
)
_BARS = 12
_LETTERS = 60
_LONGEST_LABEL = 30
_VISIBLE = {"\n": "↵", "\t": "⇥", " ": "␣"}
_STYLE: Any = STYLE | {
    "font.size": 8.5,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.grid": False,
    "text.parse_math": False,  # a title or a key may hold dollar signs
}


def draw_corpus(statistics: Mapping[str, Any], path_without_suffix: Path) -> None:
    """Write one figure as `.png` and `.svg`; a panel without data says so.

    Args:
        statistics: what `dataset_statistics` returns; keys may be missing.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(9.6, 8.8), layout="constrained")
        # rows of their own: long labels in one do not push the panels of the others aside
        for row, keys in zip(figure.subfigures(len(_ROWS), 1, squeeze=False).flat, _ROWS, strict=True):
            widths = [1.0, 2.6] if "characters" in keys else None
            for key, axes in zip(keys, row.subplots(1, len(keys), width_ratios=widths), strict=True):
                _draw(axes, key, statistics)
        note = "Numbers beside bars count tunes. Transposed copies are not counted anywhere."
        figure.supxlabel(note, fontsize=8, color="#555555")
    for suffix in (".png", ".svg"):
        write_figure(figure, path_without_suffix.with_name(path_without_suffix.name + suffix))


def _draw(axes: "Axes", key: str, statistics: Mapping[str, Any]) -> None:
    title, draw = _PANELS[key]
    axes.set_title(title)
    if counts := statistics.get(key):
        draw(axes, counts, statistics)
    else:
        axes.set_axis_off()
        axes.text(0.5, 0.5, "nothing counted", transform=axes.transAxes, ha="center", color="#555555")


def _lengths(axes: "Axes", histogram: Mapping[str, Any], _: Mapping[str, Any]) -> None:
    edges = np.array(histogram["edges"], dtype=float)
    widths = np.diff(edges)  # not all alike, for edges are whole numbers
    for split, counts in histogram["counts"].items():
        share = 100 * np.array(counts) / max(sum(counts), 1)
        heights = np.divide(10 * share, widths, out=np.zeros_like(share), where=widths > 0)
        colour, dash = _SPLITS[split]
        axes.stairs(heights, edges, color=colour, linestyle=dash, linewidth=1.2, label=split)
    axes.set(
        xlabel="characters; the last bin holds all longer tunes",
        ylabel="% of the split's tunes\nper 10 characters",
        ylim=(0, None),
    )
    axes.grid(visible=True)
    axes.legend()


def _families(axes: "Axes", sizes: Mapping[str, int], _: Mapping[str, Any]) -> None:
    from matplotlib.ticker import NullFormatter

    axes.scatter([int(size) for size in sizes], list(sizes.values()), s=16, color=_BLUE)
    axes.set(xscale="log", yscale="log", xlabel="tunes in the family", ylabel="families")
    axes.set_xlim(0.8, max(12, 1.3 * max(map(int, sizes))))
    axes.set_ylim(0.6, max(12, 2 * max(sizes.values())))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.0f}")
        axis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True)


def _characters(axes: "Axes", counts: Mapping[str, int], _: Mapping[str, Any]) -> None:
    from matplotlib.ticker import NullFormatter

    shown = _largest(counts, _LETTERS)
    most = f"; the {_LETTERS} most frequent" if len(counts) > _LETTERS else ""
    axes.set_title(f"Characters: {len(counts):,} different{most}")
    axes.bar(range(len(shown)), [count for _, count in shown], color=_BLUE, width=0.75)
    axes.set_xticks(range(len(shown)), [_label(character) for character, _ in shown], fontsize=7.5)
    axes.tick_params(axis="x", length=0)
    axes.set(yscale="log", ylabel="times in all tunes", xlim=(-0.7, max(len(shown), 12) - 0.3))
    axes.set_ylim(0.5 * shown[-1][1], None)  # the rarest shown has a bar too
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.grid(visible=True, axis="y")


def _tunes(axes: "Axes", counts: Mapping[str, int], statistics: Mapping[str, Any]) -> None:
    everything = sum(split["tunes"] for split in statistics.get("splits", {}).values())
    shown = [(name or "not given", count, _BLUE) for name, count in _largest(counts, _BARS)]
    _bars(axes, shown, max(everything, sum(counts.values())) - sum(count for _, count, _ in shown))


def _rejects(axes: "Axes", counts: Mapping[str, int], _: Mapping[str, Any]) -> None:
    axes.set_title(f"Rejected: {sum(counts.values()):,}, by reason")
    _tunes(axes, counts, {})


def _collections(axes: "Axes", counts: Mapping[str, int], statistics: Mapping[str, Any]) -> None:
    sources = statistics.get("sources") or {}
    if len(sources) < 2:
        return _tunes(axes, counts, statistics)
    axes.set_title("Sources (dark), collections")
    above = [(name, count, _BLUE) for name, count in _largest(sources, _BARS // 2)]
    below = [(name, count, _PALE) for name, count in _largest(counts, _BARS - len(above))]
    return _bars(axes, above + below, sum(counts.values()) - sum(count for _, count, _ in below))


def _bars(axes: "Axes", rows: list[tuple[str, int, str]], others: int) -> None:
    """Horizontal bars, (name, tunes, colour) each; what is left over is a number only, for it may dwarf them all."""
    places = range(len(rows) + (others > 0))
    names, values, colours = (list(column) for column in zip(*rows, strict=True))
    axes.barh(range(len(rows)), values, color=colours, height=0.72)
    axes.set_yticks(places, [_label(name) for name in [*names, "others"][: len(places)]])
    ends = [*zip(values, values, strict=True), (0, others)]
    for place, (end, value) in zip(places, ends, strict=False):
        axes.annotate(f"{value:,}", (end, place), (3, 0), textcoords="offset points", va="center", fontsize=7.5)
    axes.set_ylim(max(len(places), 8) - 0.5, -0.5)
    axes.set_xlim(0, 1.25 * max(values))
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_visible(False)
    axes.spines["bottom"].set_visible(False)


def _largest(counts: Mapping[str, int], number: int) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])[:number]


# key of the statistics -> title, and what draws (axes, what stands under the key, all statistics)
_PANELS: dict[str, tuple[str, "Callable[[Axes, Any, Mapping[str, Any]], None]"]] = {
    "tune_length_histogram": ("Tune lengths", _lengths),
    "family_sizes": ("Tune families, by size", _families),
    "rejected": ("Rejected", _rejects),
    "keys": ("Keys", _tunes),
    "meters": ("Metres", _tunes),
    "rhythms": ("Rhythms", _tunes),
    "collections": ("Collections", _collections),
    "characters": ("Characters", _characters),
}


@cache
def _drawable() -> frozenset[int]:
    from matplotlib.font_manager import findfont
    from matplotlib.ft2font import FT2Font

    return frozenset(FT2Font(findfont("DejaVu Sans")).get_charmap())


def _label(text: str) -> str:
    """The text on one line, cut where it is long, without what the font lacks."""
    short = text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1].rstrip() + "…"
    short = _VISIBLE.get(short, short)
    return "".join(c if c.isprintable() and ord(c) in _drawable() else "\N{REPLACEMENT CHARACTER}" for c in short)
