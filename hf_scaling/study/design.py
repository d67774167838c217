"""Which runs to make with a budget, so that alpha's interval is narrowest: `hf-scaling plan`.

Candidates are sets of sizes, horizons and replicates of the study's own ladder; the longest horizon is what the budget
then allows. They are ranked by the tangent of the law around what is believed of it, and the best are simulated whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from hf_scaling.laws.design import expected_width, simulated_widths
from hf_scaling.laws.fit import fit
from hf_scaling.laws.forms import CHINCHILLA, POWER, Form, Runs
from hf_scaling.models import Size, Vocabulary, build_model, count_parameters, training_flops_per_token
from hf_scaling.records import LEDGER, UserError, finished_rows
from hf_scaling.study.config import StudyConfig
from hf_scaling.study.fit_text import align
from hf_scaling.study.options import load_config
from hf_scaling.study.plan import set_threads
from hf_scaling.training.precision import choose_precision, seconds_per_update
from hf_scaling.training.sharing import choose_threads
from hf_scaling.training.spec import RunSpec

_HORIZONS = [(1.0,), (0.5, 1.0), (0.25, 1.0), (0.25, 0.5, 1.0), (0.1, 0.3, 1.0), (0.125, 0.25, 0.5, 1.0)]
_MOST_REPLICATES = 4
_FEWEST_UPDATES = 100  # of the shortest run: below, it is mostly warm-up
_SHOWN, _STUDIES = 3, 24
_ALPHABET = Vocabulary(100, 0, 1, 2)  # a corpus has some 100 characters; speed hardly depends on how many
# believed of the law where no run has been made: half a nat each for a model of 1e5 parameters and for 1e6 tokens
_BELIEF = {"alpha": 0.3, "beta": 0.3, "A": 0.5 * 1e5**0.3, "B": 0.5 * 1e6**0.3, "E": 0.8}
_NOISE = 0.004  # of log-loss, from seed to seed


@dataclass(frozen=True)
class Rung:
    """A size of one family: what a token of its training costs.

    Attributes:
        cost: seconds on this machine, or FLOPs.
    """

    family: str
    size: str
    n_params: int
    cost: float


@dataclass(frozen=True)
class Design:
    """Runs of some sizes, at shares of the horizon D, with several seeds."""

    sizes: tuple[str, ...]
    horizons: tuple[float, ...]
    replicates: int
    tokens: int
    width: float

    @property
    def form(self) -> Form:
        """The form that these runs can tell."""
        return CHINCHILLA if len(self.horizons) > 1 else POWER


def plan_study(path: Path, budget: float, unit: str) -> dict[str, Any]:
    """The designs of narrowest expected interval.

    Args:
        path: a study's YAML.
        budget: of all training together.
        unit: `seconds` or `flops`.

    Raises:
        UserError: the configuration is wrong, or the budget too small for any design.
    """
    config = load_config(path, {})
    if len(config.sizes) < 3:
        raise UserError(f"ladder: got {len(config.sizes)} sizes, expected at least 3 to choose from")
    rungs = [rung for family in config.families for rung in _rungs(config, family, unit)]
    belief, noise, source = _belief(config)
    designs = _ranked(config, rungs, budget, belief, noise)
    if not designs:
        raise UserError(
            f"--budget: got {budget:g} {unit}, expected enough for 3 sizes and {_FEWEST_UPDATES} updates of the "
            "shortest runs; give more, or make the ladder's models smaller"
        )
    shown = []
    n_of = {rung.size: rung.n_params for rung in rungs if rung.family == config.families[0]}
    for design in tqdm(designs[:_SHOWN], desc="simulating", leave=False):
        runs, params = _runs(design, n_of), _params(design, belief)
        width, closed = simulated_widths(design.form, params, runs, noise, "alpha", _STUDIES, level=config.level)
        shown.append(
            {"sizes": list(design.sizes), "horizons": list(design.horizons), "replicates": design.replicates}
            | {"tokens_per_run": design.tokens, "runs": len(config.families) * len(runs.log("n"))}
            | {"form": design.form.name, "expected_width": design.width, "closed": closed}
            | {"simulated_width": width if np.isfinite(width) else None}
        )
    return {
        "study": config.name,
        "budget": budget,
        "unit": unit,
        "level": config.level,
        "belief": belief | {"noise": noise, "source": source},
        "costs": [vars(rung) for rung in rungs],
        "designs": shown,
        "ladder": [text for text in config.ladder if text.partition("=")[0] in designs[0].sizes],
        **_other_sizes(config, designs[0].sizes),
    }


def _other_sizes(config: StudyConfig, sizes: Sequence[str]) -> dict[str, list[str]]:
    """The fields that would name sizes which these leave out, and what they may name instead."""
    best = [size for size in config.best_sizes if size in sizes]
    tuned = [size for size in config.tune_sizes if size in sizes]
    found = {"best_sizes": best, "tune_sizes": tuned if len(tuned) >= 3 else list(sizes[:3])}
    return {name: kept for name, kept in found.items() if not set(getattr(config, name)) <= set(sizes)}


def _rungs(config: StudyConfig, family: str, unit: str) -> list[Rung]:
    """Every size of a family with its cost of a token, measured by a few updates where that is seconds."""
    specs = [_spec(config, family, size) for size in config.sizes]
    if unit == "seconds":
        set_threads(choose_threads(config.threads, specs)["threads"])
    precision = choose_precision(config.precision, specs)[0] if unit == "seconds" else "fp32"
    found = []
    for spec in specs:
        with torch.device("meta"):
            n_params = count_parameters(build_model(spec.model_config(), 0)).total
        if unit == "seconds":
            cost = seconds_per_update(_spec(config, family, spec.size, precision)) / spec.batch_tokens
            if not cost:
                raise UserError(
                    f"ladder: size {spec.size.name} does not run here and cannot be timed; give --budget in FLOPs, "
                    "such as 1e15, or plan where it trains"
                )
        else:
            cost = float(training_flops_per_token(spec.model_config())[0])
        found.append(Rung(family, spec.size.name, n_params, cost))
    return found


def _spec(config: StudyConfig, family: str, size: Size, precision: str = "fp32") -> RunSpec:
    batch_tokens = config.batch_size * config.gradient_accumulation_steps * config.context_length
    return RunSpec(
        family=family,
        size=size,
        vocabulary=_ALPHABET,
        context_length=config.context_length,
        n_tokens=_FEWEST_UPDATES * batch_tokens,
        batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation_steps,
        optimizer=config.optimizer,
        learning_rate=config.rate_rule(family)[0],
        rest_rate_ratio=config.rest_rate_ratio,
        weight_decay=config.weight_decay,
        schedule=config.schedule,
        warmup_updates=1,
        decay_fraction=config.decay_fraction,
        max_grad_norm=config.max_grad_norm,
        dropout=config.dropout,
        precision=precision,
        compile=False,
        seed=config.seed,
        data_hash="",
    )


def _belief(config: StudyConfig) -> tuple[dict[str, float], float, str]:
    """What is believed of the law and its noise, and why: from the study's own runs where they allow it."""
    rows = finished_rows(config.folder / LEDGER)
    rows = [row for row in rows if row["family"] == config.families[0]]
    if len(rows) > len(CHINCHILLA.parameters) + 1 and len({row["n_tokens"] for row in rows}) > 1:
        n, d, loss = ([row[name] for row in rows] for name in ("n_params", "n_tokens", "val_loss"))
        fitted = fit(CHINCHILLA, Runs.of(n, d), loss, delta=np.inf)
        if not fitted.at_bounds and fitted.noise:
            return fitted.params, fitted.noise, f"fitted to {len(rows)} runs of {config.folder / LEDGER}"
    return _BELIEF, _NOISE, "assumed, for want of runs at several horizons"


