"""A run's spec in the words of transformers' Trainer."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel, PrinterCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.utils.logging import disable_progress_bar, set_verbosity_error

from hf_scaling.records import begin_worker
from hf_scaling.training.blocks import TokenBlocks
from hf_scaling.training.optimizer import BETAS, build_optimizer
from hf_scaling.training.processes import n_processes, share_batch
from hf_scaling.training.spec import RunSpec

# bars for weights that take milliseconds, and notes on GPT-2's loss and on lengths, tell nobody anything
disable_progress_bar()
set_verbosity_error()

_LOGS, _CHECKPOINTS = 100, 10  # of each over a run


def _training_arguments(
    spec: RunSpec, folder: Path, halvings: int, report_to: Sequence[str], project: str
) -> TrainingArguments:
    cuda = torch.cuda.is_available()
    log_steps = max(1, spec.updates // _LOGS)
    # a launcher's own choice must not outrank the spec's, nor that of an earlier run, which Trainer leaves there too
    os.environ["ACCELERATE_MIXED_PRECISION"] = "no"
    for name in [name for name in os.environ if name.startswith("ACCELERATE_DYNAMO_")]:
        del os.environ[name]
    os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder.parent / "tensorboard")  # or it goes with the checkpoints
    os.environ.setdefault("WANDB_PROJECT", project)
    batch_size, accumulation = micro_batches(spec)[halvings]
    wsd = {
        "lr_scheduler_type": "warmup_stable_decay",
        "lr_scheduler_kwargs": {"num_decay_steps": spec.decay_updates, "decay_type": "linear"},
    }
    return TrainingArguments(
        output_dir=str(folder),
        run_name=spec.run_id,
        project=project,
        max_steps=spec.updates,
        per_device_train_batch_size=batch_size,
        gradient_accumulation_steps=accumulation,
        optim="adamw_torch_fused",
        learning_rate=spec.learning_rate,
        weight_decay=spec.weight_decay,
        adam_beta1=BETAS[0],
        adam_beta2=BETAS[1],
        max_grad_norm=spec.max_grad_norm,
        warmup_steps=spec.warmup_updates,
        **(wsd if spec.schedule == "wsd" else {"lr_scheduler_type": "cosine"}),
        use_cpu=not cuda,  # or bf16 is refused on a machine without a GPU
        bf16=spec.precision == "bf16",
        fp16=spec.precision == "fp16",
        torch_compile=spec.compile,
        ddp_find_unused_parameters=False,  # each takes part in every loss; the search goes through the graph once more
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
        report_to=list(report_to) or "none",
        disable_tqdm=True,
    )


def _begin_loading(parent: int, _worker: int) -> None:
    begin_worker(parent)


class RunTrainer(Trainer):
    """Trainer with the run's own optimizer."""

    def __init__(
        self,
        spec: RunSpec,
        model: PreTrainedModel,
        blocks: TokenBlocks,
        folder: Path,
        callbacks: Sequence[TrainerCallback],
        halvings: int = 0,
        report_to: Sequence[str] = (),
        project: str = "",
    ):
        self._spec = spec
        super().__init__(
            model=model,
            args=_training_arguments(spec, folder, halvings, report_to, project),
            train_dataset=blocks,
            callbacks=list(callbacks),
        )
        self.remove_callback(PrinterCallback)

    def get_train_dataloader(self) -> Any:
        """Trainer's own; its workers, if any, die with this process, or they would hold its locks on the study."""
        loader: Any = super().get_train_dataloader()
        loader.base_dataloader.worker_init_fn = partial(_begin_loading, os.getpid())
        return loader

    def create_optimizer(self, model: PreTrainedModel | None = None) -> torch.optim.Optimizer:
        """Muon where the spec asks for it; else Trainer's own fused AdamW, whose groups FSDP and DeepSpeed know."""
        if self._spec.optimizer == "muon" and self.optimizer is None:
            assert isinstance(self.model, PreTrainedModel)
            self.optimizer = build_optimizer(self._spec, self.model)
        return super().create_optimizer(model)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch ran out of memory, on a GPU or (a RuntimeError by its words alone) on a CPU."""
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or "can't allocate memory" in str(error)


def micro_batches(spec: RunSpec) -> list[tuple[int, int]]:
    """(micro-batch, accumulation) of each process: as the spec asks, then ever smaller ones of the same product.

    Each is half of the one before, or a third where it has no half, and so on, down to a single block.
    """
    batch_size, accumulation = share_batch(spec.batch_size, spec.gradient_accumulation_steps, n_processes())
    found = [(batch_size, accumulation)]
    while batch_size > 1:
        factor = next(factor for factor in range(2, batch_size + 1) if batch_size % factor == 0)
        batch_size, accumulation = batch_size // factor, accumulation * factor
        found.append((batch_size, accumulation))
    return found
