"""How musical metrics change with model size, and the figure that shows it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import norm

from hf_scaling.laws import fit_power
from hf_scaling.laws.plots import save_figure
from hf_scaling.laws.plots.metrics import metrics_figure, metrics_table
from hf_scaling.laws.trend import Trend, fit_trend
from hf_scaling.models import FAMILIES
from hf_scaling.music.estimate import LEVEL, holm
from hf_scaling.music.metrics import METRICS
from hf_scaling.records import write_json

RECORD, TUNES, FIGURE = "music.json", "music", "metrics"
_FALL_TO_A_FLOOR = ("pitch_class_divergence", "interval_divergence", "rhythm_divergence")
_CURVE_POINTS = 60
_DRAWN = (
    *("parses", "strict", "playable", "right_bars", "even_sections", "ends_on_tonic", "repeated_bars"),
    *("interval_divergence", "rhythm_divergence", "interval_overlap", "told_apart", "longest_shared"),
)

Record = dict[str, Any]


def worth_trends(models: Sequence[Record], level: float) -> list[Record]:
    """One record for each family and metric, over the runs of the longest horizon.

    A straight line in log N for all, resolved by its p-value after Holm for all of them; for divergences, which fall to
    a floor, the power form a·N^-alpha + c takes the place of a resolved line where its exponent is resolved too.
    `curve` is None where nothing is.
    """
    runs = [model for model in models if not model["best"]]
    horizon = max((run["n_tokens"] for run in runs), default=0)
    longest = [run for run in runs if run["n_tokens"] == horizon]
    points = {
        (family, metric): [run for run in longest if run["family"] == family and metric in run["metrics"]]
        for family in dict.fromkeys(run["family"] for run in longest)
        for metric in METRICS
    }
    lines = {key: _line(key[1], runs, level) for key, runs in points.items()}
    tested = [key for key, line in lines.items() if line]
    adjusted = dict(zip(tested, holm([line.p for line in lines.values() if line]), strict=True))
    return [
        {"family": family, "metric": metric, "n_points": len(runs)}
        | _trend(metric, runs, lines[family, metric], adjusted.get((family, metric)), level)
        for (family, metric), runs in points.items()
    ]


def _line(metric: str, runs: Sequence[Record], level: float) -> Trend | None:
    found = [run["metrics"][metric] for run in runs]
    width = 2 * norm.ppf(0.5 + LEVEL / 2)  # of an interval in standard errors
    return fit_trend(
        [run["n_params"] for run in runs],
        [one["value"] for one in found],
        level,
        [(one["high"] - one["low"]) / width for one in found],
    )


def _trend(metric: str, runs: Sequence[Record], line: Trend | None, p: float | None, level: float) -> Record:
    nothing = {"slope": None, "interval": None, "p": None, "form": None, "alpha": None, "curve": None}
    if line is None or p is None:
        return nothing | {"verdict": "too few sizes"}
    n = np.array([run["n_params"] for run in runs])
    values = np.array([run["metrics"][metric]["value"] for run in runs])
    grid = np.geomspace(n.min(), n.max(), _CURVE_POINTS)
    resolved = p < 1 - level
    record: Record = {"slope": line.slope, "interval": list(line.interval), "p": p, "alpha": None}
    form, curve = ("line", line.predict(grid)) if resolved else (None, None)
    if resolved and metric in _FALL_TO_A_FLOOR and (values > 0).all():
        power = fit_power(n, values, level=level)
        if power.resolved:
            form, curve = "power", power.predict(grid)
            record |= {"alpha": power.alpha, "alpha_interval": list(power.alpha_interval)}
    drawn = None if curve is None else {"n": grid.tolist(), "value": curve.tolist()}
    return record | {"verdict": "resolved" if resolved else "not resolved", "form": form, "curve": drawn}


def write_worth(record: Record, study: Path) -> Record:
    """Write and return `music.json` of what was measured, with its trends, and its figure as PNG, SVG and CSV."""
    record = record | {"trends": worth_trends(record["models"], record["level"])}
    write_json(study / RECORD, record)
    shown = [_panel(record, name) for name in _DRAWN if any(name in model["metrics"] for model in record["models"])]
    if any(series["points"] for panel in shown for series in panel["series"]):
        save_figure(metrics_figure(shown), metrics_table(shown), study / TUNES, FIGURE)
    return record


def _panel(record: Record, name: str) -> Record:
    series = []
    for trend in (trend for trend in record["trends"] if trend["metric"] == name):
        runs = [run for run in record["models"] if not run["best"] and run["family"] == trend["family"]]
        horizon = max(run["n_tokens"] for run in runs)
        points = [
            run["metrics"][name] | {"n": run["n_params"]}  # where n was how many tunes
            for run in runs
            if run["n_tokens"] == horizon and name in run["metrics"]
        ]
        label = FAMILIES[trend["family"]].LABEL
        series.append({"family": label, "points": points, "verdict": trend["verdict"], "curve": trend["curve"]})
    return {"name": name, "label": METRICS[name].label, "real": record["real"].get(name), "series": series}


def describe_worth(record: Record) -> str:
    """A table for the terminal: each metric of real tunes, of the smallest and largest model of each family, and how it
    changes.
    """
    lines = [f"{'':28}{'real tunes':>11}  {'family':10}{'smallest':>9}{'largest':>9}  for a tenfold N"]
    for name, metric in METRICS.items():
        real = record["real"].get(name)
        shown = "" if real is None else f"{real['value']:.3f}"
        for trend in (trend for trend in record["trends"] if trend["metric"] == name):
            runs = [run for run in record["models"] if run["family"] == trend["family"] and not run["best"]]
            ends = [run["metrics"].get(name) for run in (runs[0], runs[-1])]
            values = "".join(f"{'-' if end is None else format(end['value'], '.3f'):>9}" for end in ends)
            change = "too few sizes" if trend["slope"] is None else f"{trend['slope']:+.3f}, {trend['verdict']}"
            lines.append(f"{metric.label:28}{shown:>11}  {FAMILIES[trend['family']].LABEL:10}{values}  {change}")
            metric, shown = metric._replace(label=""), ""
    return "\n".join(lines)
