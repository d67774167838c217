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

from hf_scaling.records import read_jsonl, write_jsonl


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
        kept = [
            row for row in (read_jsonl(self._path) if self._path.exists() else []) if row["step"] <= state.global_step
        ]
        write_jsonl(self._path, kept)
        if kept:
            self._seconds_before = kept[-1]["wall_seconds"]
            self._last = (kept[-1]["step"], kept[-1]["wall_seconds"])
        self._started = time.perf_counter()

    @property
    def wall_seconds(self) -> float:
        """Training time so far, interrupted attempts included up to their last checkpoint."""
        return self._seconds_before + time.perf_counter() - self._started

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        """Have the last update logged, even where it ends no interval."""
        control.should_log |= state.global_step == state.max_steps

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Append a row.

        Raises:
            FloatingPointError: the loss is NaN or infinite.
        """
        if not logs or "loss" not in logs:
            return
        loss = float(logs["loss"])
        if not math.isfinite(loss):
            raise FloatingPointError(f"loss is {loss} at step {state.global_step}")
        norm = float(logs["grad_norm"])
        step, seconds = state.global_step, self.wall_seconds
        tokens = step * self._tokens_per_update
        since = (step - self._last[0]) * self._tokens_per_update / max(seconds - self._last[1], 1e-9)
        row = {
            "step": step,
            "tokens_seen": tokens,
            "flops": tokens * self._flops_per_token,
            "loss": loss,
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
