"""The charts of the page that follow the pointer: loss against size and compute, and what runs cost."""

from collections.abc import Callable
from typing import Any

from hf_scaling.report import formats
from hf_scaling.report.alts import loss_alt
from hf_scaling.report.reading import Study
from hf_scaling.report.shapes import Record
from hf_scaling.report.svg import Curve, Panel, Point, panel, plain_tick, power_tick, size_tick

# convention -> (column of the ledger, title)
_COUNTS = {
    "total": ("n_params", "Against all parameters"),
    "non_embedding": ("n_params_non_embedding", "Against parameters without embeddings"),
}
_LOSS = "validation loss, nats per token"
_MIB = 2**20
_TICKS = {"n_params": size_tick, "flops": power_tick}
_COST_WORDS = {
    "tokens_per_second": formats.count,
    "peak_memory_bytes": formats.memory,
    "wall_seconds": formats.duration,
}


def loss_charts(study: Study) -> list[Panel]:
    """Loss against N, one chart for each way of counting, with the fits; of several horizons also against C."""
    fits = (study.fits or {}).get("fits", [])
    found: list[Panel | None] = []
    for convention, (column, title) in _COUNTS.items():
        chosen = [fit for fit in fits if fit["n_convention"] == convention]
        if not chosen and found:
            continue  # before there are fits one count is enough
        curves = [curve for fit in chosen if (curve := _curve(study, fit))]
        points = [_point(study, run, run[column], run["val_loss"], run.get("val_loss_stderr")) for run in study.longest]
        found.append(panel(title, _alt(study, chosen, convention), ("N", _LOSS), points, curves))
    if len(study.horizons) > 1:
        points = [
            _point(study, run, run["flops"], run["val_loss"], run.get("val_loss_stderr")) for run in study.finished
        ]
        alt = f"Validation loss against training FLOPs of {len(points)} runs at {len(study.horizons)} horizons. "
        alt += _ends(study, "flops", "val_loss", formats.power_of_ten, formats.fixed)
        found.append(
            panel(
                "Against training compute, every horizon",
                alt,
                ("C, FLOPs", _LOSS),
                points,
                shown=(power_tick, plain_tick),
            )
        )
    return [one for one in found if one]


def cost_charts(study: Study) -> list[Panel]:
    """Speed and memory against N, and wall time against C; of what the ledger holds."""
    wanted: list[tuple[str, str, str, str, str, Callable[[float], float]]] = [
        ("Throughput", "n_params", "N", "tokens_per_second", "training tokens a second", float),
        ("Peak memory", "n_params", "N", "peak_memory_bytes", "MiB", lambda value: value / _MIB),
        ("Training time", "flops", "C, FLOPs", "wall_seconds", "seconds", float),
    ]
    found = []
    for title, across, x_label, column, y_label, scaled in wanted:
        runs = [run for run in study.finished if run.get(across) and run.get(column)]
        points = [_point(study, run, run[across], scaled(run[column]), None) for run in runs]
        shown = formats.power_of_ten if across == "flops" else formats.short
        alt = f"{title} of {len(points)} runs, {y_label} against {x_label}. "
        alt += _ends(study, across, column, shown, _COST_WORDS[column])
        found.append(panel(title, alt, (x_label, y_label), points, log=(True, True), shown=(_TICKS[across], size_tick)))
    return [one for one in found if one]


def _point(study: Study, run: Record, x: float, y: float, error: float | None) -> Point:
    shorter = run["n_tokens"] < study.horizons[-1]
    return Point(float(x), float(y), float(error or 0), study.families.index(run["family"]), _tip(run), shorter)


def _tip(run: Record) -> list[str]:
    """What a run says of itself under the pointer."""
    loss = formats.plus_minus(run["val_loss"], run.get("val_loss_stderr"))
    return [
        f"{formats.family(run['family'])} {run['size']}, N = {formats.short(run['n_params'])}, "
        f"D = {formats.short(run['n_tokens'])}, seed {formats.plain(run.get('seed'))}",
        f"{loss} nats, {formats.fixed(run.get('val_bpc'))} bits a character, C = {formats.power_of_ten(run['flops'])}",
        f"{formats.duration(run.get('wall_seconds'))}, {formats.count(run.get('tokens_per_second'))} tokens/s, "
        f"{formats.memory(run.get('peak_memory_bytes'))}",
    ]


def _curve(study: Study, fit: Record) -> Curve | None:
    found = fit.get("curve")
    if not found or fit["family"] not in study.families:
        return None
    series = study.families.index(fit["family"])
    return Curve(found["n"], found["loss"], series, found.get("lower"), found.get("upper"))


def _ends(study: Study, across: str, column: str, x: Callable[[Any], str], y: Callable[[Any], str]) -> str:
    """What each family has at the least of `across` and at the most, of the runs that have both."""
    found = []
    for family in study.families:
        runs = [run for run in study.finished if run["family"] == family and run.get(across) and run.get(column)]
        if runs:
            low, high = (pick(runs, key=lambda run: run[across]) for pick in (min, max))
            ends = f"{y(low[column])} at {x(low[across])} to {y(high[column])} at {x(high[across])}"
            found.append(f"{formats.family(family)}: {ends}")
    return "; ".join(found) + "."


def _alt(study: Study, fits: list[Record], convention: str) -> str:
    parts = [
        f"{formats.family(fit['family'])}: {fit['n_points']} points, α "
        + (formats.interval(fit["intervals"].get("alpha"), 2) if fit["verdict"] == "resolved" else fit["verdict"])
        for fit in fits
    ]
    title = f"Validation loss against the number of parameters, {formats.convention(convention)}"
    return "; ".join([f"{title}. {loss_alt(study)}", *parts])
