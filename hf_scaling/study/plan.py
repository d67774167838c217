"""The plan: which runs a study consists of, cheapest first, with what this machine makes of them."""

import math
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from transformers import PreTrainedTokenizerBase

from hf_scaling.data.splits import SPLITS
from hf_scaling.models import Size, Vocabulary, build_config, build_model, count_parameters
from hf_scaling.records import UserError
from hf_scaling.study.config import StudyConfig
from hf_scaling.training.blocks import read_stream, streams_hash
from hf_scaling.training.precision import (
    compile_possible,
    explain_precision,
    resolve,
    seconds_per_update,
)
from hf_scaling.training.processes import check_optimizer, cores, n_processes, share_batch
from hf_scaling.training.row import describe
from hf_scaling.training.sharing import choose_side_by_side, choose_threads
from hf_scaling.training.spec import RunSpec

REFERENCE_N = 100_000  # where `learning_rates` holds
PLAN = "plan.json"
_LISTED = (
    *("run_id", "family", "size", "seed", "n_params", "n_params_non_embedding", "n_tokens", "n_unique_tokens"),
    *("flops", "flops_causal", "updates", "batch_tokens", "learning_rate", "optimizer", "schedule"),
)
_MOST_REPEATS = 100


@dataclass(frozen=True)
class Plan:
    """The runs, and what was found out about the machine (`resolved` in study.yaml: it decides bits too)."""

    runs: list[RunSpec]
    resolved: dict[str, Any]


def set_threads(asked: int) -> int:
    """Use `asked` CPU threads (0: one a core that is this process's), whatever OMP_NUM_THREADS says; return how many.

    `accelerate launch` exports OMP_NUM_THREADS=1, which would leave all cores but one idle.
    """
    threads = asked or cores()
    if n_processes() > 1:  # a study settled for one process may go on with several
        threads = min(threads, cores())
    torch.set_num_threads(threads)
    return torch.get_num_threads()


def this_command() -> str:
    """The command line of this process, the launcher's options included, as a person would type it in this folder."""
    script = Path(sys.argv[0])
    if script.is_absolute() and script.is_relative_to(Path.cwd()):
        script = script.relative_to(Path.cwd())
    return shlex.join([*_launcher(), str(script), *sys.argv[1:]])


def _launcher() -> list[str]:
    """What stands before the script: `accelerate launch` and its options, if that started this process."""
    try:
        above = psutil.Process().parent()
        words = above.cmdline() if above else []
    except psutil.Error:  # it is somebody else's, or has just ended
        words = []
    start = next((place for place, word in enumerate(words) if Path(word).name == "accelerate"), None)
    end = next((place for place, word in enumerate(words) if Path(word).name == Path(sys.argv[0]).name), None)
    return ["python"] if start is None or end is None else ["accelerate", *words[start + 1 : end]]


@dataclass(frozen=True)
class RateRule:
    """The learning rate of a family's models: `rate * (N / 100,000) ** -exponent`, to three significant digits."""

    rate: float
    exponent: float

    def at(self, n_params: int) -> float:
        """The rate of a model of `n_params`."""
        return float(f"{self.rate * (n_params / REFERENCE_N) ** -self.exponent:.3g}")


def configured_rules(config: StudyConfig) -> dict[str, RateRule]:
    """The rules that the configuration states."""
    return {family: RateRule(*config.rate_rule(family)) for family in config.families}


def longest_horizon(config: StudyConfig, train_tokens: int) -> int:
    """Tokens of the longest runs."""
    return config.tokens_per_run or int(config.epochs * train_tokens)


def _check_horizon(config: StudyConfig, fields: Sequence[str], tokens: int, train_tokens: int) -> None:
    """Raise UserError, naming the fields that made it, for a run of fewer than two updates or of too many passes."""
    named = "; ".join(f"{field}: got {getattr(config, field)}" for field in fields)
    update = config.batch_size * config.gradient_accumulation_steps * config.context_length
    if tokens < 2 * update:
        raise UserError(
            f"{named}, which makes a run of {tokens} tokens, but one update takes {update}; a run needs at least two: "
            "use more tokens, or a smaller batch_size or context_length"
        )
    if tokens > _MOST_REPEATS * train_tokens:
        raise UserError(
            f"{named}, which makes a run of {tokens} tokens, expected at most {_MOST_REPEATS * train_tokens}, "
            f"{_MOST_REPEATS} passes over the training split"
        )


