"""Two families compared: losses at equal size, cost at equal loss, loss by context; and the table behind it."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_scaling.laws.plots.style import COLOURS, DASHES, STYLE, size_axis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COSTS = {
    "n_params": "N, total",
    "n_params_non_embedding": "N, without\nembeddings",
    "flops": "C",
    "flops_causal": "C, causal\nattention",
    "wall_seconds": "seconds",
}
_OFFSETS = (0.22, 0.0, -0.22)  # of the highest, the middle and the lowest loss within the row of a cost
_MARKERS = "^ov"
_WIDEST = 30.0  # an end beyond the estimates by more does not set the view


def comparison_figure(result: Mapping[str, Any]) -> "Figure":
    """Three panels from the content of `comparison.json`; differences are of the first family less the second."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(10, 7.6), layout="constrained")
        at_size, at_loss, by_context = (figure.add_subplot(2, 2, place) for place in (1, 2, 3))
        _draw_sizes(at_size, result)
        _draw_costs(at_loss, result)
        _draw_context(by_context, result)
        with_seeds = all(found["with_seeds"] for found in result["sizes"])
        note = (
            f"Bars: {100 * result['level']:g} % intervals, at equal N of the evaluation "
            f"{'and the seeds' if with_seeds else 'only, not of the seeds'}; an arrow is an open end. "
            f"All runs: {result['n_tokens']:,} training tokens."
        )
        figure.supxlabel(note, fontsize=7.5, color="#555555")
    return figure


def _draw_sizes(axes: "Axes", result: Mapping[str, Any]) -> None:
    first, second = result["families"]
    axes.set_title(f"at equal N, on the same tunes; above 0 {second} is better", fontsize=9)
    axes.set_ylabel(f"loss of {first} less that of {second} (nats per token)")
    axes.set_xlabel("parameters N, total")
    axes.axhline(0, color="black", linewidth=0.8)
    if not (sizes := result["sizes"]):
        _say(axes, "no size in common")
        return
    n = [float(np.sqrt(found["n"][0] * found["n"][1])) for found in sizes]
    size_axis(axes, n)
    low, high = np.array([found["interval"] for found in sizes]).T
    difference = np.array([found["difference"] for found in sizes])
    bars = np.array([difference - low, high - difference])
    axes.errorbar(n, difference, yerr=bars, fmt="o", color="black", markersize=4, capsize=3, elinewidth=1)
    bottom, top = axes.get_ylim()
    axes.set_ylim(min(bottom, -0.06 * top), max(top, -0.06 * bottom))  # 0 in view, and not on the frame


def _draw_costs(axes: "Axes", result: Mapping[str, Any]) -> None:
    first, second = result["families"]
    axes.set_title("at equal loss", fontsize=9)
    axes.set_xlabel(f"what {first} needs, as a multiple of {second}")
    _multiple_axis(axes)
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(range(len(_COSTS)), list(_COSTS.values())[::-1])
    axes.set_ylim(-0.6, len(_COSTS) - 0.4)
    found = [result["multipliers"][cost] for cost in _COSTS]
    axes.set_xlim(*_cost_view(found, first))
    for row, cost in zip(range(len(_COSTS) - 1, -1, -1), found, strict=True):
        for index, at in enumerate(cost["at"]):
            _draw_multiplier(axes, at, row + _OFFSETS[index], index)
        if cost["beyond"] is not None:
            _draw_bound(axes, _bound(cost, first), cost["behind"] == first, row)
        elif not cost["at"]:
            axes.annotate("no fit", (1, row), xytext=(4, 3), textcoords="offset points", fontsize=8)
    if shared := next((cost["at"] for cost in found if cost["at"]), None):
        for index, at in enumerate(shared):
            axes.plot([], [], color=COLOURS[2 + index], marker=_MARKERS[index], linestyle="", label=f"{at['loss']:.3f}")
        axes.legend(title="loss (nats)", fontsize=7.5, title_fontsize=7.5, loc="upper left", bbox_to_anchor=(1, 1))


