"""What the page says of two families side by side, from `comparison.json`."""

import re
from itertools import groupby

from hf_scaling.laws.diagnostics import NO_FIT
from hf_scaling.report import formats
from hf_scaling.report.shapes import Record

_COSTS = {
    "n_params": "parameters N, total",
    "n_params_non_embedding": "parameters N, without embeddings",
    "flops": "training compute C",
    "flops_causal": "training compute C, causal attention",
    "wall_seconds": "wall-clock seconds of training",
}
_MINUS = "\N{MINUS SIGN}"
_NO_BREAK = "\N{NON-BREAKING HYPHEN}"
_WHERE = ("highest loss that both reach", "middle", "lowest")


def figure_name(number: int, pair: Record) -> str:
    """What the figure of the comparison of that number, from 0, is called in the folder."""
    labels = [formats.family(name).replace(_NO_BREAK, "-") for name in pair["families"]]
    return "_".join(["comparison", *(labels if number else [])])


def families_view(number: int, pair: Record) -> Record:
    """A comparison of two families, ready for the page."""
    first, second = (formats.family(name) for name in pair["families"])
    context = pair.get("context")
    return {
        "title": f"{first} against {second}",
        "first": first,
        "second": second,
        "level": formats.percent(pair["level"]),
        "n_tokens": pair["n_tokens"],
        "sizes": [_size_row(size) for size in pair["sizes"]],
        "mean": _said(pair["mean"]) if pair.get("mean") else None,
        "costs": [_cost_row(name, pair["multipliers"][name]) for name in _COSTS if name in pair["multipliers"]],
        "where": _WHERE,
        "exponents": [
            (formats.convention(name), found["verdict"], _said(found)) for name, found in pair["exponents"].items()
        ],
        "context": context and _context(context),
        "cautions": [_sentence(labelled(caution)) for caution in pair["cautions"]],
        "figure": figure_name(number, pair),
    }


def labelled(text: str) -> str:
    """A sentence with the families as people call them; run ids and file names stay as they are."""
    return re.sub(r"(?<![\w/-])[a-z][a-z0-9_]*(?![\w/-])", lambda found: formats.family(found[0]), text)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _said(found: Record) -> str:
    """The sentence of a part, without the verdict that stands beside it."""
    text = labelled(found["sentence"].removeprefix(f"{found['verdict']}: ")).replace("alpha(", "α(")
    return re.sub(r"(?<!\w)-(?=\d)|(?<=\) )-(?= )", _MINUS, text)


def _size_row(size: Record) -> Record:
    return {
        "size": size["size"],
        "n": [formats.short(n) for n in size["n"]],
        "losses": [formats.fixed(loss) for loss in size["losses"]],
        "difference": f"{formats.fixed(size['difference'])} {formats.interval(size['interval'])}",
        "seeds": " and ".join(map(str, size["seeds"])),
        "verdict": size["verdict"],
        "sentence": _said(size),
    }


def _cost_row(name: str, cost: Record) -> Record:
    """`at` has a multiplier and its verdict for each loss; empty where the families share none, or have no fit."""
    return {
        "label": _COSTS[name],
        "verdict": cost["verdict"],
        "at": [_at_loss(at) for at in cost["at"]],
        "sentence": _said(cost),
    }


def _at_loss(at: Record) -> Record:
    """A multiplier with its interval, or the reason why it is left out."""
    row = {"loss": formats.fixed(at["loss"]), "verdict": at["verdict"], "shown": None, "reason": None}
    if at["multiplier"] is None:
        return row | {"reason": labelled(at.get("reason") or "one of the curves does not reach this loss")}
    return row | {"shown": f"{_times(at['multiplier'])} {formats.interval(at['interval'], 2)}"}


def _times(multiplier: float) -> str:
    return f"{formats.fixed(multiplier, 2)}{formats.NBSP}×"


