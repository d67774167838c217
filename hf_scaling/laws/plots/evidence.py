"""How sure a law is: the profile of its exponent, and forecasts beside their outcomes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hf_scaling.laws.plots.style import COLOURS, DASHES, drawing, legend_above, plain_numbers, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def profile_figure(fits: Sequence[Mapping[str, Any]]) -> "Figure":
    """Misfit against alpha, all else fitted anew, in units of what the interval allows; one panel a convention of N.

    `fits` are records of `fits.json`. A flat valley is an exponent that the runs do not tell.
    """
    conventions = list(dict.fromkeys(fit["n_convention"] for fit in fits))
    level = f"{100 * fits[0]['level']:g} %"
    with drawing(1, len(conventions), width=4.4) as (figure, panels):
        for axes, convention in zip(panels, conventions, strict=True):
            shown = [fit for fit in fits if fit["n_convention"] == convention]
            for index, fit in enumerate(shown):
                profile, colour = fit["profile"], COLOURS[index % len(COLOURS)]
                if profile is None:
                    continue
                dash = DASHES[index % len(DASHES)]
                axes.plot(profile["alpha"], profile["misfit"], color=colour, linestyle=dash, label=fit["family"])
                axes.axvline(fit["params"]["alpha"], color=colour, linewidth=0.8, linestyle=":")
            axes.axhline(1, color="#555555", linewidth=0.9)
            axes.annotate(
                f"{level}\ninterval", (1, 1), xycoords=axes.get_yaxis_transform(), xytext=(2, 0),
                textcoords="offset points", va="center", fontsize=8,
            )  # fmt: skip
            axes.set(xscale="log", ylim=(0, 3), xlabel="exponent α")
            plain_numbers(axes.xaxis, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
            title = f"N {convention.replace('_', '-')}"
            if any(fit["profile"] for fit in shown):
                legend_above(axes, min(len(shown), 3), title=title)
            else:
                axes.set_title(f"{title}: no interval to profile", fontsize=9, loc="left")
        panels[0].set_ylabel("misfit above the least, over the threshold")
    return figure


def profile_table(fits: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows behind `profile_figure`."""
    return [
        {"n_convention": fit["n_convention"], "family": fit["family"], "alpha": alpha, "misfit": misfit}
        for fit in fits
        if fit["profile"]
        for alpha, misfit in zip(fit["profile"]["alpha"], fit["profile"]["misfit"], strict=True)
    ]


def forecast_figure(scored: Sequence[Mapping[str, Any]]) -> "Figure":
    """Sealed forecasts with their 50 and 90 % intervals, what came of them, and what persistence would have said.

    `scored` are records of `study.forecasts.score`, those with a forecast and an outcome.
    """
    with drawing(1, 1, width=6.4, height=1.2 + 0.42 * len(scored)) as (figure, panels):
        axes, view = panels[0], _forecast_view(scored)
        axes.set_xlim(*view)
        for row, found in enumerate(scored):
            for level, width in (("0.9", 2.0), ("0.5", 5.0)):
                ends = [_view_end(end, side, view) for side, end in enumerate(found["intervals"][level])]
                axes.plot(ends, (row, row), color=COLOURS[0], linewidth=width, solid_capstyle="butt", alpha=0.6)
                for end, limit, tip in zip(found["intervals"][level], view, "<>", strict=True):
                    if end is None:
                        axes.plot(limit, row, tip, color=COLOURS[0], markersize=5)
            axes.plot(found["loss"], row, "|", color=COLOURS[0], markersize=12, label="forecast" if not row else None)
            axes.plot(found["outcome"], row, "D", color=COLOURS[1], markersize=6, label="outcome" if not row else None)
            if found["persistence"]:
                label = "persistence: loss of the next smaller model" if not row else None
                axes.plot(found["persistence"], row, "x", color="#555555", markersize=6, label=label)
        axes.set_yticks(range(len(scored)), [_name(found) for found in scored])
        note = "validation loss (nats per token)\nbars: 50 and 90 % intervals, an arrow is an open end"
        axes.set(ylim=(len(scored) - 0.4, -0.6), xlabel=note)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8)
    return figure


def _forecast_view(scored: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Limits around all that is known, with a margin for arrows."""
    known = [found[name] for found in scored for name in ("loss", "outcome", "persistence") if found[name]]
    known += [end for found in scored for ends in found["intervals"].values() for end in ends if end is not None]
    margin = 0.08 * (max(known) - min(known)) or 0.05
    return min(known) - margin, max(known) + margin


def _view_end(end: float | None, side: int, view: tuple[float, float]) -> float:
    return view[side] if end is None else end


def _name(found: Mapping[str, Any]) -> str:
    return f"{found['family']} {found['size']}, D = {short(found['n_tokens'])}"


def forecast_table(scored: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The rows behind `forecast_figure`."""
    kept = ("run_id", "family", "size", "n_params", "n_tokens", "form", "sealed_at", "loss", "outcome", "persistence")
    return [
        {name: found[name] for name in kept}
        | {f"low_{level}": found["intervals"][level][0] for level in ("0.5", "0.9")}
        | {f"high_{level}": found["intervals"][level][1] for level in ("0.5", "0.9")}
        for found in scored
    ]