class Planner:
    """What all runs of a study have in common, and the runs made from it.

    Raises:
        UserError: a split is too small, the horizon repeats the training split beyond reason, or the launcher's
            processes cannot share a batch or a matrix.
    """

    def __init__(self, config: StudyConfig, tokenizer: PreTrainedTokenizerBase, tokens: Path):
        self.config, self.train_tokens = config, _checked_tokens(config, tokenizer, tokens)
        self.horizon = longest_horizon(config, self.train_tokens)
        longest = ["tokens_per_run" if config.tokens_per_run else "epochs"]
        _check_horizon(config, longest, self.horizon, self.train_tokens)
        shortest = int(min(config.horizons) * self.horizon)
        _check_horizon(config, [*longest, "horizons"], shortest, self.train_tokens)
        if config.tune_sizes:
            _check_horizon(config, ["tune_tokens"], config.tune_tokens or shortest, self.train_tokens)
        check_optimizer(config.optimizer)
        share_batch(config.batch_size, config.gradient_accumulation_steps, n_processes())
        self._data_hash = streams_hash(tokens, SPLITS)
        self._vocabulary = Vocabulary(
            len(tokenizer), tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id
        )

    def spec(self, family: str, size: Size, rule: RateRule, n_tokens: int, warmup_tokens: float, seed: int) -> RunSpec:
        """One run; precision and compilation are still as asked for."""
        config = self.config
        batch_tokens = config.batch_size * config.gradient_accumulation_steps * config.context_length
        return RunSpec(
            family=family,
            size=size,
            vocabulary=self._vocabulary,
            context_length=config.context_length,
            n_tokens=n_tokens,
            batch_size=config.batch_size,
            gradient_accumulation_steps=config.gradient_accumulation_steps,
            optimizer=config.optimizer,
            learning_rate=rule.at(self.n_params(family, size)),
            rest_rate_ratio=config.rest_rate_ratio,
            weight_decay=config.weight_decay,
            schedule=config.schedule,
            warmup_updates=math.ceil(warmup_tokens / batch_tokens),
            decay_fraction=config.decay_fraction,
            max_grad_norm=config.max_grad_norm,
            dropout=config.dropout,
            precision=config.precision,
            compile=config.compile,
            seed=seed,
            data_hash=self._data_hash,
        )

    def n_params(self, family: str, size: Size) -> int:
        """Total parameters of a size of a family."""
        return _n_params(family, size, self._vocabulary, self.config.context_length)

    def runs(self, rules: Mapping[str, RateRule]) -> list[RunSpec]:
        """Every run of the study, cheapest first, so that a law can be drawn early; families in turn.

        Those of the largest size come last: they are forecast from all others of their family.
        """
        config, made = self.config, []
        shortest = min(config.horizons) * self.horizon
        largest = max(self.n_params(config.families[0], size) for size in config.sizes)
        for size in config.sizes:
            n = self.n_params(config.families[0], size)
            for share, number in product(config.horizons, range(config.replicates)):
                cost = (n == largest, n * share, share, number)
                for family in config.families:
                    tokens = int(share * self.horizon)
                    # the warm-up of the shortest for all: what horizons share must not depend on them
                    warmup = config.warmup_fraction * shortest
                    made.append((cost, self.spec(family, size, rules[family], tokens, warmup, config.seed + number)))
        runs = [spec for _, spec in sorted(made, key=lambda pair: pair[0])]
        _check_best(config, self.train_tokens, runs[0].batch_tokens)
        return runs

    def trials(self, rules: Mapping[str, RateRule]) -> list[RunSpec]:
        """The runs that find the best learning rates: `tune_factors` around the rule at each of `tune_sizes`."""
        config = self.config
        tokens = config.tune_tokens or int(min(config.horizons) * self.horizon)
        warmup = config.warmup_fraction * tokens
        sizes = sorted(
            (size for size in config.sizes if size.name in config.tune_sizes),
            key=lambda size: self.n_params(config.families[0], size),
        )
        return [
            self.spec(
                family,
                size,
                replace(rules[family], rate=rules[family].rate * factor),
                tokens,
                warmup,
                config.seed,
            )
            for size, family, factor in product(sizes, config.families, sorted(config.tune_factors))
        ]


@cache  # a study asks again for every run
def _n_params(family: str, size: Size, vocabulary: Vocabulary, context_length: int) -> int:
    try:
        config = build_config(family, size, vocabulary, context_length)
    except ValueError as error:  # a shape that this family cannot have
        raise UserError(str(error)) from None
    with torch.device("meta"):
        return count_parameters(build_model(config, 0)).total


