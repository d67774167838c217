"""What the ledger and the fits of a study say of size, and of families until these are compared, in clauses."""

import math
from dataclasses import dataclass
from statistics import NormalDist, fmean

from hf_scaling.laws.diagnostics import NO_FIT
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


def fall_clause(study: Study, family: str) -> str | None:
    """How the loss of a family falls with size, with its exponent and its exceptions; None without a finished run."""
    ladder = rungs(study, family)
    if not ladder:
        return None
    first, last = ladder[0], ladder[-1]
    of = f"validation loss of {formats.family(family)}"
    if len(ladder) == 1:
        loss, bpc = formats.fixed(first.loss), formats.fixed(first.bpc)
        size = f"{formats.short(first.n_params)} parameters"
        return f"{of} is {loss} nats per token ({bpc} bits per character) at its one size, {size}"
    clause = (
        f"{of} {direction(first, last, level(study))} {formats.fixed(first.loss)} to {formats.fixed(last.loss)} nats "
        f"per token between {formats.short(first.n_params)} and {formats.short(last.n_params)} parameters"
    )
    details = _exponent(study, family)
    if first.bpc is not None and last.bpc is not None:
        details.insert(0, f"{formats.fixed(first.bpc)} to {formats.fixed(last.bpc)} bits per character")
    if details:
        clause += f" ({'; '.join(details)})"
    lowest = min(ladder, key=lambda rung: rung.loss)
    if lowest is not last:
        clause += f", though it is lowest, {formats.fixed(lowest.loss)}, at {formats.short(lowest.n_params)}"
    elif rises := _rises(ladder):
        clause += f", though it rises {formats.listed(rises)}"
    return clause


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
    """The exponent by the first convention of N, and those conventions that give another verdict."""
    fits = [fit for fit in (study.fits or {}).get("fits", []) if fit["family"] == family]
    if not fits:
        return []
    fit = fits[0]
    if fit["params"].get("alpha") is None:
        return [f"exponent not resolved: {fit['n_points']} points are too few to fit"]
    estimate = (
        f"α = {formats.fixed(fit['params']['alpha'], 2)}, {formats.percent(fit.get('level', _DEFAULT_LEVEL))} interval "
        f"{formats.interval(fit['intervals'].get('alpha'), 2)}, with N {formats.convention(fit['n_convention'])}"
    )
    others = [
        f"{formats.convention(other['n_convention'])} it is {other['verdict']}"
        for other in fits[1:]
        if other["verdict"] != fit["verdict"]
    ]
    if fit["verdict"] == NO_FIT:
        return [f"{NO_FIT}, runs lie {misfit(fit)}: best fit {estimate}", *others]
    return [estimate if fit["verdict"] == "resolved" else f"exponent not resolved: best fit {estimate}", *others]


def misfit(fit: Record) -> str:
    """How far the runs of a law lie off it, beside how far seeds lie apart."""
    off, apart = (formats.percent(fit["lack_of_fit"][name], 1) for name in ("off", "apart"))
    return f"{off} off and seeds {apart} apart"


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
