"""A reading of the tunes in words: what the samples show or lack beside real ones, and what was drawn without a choice.

Every sentence is a measurement said aloud, with both numbers; what cannot be told apart is named as such.
"""

import math
from collections import Counter

from hf_scaling.report import formats
from hf_scaling.report.reading import Study
from hf_scaling.report.shapes import Record
from hf_scaling.report.worth import longest_runs

_NAMED = 4  # kinds of faults, or metrics, that a sentence names


def pattern_rows(patterns: Record) -> list[Record]:
    """One row a pattern: the samples, real tunes, and whether they differ by more than chance."""
    rows = []
    for name, contrast in patterns["contrasts"].items():
        pattern = patterns["patterns"][name]
        ours, theirs = (_shown(contrast[which], pattern["share"]) for which in ("samples", "real"))
        p = formats.fixed(contrast["p"], 3) if contrast["p"] >= 0.001 else f"<{formats.NBSP}0.001"
        rows.append({**pattern, "samples": ours, "real": theirs, "p": p, "verdict": contrast["verdict"]})
    return rows


def _shown(value: float, share: bool) -> str:
    return formats.percent(value) if share else formats.fixed(value, 1)


def sample_reading(patterns: Record) -> list[str]:
    """What sets the samples apart from real tunes, what does not, and what form they have."""
    rows = pattern_rows(patterns)
    told = {side: [row for row in rows if row["verdict"] == side] for side in ("more", "less", "not told apart")}
    found = [
        f"The samples have {side} than real tunes: "
        + "; ".join(f"{row['label']} ({row['samples']} against {row['real']})" for row in told[side])
        + "."
        for side in ("more", "less")
        if told[side]
    ]
    if same := [row["label"] for row in told["not told apart"]]:
        many = f"{len(patterns['tunes'])} tunes are few"
        found.append(
            f"Not told apart from real tunes, which is no proof of likeness, for {many}: {formats.listed(same)}."
        )
    return [*found, *_forms(patterns)]


def _forms(patterns: Record) -> list[str]:
    tunes = [tune for tune in patterns["tunes"] if tune["form"]]
    if not tunes:
        return []
    one = sum(" " not in tune["form"] and "×" not in tune["form"] for tune in tunes)
    again = sum(tune["values"].get("returns", 0) > 0 for tune in tunes)
    without = sum(not tune["figure"] for tune in tunes)
    found = (
        f"Of {len(tunes)} samples {one} {_are(one)} a single section without a repeat, and {again} "
        f"{'brings' if again == 1 else 'bring'} a section back or repeat one by sign."
    )
    if without:
        found += f" In {without} no figure of three intervals occurs twice."
    return [found]


def _are(number: int) -> str:
    return "is" if number == 1 else "are"


def faults(samples: list[Record]) -> str | None:
    """What the checker most often found in what the model wrote by itself; None where it found nothing."""
    found = Counter(
        str(diagnostic.get("code"))
        for sample in samples
        for diagnostic in sample["raw_verdict"].get("diagnostics") or []
    )
    if not found:
        return None
    tunes = sum(bool(sample["raw_verdict"].get("diagnostics")) for sample in samples)
    named = [f"{code} ({count})" for code, count in found.most_common(_NAMED)]
    rest = len(found) - len(named)
    return (
        f"In what the model wrote by itself the checker found {found.total()} faults, in {tunes} of {len(samples)} "
        f"tunes; most often {formats.listed(named)}{_more_kinds(rest)}."
    )


def _more_kinds(rest: int) -> str:
    return f", and {rest} kind{'s' * (rest > 1)} more" if rest > 0 else ""


def drawn_reading(study: Study) -> list[str]:
    """The same from the many tunes of `music.json`: for each family's largest model, and for the best."""
    worth = study.worth
    if worth is None:
        return []
    families = dict.fromkeys(model["family"] for model in worth["models"])
    largest = [runs[-1] for family in families if (runs := longest_runs(worth, family))]
    chosen = [*largest, *(model for model in worth["models"] if model["best"])]
    return [sentence for model in chosen for sentence in _apart(worth, model)] + _trends(worth)


def _apart(worth: Record, model: Record) -> list[str]:
    """In how many metrics its interval lies wholly beyond that of real tunes, the furthest by name, and where not."""
    beyond: list[tuple[float, str]] = []
    near: list[str] = []
    for metric, ours in model["metrics"].items():
        theirs, label = worth["real"].get(metric), worth["metrics"].get(metric, {}).get("label", metric)
        if theirs is None:
            continue
        gap = max(ours["low"] - theirs["high"], theirs["low"] - ours["high"])
        if gap > 0:
            width = ours["high"] - ours["low"] + theirs["high"] - theirs["low"]
            shown = f"{label} ({formats.fixed(ours['value'], 2)} against {formats.fixed(theirs['value'], 2)})"
            beyond.append((-gap / width if width else -math.inf, shown))
        else:
            near.append(label)
    name = "the best model" if model["best"] else f"{formats.family(model['family'])} {model.get('size', '')}".strip()
    furthest = [shown for _, shown in sorted(beyond)][:_NAMED]
    told = f"{worth['drawing']['n_tunes']} tunes of {name}, drawn freely, depart from real ones in {len(beyond)} of "
    told += f"{len(beyond) + len(near)} metrics"
    if furthest:
        told += f" (most clearly: {'; '.join(furthest)})"
    if near:
        told += f"; they are not told apart in: {_some(near)}"
    return [f"{told}."]


def _some(names: list[str]) -> str:
    """At most `_NAMED` of them, and how many more there are."""
    shown = "; ".join(names[: _NAMED + (len(names) == _NAMED + 1)])
    return shown if len(names) <= _NAMED + 1 else f"{shown}; and {len(names) - _NAMED} more"


def _trends(worth: Record) -> list[str]:
    """What changes with size beyond the noise between sizes."""
    found = []
    for family in dict.fromkeys(trend["family"] for trend in worth["trends"]):
        mine = [trend for trend in worth["trends"] if trend["family"] == family]
        risen = [_label(worth, one) for one in mine if one["verdict"] == "resolved" and (one.get("slope") or 0) > 0]
        fallen = [_label(worth, one) for one in mine if one["verdict"] == "resolved" and (one.get("slope") or 0) < 0]
        parts = [
            f"{word} {'; '.join(some)}"
            for word, some in (("rising with size:", risen), ("falling with size:", fallen))
            if some
        ]
        told = "; ".join(parts) if parts else f"of {len(mine)} metrics none changes with size beyond doubt"
        found.append(f"{formats.family(family)}: {told}.")
    return found


def _label(worth: Record, trend: Record) -> str:
    return str(worth["metrics"].get(trend["metric"], {}).get("label", trend["metric"]))
