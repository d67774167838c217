"""One run through transformers' Trainer, from its spec to its model, its metrics and its ledger row."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import DynamoBackend
from transformers import PreTrainedModel, PreTrainedTokenizerBase, TrainerCallback

from hf_scaling.models import build_model
from hf_scaling.records import CHECKSUMS, vouch, write_json
from hf_scaling.training.blocks import TokenBlocks, read_stream
from hf_scaling.training.callbacks import (
    MetricsCallback,
    PaceCallback,
    ProgressCallback,
    peak_memory_bytes,
    reset_peak_memory,
)
from hf_scaling.training.checkpoints import METRICS, find_trunk, last_whole_checkpoint
from hf_scaling.training.evaluation import Evaluation, evaluate
from hf_scaling.training.model_folder import load_model, save_model
from hf_scaling.training.processes import (
    PartnerLostError,
    all_failed,
    announce,
    follow,
    join_processes,
    last_words,
    leave,
    n_processes,
    part,
)
from hf_scaling.training.row import in_one_line, now
from hf_scaling.training.spec import RunSpec
from hf_scaling.training.trainer import RunTrainer, is_out_of_memory, micro_batches

_MOST_NATS = math.log(sys.float_info.max)  # above which there is no perplexity
_EVALUATION_TOKENS = 16_384  # a batch of the evaluation, whatever that of training: same bits for every study


def evaluate_split(model: PreTrainedModel, spec: RunSpec, tokens: Path, split: str) -> Evaluation:
    """Loss on a whole split."""
    batch_size = max(1, _EVALUATION_TOKENS // spec.context_length)
    return evaluate(model, read_stream(tokens, split), spec.context_length, batch_size)


@dataclass(frozen=True)
class Fit:
    """The training itself: all that the processes of one run do together.

    Attributes:
        checkpoint: where training goes on from; a fresh start if None.
        start_from: folder of a model whose weights to begin with.
        trunks: where the state before the cooldown is kept; None if no other run can use it.
        halvings: how often the micro-batch was divided to fit into memory, see `micro_batches`.
    """

    spec: RunSpec
    tokens: Path
    folder: Path
    checkpoint: Path | None
    start_from: Path | None
    trunks: Path | None
    report_to: Sequence[str]
    project: str
    threads: int
    halvings: int = 0

    def train(self, callbacks: Sequence[TrainerCallback] = ()) -> tuple[RunTrainer, dict[str, Any] | None]:
        """Train to the horizon; the Trainer, and the whole weights where they are spread over processes.

        Raises:
            FloatingPointError: the loss became NaN or infinite.
            RuntimeError: torch failed (out of memory among others).
        """
        spec = self.spec
        stream = read_stream(self.tokens, "train")
        blocks = TokenBlocks(
            stream[: spec.pool_tokens or len(stream)],
            spec.context_length,
            spec.updates * spec.batch_size * spec.gradient_accumulation_steps,
            spec.seed,
        )
        model = load_model(self.start_from) if self.start_from else build_model(spec.model_config(), spec.seed)
        # metrics come after the pace: a loss that is no number gets no row
        callbacks = [PaceCallback(spec, self.folder, self.trunks), *callbacks]
        checkpoints = self.folder / "checkpoints"
        trainer = RunTrainer(spec, model, blocks, checkpoints, callbacks, self.halvings, self.report_to, self.project)
        try:
            trainer.train(resume_from_checkpoint=str(self.checkpoint) if self.checkpoint else None)
        finally:
            if "wandb" in self.report_to:  # Trainer leaves its run open, and the next model's metrics would go into it
                import_module("wandb").finish()
        spread = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
        return trainer, trainer.accelerator.get_state_dict(trainer.model_wrapped) if spread else None


def _train_in_memory(fit: Fit, callbacks: Sequence[TrainerCallback]) -> tuple[RunTrainer, dict[str, Any] | None, int]:
    """Train, with a smaller micro-batch and more accumulation each time that memory runs out; how often it did."""
    sizes = micro_batches(fit.spec)
    while True:
        try:
            announce(fit)
            return *fit.train(callbacks), fit.halvings
        except Exception as error:  # whatever it is, the others must hear of it
            if not all_failed() and not isinstance(error, OSError):
                raise PartnerLostError(
                    f"{fit.spec.run_id}: a process of the run died, or failed alone "
                    f"({last_words(fit.folder) or in_one_line(error)}); "
                    "the same command goes on from the last checkpoint"
                ) from error
            # one of several processes may be out of memory alone, and the others would wait for it for ever
            if not is_out_of_memory(error) or fit.halvings + 1 == len(sizes) or n_processes() > 1:
                raise
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        checkpoint = last_whole_checkpoint(fit.folder / "checkpoints") or fit.checkpoint
        fit = replace(fit, halvings=fit.halvings + 1, checkpoint=checkpoint)
        size, accumulation = sizes[fit.halvings]
        print(f"{fit.spec.run_id}: out of memory; going on with micro-batches of {size}, {accumulation} an update")


def train_run(
    spec: RunSpec,
    row: dict[str, Any],
    tokens: Path,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    generation: dict[str, Any],
    start_from: Path | None = None,
    trunks: Path | None = None,
    report_to: Sequence[str] = (),
    progress: Callable[[int], None] = lambda step: None,
) -> dict[str, Any]:
    """Train, evaluate and save one run in `folder`, going on from its last checkpoint if there is one.

    The checkpoints stay until `discard_checkpoints`. Under a launcher of several processes the main one calls this,
    and the others follow (see `processes`).

    Args:
        row: what `describe` says of the run.
        tokens: folder of token streams.
        generation: sampling defaults (temperature, top_p) to store with the model.
        start_from: folder of a model whose weights to begin with.
        trunks: folder of the states that runs of several horizons share; None if there is but one horizon.
        report_to: trackers of Trainer's (trackio, tensorboard, wandb) beside `metrics.jsonl`.
        progress: called with the number of updates done.

    Returns:
        `row` completed: a finished ledger row.

    Raises:
        FloatingPointError: the loss became NaN or infinite.
        RuntimeError: torch failed (out of memory among others).
        PartnerLostError: another process of the run died, or failed alone.
    """
    started_at = now()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CHECKSUMS).unlink(missing_ok=True)  # of an earlier outcome
    last_words(folder)
    write_json(folder / "config.json", asdict(spec))
    checkpoint = last_whole_checkpoint(folder / "checkpoints")
    if checkpoint is None and trunks is not None and (checkpoint := find_trunk(spec, trunks)):
        (folder / METRICS).write_bytes((checkpoint / METRICS).read_bytes())
    metrics = MetricsCallback(folder / METRICS, spec.batch_tokens, row["flops"] // row["n_tokens"])
    reset_peak_memory()
    fit = Fit(spec, tokens, folder, checkpoint, start_from, trunks, report_to, row["study"], torch.get_num_threads())
    trainer, state, halvings = _train_in_memory(fit, [metrics, ProgressCallback(progress)])
    wall_seconds = metrics.wall_seconds
    peak = peak_memory_bytes()
    assert isinstance(trainer.model, PreTrainedModel)
    save_model(trainer.model, tokenizer, folder / "model", generation, state)
    # read back: Accelerate leaves its autocast in the model that it trained, and what is scored is what is delivered
    result = evaluate_split(load_model(folder / "model"), spec, tokens, "validation")
    if not result.loss <= _MOST_NATS:
        raise FloatingPointError(f"validation loss is {result.loss}")
    write_json(
        folder / "validation.json",
        {
            "tune_nats": [round(nats, 6) for nats in result.tune_nats.tolist()],
            "tune_tokens": result.tune_tokens.tolist(),
            "position_loss": [round(nats, 6) for nats in result.position_loss.tolist()],
        },
    )
    vouch(folder, ["config.json", METRICS, "model", "validation.json"])
    return row | {
        "val_loss": result.loss,
        "val_loss_stderr": result.loss_stderr,
        "val_bpc": result.bpc,
        "perplexity": result.perplexity,
        "wall_seconds": round(wall_seconds, 3),
        "tokens_per_second": round(row["n_tokens"] / wall_seconds, 1),
        "peak_memory_bytes": peak,
        "micro_batch_halvings": halvings,
        "n_processes": n_processes(),
        "precision": {"no": "fp32"}.get(trainer.accelerator.mixed_precision, trainer.accelerator.mixed_precision),
        "compiled": trainer.accelerator.state.dynamo_plugin.backend != DynamoBackend.NO,
        "status": "finished",
        "error": None,
        "started_at": started_at,
        "finished_at": now(),
    }


def in_main_process(work: Callable[[], int]) -> int:
    """Do `work` in the main process, with every other one at hand for its runs; the exit code of `work`."""
    if not join_processes():
        follow(_follow_fit)
        part()
        return 0
    try:
        return work()
    finally:
        announce(None)
        part()


def _follow_fit(fit: Fit) -> None:
    try:
        torch.set_num_threads(fit.threads)
        fit.train()
    except Exception as error:  # if all failed, the main process tells it
        if not all_failed():
            leave(fit.folder, in_one_line(error))
            raise