def _multiple_axis(axes: "Axes") -> None:
    """A logarithmic axis of multiples, as 0.5, 1, 2."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=9))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())


def _bound(cost: Mapping[str, Any], first: str) -> float:
    """What the multiplier is beyond, where no loss is shared."""
    return float(cost["beyond"] if cost["behind"] == first else 1 / cost["beyond"])


def _cost_view(costs: Sequence[Mapping[str, Any]], first: str) -> tuple[float, float]:
    """Limits around 1, the estimates, and what ends are not too far from these."""
    seen = [1.0]
    for cost in costs:
        seen += [at["multiplier"] for at in cost["at"] if at["multiplier"]]
        if cost["beyond"] is not None:
            seen.append(_bound(cost, first))
    ends = [end for cost in costs for at in cost["at"] for end in at["interval"] if end]
    near = [end for end in ends if min(seen) / _WIDEST < end < max(seen) * _WIDEST]
    return min([*seen, *near]) / 3, max([*seen, *near]) * 3


def _draw_multiplier(axes: "Axes", at: Mapping[str, Any], y: float, index: int) -> None:
    if at["multiplier"] is None:
        return
    colour = COLOURS[2 + index]
    view = axes.get_xlim()
    for end, limit, tip in zip(at["interval"], view, "<>", strict=True):
        inside = end is not None and view[0] <= end <= view[1]
        axes.plot([at["multiplier"], end if inside else limit], [y, y], color=colour, linewidth=1.1)
        axes.plot([end if inside else limit], [y], marker="|" if inside else tip, color=colour, markersize=5)
    axes.plot([at["multiplier"]], [y], marker=_MARKERS[index], color=colour, markersize=5, linestyle="")


def _draw_bound(axes: "Axes", bound: float, more: bool, y: float) -> None:
    """No loss is shared: the multiplier lies beyond what the runs span."""
    axes.annotate(
        "", (axes.get_xlim()[1 if more else 0], y), xytext=(bound, y), arrowprops={"arrowstyle": "->", "color": "black"}
    )
    words = f"{'more' if more else 'less'} than {bound:.2g}"
    axes.annotate(
        words, (bound, y), xytext=(0, 4), textcoords="offset points", ha="left" if more else "right", fontsize=8
    )


def _draw_context(axes: "Axes", result: Mapping[str, Any]) -> None:
    axes.set_xlabel("tokens of context within the block")
    axes.set_ylabel("validation loss (nats per token)")
    if (context := result["context"]) is None:
        _say(axes, "no size in common")
        return
    axes.set_title(f"by context, size {context['size']}", fontsize=9)
    middle = [float(np.sqrt(one["least"] * one["most"])) for one in context["bins"]]
    for index, (name, losses) in enumerate(zip(result["families"], context["losses"], strict=True)):
        axes.plot(range(1, len(losses) + 1), losses, color=COLOURS[index], linewidth=0.6, alpha=0.35)
        means = [one["losses"][index] for one in context["bins"]]
        axes.plot(
            middle, means, color=COLOURS[index], linestyle=DASHES[index], marker="os"[index], markersize=4, label=name
        )
    size_axis(axes, [1.0, float(len(context["losses"][0]))])
    axes.legend(fontsize=8)


def _say(axes: "Axes", words: str) -> None:
    axes.annotate(words, (0.5, 0.5), xycoords="axes fraction", ha="center", fontsize=9)
    axes.set_xticks([])
    axes.set_yticks([])


def comparison_table(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The rows behind `comparison_figure`: kind `size`, `cost` or `context`, what and where, the value and its ends.

    The value is a difference of losses in nats (`size`), a multiplier at the loss in `at` (`cost`), or a mean loss of
    the family in `what` over the tokens of context in `at` (`context`).
    """

    def row(kind: str, what: str, at: Any, value: float | None, ends: Sequence[float | None]) -> dict[str, Any]:
        return {"kind": kind, "what": what, "at": at, "value": value, "lower": ends[0], "upper": ends[1]}

    first = result["families"][0]
    rows = [row("size", one["size"], one["n"][0], one["difference"], one["interval"]) for one in result["sizes"]]
    for cost, found in result["multipliers"].items():
        rows += [row("cost", cost, at["loss"], at["multiplier"], at["interval"]) for at in found["at"]]
        if found["beyond"] is not None:
            bound = _bound(found, first)
            rows.append(row("cost", cost, None, None, (bound, None) if found["behind"] == first else (None, bound)))
    if result["context"]:
        for one in result["context"]["bins"]:
            span = f"{one['least']}-{one['most']}"
            for name, loss in zip(result["families"], one["losses"], strict=True):
                rows.append(row("context", name, span, loss, (None, None)))
    return rows
