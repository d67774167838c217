"""A comparison of two families as text for a terminal."""

from typing import Any

from hf_scaling.laws.interval import format_interval
from hf_scaling.study.fit_text import align

_COSTS = {
    "n_params": "equal loss, N total",
    "n_params_non_embedding": "equal loss, N non-embedding",
    "flops": "equal loss, C",
    "flops_causal": "equal loss, C causal",
    "wall_seconds": "equal loss, seconds",
}


def describe_comparison(result: dict[str, Any]) -> str:
    """Tables of the losses at equal size and by context, a sentence on each question, then what to be wary of."""
    first, second = result["families"]
    lines = [f"{first} against {second}, D = {result['n_tokens']:,} tokens, {100 * result['level']:g} % intervals", ""]
    lines += _size_table(result)
    if result["context"]:
        lines += ["", f"loss by tokens of context, size {result['context']['size']}:", *_context_table(result)]
    lines.append("")
    lines += [f"exponent, N {name}: {found['sentence']}" for name, found in result["exponents"].items()]
    lines += [f"{_COSTS[name]}: {found['sentence']}" for name, found in result["multipliers"].items()]
    lines += [f"equal N, {found['size']}: {found['sentence']}" for found in result["sizes"]]
    if result["mean"]:
        lines.append(f"equal N, mean of {len(result['sizes'])} sizes: {result['mean']['sentence']}")
    if result["context"]:
        lines.append(f"context: {result['context']['sentence']}")
    lines += [f"caution: {caution}" for caution in result["cautions"]]
    return "\n".join(lines)


def _size_table(result: dict[str, Any]) -> list[str]:
    first, second = result["families"]
    rows = [["size", f"N {first}", f"N {second}", f"loss {first}", f"loss {second}", "difference", "seeds", "verdict"]]
    for found in result["sizes"]:
        losses = [f"{loss:.4f}" for loss in found["losses"]]
        seeds = " and ".join(map(str, found["seeds"]))
        difference = f"{found['difference']:+.4f} {format_interval(tuple(found['interval']), 4)}"
        rows.append([found["size"], *(f"{n:,}" for n in found["n"]), *losses, difference, seeds, found["verdict"]])
    return align(rows)


def _context_table(result: dict[str, Any]) -> list[str]:
    rows = [["tokens", *result["families"], "difference"]]
    for one in result["context"]["bins"]:
        span = f"{one['least']}" if one["least"] == one["most"] else f"{one['least']}-{one['most']}"
        rows.append([span, *(f"{loss:.4f}" for loss in one["losses"]), f"{one['difference']:+.4f}"])
    return align(rows)
