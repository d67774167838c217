"""Metrics of musical worth against N, one panel each, and the table behind them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hf_scaling.laws.plots.style import COLOURS, DASHES, MARKERS, drawing, size_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLUMNS = 3
_REAL = "#777777"


def metrics_figure(metrics: Sequence[Mapping[str, Any]]) -> "Figure":
    """One panel a metric, in rows of three.

    A metric has `label`, `real` (value, low and high of real tunes, or None) and `series`: family, points (n, value,
    low, high), verdict, and curve (n, value), None where no curve is warranted.
    """
    sizes = [point["n"] for metric in metrics for series in metric["series"] for point in series["points"]]
    rows = -(-len(metrics) // _COLUMNS)
    with drawing(rows, _COLUMNS, width=3.1, height=2.5, share=False) as (figure, panels):
        for axes, metric in zip(panels, metrics, strict=False):
            size_axis(axes, sizes)
            axes.set_title(metric["label"], fontsize=9, loc="left")
            _draw(axes, metric)
        for axes in panels[len(metrics) :]:
            axes.set_axis_off()
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), fontsize=8)
        figure.supxlabel(
            "Parameters N, total. Bars: intervals over tunes. A line is drawn where its slope or exponent is resolved.",
            fontsize=7.5,
            color="#555555",
        )
    return figure


def _draw(axes: "Axes", metric: Mapping[str, Any]) -> None:
    if real := metric["real"]:
        axes.axhspan(real["low"], real["high"], color=_REAL, alpha=0.15, linewidth=0)
        axes.axhline(real["value"], color=_REAL, linewidth=1, label="held-out real tunes")
    for index, series in enumerate(metric["series"]):
        colour, points = COLOURS[index % len(COLOURS)], series["points"]
        n, values = [point["n"] for point in points], [point["value"] for point in points]
        spread = [[p["value"] - p["low"] for p in points], [p["high"] - p["value"] for p in points]]
        axes.errorbar(n, values, yerr=spread, fmt="none", color=colour, elinewidth=0.9, capsize=2, zorder=2.5)
        marker = MARKERS[index % len(MARKERS)]
        axes.scatter(n, values, s=14, marker=marker, color=colour, zorder=3, label=series["family"])
        if curve := series["curve"]:
            axes.plot(curve["n"], curve["value"], color=colour, linestyle=DASHES[index % len(DASHES)], linewidth=1.2)


def metrics_table(metrics: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows behind `metrics_figure`: `real` once a metric, `model` per point, `curve` per drawn point."""
    rows: list[dict[str, Any]] = []
    for metric in metrics:
        key = {"metric": metric["name"]}
        if metric["real"]:
            rows.append({**key, "family": None, "kind": "real", "n": None, **_ends(metric["real"])})
        for series in metric["series"]:
            here = {**key, "family": series["family"]}
            rows += [{**here, "kind": "model", "n": point["n"], **_ends(point)} for point in series["points"]]
            curve = series["curve"] or {"n": [], "value": []}
            rows += [
                {**here, "kind": "curve", "n": n, "value": value, "low": None, "high": None}
                for n, value in zip(curve["n"], curve["value"], strict=True)
            ]
    return rows


def _ends(point: Mapping[str, Any]) -> dict[str, Any]:
    return {name: point[name] for name in ("value", "low", "high")}
