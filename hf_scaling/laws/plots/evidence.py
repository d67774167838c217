"""How sure a law is: the profile of its exponent, and forecasts beside their outcomes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from hf_scaling.laws.plots.style import COLOURS, DASHES, MARKERS, counting, drawing, legend_above, plain_numbers, short

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
            title = counting(convention)
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
    """How far outcomes, and persistence, lie off sealed forecasts, in percent of these, beside their intervals.

    `scored` are records of `study.forecasts.score`, those with a forecast and an outcome. Those of one forecast, which
    runs of several seeds share, are marks in one row; a family keeps its colour.
    """
    from matplotlib.ticker import FuncFormatter

    rows = _same_forecast(scored)
    families = list(dict.fromkeys(found["family"] for found in scored))
    with drawing(1, 1, width=7.0, height=1.4 + 0.36 * len(rows)) as (figure, panels):
        axes, view = panels[0], _forecast_view(scored)
        axes.set_xlim(*view)
        axes.axvline(0, color="#555555", linewidth=0.9)
        for row, together in enumerate(rows):
            found, index = together[0], families.index(together[0]["family"])
            colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
            for level, width in (("0.9", 2.0), ("0.5", 6.0)):
                ends = [None if end is None else _off(found, end) for end in found["intervals"][level]]
                shown = [limit if end is None else end for end, limit in zip(ends, view, strict=True)]
                axes.plot(shown, (row, row), color=colour, linewidth=width, solid_capstyle="butt", alpha=0.35)
                for end, limit, tip in zip(ends, view, "<>", strict=True):
                    if end is None and level == "0.9":
                        axes.plot(limit, row, tip, color=colour, markersize=5)
            outcomes = [_off(one, one["outcome"]) for one in together]
            axes.plot(outcomes, [row] * len(outcomes), marker, color=colour, markeredgecolor="white", markersize=7)
            if found["persistence"]:
                axes.plot(_off(found, found["persistence"]), row, "x", color="#555555", markersize=6)
        axes.set_yticks(range(len(rows)), [_name(together[0]) for together in rows])
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:+g} %".replace("-", "\N{MINUS SIGN}") if value else "forecast")
        )
        note = "off the forecast, in percent of it\nbars: 50 and 90 % intervals, an arrow is an open end"
        axes.set(ylim=(len(rows) - 0.4, -0.6), xlabel=note)
        for index, family in enumerate(families):
            colour, marker = COLOURS[index % len(COLOURS)], MARKERS[index % len(MARKERS)]
            axes.plot([], [], marker, color=colour, label=f"{family}: outcome")
        axes.plot([], [], "x", color="#555555", label="loss of the next smaller model")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, fontsize=8)
    return figure


def _same_forecast(scored: Sequence[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Those with one forecast together, by family and then by horizon."""
    families = list(dict.fromkeys(found["family"] for found in scored))
    rows: dict[Any, list[Mapping[str, Any]]] = {}
    for found in sorted(
        scored, key=lambda found: (families.index(found["family"]), found["n_params"], found["n_tokens"])
    ):
        rows.setdefault((found["family"], found["size"], found["n_tokens"], found["loss"]), []).append(found)
    return list(rows.values())


def _off(found: Mapping[str, Any], loss: float) -> float:
    """How far a loss lies off the forecast, in percent of it."""
    return float(100 * (loss / found["loss"] - 1))


def _forecast_view(scored: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Limits around all that is known, with a margin for arrows."""
    known = [0.0]
    for found in scored:
        ends = [end for level in found["intervals"].values() for end in level]
        losses = [loss for loss in (found["outcome"], found["persistence"] or None, *ends) if loss is not None]
        known += [_off(found, loss) for loss in losses]
    margin = 0.08 * (max(known) - min(known)) or 0.05
    return min(known) - margin, max(known) + margin


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
