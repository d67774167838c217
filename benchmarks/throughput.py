"""Tokens a second of our training beside Trainer as it comes and a bare loop, in turn, on the same batches.

    python benchmarks/throughput.py
    python benchmarks/throughput.py --precision fp32        # as on a machine without bf16

- ours: a run as studies train it (fused AdamW, packed memory-mapped blocks, no dropout, torch's fused GELU, compiled
  where that gains), and two of them side by side with half the cores each;
- as it comes: transformers' Trainer with its defaults on GPT2Config with its defaults (dropout 0.1, GPT-2's GELU in
  seven operations, unfused shifts), float32, eager;
- bare: a loop in the style of nanoGPT (float32, eager, fused AdamW, clipping) on the very model that ours trains.

MFU is the share of what a large matrix product in the same precision reaches that training's FLOPs make of it, counted
as studies count them, attention as executed. On a GPU the sizes are larger, fp16 and the LSTM of each size are measured
too, and the result is that card's.
"""

import argparse
import gc
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import write_result
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments

from hf_scaling.models import Size, Vocabulary, build_model, to_device, training_flops_per_token
from hf_scaling.training.blocks import TokenBlocks
from hf_scaling.training.precision import choose_precision, compile_possible, matrix_product_flops
from hf_scaling.training.spec import RunSpec
from hf_scaling.training.trainer import RunTrainer

_VOCABULARY = Vocabulary(100, 0, 1, 1)
_GPU = torch.cuda.is_available()
if _GPU:
    _SIZES = {
        "1M": Size("1M", 128, 4, 4, 512), "19M": Size("19M", 512, 6, 8, 2048), "126M": Size("126M", 1024, 10, 16, 4096)
    }  # fmt: skip
    _CONTEXT, _BATCH, _TIMED, _ROUNDS, _SQUARE, _SEVERAL = 512, 32, 12, 2, 8192, 4
else:
    _SIZES = {"1M": Size("1M", 128, 5, 4, 512), "5M": Size("5M", 256, 6, 4, 1024)}
    _CONTEXT, _BATCH, _TIMED, _ROUNDS, _SQUARE, _SEVERAL = 256, 8, 8, 3, 1536, len(os.sched_getaffinity(0))
_WARM = 3
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_OURS = ("ours", "ours, eager", "ours, eager, side by side", *(() if _GPU else ("ours, side by side",)))
_GOAL = 1.7
_MFU_GOALS = {"19M: MFU": 0.25, "126M: MFU": 0.45}


def now() -> float:
    """Seconds, when all that was begun has been done."""
    if _GPU:
        torch.cuda.synchronize()
    return time.perf_counter()


def free() -> None:
    """Give a GPU's memory back, which processes side by side cannot hold on to."""
    gc.collect()
    if _GPU:
        torch.cuda.empty_cache()


class _Clock(TrainerCallback):
    """Seconds of the timed updates, without logs and checkpoints: a run has a hundred and ten of them at any length."""

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_log = control.should_save = False
        if state.global_step == _WARM:
            self._start = now()
        if state.global_step == _WARM + _TIMED:
            self.seconds = now() - self._start


def blocks() -> TokenBlocks:
    """The same random tokens for everybody."""
    stream = np.random.default_rng(0).integers(2, 100, 200_000).astype(np.uint16)
    return TokenBlocks(stream, _CONTEXT, (_WARM + _TIMED) * _BATCH, 0)


def spec_of(size: Size, precision: str, compiled: bool, family: str = "gpt2") -> RunSpec:
    """A run as studies have it."""
    return RunSpec(
        family=family, size=size, vocabulary=_VOCABULARY, context_length=_CONTEXT,
        n_tokens=(_WARM + _TIMED) * _BATCH * _CONTEXT, batch_size=_BATCH, gradient_accumulation_steps=1,
        optimizer="adamw", learning_rate=1e-3, rest_rate_ratio=1.0, weight_decay=0.1, schedule="wsd", warmup_updates=1,
        decay_fraction=0.5, max_grad_norm=1.0, dropout=0.0, precision=precision, compile=compiled, seed=0, data_hash="",
    )  # fmt: skip


def ours(spec: RunSpec) -> float:
    """Seconds of our trainer."""
    free()
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        RunTrainer(spec, build_model(spec.model_config(), 0), blocks(), Path(folder), [clock]).train()
    return clock.seconds


def side_by_side(spec: RunSpec, pool: Any, several: int) -> float:
    """Seconds of one of several at a time, divided by their number."""
    return sum(pool.map(ours, [spec] * several)) / several / several


