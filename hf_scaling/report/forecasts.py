"""What the page says of sealed forecasts and their outcomes, from `scores.json`."""

from statistics import fmean
from typing import Any

from hf_scaling.report import formats
from hf_scaling.report.shapes import Record

_LEVELS = ("0.5", "0.9")
_FORMS = {
    "power": "power: L = a·N^−α + c",
    "chinchilla": "chinchilla: L = E + A·N^−α + B·D^−β",
    "kaplan": "kaplan: L = ((Nc/N)^(αN/αD) + Dc/D)^αD",
}
_RIVALS = {
    "persistence_error": "expecting the loss of the next smaller model",
    "line_error": "a straight line in log N and log L through the two next smaller",
}


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
        "data_hash": str(found.get("data_hash", formats.DASH))[:8],
        "forecast": formats.fixed(found["loss"]),
        "interval": formats.interval(found["intervals"].get("0.9")),
        "outcome": "to come" if found["outcome"] is None else formats.fixed(found["outcome"]),
        "error": formats.percent(found.get("error"), 2),
        "inside": [inside.get(level) for level in _LEVELS],
        "persistence": formats.percent(found.get("persistence_error"), 2),
        "line": formats.percent(found.get("line_error"), 2),
    }


def forms_note(scores: list[Record]) -> str | None:
    """What the names of the forms mean, and how one was chosen; None without a forecast."""
    made = [found for found in scores if found["loss"] is not None]
    names = sorted({name for found in made for name in [found["form"], *found.get("rolling_errors", {})]})
    if not names:
        return None
    told = "; ".join(_FORMS.get(name, name) for name in names)
    if len(names) == 1:
        return f"Form: {told}."
    return f"Forms: {told}. Chosen was the one that forecast the dearer runs in hand best from the cheaper ones."


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
    made = len({(found["family"], found["size"], found["n_tokens"], found["loss"]) for found in scored})
    clause = (
        f"{made} forecast{'s' * (made > 1)} {'were' if made > 1 else 'was'} sealed, with {len(scored)} "
        f"outcome{'s' * (len(scored) > 1)}{', one a seed' if len(scored) > made else ''}; 90{formats.NBSP}% intervals "
        f"held {_by_family(scored)}; the mean error is {formats.percent(_mean(scored, 'error'), 2)}"
    )
    found: dict[str, list[str]] = {}
    for name, words in _RIVALS.items():
        both = [one for one in scored if one.get(name) is not None]
        if both:
            theirs = _mean(both, name)
            verdict = "better" if _mean(both, "error") < theirs else "no better"
            found.setdefault(verdict, []).append(f"the {formats.percent(theirs, 2)} of {words}")
    return ", ".join([clause, *(f"{verdict} than {formats.listed(some)}" for verdict, some in found.items())])


def _by_family(scored: list[Record]) -> str:
    """How many outcomes the intervals held, family by family."""
    held: dict[str, list[bool]] = {}
    for found in scored:
        held.setdefault(formats.family(found["family"]), []).append(bool(found["inside"].get("0.9")))
    return formats.listed([f"{sum(inside)} of {len(inside)} of {name}" for name, inside in held.items()])


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