def _ranked(
    config: StudyConfig, rungs: Sequence[Rung], budget: float, belief: dict[str, float], noise: float
) -> list[Design]:
    """All designs, the narrowest interval first."""
    n_of = {rung.size: rung.n_params for rung in rungs if rung.family == config.families[0]}
    batch_tokens = config.batch_size * config.gradient_accumulation_steps * config.context_length
    found = []
    names = list(n_of)
    subsets = [subset for count in range(3, len(names) + 1) for subset in combinations(names, count)]
    for subset, horizons, replicates in product(subsets, _HORIZONS, range(1, _MOST_REPLICATES + 1)):
        a_token = replicates * sum(rung.cost for rung in rungs if rung.size in subset)
        tokens = int(budget / (a_token * _passes(config, horizons)))
        if min(horizons) * tokens < _FEWEST_UPDATES * batch_tokens:
            continue
        design = Design(subset, horizons, replicates, tokens, 0.0)
        runs, params = _runs(design, n_of), _params(design, belief)
        width = expected_width(design.form, params, runs, noise, "alpha", config.level)
        if np.isfinite(width):
            found.append(Design(subset, horizons, replicates, tokens, width))
    return sorted(found, key=lambda design: design.width)


def _passes(config: StudyConfig, horizons: Sequence[float]) -> float:
    """What all horizons of a model cost, in units of its longest: with wsd they share a trunk, not their cooldowns."""
    if config.schedule != "wsd":
        return sum(horizons)
    return (1 - config.decay_fraction) + config.decay_fraction * sum(horizons)