def as_it_comes(size: Size) -> float:
    """Seconds of Trainer with its defaults."""
    config = GPT2Config(
        n_positions=_CONTEXT, n_embd=size.d_model, n_layer=size.n_layers, n_head=size.n_heads, n_inner=size.d_ff,
        **_VOCABULARY.as_config(),
    )  # fmt: skip
    clock = _Clock()
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, max_steps=_WARM + _TIMED, per_device_train_batch_size=_BATCH, report_to="none",
            use_cpu=not torch.cuda.is_available(), disable_tqdm=True, save_strategy="no",
        )  # fmt: skip
        Trainer(model=GPT2LMHeadModel(config), args=arguments, train_dataset=blocks(), callbacks=[clock]).train()
    return clock.seconds


def bare(spec: RunSpec) -> float:
    """Seconds of a plain loop."""
    model = to_device(build_model(spec.model_config(), 0)).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1, fused=True)
    data = blocks()
    for step in range(_WARM + _TIMED):
        if step == _WARM:
            start = now()
        rows = [data[step * _BATCH + row] for row in range(_BATCH)]
        batch = {name: torch.stack([row[name] for row in rows]).to(model.device) for name in rows[0]}
        loss = model(**batch, use_cache=False).loss
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        loss.item()
    return now() - start


def main() -> None:
    """Measure every size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warm", nargs=2, metavar=("SIZE", "PRECISION"), help="compile this and stop")
    parser.add_argument("--precision", default="auto", help="of ours; other than auto, the result is of that name")
    options = parser.parse_args()
    if options.warm:
        ours(spec_of(_SIZES[options.warm[0]], options.warm[1], compiled=True))
        return
    cores = len(os.sched_getaffinity(0))
    torch.set_num_threads(cores)
    rows, ratios, goals = [], {}, dict(_MFU_GOALS)
    tokens = _TIMED * _BATCH * _CONTEXT
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_SEVERAL, context, torch.set_num_threads, (1,)) as pool:
        for name, size in _SIZES.items():
            plain = spec_of(size, "fp32", compiled=False)
            precision, bf16 = choose_precision(options.precision, [plain])
            ours_spec = spec_of(size, precision, compile_possible())
            eager = spec_of(size, precision, compiled=False)
            ways: dict[str, Callable[[], float]] = {
                "ours": partial(ours, ours_spec),
                "ours, eager": partial(ours, eager),
                "ours, eager, side by side": partial(side_by_side, eager, pool, _SEVERAL),
                "Trainer as it comes": partial(as_it_comes, size),
                "bare loop": partial(bare, plain),
            }
            if _GPU:
                ways["ours, fp16"] = partial(ours, spec_of(size, "fp16", compile_possible()))
                ways |= {f"LSTM, {kind}": partial(ours, spec_of(size, kind, False, "folk_lstm")) for kind in _DTYPES}
            else:  # on a GPU its processes would compile for longer than all the rest takes
                ways["ours, side by side"] = partial(side_by_side, ours_spec, pool, _SEVERAL)
            seconds: dict[str, list[float]] = {way: [] for way in ways}
            peak = 0.0
            for _ in range(_ROUNDS):
                peak = max(peak, matrix_product_flops(precision, _SQUARE))
                for way, measure in ways.items():
                    free()
                    seconds[way].append(measure())
                    print(f"{name} {way:28} {tokens / seconds[way][-1]:10,.0f} tokens/s", flush=True)
            for way, found in seconds.items():
                rate = tokens / min(found)
                rows.append({"size": name, "way": way, "tokens_per_second": round(rate, 1), "seconds": found})
            machine = {"precision": precision, "bf16_speedup": bf16, "threads": cores, "matrix_product_flops": peak}
            rows.append({"size": name} | machine)
            best = min(min(seconds[way]) for way in _OURS)
            ratios[f"{name}: MFU"] = training_flops_per_token(plain.model_config())[0] * tokens / best / peak
            for other in ("Trainer as it comes", "bare loop"):
                label = f"{name}: the fastest of ours over {other}"
                ratios[label], goals[label] = min(seconds[other]) / best, _GOAL
                for way in _OURS:
                    ratios[f"{name}: {way} over {other}"] = min(seconds[other]) / min(seconds[way])
    asked = options.precision
    write_result("throughput" if asked == "auto" else f"throughput_{asked}", rows, ratios, goals)


if __name__ == "__main__":
    main()
