"""Figures of a scaling study: matplotlib, imported only when a figure is drawn.

Colours are those of Okabe & Ito (2008), told apart with any colour vision; families differ in marker and dash too, for
print. The background is opaque and light, so that a figure reads on light and on dark pages. Text is drawn as outlines,
so that an SVG looks the same where its font is missing, and no file holds a date: equal data give equal bytes.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hf_scaling.laws.interval import format_interval

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
_MARKERS = "osD^vPX"
_DASHES = ("-", "--", "-.", ":")
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
_AXIS_OF = {
    "total": "parameters N, total",
    "non_embedding": "parameters N, without embeddings",
    "given": "parameters N",
}


def scaling_figure(fits: Sequence[Mapping[str, Any]]) -> "Figure":
    """Loss against N, one panel per convention of N, all families in each.

    `fits` are the records of `fits.json`: points with their evaluation errors, the curve with its band, and c as a
    thin line where it falls within view.
    """
    conventions = list(dict.fromkeys(fit["n_convention"] for fit in fits))
    sizes = [point["n"] for fit in fits for point in fit["points"]]
    level = f"{100 * fits[0]['level']:g} %"
    with _drawing(1, len(conventions), width=4.6) as (figure, panels):
        for axes, convention in zip(panels, conventions, strict=True):
            shown = [fit for fit in fits if fit["n_convention"] == convention]
            _size_axis(axes, sizes)  # one scale for all panels: what the convention shifts is then seen
            axes.set_xlabel(_AXIS_OF[convention])
            axes.set_ylim(*_loss_view(shown))
            for index, fit in enumerate(shown):
                _draw_fit(axes, fit, index)
            heading = {"title": f"exponent, {level} interval", "title_fontsize": 8, "alignment": "left"}
            axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8, **heading)  # above: never over the data
        panels[0].set_ylabel("validation loss (nats per token)")
        note = (
            f"Points: runs, bars: ± 1 standard error of the evaluation. Lines: L(N) = a N⁻ᵅ + c, {level} profile band."
        )
        figure.supxlabel(note if len(panels) > 1 else note.replace(". ", ".\n", 1), fontsize=7.5, color="#555555")
    return figure


def _draw_fit(axes: "Axes", fit: Mapping[str, Any], index: int) -> None:
    colour = COLOURS[index % len(COLOURS)]
    points, curve, c = fit["points"], fit["curve"], fit["params"]["c"]
    n, loss = [point["n"] for point in points], [point["loss"] for point in points]
    spread = [point["stderr"] or 0.0 for point in points]
    axes.errorbar(n, loss, yerr=spread, fmt="none", color=colour, elinewidth=1, capsize=3, zorder=2.5)
    marker = _MARKERS[index % len(_MARKERS)]
    axes.scatter(n, loss, s=18, marker=marker, color=colour, zorder=3, label=_fit_label(fit))
    if curve is None:
        return
    axes.plot(curve["n"], curve["loss"], color=colour, linestyle=_DASHES[index % len(_DASHES)], linewidth=1.4)
    if curve["lower"] is not None:
        axes.fill_between(curve["n"], curve["lower"], curve["upper"], color=colour, alpha=0.14, linewidth=0)
    if c >= axes.get_ylim()[0]:
        axes.axhline(c, color=colour, linestyle=":", linewidth=0.9)
        axes.annotate(
            f"c = {c:.2f}", (0.01, c), xycoords=axes.get_yaxis_transform(), xytext=(0, 2), textcoords="offset points",
            color=colour, fontsize=7.5,
        )  # fmt: skip


def _fit_label(fit: Mapping[str, Any]) -> str:
    alpha = fit["params"]["alpha"]
    if alpha is None:
        return f"{fit['family']}: too few sizes"
    low, high = fit["intervals"]["alpha"]
    label = f"{fit['family']}: α = {alpha:.2f}"
    if low is not None or high is not None:
        label += f" {format_interval((low, high), 2)}"
    return label if fit["verdict"] == "resolved" else f"{label}, not resolved"


def _loss_view(fits: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Limits around points and curves; a band may leave them, for an unresolved one would flatten everything else."""
    losses = [point["loss"] for fit in fits for point in fit["points"]]
    losses += [loss for fit in fits if fit["curve"] for loss in fit["curve"]["loss"]]
    margin = 0.06 * (max(losses) - min(losses)) or 0.05
    return max(min(losses) - 2 * margin, 0.0), max(losses) + 3 * margin


