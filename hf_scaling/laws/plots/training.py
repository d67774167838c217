"""Training loss against tokens and FLOPs, and the table behind it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from hf_scaling.laws.plots.style import COLOURS, DASHES, drawing, plain_log_ticks, shades

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def training_figure(runs: Sequence[Mapping[str, Any]]) -> "Figure":
    """Smoothed training loss against tokens seen and against training FLOPs, one line a run, one name a size.

    Each run has `family`, `size`, `n_params` and the equally long sequences `tokens_seen`, `flops` and `loss` (nats per
    token). Darker is larger within a family.
    """
    families = list(dict.fromkeys(run["family"] for run in runs))
    with drawing(1, 2, width=4.2, legend_width=1.5) as (figure, panels):
        for axes, column, label in zip(
            panels, ("tokens_seen", "flops"), ("tokens seen", "training FLOPs"), strict=True
        ):
            handles: list[Any] = []
            for index, family in enumerate(families):
                members = sorted((run for run in runs if run["family"] == family), key=lambda run: run["n_params"])
                sizes = list(dict.fromkeys(run["size"] for run in members))
                colours = dict(zip(sizes, shades(COLOURS[index % len(COLOURS)], len(sizes)), strict=True))
                named: dict[str, Any] = {}
                for run in members:
                    x, y = np.asarray(run[column], dtype=float), smooth(run["loss"])
                    (line,) = axes.plot(
                        x[x > 0],
                        y[x > 0],
                        color=colours[run["size"]],
                        linestyle=DASHES[index % len(DASHES)],
                        linewidth=1.2,
                        label=f"{family} {run['size']}",
                    )
                    named.setdefault(run["size"], line)
                handles += named.values()
            axes.set(xscale="log", yscale="log", xlabel=label)
            plain_log_ticks(axes)
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
