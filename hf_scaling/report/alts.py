"""What the pictures of the page show, in words, for those who do not see them."""

import re

from hf_scaling.report import formats
from hf_scaling.report.finding import rungs
from hf_scaling.report.reading import Study
from hf_scaling.report.shapes import Record
from hf_scaling.report.worth import worth_rows

_KEY_AND_METRE = re.compile(r"^([KM]):[ \t]*(.*?)[ \t]*$", re.MULTILINE)


def loss_alt(study: Study) -> str:
    """How the loss of each family runs from its smallest size to its largest."""
    found = []
    for family in study.families:
        ends = [(formats.fixed(rung.loss), formats.short(rung.n_params)) for rung in rungs(study, family)]
        if ends:
            losses, sizes = (" to ".join(dict.fromkeys((pair[0], pair[-1]))) for pair in zip(*ends, strict=True))
            found.append(f"{formats.family(family)} goes from {losses} nats per token as N goes from {sizes}")
    return "; ".join(found)


def comparison_alt(pair: Record) -> str:
    """The differences at equal N and the multiples at equal loss of a `families_view`."""
    gaps = [f"{size['difference']} at {size['size']}" for size in pair["sizes"]]
    costs = []
    for cost in pair["costs"]:
        known = [f"{at['shown']} at {at['loss']}" for at in cost["at"] if at["shown"]]
        if known:
            costs.append(f"{cost['label']} {', '.join(known)}")
    parts = [
        f"Loss of {pair['first']} less that of {pair['second']}: {', '.join(gaps)}." if gaps else "",
        f"At equal loss {pair['first']} takes, of what {pair['second']} does: {'; '.join(costs)}." if costs else "",
    ]
    return " ".join(part for part in [*parts, "The tables below have the numbers, loss by context too."] if part)


def profile_alt(fits: list[Record]) -> str:
    """Where the valley of each exponent lies, and how wide it is."""
    found = []
    for fit in fits:
        who = f"{formats.family(fit['family'])}, N {formats.convention(fit['n_convention'])}"
        least, within = (fit[name].get("alpha") for name in ("params", "intervals"))
        found.append(f"{who}: least at {formats.fixed(least)}, within the threshold {formats.interval(within)}")
    return f"Misfit against the exponent α. {'; '.join(found)}."


def metrics_alt(worth: Record) -> str:
    """Of each metric the real tunes, and what each family comes to from its smallest model to its largest."""
    found = []
    for row in worth_rows(worth):
        ends = [
            f"{formats.family(one['family'])} {_bare(one['smallest'])} to {_bare(one['largest'])}"
            for one in row["families"]
        ]
        found.append(", ".join([f"{row['label']}: real tunes {_bare(row['real'])}", *ends]))
    return f"Metrics from the smallest model to the largest. {'; '.join(found)}."


def _bare(estimate: str) -> str:
    """The number without its interval."""
    return estimate.partition(" ")[0]


def score_alt(sample: Record) -> str:
    """Title, key and metre of an engraved tune."""
    fields = dict(_KEY_AND_METRE.findall(sample["abc"])[::-1])  # the first of each
    told = [f"{name} {fields[letter]}" for name, letter in (("key", "K"), ("metre", "M")) if fields.get(letter)]
    return f"Score of tune {sample['index']}: {', '.join([sample['title'] or 'untitled', *told])}."
