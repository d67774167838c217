"""The plan: which runs a study consists of, cheapest first, with what this machine makes of them."""

import os
import shlex
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from hf_scaling.data.leaks import SPLITS
from hf_scaling.models import Vocabulary, build_model, count_parameters
from hf_scaling.records import UserError
from hf_scaling.study.config import StudyConfig
from hf_scaling.training.blocks import read_stream, streams_hash
from hf_scaling.training.precision import check_precision, compile_possible, predict_seconds, resolve
from hf_scaling.training.spec import RunSpec

_REFERENCE_N = 100_000  # where `learning_rates` holds
_MOST_REPEATS = 100


@dataclass(frozen=True)
class Plan:
    """The runs, and what was found out about the machine (`resolved` in study.yaml: it decides bits too)."""

    runs: list[RunSpec]
    resolved: dict[str, Any]


def set_threads(asked: int) -> int:
    """Use `asked` CPU threads (0: every core this process may use), whatever OMP_NUM_THREADS says; return how many.

    `accelerate launch` exports OMP_NUM_THREADS=1, which would leave all cores but one idle.
    """
    torch.set_num_threads(asked or len(os.sched_getaffinity(0)))
    return torch.get_num_threads()


def this_command() -> str:
    """The command line of this process, as a person would type it in the same folder."""
    launcher = ["accelerate", "launch"] if "ACCELERATE_MIXED_PRECISION" in os.environ else ["python"]
    script = Path(sys.argv[0])
    if script.is_absolute() and script.is_relative_to(Path.cwd()):
        script = script.relative_to(Path.cwd())
    return shlex.join([*launcher, str(script), *sys.argv[1:]])


def learning_rate(config: StudyConfig, family: str, n_params: int) -> float:
    """The rate of a model of `n_params` by the study's rule, to three significant digits."""
    rate = config.base_learning_rate(family) * (n_params / _REFERENCE_N) ** -config.learning_rate_exponent
    return float(f"{rate:.3g}")


def asked_runs(config: StudyConfig, tokenizer: PreTrainedTokenizerBase, tokens: Path) -> list[RunSpec]:
    """The runs as the configuration asks for them, smallest size first, families in turn.

    Raises:
        UserError: the training split is smaller than a block, or the horizon repeats it beyond reason.
    """
    vocabulary = Vocabulary(len(tokenizer), tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    train_tokens = len(read_stream(tokens, "train"))
    for split in ("validation", "test"):
        if np.count_nonzero(read_stream(tokens, split) == tokenizer.bos_token_id) < 3:  # one ends the stream
            raise UserError(
                f"{split}_fraction: got {getattr(config, f'{split}_fraction')}, which leaves one tune in this split; "
                "expected a larger share: with two and more, the loss has a standard error"
            )
    if train_tokens < config.context_length:
        raise UserError(
            f"context_length: got {config.context_length}, but the training split has {train_tokens} tokens; "
            "use a shorter context or more tunes"
        )
    horizon = config.tokens_per_run or int(config.epochs * train_tokens)
    if horizon > _MOST_REPEATS * train_tokens:
        raise UserError(
            f"tokens_per_run: got {horizon}, expected at most {_MOST_REPEATS * train_tokens}, "
            f"{_MOST_REPEATS} passes over the training split"
        )
    data_hash = streams_hash(tokens, SPLITS)
    by_size = []
    for size in config.sizes:
        specs = []
        for family in config.families:
            spec = RunSpec(
                family=family,
                size=size,
                vocabulary=vocabulary,
                context_length=config.context_length,
                n_tokens=horizon,
                batch_size=config.batch_size,
                gradient_accumulation_steps=config.gradient_accumulation_steps,
                learning_rate=config.base_learning_rate(family),
                weight_decay=config.weight_decay,
                warmup_fraction=config.warmup_fraction,
                decay_fraction=config.decay_fraction,
                max_grad_norm=config.max_grad_norm,
                dropout=config.dropout,
                precision=config.precision,
                compile=config.compile,
                seed=config.seed,
                data_hash=data_hash,
            )
            with torch.device("meta"):
                n_params = count_parameters(build_model(spec.model_config(), config.seed)).total
            specs.append((n_params, replace(spec, learning_rate=learning_rate(config, family, n_params))))
        by_size.append(specs)
    runs = [spec for specs in sorted(by_size, key=lambda specs: specs[0][0]) for _, spec in specs]
    _check_best(config, train_tokens, runs[0].batch_tokens)
    return runs


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


def make_plan(config: StudyConfig, runs: list[RunSpec], resolved: dict[str, Any]) -> Plan:
    """Settle precision, compilation and predicted times, unless `resolved` from an earlier start has them.

    Raises:
        UserError: the precision cannot run here.
    """
    if "precision" not in resolved:
        settled, speedups = resolve(runs, config.precision, config.compile)
        if config.compile and not compile_possible():
            print("compile: no C++ compiler found, so models run as they are; install g++ or clang to compile them")
        resolved = resolved | {
            "precision": {spec.family: spec.precision for spec in settled},
            "bf16_speedup": speedups,
            "compile": {spec.family: spec.compile for spec in settled},
        }
    for precision in resolved["precision"].values():
        check_precision(precision)  # the study may have begun on another machine
    runs = [
        replace(spec, precision=resolved["precision"][spec.family], compile=resolved["compile"][spec.family])
        for spec in runs
    ]
    if set(resolved.get("predicted_seconds", ())) != {spec.run_id for spec in runs}:
        resolved = resolved | {"predicted_seconds": {spec.run_id: round(predict_seconds(spec), 1) for spec in runs}}
    return Plan(runs, resolved)
