"""One run through transformers' Trainer, from its spec to its model, its metrics and its ledger row."""

import importlib.metadata
import json
import math
import os
import platform
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    GenerationConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from hf_scaling.models import build_model, count_parameters, generation_limit, to_device, training_flops_per_token
from hf_scaling.records import atomic_dir, write_json
from hf_scaling.training.blocks import TokenBlocks, read_stream
from hf_scaling.training.callbacks import MetricsCallback, ProgressCallback, peak_memory_bytes, reset_peak_memory
from hf_scaling.training.evaluation import Evaluation, evaluate
from hf_scaling.training.spec import RunSpec

# bars for weights that take milliseconds, and notes on GPT-2's loss and on lengths, tell nobody anything
disable_progress_bar()
set_verbosity_error()

OPTIMIZER, SCHEDULE = "adamw", "warmup_stable_decay"
_LOGS, _CHECKPOINTS = 100, 10  # of each over a run
_EVALUATION_TOKENS = 16_384  # a batch of the evaluation, whatever that of training: same bits for every study


def _training_arguments(spec: RunSpec, folder: Path) -> TrainingArguments:
    cuda = torch.cuda.is_available()
    log_steps = max(1, spec.updates // _LOGS)
    os.environ["ACCELERATE_MIXED_PRECISION"] = "no"  # a launcher's own choice must not outrank the spec's
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=spec.updates,
        per_device_train_batch_size=spec.batch_size,
        gradient_accumulation_steps=spec.gradient_accumulation_steps,
        optim="adamw_torch_fused",
        learning_rate=spec.learning_rate,
        weight_decay=spec.weight_decay,
        adam_beta2=0.95,
        max_grad_norm=spec.max_grad_norm,
        lr_scheduler_type=SCHEDULE,
        warmup_steps=math.ceil(spec.warmup_fraction * spec.updates),
        lr_scheduler_kwargs={"num_decay_steps": round(spec.decay_fraction * spec.updates), "decay_type": "linear"},
        use_cpu=not cuda,  # or bf16 is refused on a machine without a GPU
        bf16=spec.precision == "bf16",
        fp16=spec.precision == "fp16",
        torch_compile=spec.compile,
        seed=spec.seed,
        data_seed=spec.seed,
        train_sampling_strategy="sequential",  # TokenBlocks has the order in it
        dataloader_num_workers=2 if cuda else 0,  # on a CPU workers would take the model's own cores
        dataloader_pin_memory=cuda,
        remove_unused_columns=False,
        logging_steps=log_steps,
        logging_nan_inf_filter=False,  # or a NaN is averaged away unseen
        save_strategy="steps",
        # where a row of metrics.jsonl ends, so that the next one is whole after an interruption
        save_steps=log_steps * max(1, spec.updates // (_CHECKPOINTS * log_steps)),
        save_total_limit=1,
        report_to="none",
        disable_tqdm=True,
    )


def _last_whole_checkpoint(folder: Path) -> str | None:
    """The newest checkpoint that was written to its end; Trainer writes its state last. Torn ones are removed."""
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]), reverse=True)
    for checkpoint in found:
        try:
            json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            shutil.rmtree(checkpoint)
        else:
            return str(checkpoint)
    return None


def versions() -> dict[str, str]:
    """Releases of what decides a run's numbers."""
    packages = ("hf_scaling", "torch", "transformers", "accelerate", "tokenizers", "numpy")
    return {"python": platform.python_version()} | {name: importlib.metadata.version(name) for name in packages}