def _context(context: Record) -> Record:
    def span(octave: Record) -> str:
        least, most = octave["least"], octave["most"]
        return str(least) if least == most else f"{least} to {most}"

    rows = [
        (span(octave), [formats.fixed(loss) for loss in octave["losses"]], formats.fixed(octave["difference"]))
        for octave in context["bins"]
    ]
    return {"size": context["size"], "rows": rows, "sentence": labelled(context["sentence"])}


def families_clause(pairs: list[Record] | None) -> str | None:
    """The first pair in one clause: who is better at which sizes on the same tunes, and what equal loss costs."""
    if not pairs or not pairs[0]["sizes"]:
        return None
    pair = pairs[0]
    level, sizes = formats.percent(pair["level"]), pair["sizes"]
    stretches = [(better, list(some)) for better, some in groupby(sizes, lambda size: _better(pair, size))]
    told = ", ".join(_stretch(*stretch) for stretch in stretches)
    seeds = "evaluation and seeds" if all(size.get("with_seeds") for size in sizes) else "the evaluation, not the seeds"
    alone = f", not corrected for {len(sizes)} comparisons" if len(sizes) > 1 else ""
    return (
        f"at equal N, on the same tunes, {told} ({level} intervals in nats per token, of {seeds}{alone}); "
        f"{_compute_clause(pair, level)}"
    )


def _better(pair: Record, size: Record) -> str | None:
    """The family of the lower loss at a size; None where that is not resolved."""
    if size["verdict"] != "resolved":
        return None
    return formats.family(pair["families"][size["difference"] > 0])


def _stretch(better: str | None, sizes: list[Record]) -> str:
    """What is said alike of neighbouring sizes, with the differences at both ends."""
    first, last = sizes[0], sizes[-1]
    if better is None:
        gaps = " and ".join(dict.fromkeys(_gap(size) for size in (first, last)))
        return f"at {formats.listed([size['size'] for size in sizes])} neither is shown to be better ({gaps})"
    if first is last:
        return f"{better} is better at {first['size']} by {_gap(first)}"
    return f"{better} is better from {first['size']} (by {_gap(first)}) to {last['size']} (by {_gap(last)})"


def _gap(size: Record) -> str:
    """How much higher the worse loss is, with its interval."""
    ends = size["interval"] if size["difference"] > 0 else [-end for end in size["interval"][::-1]]
    return f"{formats.fixed(abs(size['difference']))} {formats.interval(ends)}"


def _compute_clause(pair: Record, level: str) -> str:
    """What the first family's compute is worth in that of the second, amid the losses of both and at their end."""
    one, two = (formats.family(name) for name in pair["families"])
    cost = pair["multipliers"].get("flops") or {"at": []}
    if cost.get("behind"):
        behind, ahead = (one, two) if cost["behind"] == pair["families"][0] else (two, one)
        apart = f"no size of {behind} reaches the loss of any of {ahead}"
        if (cost.get("beyond") or 0) <= 1:
            return apart
        return f"{apart}, even with {formats.fixed(cost['beyond'], 0)} times the compute of the smallest {ahead}"
    known = [at for at in cost["at"] if at["multiplier"] is not None]
    if not known:
        return "what compute one of them saves at equal loss is not resolved"
    doubtful = any(found["verdict"] == NO_FIT for found in pair["exponents"].values())
    curves = f"the fitted curves{', not both of which fit their runs' if doubtful else ''}"
    middle, lowest = known[len(known) // 2], min(known, key=lambda at: at["loss"])
    clause = (
        f"by {curves}, to a loss of {formats.fixed(middle['loss'])} nats {one} takes {_times(middle['multiplier'])} "
        f"the compute of {two}, {level} interval {formats.interval(middle['interval'], 2)}{_doubt(middle)}"
    )
    if lowest is middle:
        return clause
    there = f"{_times(lowest['multiplier'])} {formats.interval(lowest['interval'], 2)}{_doubt(lowest)}"
    where = "the lowest that both reach, " if lowest is min(cost["at"], key=lambda at: at["loss"]) else ""
    return f"{clause}, and to {formats.fixed(lowest['loss'])}, {where}{there}"


def _doubt(at: Record) -> str:
    return "" if at["verdict"] == "resolved" else ", which does not resolve a difference"
