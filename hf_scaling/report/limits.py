"""What a study cannot say, and what would prove it wrong, in sentences that depend on its data where they can."""

import math
from typing import Any

from scipy.special import stdtrit

from hf_scaling.laws.diagnostics import NO_FIT
from hf_scaling.report import formats
from hf_scaling.report.corpus import best_passes
from hf_scaling.report.finding import direction, level, misfit, rungs
from hf_scaling.report.frontier import misfitting
from hf_scaling.report.reading import Study
from hf_scaling.report.shapes import Record

_NEW_SEEDS = 2
_ENOUGH_POINTS = 9  # three for each parameter of the law: from there on its residuals say something about its form


def limits(study: Study) -> list[str]:
    """What the reader must not conclude."""
    runs = study.finished
    found = [*_fit_limits(study), *_run_limits(study)] if runs else []
    failed = sum(run["status"] == "failed" for run in study.runs)
    if failed:
        found.append(f"Failed runs, missing from every fit: {failed} of {len(study.runs)}.")
    found += [f"The ledger was damaged: {note}." for note in study.notes]
    return [
        *found,
        "One corpus, one notation, one tokenizer: nothing here carries over to other music or to other text.",
        _music_limit(study),
        "Wall times, throughput and memory describe the machine as much as the models.",
    ]


def _music_limit(study: Study) -> str:
    if study.worth:
        return (
            "The musical metrics say how far tunes are from real ones, each from one side; nobody was asked to listen."
        )
    return "Valid and playable are properties of the notation; whether the music is any good was not measured."


def _fit_limits(study: Study) -> list[str]:
    found = []
    for family in study.families:
        fits = [fit for fit in (study.fits or {}).get("fits", []) if fit["family"] == family]
        points = min((fit["n_points"] for fit in fits), default=_ENOUGH_POINTS)
        if points < _ENOUGH_POINTS:
            left = max(points - 3, 0)
            resolved = all(fit["verdict"] == "resolved" for fit in fits)
            found.append(
                f"{formats.family(family)}: {points} points for the 3 parameters of the law leave {left} "
                f"degree{'s' * (left != 1)} of freedom{'' if resolved else ' and do not resolve its exponent'}. The "
                "intervals allow for that, but the form of the law is assumed, not tested, and R² says nothing about "
                "it."
            )
    unfit = dict.fromkeys(fit["family"] for fit in (study.fits or {}).get("fits", []) if fit["verdict"] == NO_FIT)
    if names := [formats.family(family) for family in unfit]:
        found.append(
            f"The form of L(N) does not fit {formats.listed(names)}: the exponent, the band and what is read off the "
            "curve hold no further than a rough line through these runs."
        )
    if study.joint and (names := [formats.family(family) for family in misfitting(study.joint)]):
        found.append(
            f"The form of L(N, D) does not fit {formats.listed(names)}, so nothing follows there for the best balance "
            "of size and data."
        )
    sizes = sorted(run["n_params"] for run in study.finished)
    marked = "what the frontier shows there is marked as such" if study.joint else "none is claimed"
    return [
        *found,
        f"The sizes run from {formats.short(sizes[0])} to {formats.short(sizes[-1])} parameters. "
        f"Anything beyond is extrapolation, and {marked}.",
    ]


def _run_limits(study: Study) -> list[str]:
    runs, found = study.finished, list[str]()
    ladders = [rung for family in study.families for rung in rungs(study, family)]
    if any(rung.seeds == 1 for rung in ladders):
        found.append(
            "Some sizes have one seed only. The ± on a loss counts the evaluation alone, not what another "
            "initialisation or data order would have changed."
        )
    elif ladders:
        most = max(rung.seeds for rung in ladders)
        found.append(f"No size has more than {most} seeds: what a seed changes is known by pooling the sizes.")
    if rule := _learning_rate_limit(study):
        found.append(rule)
    if study.rates or study.best:
        found.append(
            "Rates and the best size were chosen on the validation split, whose losses are those reported: they may be "
            "a little too low."
        )
    found += _text_limits(study)
    tokens: set[Any] = {run["n_tokens"] for run in runs}
    if len(tokens) == 1:
        found.append(
            f"Every model saw the same D = {formats.short(max(tokens))} tokens, so nothing follows for the best "
            "balance of size and data."
        )
    repeats = [run["n_tokens"] / run["n_unique_tokens"] for run in runs if run.get("n_unique_tokens")]
    if repeats and max(repeats) > 1.01:
        found.append(f"The training text was seen up to {max(repeats):.1f} times over; what is repeated teaches less.")
    return found


def _text_limits(study: Study) -> list[str]:
    """What blocks cut, and what the best model read again."""
    found = []
    context = study.config.get("context_length")
    upper = ((study.statistics or {}).get("tune_length_percentiles") or {}).get("75")
    if isinstance(context, int) and isinstance(upper, int) and upper > context:
        found.append(
            f"A quarter of the tunes has {formats.count(upper)} characters or more, a block {formats.count(context)} "
            "tokens: what a model could make of a whole tune is not measured."
        )
    if passes := best_passes(study):
        found.append(f"The best model read its text {formats.fixed(passes, 1)} times; it is no point of the laws.")
    return found


