"""What a run writes down and shows while it trains."""

import contextlib
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from hf_scaling.records import read_jsonl, vouch, write_jsonl
from hf_scaling.training.checkpoints import METRICS, keep_trunk
from hf_scaling.training.spec import RunSpec

_STATE_NUMBERS = 3  # a parameter: the weight and AdamW's two moments
_SAVED_BYTES_PER_SECOND = 50e6  # on average over a run: a disk that takes 1 GB a second is then at it 5 % of the time


def reset_peak_memory() -> None:
    """Start measuring peak memory anew, where the system allows it."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        return
    with contextlib.suppress(OSError):  # where this is not Linux, the peak is that of the whole process so far
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_bytes() -> int:
    """Peak memory since `reset_peak_memory`: of the GPU where there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    try:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:"))
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class PaceCallback(TrainerCallback):
    """What every process of a run does at the same steps: logs, saves, and stops where the loss is no number.

    Args:
        trunks: where the state before the cooldown is kept, for runs of a longer horizon; None keeps none.
    """

    def __init__(self, spec: RunSpec, folder: Path, trunks: Path | None):
        self._spec, self._folder = spec, folder
        self._trunks = trunks if spec.trunk else None
        self._saved_at = time.perf_counter()

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Have the last update logged, even where it ends no interval, and the last before the cooldown saved.

        What takes long to write and was trained in less is not saved; several processes must not differ about that.
        """
        control.should_log |= state.global_step == state.max_steps
        if args.world_size == 1 and control.should_save:
            state_bytes = 4 * _STATE_NUMBERS * sum(parameter.numel() for parameter in kwargs["model"].parameters())
            control.should_save = time.perf_counter() - self._saved_at >= state_bytes / _SAVED_BYTES_PER_SECOND
        if self._trunks and state.global_step == self._spec.trunk_end:
            control.should_log = control.should_save = True

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Stop a run that has diverged.

        Raises:
            FloatingPointError: the loss is NaN or infinite.
        """
        if logs and "loss" in logs and not math.isfinite(float(logs["loss"])):
            raise FloatingPointError(f"loss is {float(logs['loss'])} at step {state.global_step}")

    def on_save(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Vouch for the checkpoint, and keep that before the cooldown; Trainer removes its own one by one."""
        self._saved_at = time.perf_counter()
        checkpoint = self._folder / "checkpoints" / f"checkpoint-{state.global_step}"
        if args.world_size == 1:  # else other processes may be writing their part of it still
            vouch(checkpoint, ["."])
        if self._trunks and state.is_world_process_zero and state.global_step == self._spec.trunk_end:
            keep_trunk(self._spec, checkpoint, self._folder / METRICS, self._trunks)


class MetricsCallback(TrainerCallback):
    """Appends a row to `metrics.jsonl` at every log; a resumed run goes on behind its checkpoint without a seam."""

    def __init__(self, path: Path, tokens_per_update: int, flops_per_token: int):
        self._path, self._tokens_per_update, self._flops_per_token = path, tokens_per_update, flops_per_token
        self._seconds_before = 0.0  # spent by earlier, interrupted attempts up to the checkpoint
        self._last = (0, 0.0)  # step and wall seconds of the last row

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Drop the rows behind the checkpoint that training goes on from."""
        self._started = time.perf_counter()
        kept = [
            row for row in (read_jsonl(self._path) if self._path.exists() else []) if row["step"] <= state.global_step
        ]
        write_jsonl(self._path, kept)
        if kept:
            self._seconds_before = kept[-1]["wall_seconds"]
            self._last = (kept[-1]["step"], kept[-1]["wall_seconds"])

    @property
    def wall_seconds(self) -> float:
        """Training time so far, interrupted attempts included up to their last checkpoint."""
        return self._seconds_before + time.perf_counter() - self._started

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Append a row."""
        if not logs or "loss" not in logs:
            return
        norm = float(logs["grad_norm"])
        step, seconds = state.global_step, self.wall_seconds
        tokens = step * self._tokens_per_update
        since = (step - self._last[0]) * self._tokens_per_update / max(seconds - self._last[1], 1e-9)
        row = {
            "step": step,
            "tokens_seen": tokens,
            "flops": tokens * self._flops_per_token,
            "loss": float(logs["loss"]),
            "learning_rate": float(logs["learning_rate"]),
            "grad_norm": norm if math.isfinite(norm) else None,  # fp16 overflows now and then, and skips the update
            "tokens_per_second": round(since, 1),
            "wall_seconds": round(seconds, 3),
            "peak_memory_bytes": peak_memory_bytes(),
        }
        self._last = (step, seconds)
        with open(self._path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row, allow_nan=False) + "\n")


class ProgressCallback(TrainerCallback):
    """Reports every finished update to whoever draws the bars."""

    def __init__(self, report: Callable[[int], None]):
        self._report = report

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Report the number of updates done."""
        self._report(state.global_step)
