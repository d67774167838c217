"""What the runs of a study say of size and families, in sentences made from its data alone."""

import math
from dataclasses import dataclass
from statistics import NormalDist, fmean

from hf_scaling.report import formats
from hf_scaling.report.reading import Study
from hf_scaling.report.shapes import Record

_DEFAULT_LEVEL = 0.9


@dataclass(frozen=True)
class Rung:
    """The finished runs of one size of a family; loss in nats per token, averaged over seeds."""

    size: str
    n_params: int
    loss: float
    stderr: float | None
    bpc: float | None
    seeds: int


def rungs(study: Study, family: str) -> list[Rung]:
    """The sizes of a family at the longest horizon, smallest first.

    The standard error is the mean of the runs', not smaller: seeds of one size are evaluated on the same text.
    """
    by_size: dict[tuple[int, str], list[Record]] = {}
    for run in study.longest:
        if run["family"] == family:
            by_size.setdefault((run["n_params"], run["size"]), []).append(run)
    return [
        Rung(
            size,
            n_params,
            fmean(run["val_loss"] for run in runs),
            _mean([run.get("val_loss_stderr") for run in runs]),
            _mean([run.get("val_bpc") for run in runs]),
            len(runs),
        )
        for (n_params, size), runs in sorted(by_size.items())
    ]


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if values and len(known) == len(values) else None


def level(study: Study) -> float:
    """Of the intervals."""
    return float((study.fits or {}).get("level", _DEFAULT_LEVEL))


def finding(study: Study) -> list[tuple[str, str]]:
    """The sentences beside the figure, each run of them under a lead word."""
    ladders = {family: rungs(study, family) for family in study.families}
    parts = [
        (f"{formats.family(family)}.", " ".join([_fall(ladder, level(study)), *_exponent(study, family)]))
        for family, ladder in ladders.items()
        if ladder
    ]
    # a comparison on the same tunes, which the headline tells, is the sharper one
    matched = [] if study.comparisons else _matched(study)
    compared = " ".join([*matched, *_comparison(study)]) if parts else ""
    return [*parts, *([("Compared.", compared)] if compared else [])]


def _fall(ladder: list[Rung], at: float) -> str:
    first, last = ladder[0], ladder[-1]
    if len(ladder) == 1:
        return (
            f"One size only, {formats.short(first.n_params)} parameters: validation loss {formats.fixed(first.loss)} "
            f"nats per token ({formats.fixed(first.bpc)} bits per character)."
        )
    sentence = (
        f"From {formats.short(first.n_params)} to {formats.short(last.n_params)} parameters, validation loss "
        f"{direction(first, last, at)} {formats.fixed(first.loss)} to {formats.fixed(last.loss)} nats per token"
    )
    if first.bpc is not None and last.bpc is not None:
        sentence += f" ({formats.fixed(first.bpc)} to {formats.fixed(last.bpc)} bits per character)"
    lowest = min(ladder, key=lambda rung: rung.loss)
    if lowest is not last:
        sentence += f"; it is lowest, {formats.fixed(lowest.loss)}, at {formats.short(lowest.n_params)}"
    elif rises := _rises(ladder):
        sentence += f", though it rises {formats.listed(rises)}"
    return f"{sentence}."


def direction(first: Rung, last: Rung, at: float) -> str:
    """What the evaluation errors allow to say of the way from one loss to the other."""
    low, high = _gap_interval(first, last, at) or (first.loss - last.loss,) * 2
    return "falls from" if low > 0 else "rises from" if high < 0 else "shows no clear change,"


def _rises(ladder: list[Rung]) -> list[str]:
    """The stretches over which the loss rises, steps in a row taken together."""
    stretches: list[tuple[Rung, Rung]] = []
    for a, b in zip(ladder, ladder[1:], strict=False):
        if b.loss > a.loss and stretches and stretches[-1][1] is a:
            stretches[-1] = (stretches[-1][0], b)
        elif b.loss > a.loss:
            stretches.append((a, b))
    return [f"from {formats.short(a.n_params)} to {formats.short(b.n_params)}" for a, b in stretches]


def _gap_interval(a: Rung, b: Rung, at: float) -> tuple[float, float] | None:
    """Interval of loss(a) - loss(b) by the errors of the evaluation, or None where these are not known.

    The two are taken as independent. They read the same tunes, so the true interval is the narrower one.
    """
    if a.stderr is None or b.stderr is None:
        return None
    reach = NormalDist().inv_cdf(0.5 + at / 2) * math.hypot(a.stderr, b.stderr)
    return a.loss - b.loss - reach, a.loss - b.loss + reach


