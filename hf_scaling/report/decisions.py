"""Why the study is as it is: what was decided of tokens, models and training, what that cost, and what comes next.

The reasons are those of the method (docs/method.md); the values are this study's own.
"""

from typing import Any, NamedTuple

from hf_scaling.report import formats
from hf_scaling.report.reading import Study
from hf_scaling.report.shapes import Record


class Decision(NamedTuple):
    """A topic with what was decided and why, what made it hard, and what is left to do; a sentence each."""

    topic: str
    decided: list[str]
    challenges: list[str]
    future: list[str]


def decisions(study: Study) -> list[Decision]:
    """Tokenization, architecture and training."""
    return [_tokenization(study), _architecture(study), _training(study)]


def _tokenization(study: Study) -> Decision:
    known = f", {study.alphabet} of them with the special ones," if study.alphabet else ","
    decided = [
        f"A token is a character{known} so that loss per token and per character are one measurement, embeddings stay "
        "few, and the grammar of ABC can be enforced while decoding."
    ]
    context = study.config.get("context_length")
    challenges = [
        "Sequences are long, and attention, which grows with them, is no footnote at these sizes; C counts it."
    ]
    lengths = (study.statistics or {}).get("tune_length_percentiles") or {}
    if isinstance(context, int) and isinstance(middle := lengths.get("50"), int):
        fits = "fits" if middle < context else "does not fit"
        challenges.append(
            f"The middle tune has {formats.count(middle)} characters and {fits} into a block of "
            f"{formats.count(context)} tokens; what lies further back is out of sight."
        )
    future = [
        "Bar-wise or byte-pair tokens would shorten sequences; bits per character would keep them comparable, and the "
        "law would have to be fitted anew."
    ]
    return Decision("Tokenization", decided, challenges, future)


def _architecture(study: Study) -> Decision:
    names = [formats.family(name) for name in study.families or study.config.get("families", [])]
    ladder = study.config.get("ladder") or []
    decided = [
        f"{formats.listed(names)} at {len(ladder)} sizes, {formats.listed([str(rung) for rung in ladder])} "
        "(width × layers × heads × inner width, of a transformer)."
    ]
    if "folk_lstm" in study.families and len(names) > 1:
        decided.append(
            "Sizes of one name are matched in total N: the LSTM, without heads or inner width, has the width for it."
        )
    decided.append("Initial weights scale with 1/√width, so that small models do not spend their run on warming up.")
    challenges = []
    if gap := _worst_match(study):
        challenges.append(gap)
    challenges.append(
        "Exponents depend on which N is counted, with embeddings or without: every law is fitted both ways, and both "
        "are shown."
    )
    future = [
        "Only width and depth grow together along one ladder; the shape of a model, and other families, are open.",
    ]
    return Decision("Architecture", decided, challenges, future)


def _worst_match(study: Study) -> str | None:
    """The size at which the families differ most in N."""
    by_size: dict[str, set[int]] = {}
    for run in study.finished:
        by_size.setdefault(run["size"], set()).add(run["n_params"])
    gaps = {size: max(counts) / min(counts) - 1 for size, counts in by_size.items() if len(counts) > 1}
    if not gaps:
        return None
    size = max(gaps, key=lambda name: gaps[name])
    return f"Widths are whole numbers: at the size {size} the families differ in N by {formats.percent(gaps[size], 1)}."


def _training(study: Study) -> Decision:
    config = study.config
    optimizer = {"adamw": "AdamW", "muon": "Muon for hidden matrices and AdamW for the rest"}.get(
        str(config.get("optimizer")), formats.plain(config.get("optimizer"))
    )
    schedule = {"wsd": f"constant and then falling linearly to 0{_last(config)}", "cosine": "a cosine"}.get(
        str(config.get("schedule")), "as in the configuration"
    )
    if config.get("warmup_fraction"):
        schedule += f" after a warm-up of {formats.percent(config['warmup_fraction'])} of the updates"
    decided = [
        f"Optimizer: {optimizer}; learning rate: {schedule}, ending exactly at D, so that only cooled-down models are "
        "compared.",
        "With one seed every model reads the same tokens in the same order; another seed moves weights and order.",
        *_rates(study),
        *_precision(study),
    ]
    challenges, future = [], []
    failed = sum(run["status"] == "failed" for run in study.runs)
    again = sum(study.attempts.values())
    if failed or again:
        challenges.append(f"{failed} runs never finished, and {again} attempts failed before a run did.")
    repeats = max(
        (run["n_tokens"] / run["n_unique_tokens"] for run in study.finished if run.get("n_unique_tokens")), default=0
    )
    if repeats > 1.01:
        challenges.append(
            f"Text is short: it was read up to {formats.fixed(repeats, 1)} times, and repeats teach less."
        )
    elif repeats:
        challenges.append(
            "No text was read twice in the runs of the sweep, which bounds D by the corpus; the longest run read "
            f"{_share(study)} of it."
        )
    if len(study.horizons) == 1:
        future.append("Runs at several D (horizons) would give L(N, D) and a compute-optimal frontier.")
    if config.get("replicates", 1) == 1:
        future.append("More seeds (replicates) would put what another seed changes into the intervals.")
    if not config.get("tune_sizes"):
        future.append("Rates tuned at three sizes or more (tune_sizes) would take a known bias off the exponents.")
    future.append("Larger models on longer text would tell how far the laws reach.")
    return Decision("Training", decided, challenges, future)


def _last(config: Record) -> str:
    share = config.get("decay_fraction")
    return f" in the last {formats.percent(share)}" if share else ""


def _rates(study: Study) -> list[str]:
    if study.rates is None:
        shared, rules = study.config.get("learning_rate_exponent") or 0, []
        for name, _, rule in (str(given).partition("=") for given in study.config.get("learning_rates") or []):
            rate, _, exponent = rule.partition(":")
            if name in (study.families or study.config.get("families", [])):
                rules.append(f"{rate} for {formats.family(name)} (exponent {exponent or shared})")
        return [f"Rates at 100,000 parameters were given, and not tuned here: {formats.listed(rules)}."]
    found = []
    for name, tuned in study.rates["families"].items():
        warned = "; an optimum lies on the edge of what was tried" if tuned.get("warnings") else ""
        found.append(
            f"{formats.family(name)}’s rates were tuned at {len(tuned.get('sizes', []))} sizes: "
            f"{formats.power_of_ten(tuned.get('rate'))} at 100,000 parameters, exponent "
            f"{formats.fixed(tuned.get('exponent'), 2)}{warned}."
        )
    return found


def _precision(study: Study) -> list[str]:
    """What was chosen by measurement on this machine."""
    chosen = study.resolved.get("precision")
    if not isinstance(chosen, dict):
        return []
    gains = study.resolved.get("bf16_speedup")
    told = [f"{formats.family(name)} {precision}{_gain(gains, name)}" for name, precision in chosen.items()]
    return [f"Precision: {formats.listed(told)}."]


def _gain(gains: Any, name: str) -> str:
    """What bf16 was measured to do to the speed, where it was."""
    if not isinstance(gains, dict) or not gains.get(name):
        return ""
    return f" (bf16 ran at {formats.fixed(gains[name], 2)} times its speed)"


def _share(study: Study) -> str:
    tokens = ((study.statistics or {}).get("splits", {}).get("train") or {}).get("unique_tokens")
    if not isinstance(tokens, int) or not tokens:
        return "part"
    return formats.percent(study.horizons[-1] / tokens)
