"""What the page says of sealed forecasts and their outcomes, from `scores.json`."""

from statistics import fmean
from typing import Any

from hf_scaling.report import formats
from hf_scaling.report.shapes import Record

_LEVELS = ("0.5", "0.9")


def forecast_rows(scores: list[Record]) -> list[Record]:
    """One row a forecast that was made, as text; runs to come have no outcome."""
    return [_row(found) for found in scores if found["loss"] is not None]


def _row(found: Record) -> Record:
    inside = found.get("inside", {})
    return {
        "run": f"{formats.family(found['family'])} {found['size']}",
        "d": formats.short(found["n_tokens"]),
        "run_id": found["run_id"],
        "n": formats.short(found["n_params"]),
        "form": found["form"],
        "basis": len(found["basis"]),
        "sealed_at": found["sealed_at"],
        "forecast": formats.fixed(found["loss"]),
        "interval": formats.interval(found["intervals"].get("0.9")),
        "outcome": "to come" if found["outcome"] is None else formats.fixed(found["outcome"]),
        "error": formats.percent(found.get("error"), 2),
        "inside": [inside.get(level) for level in _LEVELS],
        "persistence": formats.percent(found.get("persistence_error"), 2),
    }


def unmade(scores: list[Record]) -> list[tuple[str, str]]:
    """(runs, why no forecast was made of them), runs with one reason together."""
    reasons: dict[str, list[str]] = {}
    for found in scores:
        if found["loss"] is None:
            reasons.setdefault(found["reason"], []).append(found["run_id"])
    return [(formats.listed(runs), reason) for reason, runs in reasons.items()]


def forecast_clause(scores: list[Record] | None) -> str | None:
    """How the forecasts fared, without a full stop; None where none has an outcome."""
    scored = [found for found in scores or [] if "error" in found]
    if not scored:
        return None
    hits = sum(bool(found["inside"].get("0.9")) for found in scored)
    many = len(scored) > 1
    clause = (
        f"of {len(scored)} sealed forecast{'s' * many} {hits} held {'their' if many else 'its'} run in "
        f"{'their' if many else 'its'} 90{formats.NBSP}% interval{'s' * many}, with "
        f"{'a mean error' if many else 'an error'} of {formats.percent(_mean(scored, 'error'), 2)}"
    )
    both = [found for found in scored if found.get("persistence_error") is not None]
    if not both:
        return clause
    ours, theirs = _mean(both, "error"), _mean(both, "persistence_error")
    verdict = "better" if ours < theirs else "no better"
    return f"{clause}, {verdict} than the {formats.percent(theirs, 2)} of expecting the loss of the next smaller model"


def coverage(scores: list[Record]) -> list[tuple[str, str]]:
    """(level, how many outcomes the intervals of that level held)."""
    scored = [found for found in scores if "inside" in found]
    return [
        (formats.percent(float(level)), f"{sum(bool(found['inside'].get(level)) for found in scored)} of {len(scored)}")
        for level in _LEVELS
        if scored
    ]


def _mean(scored: list[Record], name: str) -> float:
    values: list[Any] = [formats.finite(found[name]) for found in scored]
    return fmean(values)