def _exponent(study: Study, family: str) -> list[str]:
    """One sentence for the first convention of N, and a warning where another one gives another verdict."""
    fits = [fit for fit in (study.fits or {}).get("fits", []) if fit["family"] == family]
    if not fits:
        return []
    fit = fits[0]
    if fit["params"].get("alpha") is None:
        return [f"Its exponent is not resolved: {fit['n_points']} points are too few to fit."]
    others = [
        f"{formats.convention(other['n_convention'])} it is {other['verdict']}"
        for other in fits[1:]
        if other["verdict"] != fit["verdict"]
    ]
    estimate = f"{_estimate(fit)}, with N {formats.convention(fit['n_convention'])}"
    if fit["verdict"] != "resolved":
        estimate = f"not resolved (best fit {_estimate(fit)}), with N {formats.convention(fit['n_convention'])}"
    return ["; ".join([f"Its exponent is {estimate}", *others]) + "."]


def _estimate(fit: Record) -> str:
    ends = formats.interval(fit["intervals"].get("alpha"), 2)
    estimate = f"α = {formats.fixed(fit['params']['alpha'], 2)}"
    return f"{estimate}, {formats.percent(fit.get('level', _DEFAULT_LEVEL))} interval {ends}"


def exponent_clause(study: Study, family: str) -> str | None:
    """The exponent with its interval, by the first convention of N; None where nothing was fitted."""
    fit = next((fit for fit in (study.fits or {}).get("fits", []) if fit["family"] == family), None)
    if fit is None:
        return None
    if fit["params"].get("alpha") is None:
        return "exponent not resolved: too few points to fit"
    return _estimate(fit) if fit["verdict"] == "resolved" else f"exponent not resolved: best fit {_estimate(fit)}"


def _matched(study: Study) -> list[str]:
    if len(study.families) < 2:
        return []
    clause = matched_clause(study)
    return [f"{clause[0].upper()}{clause[1:]}."]


def matched_clause(study: Study) -> str:
    """The first two families at the largest size that both have, with the interval of the difference."""
    one, two = study.families[:2]
    ours, theirs = ({rung.size: rung for rung in rungs(study, family)} for family in (one, two))
    shared = [size for size in ours if size in theirs]
    if not shared:
        return "the two families have no size in common, so neither can be called better"
    a, b = ours[shared[-1]], theirs[shared[-1]]
    if a.loss > b.loss:
        one, two, a, b = two, one, b, a
    counts = " and ".join(dict.fromkeys((formats.short(a.n_params), formats.short(b.n_params))))
    where = f"at the largest matched size, {shared[-1]} (N = {counts}), "
    gap = f"{formats.fixed(b.loss - a.loss)} nats per token"
    if a.bpc is not None and b.bpc is not None:
        gap += f" ({formats.fixed(b.bpc - a.bpc)} bits per character)"
    ends = _gap_interval(b, a, level(study))
    if ends is None:
        return f"{where}{formats.family(one)} has the lower loss by {gap}, without an interval"
    shown = f"{formats.percent(level(study))} interval of the evaluation {formats.interval(ends)} nats"
    if ends[0] <= 0:
        return f"{where}neither is shown to be better: they differ by {gap}, {shown}"
    seeds = "; with one seed each, what another seed would change is not in it" if max(a.seeds, b.seeds) == 1 else ""
    return f"{where}{formats.family(one)} is better by {gap}, {shown}{seeds}"


def _comparison(study: Study) -> list[str]:
    """Whether the exponents differ, by the first convention of N."""
    return [comparison_sentence(found, 2) for found in list(((study.fits or {}).get("comparison") or {}).values())[:1]]


def comparison_sentence(found: Record, digits: int = 3) -> str:
    """The difference of two exponents in words."""
    one, two = (formats.family(name) for name in found["families"])
    difference = (
        f"α of {one} less α of {two} is {formats.fixed(found['difference'], digits)}, "
        f"{formats.percent(found['level'])} interval {formats.interval(found['interval'], digits)}"
    )
    if found["verdict"] != "resolved":
        return f"Whether the two exponents differ is not resolved: {difference}."
    larger = one if found["difference"] > 0 else two
    return f"The excess of {larger} over its own floor c shrinks faster with size: {difference}."
