"""What the page says of musical worth, from `music.json`."""

from hf_scaling.report import formats
from hf_scaling.report.shapes import Record


def worth_rows(worth: Record) -> list[Record]:
    """One row a metric, each with a row a family: the smallest and the largest model, and the trend between them."""
    rows = []
    for name, metric in worth["metrics"].items():
        trends = [trend for trend in worth["trends"] if trend["metric"] == name]
        families = [_family_row(worth, name, trend) for trend in trends]
        shown = estimate(worth["real"].get(name))
        rows.append({"label": metric["label"], "about": metric["about"], "real": shown, "families": families})
    return rows


def cut_off(worth: Record) -> str | None:
    """How many of the drawn tunes were cut off, and for what that matters; None where none was, or none was counted."""
    shares = [1 - run["complete"] for run in worth["models"] if run.get("complete") is not None]
    if not shares or max(shares) <= 0:
        return None
    least, most = (formats.percent(share) for share in (min(shares), max(shares)))
    many = least if least == most else f"{least} to {most}, by the model,"
    return (
        f"Of these tunes {many} were cut off at the end of the model’s block: what is said of sections and of last "
        "notes does not hold for those."
    )


def longest_runs(worth: Record, family: str) -> list[Record]:
    """The models of a family that trends are read off: those of the longest horizon, smallest first."""
    runs = [run for run in worth["models"] if run["family"] == family and not run["best"]]
    horizon = max((run.get("n_tokens") or 0 for run in runs), default=0)
    return sorted((run for run in runs if (run.get("n_tokens") or 0) == horizon), key=lambda run: int(run["n_params"]))


def _family_row(worth: Record, name: str, trend: Record) -> Record:
    runs = longest_runs(worth, trend["family"])
    ends = [estimate(run["metrics"].get(name)) for run in (runs[0], runs[-1])] if runs else [formats.DASH] * 2
    change, alpha = formats.DASH, None
    if trend.get("slope") is not None and trend.get("interval"):
        change = f"{formats.fixed(trend['slope'])} {formats.interval(trend['interval'])}"
        if trend.get("alpha") is not None and trend.get("alpha_interval"):
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