def _checked_tokens(config: StudyConfig, tokenizer: PreTrainedTokenizerBase, tokens: Path) -> int:
    """Tokens of the training split."""
    train_tokens = len(read_stream(tokens, "train"))
    for split in ("validation", "test"):
        if np.count_nonzero(read_stream(tokens, split) == tokenizer.bos_token_id) < 3:  # one ends the stream
            raise UserError(
                f"{split}_fraction: got {getattr(config, f'{split}_fraction')}, which leaves one tune in this split; "
                "expected a larger share: with two and more, the loss has a standard error"
            )
    if train_tokens <= config.context_length:
        raise UserError(
            f"context_length: got {config.context_length}, but the training split has {train_tokens} tokens; "
            "use a shorter context or more tunes"
        )
    return train_tokens


def best_pass(config: StudyConfig, train_tokens: int) -> int:
    """Tokens of one pass of the best model: whole blocks."""
    asked = min(config.best_tokens or train_tokens, train_tokens)
    return asked - asked % config.context_length


def _check_best(config: StudyConfig, train_tokens: int, batch_tokens: int) -> None:
    """Raise UserError, before anything is trained, if the best model could not be."""
    tokens = config.best_epochs * best_pass(config, train_tokens)
    if tokens < 2 * batch_tokens:
        raise UserError(
            f"best_tokens: {config.best_epochs} passes make {tokens} tokens, but one update takes {batch_tokens}; "
            "at least two are needed: raise best_tokens or best_epochs, or lower batch_size"
        )


def settle(config: StudyConfig, runs: list[RunSpec], resolved: dict[str, Any], later: Sequence[RunSpec] = ()) -> Plan:
    """Settle threads, precision, compilation, predicted times and runs side by side, unless an earlier start did.

    later: the runs that these are the trials of; what is settled is what serves them, for they are compared.

    Raises:
        UserError: the precision asked for is none of this machine's.
    """
    deciding = later or runs
    if "side_by_side" not in resolved:
        resolved = resolved | choose_threads(config.threads, deciding)
    set_threads(resolved["threads"])  # what follows is measured with them
    if "precision" not in resolved:
        settled, speedups = resolve(deciding, config.precision, config.compile)
        for spec in {spec.family: spec for spec in settled}.values():
            why = explain_precision(config.precision, speedups[spec.family])
            print(f"precision: {spec.family} in {spec.precision} ({why})")
        if config.compile and not compile_possible():
            print("compile: no C++ compiler found, so models run as they are; install g++ or clang to compile them")
        resolved = resolved | {
            "precision": {spec.family: spec.precision for spec in settled},
            "precision_reason": {family: explain_precision(config.precision, s) for family, s in speedups.items()},
            "bf16_speedup": speedups,
            "compile": {spec.family: spec.compile for spec in settled},
        }
    runs, deciding = _as_resolved(runs, resolved), _as_resolved(deciding, resolved)
    predicted = resolved.get("predicted_seconds", {})
    if missing := [spec for spec in runs if spec.run_id not in predicted]:
        resolved = resolved | {"predicted_seconds": predicted | predict(missing)}
    if "side_by_side" not in resolved:
        total = sum(resolved["predicted_seconds"][spec.run_id] for spec in runs)
        if later and not config.side_by_side:
            total += sum(predict(deciding).values())
        resolved = resolved | choose_side_by_side(
            config.side_by_side, config.threads, resolved["threads"], deciding, total
        )
    return Plan(runs, resolved)


def _as_resolved(runs: Sequence[RunSpec], resolved: Mapping[str, Any]) -> list[RunSpec]:
    """The runs at the precision, and compiled or not, as the study has settled it."""
    return [
        replace(spec, precision=resolved["precision"][spec.family], compile=resolved["compile"][spec.family])
        for spec in runs
    ]


def predict(runs: Sequence[RunSpec]) -> dict[str, float]:
    """Predicted training seconds by run id, 0 where a size does not run here.

    What shares a trunk is measured once, and its cooldown is all it costs.
    """
    per_update: dict[tuple[str, Size], float] = {}
    walked: dict[str, int] = {}
    predicted = {}
    for spec in runs:
        kind = (spec.family, spec.size)
        if kind not in per_update:
            per_update[kind] = seconds_per_update(spec)
        updates = spec.updates - (walked.get(spec.trunk, 0) if spec.trunk else 0)
        walked[spec.trunk] = spec.trunk_end
        predicted[spec.run_id] = round(per_update[kind] * updates, 3)
    return predicted


def list_runs(made: Plan, study: str, unique_tokens: int) -> list[dict[str, Any]]:
    """The content of `plan.json`: each run as its row of the ledger will describe it, and its predicted seconds."""
    rows = [describe(spec, study, unique_tokens) for spec in made.runs]
    seconds = made.resolved["predicted_seconds"]
    return [{name: row[name] for name in _LISTED} | {"predicted_seconds": seconds[row["run_id"]]} for row in rows]
