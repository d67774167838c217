"""What the page says of musical worth, from `music.json`."""

from hf_scaling.report import formats
from hf_scaling.report.files import Record


def worth_rows(worth: Record) -> list[Record]:
    """One row a metric, each with a row a family: the smallest and the largest model, and the trend between them."""
    rows = []
    for name, metric in worth["metrics"].items():
        trends = [trend for trend in worth["trends"] if trend["metric"] == name]
        families = [_family_row(worth, name, trend) for trend in trends]
        shown = estimate(worth["real"].get(name))
        rows.append({"label": metric["label"], "about": metric["about"], "real": shown, "families": families})
    return rows


def _family_row(worth: Record, name: str, trend: Record) -> Record:
    runs = [run for run in worth["models"] if run["family"] == trend["family"] and not run["best"]]
    runs.sort(key=lambda run: run["n_params"])
    ends = [estimate(run["metrics"].get(name)) for run in (runs[0], runs[-1])] if runs else [formats.DASH] * 2
    change, alpha = formats.DASH, None
    if trend["slope"] is not None:
        change = f"{formats.fixed(trend['slope'])} {formats.interval(trend['interval'])}"
        if trend.get("alpha") is not None:
            alpha = f"α = {formats.fixed(trend['alpha'], 2)} {formats.interval(trend['alpha_interval'], 2)}"
    return {
        "family": trend["family"],
        "smallest": ends[0],
        "largest": ends[1],
        "change": change,
        "alpha": alpha,
        "verdict": trend["verdict"],
    }


def estimate(record: Record | None) -> str:
    """A number and its interval, `0.983 [0.926, 0.996]`."""
    if record is None:
        return formats.DASH
    return f"{formats.fixed(record['value'])} {formats.interval([record['low'], record['high']])}"
