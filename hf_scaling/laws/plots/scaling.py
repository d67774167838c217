"""Loss against N with fitted curves and bands, and the table behind it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hf_scaling.laws.interval import format_interval
from hf_scaling.laws.plots.style import COLOURS, DASHES, MARKERS, drawing, size_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_AXIS_OF = {
    "total": "parameters N, total",
    "non_embedding": "parameters N, without embeddings",
    "given": "parameters N",
}


def scaling_figure(
    fits: Sequence[Mapping[str, Any]], mark: tuple[Mapping[str, float], float] | None = None
) -> "Figure":
    """Loss against N, one panel per convention of N, all families in each.

    `fits` are the records of `fits.json`: points with their evaluation errors, the curve with its band, and c as a
    thin line where it falls within view. `mark` is one model to be ringed: its N by convention, and its loss.
    """
    conventions = list(dict.fromkeys(fit["n_convention"] for fit in fits))
    sizes = [point["n"] for fit in fits for point in fit["points"]]
    sizes += mark[0].values() if mark else ()
    level = f"{100 * fits[0]['level']:g} %"
    with drawing(1, len(conventions), width=4.6) as (figure, panels):
        for axes, convention in zip(panels, conventions, strict=True):
            shown = [fit for fit in fits if fit["n_convention"] == convention]
            size_axis(axes, sizes)  # one scale for all panels: what the convention shifts is then seen
            axes.set_xlabel(_AXIS_OF[convention])
            axes.set_ylim(*_loss_view(shown, [mark[1]] if mark else []))
            for index, fit in enumerate(shown):
                _draw_fit(axes, fit, index)
            if mark:
                n, loss = mark[0][convention], mark[1]
                axes.scatter(n, loss, s=110, facecolors="none", edgecolors="black", zorder=4, label="this model")
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
    marker = MARKERS[index % len(MARKERS)]
    axes.scatter(n, loss, s=18, marker=marker, color=colour, zorder=3, label=_fit_label(fit))
    if curve is None:
        return
    axes.plot(curve["n"], curve["loss"], color=colour, linestyle=DASHES[index % len(DASHES)], linewidth=1.4)
    if curve["lower"] is not None:
        axes.fill_between(curve["n"], curve["lower"], curve["upper"], color=colour, alpha=0.14, linewidth=0)
    if c >= axes.get_ylim()[0]:
        axes.axhline(c, color=colour, linestyle=":", linewidth=0.9)
        axes.annotate(
            f"c = {c:.2f}", (1, c), xycoords=axes.get_yaxis_transform(), xytext=(2, 0), textcoords="offset points",
            va="center", color=colour, fontsize=7.5,
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


def _loss_view(fits: Sequence[Mapping[str, Any]], others: Sequence[float]) -> tuple[float, float]:
    """Limits around points, curves and `others`; an unresolved band may leave them, or it would flatten the rest."""
    losses = [point["loss"] for fit in fits for point in fit["points"]]
    losses += [loss for fit in fits if fit["curve"] for loss in fit["curve"]["loss"]]
    losses += others
    margin = 0.06 * (max(losses) - min(losses)) or 0.05
    return max(min(losses) - 2 * margin, 0.0), max(losses) + 3 * margin


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
