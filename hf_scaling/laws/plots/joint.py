"""Figures of L(N, D): residuals, and the compute-optimal frontier with IsoFLOP profiles."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from hf_scaling.laws.plots.style import (
    COLOURS,
    DASHES,
    MARKERS,
    counting,
    drawing,
    gallery,
    legend_above,
    shades,
    short,
    size_axis,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_SHADES = 6  # that can be told apart
_MOST_OUTLINES = 2000


def residual_figure(fits: Sequence[Mapping[str, Any]]) -> "Figure":
    """How far each run lies off its fit, against N: a shape in it is what the form does not know.

    `fits` are records of `study.form_fits.fit_forms`; one panel for each family, with the first convention of N.
    """
    fits = [fit for fit in fits if fit["n_convention"] == fits[0]["n_convention"]]
    with gallery(len(fits), width=4.4) as (figure, panels):
        for axes, fit in zip(panels, fits, strict=True):
            points = sorted(fit["points"], key=lambda point: point["d"] or 0.0)
            horizons = sorted({point["d"] for point in points if point["d"]})
            title = f"{fit['family']}: {fit['form']}, {fit['n_points']} runs"
            if 0 < len(horizons) <= _MOST_SHADES:
                for colour, horizon in zip(shades(COLOURS[0], len(horizons)), horizons, strict=True):
                    _residuals(axes, [p for p in points if p["d"] == horizon], colour, f"D = {short(horizon)}")
                legend_above(axes, min(len(horizons), 3), title=title)
            else:
                _residuals(axes, points, COLOURS[0], None)
                axes.set_title(title, fontsize=9, loc="left")
            axes.axhline(0, color="#555555", linewidth=0.9)
            size_axis(axes, [point["n"] for point in points])
            axes.set_xlabel("parameters N")
        panels[0].set_ylabel("observed over fitted loss, less 1 (%)")
    return figure


def _residuals(axes: "Axes", points: Sequence[Mapping[str, Any]], colour: Any, label: str | None) -> None:
    off = [100 * (point["loss"] / point["fitted"] - 1) for point in points]
    many = len(points) > _MOST_OUTLINES  # an SVG of each as an outline of its own would be as large as a film
    n = [point["n"] for point in points]
    axes.scatter(n, off, s=2 if many else 16, color=colour, label=label, zorder=3, rasterized=many)


def frontier_figure(frontiers: Sequence[Mapping[str, Any]]) -> "Figure":
    """N* against C, one panel for each convention of N; dots are vertices of IsoFLOP profiles.

    `frontiers` are records of `study.frontiers`. Thick, with their band: FLOPs as the runs counted them, or 6ND where
    they did not; thin: the other conventions beside it.
    """
    conventions = list(dict.fromkeys(one["n_convention"] for one in frontiers))
    families = list(dict.fromkeys(one["family"] for one in frontiers))
    counted = [one["flops_convention"] for one in frontiers]
    main = "as counted" if "as counted" in counted else counted[0]
    with drawing(1, len(conventions), width=4.8) as (figure, panels):
        for axes, convention in zip(panels, conventions, strict=True):
            budgets = [at["budget"] for one in frontiers for at in (*one["optima"], *one["iso_flop"])]
            axes.set_xlim(min(budgets) / 2, max(budgets) * 2)
            for one in (one for one in frontiers if one["n_convention"] == convention):
                _frontier(axes, one, families.index(one["family"]), one["flops_convention"] == main)
            axes.set(xscale="log", yscale="log", xlabel=f"training FLOPs C, {main}")
            axes.set_title(counting(convention))
            axes.legend(fontsize=7.5, loc="upper left")
        panels[0].set_ylabel("compute-optimal parameters N*")
    return figure


def _frontier(axes: "Axes", one: Mapping[str, Any], index: int, main: bool) -> None:
    colour, dash, optima = COLOURS[index % len(COLOURS)], DASHES[index % len(DASHES)], one["optima"]
    budgets, sizes = ([optimum[name] for optimum in optima] for name in ("budget", "n"))
    if not main:
        label = f"{one['family']}, {one['flops_convention']}: C^{one['exponent']:.2f}"
        thin = (":", "-.")[one["flops_convention"] == "causal half"]
        axes.plot(budgets, sizes, color=colour, linewidth=0.9, linestyle=thin, label=label)
        return
    axes.plot(
        budgets,
        sizes,
        color=colour,
        linewidth=1.8,
        linestyle=dash,
        marker="" if len(budgets) > 1 else "*",  # a line needs two
        label=f"{one['family']}: C^{one['exponent']:.2f}",
    )
    ends = [optimum["n_interval"] for optimum in optima]
    if all(None not in pair for pair in ends):
        low, high = zip(*ends, strict=True)
        axes.fill_between(budgets, low, high, color=colour, alpha=0.12, linewidth=0)
    known = [profile for profile in one["iso_flop"] if profile["best_n"] is not None]
    at = [[profile[name] for profile in known] for name in ("budget", "best_n")]
    axes.scatter(at[0], at[1], s=22, marker=MARKERS[index % len(MARKERS)], color=colour)


def with_profiles(frontiers: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Those whose IsoFLOP profiles tell something: several budgets, and a vertex at one of them at least."""
    return [
        one
        for one in frontiers
        if len(one["iso_flop"]) > 1 and any(profile["best_n"] is not None for profile in one["iso_flop"])
    ]