def _prediction(fit: Record) -> str:
    """Interval of the mean loss of new seeds at the end of the curve: its band, and the noise of the runs about it."""
    low, middle, high = (fit["curve"][name][-1] for name in ("lower", "loss", "upper"))
    noise, free = fit.get("residual_std"), fit.get("degrees_of_freedom")
    reach = 0.0
    if noise and free:
        reach = float(stdtrit(free, 0.5 + fit.get("level", 0.9) / 2)) * noise / math.sqrt(_NEW_SEEDS)
    return formats.interval([middle - math.hypot(middle - low, reach), middle + math.hypot(high - middle, reach)])


def _learning_rate_limit(study: Study) -> str | None:
    """A sentence, unless some size was trained at several rates."""
    if sizes := study.config.get("tune_sizes"):
        tokens = study.config.get("tune_tokens") or min(study.horizons)
        return (
            f"Learning rates were tuned at {formats.listed(sizes)} and D = {formats.short(tokens)} tokens, and follow "
            f"a power law of N from there{_stretched(study, sizes)}. What other sizes and horizons would have gained "
            "by rates of their own is not known, and moves exponents."
        )
    rates: dict[tuple[str, str], set[float]] = {}
    for run in study.finished:
        if run.get("learning_rate") is not None:
            rates.setdefault((run["family"], run["size"]), set()).add(run["learning_rate"])
    if not rates or max(map(len, rates.values())) > 1:
        return None
    return (
        "Each size was trained at a single learning rate. A size whose best rate lies elsewhere is shown worse than it "
        "is, which biases the exponent."
    )


def _stretched(study: Study, tuned: list[str]) -> str:
    """The sizes that lie beyond those tuned."""
    largest = max((run["n_params"] for run in study.finished if run["size"] in tuned), default=math.inf)
    beyond = dict.fromkeys(
        run["size"] for run in study.finished if run["size"] not in tuned and run["n_params"] > largest
    )
    return f", stretched to {formats.listed(list(beyond))} beyond them" if beyond else ""


def falsifiers(study: Study) -> list[str]:
    """What another run, or another look, would have to show to overturn what the page claims."""
    found = [sentence for family in study.families if (sentence := _no_fall(study, family))]
    found += [sentence for fit in (study.fits or {}).get("fits", []) if (sentence := _beyond_band(study, fit))]
    for pair in study.comparisons or []:
        if resolved := [size["size"] for size in pair["sizes"] if size["verdict"] == "resolved"]:
            one, two = (formats.family(name) for name in pair["families"])
            found.append(
                f"{one} against {two} at {formats.listed(resolved)}: further seeds, or rates tuned for each, after "
                "which the interval of the difference there holds 0."
            )
    inside = [score["inside"]["0.9"] for score in study.scores or [] if "inside" in score]
    if _too_many(total := len(inside)) <= total:
        found.append(
            f"Forecasts: {_too_many(total)} or more of {total} outcomes outside their 90{formats.NBSP}% intervals, "
            f"which independent ones would give less than one time in twenty; there are {inside.count(False)}."
        )
    if study.best and study.baselines:
        found.append(
            "The best model against the compressor: test tunes that turn out to be in the training text; the leak "
            "report says what was looked for."
        )
    return found or ["Nothing is claimed yet that could be falsified."]


def _too_many(total: int) -> int:
    """The least number of misses that intervals of 90 % would give less than one time in twenty."""

    def at_least(misses: int) -> float:
        return sum(math.comb(total, k) * 0.1**k * 0.9 ** (total - k) for k in range(misses, total + 1))

    return next(misses for misses in range(1, total + 2) if at_least(misses) < 0.05)


def _no_fall(study: Study, family: str) -> str | None:
    """What would take back that the loss falls with size."""
    ladder = rungs(study, family)
    if len(ladder) < 2 or direction(ladder[0], ladder[-1], level(study)) != "falls from":
        return None
    first, last = ladder[0], ladder[-1]
    return (
        f"{formats.family(family)}’s fall: seeds, or a rate tuned at each size, with which {last.size} is no better "
        f"than {first.size}, a gap of {formats.fixed(first.loss - last.loss)} nats per token."
    )


def _beyond_band(study: Study, fit: Record) -> str | None:
    """What a model half as large again as the largest would have to lose, by the first convention of N."""
    curve = fit.get("curve") or {}
    if fit["n_convention"] != "total" or not curve.get("n") or fit["family"] not in study.families:
        return None
    if fit["verdict"] == NO_FIT:
        p = f", p = {fit['lack_of_fit']['p']:.2g}" if "p" in fit["lack_of_fit"] else ""
        return f"The law of {formats.family(fit['family'])}: already contradicted by its own runs ({misfit(fit)}{p})."
    if fit["verdict"] != "resolved" or not curve.get("lower"):
        return (
            f"{formats.family(fit['family'])}: its exponent is not resolved, so no single run could contradict it; "
            "more sizes and seeds would resolve it first."
        )
    return (
        f"The law of {formats.family(fit['family'])}: models of N = {formats.short(curve['n'][-1])}, trained alike on "
        f"D = {formats.short(study.horizons[-1])} tokens, the mean loss of whose {_NEW_SEEDS} seeds lies outside "
        f"{_prediction(fit)} nats per token."
    )