def training_figure(runs: Sequence[Mapping[str, Any]]) -> "Figure":
    """Smoothed training loss against tokens seen and against training FLOPs, one line a run.

    Each run has `family`, `size`, `n_params` and the equally long sequences `tokens_seen`, `flops` and `loss` (nats per
    token). Darker is larger within a family.
    """
    families = list(dict.fromkeys(run["family"] for run in runs))
    with _drawing(1, 2, width=4.2, legend_width=1.5) as (figure, panels):
        for axes, column, label in zip(
            panels, ("tokens_seen", "flops"), ("tokens seen", "training FLOPs"), strict=True
        ):
            handles = []
            for index, family in enumerate(families):
                members = sorted((run for run in runs if run["family"] == family), key=lambda run: run["n_params"])
                colours = _shades(COLOURS[index % len(COLOURS)], len(members))
                for run, colour in zip(members, colours, strict=True):
                    x, y = np.asarray(run[column], dtype=float), smooth(run["loss"])
                    style = _DASHES[index % len(_DASHES)]
                    handles += axes.plot(
                        x[x > 0],
                        y[x > 0],
                        color=colour,
                        linestyle=style,
                        linewidth=1.2,
                        label=f"{family} {run['size']}",
                    )
            axes.set(xscale="log", yscale="log", xlabel=label)
            _plain_log_ticks(axes)
        panels[0].set_ylabel("training loss (nats per token, smoothed)")
        figure.legend(handles=handles, loc="outside right center", fontsize=8)
    return figure


def smooth(loss: Iterable[float]) -> NDArray[np.float64]:
    """Centred running mean over 4 % of the rows; near the start over half of what has passed, for a logarithmic axis.

    Centred, because a trailing mean would lag behind a falling loss. At the end the window loses its right half.
    """
    values = np.asarray(list(loss), dtype=float)
    index = np.arange(len(values))
    half = np.minimum(index // 4, len(values) // 50)
    first, last = index - half, np.minimum(index + half + 1, len(values))
    sums = np.concatenate(([0.0], np.cumsum(values)))
    return np.asarray((sums[last] - sums[first]) / (last - first))


def scaling_table(fits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows behind `scaling_figure`: a `run` row per point and a `curve` row per point of the curve and its band."""
    rows = []
    for fit in fits:
        key = {"n_convention": fit["n_convention"], "family": fit["family"]}
        for point in fit["points"]:
            rows.append({**key, "kind": "run", **point, "lower": None, "upper": None})
        curve = fit["curve"] or {"n": []}
        for i, n in enumerate(curve["n"]):
            lower, upper = (curve[end][i] if curve[end] else None for end in ("lower", "upper"))
            rows.append(
                {**key, "kind": "curve", "size": None, "n": n, "loss": curve["loss"][i], "stderr": None}
                | {"lower": lower, "upper": upper}
            )
    return rows


def training_table(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows behind `training_figure`, with the loss as logged and as drawn."""
    return [
        {"family": run["family"], "size": run["size"], "n_params": run["n_params"]}
        | {"tokens_seen": tokens, "flops": flops, "loss": raw, "loss_smoothed": float(drawn)}
        for run in runs
        for tokens, flops, raw, drawn in zip(
            run["tokens_seen"], run["flops"], run["loss"], smooth(run["loss"]), strict=True
        )
    ]


def save_figure(figure: "Figure", table: Sequence[Mapping[str, Any]], folder: Path, name: str) -> None:
    """Write `name`.png, `name`.svg and `name`.csv, the rows behind the figure, into `folder` (made if absent)."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".png", ".svg"):
        write_figure(figure, folder / f"{name}{suffix}")
    with open(folder / f"{name}.csv", "w", encoding="utf-8", newline="") as file:
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
def _drawing(
    rows: int, columns: int, width: float, legend_width: float = 0.0
) -> "Iterator[tuple[Figure, Sequence[Axes]]]":
    """A figure of `columns` panels, each `width` inches wide, that share the loss axis."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width * columns + legend_width, 3.9 * rows), layout="constrained")
        panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
        yield figure, list(panels.flat)


def _size_axis(axes: "Axes", sizes: Sequence[float]) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / 1.6, max(sizes) * 1.6)
    wide = max(sizes) / min(sizes) > 300
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: _short(n)))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _plain_log_ticks(axes: "Axes") -> None:
    """Losses as 1, 1.5, 2 ... on the logarithmic axis, rather than as powers of ten."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 1.2, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _short(n: float) -> str:
    """30000 as 30k, 1e6 as 1M."""
    for unit, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if n >= 0.999 * unit:
            return f"{n / unit:g}{name}"
    return f"{n:g}"


def _shades(colour: str, count: int) -> list[tuple[float, float, float]]:
    """`count` shades of a colour, light to dark, all of them with contrast against white."""
    from matplotlib.colors import to_rgb

    base = np.array(to_rgb(colour))
    light, dark = 0.5 * base + 0.5, 0.55 * base
    steps = np.linspace(0, 1, count) if count > 1 else np.array([0.5])
    return [tuple((1 - step) * light + step * dark) for step in steps]