def iso_flop_figure(frontiers: Sequence[Mapping[str, Any]]) -> "Figure":
    """Loss against N at each budget, with the parabola's vertex; a panel a record, of at least one `with_profiles`.

    Lines join the means of runs that are alike in N.
    """
    with gallery(len(frontiers), width=4.4) as (figure, panels):
        for axes, one in zip(panels, frontiers, strict=True):
            profiles = one["iso_flop"]
            for colour, profile in zip(shades(COLOURS[0], len(profiles)), profiles, strict=True):
                n = np.unique(profile["n"])
                loss = [np.mean(np.array(profile["loss"])[np.array(profile["n"]) == one]) for one in n]
                axes.plot(n, loss, color=colour, label=f"C = {profile['budget']:.2g} FLOPs")
                axes.scatter(profile["n"], profile["loss"], s=9, color=colour)
                if profile["best_n"] is not None:
                    axes.scatter([profile["best_n"]], [profile["best_loss"]], marker="*", s=60, color=colour, zorder=3)
            size_axis(axes, [n for profile in profiles for n in profile["n"]])
            axes.set_xlabel("parameters N; a star is the vertex of a budget's parabola")
            by = f"{counting(one['n_convention'])}, C {one['flops_convention']}"
            legend_above(axes, 2, title=f"{one['family']}, {by}")
        panels[0].set_ylabel("validation loss (nats per token)")
    return figure


def residual_table(fits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows behind `residual_figure`."""
    return [
        {"family": fit["family"], "n_convention": fit["n_convention"], "form": fit["form"]} | point
        for fit in fits
        for point in fit["points"]
    ]


def frontier_table(frontiers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows behind `frontier_figure`."""
    return [
        {name: one[name] for name in ("family", "n_convention", "flops_convention")}
        | {name: optimum[name] for name in ("budget", "n", "d", "loss", "extrapolated")}
        | {"n_low": optimum["n_interval"][0], "n_high": optimum["n_interval"][1]}
        for one in frontiers
        for optimum in one["optima"]
    ]


def iso_flop_table(frontiers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows behind `iso_flop_figure`."""
    return [
        {name: one[name] for name in ("family", "n_convention", "flops_convention")}
        | {"budget": profile["budget"], "best_n": profile["best_n"], "n": n, "loss": loss}
        for one in frontiers
        for profile in one["iso_flop"]
        for n, loss in zip(profile["n"], profile["loss"], strict=True)
    ]