def git_commit() -> str:
    """Commit of this package's checkout, with `-dirty` where files differ; `unknown` outside a checkout."""
    try:
        return subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def now() -> str:
    """UTC, to the second, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def describe(spec: RunSpec, study: str, unique_tokens: int) -> dict[str, Any]:
    """The part of a ledger row that is known before the run begins.

    unique_tokens: of the training split, where neither repeated nor transposed copies count; a run that is shorter
    than that, or than its pool, has seen no more of them than its own tokens.
    """
    config = spec.model_config()
    with torch.device("meta"):
        counts = count_parameters(build_model(config, spec.seed))
    flops, flops_causal = training_flops_per_token(config)
    n_tokens = spec.updates * spec.batch_tokens
    return {
        "run_id": spec.run_id,
        "study": study,
        "family": spec.family,
        "size": spec.size.name,
        "n_params": counts.total,
        "n_params_non_embedding": counts.non_embedding,
        "n_tokens": n_tokens,
        "n_unique_tokens": min(n_tokens, spec.pool_tokens or n_tokens, unique_tokens),
        "flops": flops * n_tokens,
        "flops_causal": flops_causal * n_tokens,
        "learning_rate": spec.learning_rate,
        "optimizer": OPTIMIZER,
        "schedule": SCHEDULE,
        "batch_tokens": spec.batch_tokens,
        "seed": spec.seed,
        "updates": spec.updates,
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu {platform.machine()}",
        "precision": spec.precision,
        "compiled": spec.compile,
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "git_commit": git_commit(),
        "config_hash": spec.run_id.rpartition("-")[2],
    }


def save_model(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: Path, generation: dict[str, Any]
) -> None:
    """Write a folder that `pipeline("text-generation")` loads as it stands."""
    model.config.use_cache = True  # Trainer switches it off while it trains
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        max_length=generation_limit(model.config),
        do_sample=True,
        **generation,
    )
    with atomic_dir(folder) as temporary:
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)


def load_model(folder: Path | str) -> PreTrainedModel:
    """The model that `save_model` wrote (or one from the Hub), on the GPU where there is one; safetensors only."""
    return to_device(AutoModelForCausalLM.from_pretrained(folder, use_safetensors=True, trust_remote_code=False))


def evaluate_split(model: PreTrainedModel, spec: RunSpec, tokens: Path, split: str) -> Evaluation:
    """Loss on a whole split."""
    batch_size = max(1, _EVALUATION_TOKENS // spec.context_length)
    return evaluate(model, read_stream(tokens, split), spec.context_length, batch_size)


def discard_checkpoints(folder: Path) -> None:
    """Remove a run's checkpoints: for when its row stands in the ledger, and not before."""
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)


def train_run(
    spec: RunSpec,
    row: dict[str, Any],
    tokens: Path,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    generation: dict[str, Any],
    start_from: Path | None = None,
    progress: Callable[[int], None] = lambda step: None,
) -> dict[str, Any]:
    """Train, evaluate and save one run in `folder`, going on from its last checkpoint if there is one.

    The checkpoints stay until `discard_checkpoints`.

    Args:
        row: what `describe` says of the run.
        tokens: folder of token streams.
        generation: sampling defaults (temperature, top_p) to store with the model.
        start_from: folder of a model whose weights to begin with.
        progress: called with the number of updates done.

    Returns:
        `row` completed: a finished ledger row.

    Raises:
        FloatingPointError: the loss became NaN or infinite.
        RuntimeError: torch failed (out of memory among others).
    """
    started_at = now()
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", asdict(spec))
    stream = read_stream(tokens, "train")
    blocks = TokenBlocks(
        stream[: spec.pool_tokens or len(stream)],
        spec.context_length,
        spec.updates * spec.batch_size * spec.gradient_accumulation_steps,
        spec.seed,
    )
    model = load_model(start_from) if start_from else build_model(spec.model_config(), spec.seed)
    metrics = MetricsCallback(folder / "metrics.jsonl", spec.batch_tokens, row["flops"] // row["n_tokens"])
    trainer = Trainer(
        model=model,
        args=_training_arguments(spec, folder / "checkpoints"),
        train_dataset=blocks,
        callbacks=[metrics, ProgressCallback(progress)],
    )
    trainer.remove_callback(PrinterCallback)
    reset_peak_memory()
    trainer.train(resume_from_checkpoint=_last_whole_checkpoint(folder / "checkpoints"))
    wall_seconds = metrics.wall_seconds
    peak = peak_memory_bytes()
    save_model(model, tokenizer, folder / "model", generation)
    # read back: Accelerate leaves its autocast in the model that it trained, and what is scored is what is delivered
    result = evaluate_split(load_model(folder / "model"), spec, tokens, "validation")
    if not math.isfinite(result.loss):
        raise FloatingPointError(f"validation loss is {result.loss}")
    by_tune = {"nats": [round(nats, 6) for nats in result.tune_nats.tolist()], "tokens": result.tune_tokens.tolist()}
    write_json(folder / "validation_by_tune.json", by_tune)
    return row | {
        "val_loss": result.loss,
        "val_loss_stderr": result.loss_stderr,
        "val_bpc": result.bpc,
        "perplexity": result.perplexity,
        "wall_seconds": round(wall_seconds, 3),
        "tokens_per_second": round(row["n_tokens"] / wall_seconds, 1),
        "peak_memory_bytes": peak,
        "precision": {"no": "fp32"}.get(trainer.accelerator.mixed_precision, trainer.accelerator.mixed_precision),
        "status": "finished",
        "error": None,
        "started_at": started_at,
        "finished_at": now(),
    }