def _runs(design: Design, n_of: dict[str, int]) -> Runs:
    points = [
        (n_of[size], share * design.tokens)
        for size, share, _ in product(design.sizes, design.horizons, range(design.replicates))
    ]
    n, d = zip(*points, strict=True)
    return Runs.of(n, d)


def _params(design: Design, belief: dict[str, float]) -> dict[str, float]:
    """What is believed, as the design's form says it."""
    if design.form is CHINCHILLA:
        return belief
    c = belief["E"] + belief["B"] * design.tokens ** -belief["beta"]
    return {"a": belief["A"], "alpha": belief["alpha"], "c": c}


def describe_designs(result: dict[str, Any]) -> str:
    """The designs as a table, and the best as YAML."""
    belief = result["belief"]
    law = ", ".join(f"{name} {belief[name]:.3g}" for name in ("alpha", "beta", "A", "B", "E", "noise"))
    lines = [f"believed of the law: {law} ({belief['source']})"]
    percent = f"{100 * result['level']:g} %"
    table = [["sizes", "horizons", "seeds", "D", "runs", f"width of alpha's {percent} interval", "simulated", "closed"]]
    for design in result["designs"]:
        simulated = design["simulated_width"]
        table.append(
            [", ".join(design["sizes"]), ", ".join(f"{share:g}" for share in design["horizons"])]
            + [str(design["replicates"]), f"{design['tokens_per_run']:,}", str(design["runs"])]
            + [f"{design['expected_width']:.3f}", "open" if simulated is None else f"{simulated:.3f}"]
            + [f"{design['closed']:.0%}"]
        )
    best = result["designs"][0]
    lines += align(table)
    lines += [
        f"for {result['budget']:g} {result['unit']} of training, one run at a time; in the study's YAML:",
        f"ladder: [{', '.join(result['ladder'])}]",
        f"tokens_per_run: {best['tokens_per_run']}",
        f"horizons: [{', '.join(f'{share:g}' for share in best['horizons'])}]",
        f"replicates: {best['replicates']}",
        *(f"{name}: [{', '.join(result[name])}]" for name in ("best_sizes", "tune_sizes") if name in result),
    ]
    return "\n".join(lines)
