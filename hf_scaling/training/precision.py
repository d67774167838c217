"""Which precision runs here, found out once, and what an update costs."""

import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from hf_scaling.models import FAMILIES, build_model, to_device
from hf_scaling.records import UserError
from hf_scaling.training.spec import RunSpec

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_TIMED_UPDATES = 2


def check_precision(asked: str) -> None:
    """Raise UserError for a precision that this device would silently ignore."""
    if asked == "fp16" and not torch.cuda.is_available():
        raise UserError("precision: got 'fp16', but there is no GPU here; on a CPU use auto, fp32 or bf16")


def compile_possible() -> bool:
    """Whether torch.compile finds a compiler here."""
    return any(shutil.which(name) for name in ("g++", "clang++", "gcc", "clang", "cc"))


def _seconds_per_update(spec: RunSpec, precision: str) -> float:
    """Median time of an update of this run, after one to warm up. `compile` is left out of it."""
    model = to_device(build_model(spec.model_config(), spec.seed))
    device = model.device.type
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)
    ids = torch.randint(spec.vocabulary.vocab_size, (spec.batch_size, spec.context_length), device=device)
    seconds = []
    for _ in range(1 + _TIMED_UPDATES):
        start = time.perf_counter()
        with torch.autocast(device, dtype=_DTYPES.get(precision), enabled=precision in _DTYPES):
            loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:]) * spec.gradient_accumulation_steps


def bf16_speedup(spec: RunSpec) -> float:
    """How many times faster an update is under bf16 autocast; 0 where this machine cannot do it at all."""
    try:
        return _seconds_per_update(spec, "fp32") / _seconds_per_update(spec, "bf16")
    except RuntimeError:
        return 0.0  # oneDNN has no bf16 LSTM on processors without AVX-512: it raises rather than falling back


def choose_precision(asked: str, specs: Sequence[RunSpec]) -> tuple[str, float | None]:
    """The precision of one family's runs, and the bf16 speed-up where it was measured.

    `auto` takes bf16 (fp16 on GPUs without it) on a GPU; on a CPU it measures the middle rung of the ladder and takes
    bf16 only where that is faster.
    """
    check_precision(asked)
    if asked != "auto":
        return asked, None
    if torch.cuda.is_available():
        return ("bf16" if torch.cuda.is_bf16_supported() else "fp16"), None
    speedup = bf16_speedup(specs[len(specs) // 2])
    return ("bf16" if speedup > 1.0 else "fp32"), round(speedup, 3)


def predict_seconds(spec: RunSpec) -> float:
    """Predicted training time of a run, from a few updates at its precision."""
    return _seconds_per_update(spec, spec.precision) * spec.updates


def resolve(specs: Sequence[RunSpec], asked: str, ask_compile: bool) -> tuple[list[RunSpec], dict[str, float | None]]:
    """The runs with the precision and compilation that this machine gives them, and the speed-ups measured."""
    speedups: dict[str, float | None] = {}
    chosen: dict[str, str] = {}
    for family in dict.fromkeys(spec.family for spec in specs):
        chosen[family], speedups[family] = choose_precision(asked, [spec for spec in specs if spec.family == family])
    compiled = ask_compile and compile_possible()
    return [
        replace(spec, precision=chosen[spec.family], compile=compiled and FAMILIES[spec.family].CAN_COMPILE)
        for spec in specs
    ], speedups
