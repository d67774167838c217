"""Which precision runs here, found out once, and what an update costs."""

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace

import torch

from hf_scaling.models import FAMILIES, build_model, to_device
from hf_scaling.records import UserError
from hf_scaling.training.spec import RunSpec

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_TIMED_UPDATES = 3
WORTHWHILE = 1.1  # less than this may be noise, and float32 is the better number


def check_precision(asked: str) -> None:
    """Raise UserError for a precision that this device would silently ignore."""
    if asked == "fp16" and not torch.cuda.is_available():
        raise UserError("precision: got 'fp16', but there is no GPU here; on a CPU use auto, fp32 or bf16")


def compile_possible() -> bool:
    """Whether torch.compile finds a compiler here."""
    return any(shutil.which(name) for name in ("g++", "clang++"))


class Probe:
    """A model of a run at one precision, one warm-up update done, ready to be timed.

    `seconds` is that of the fastest micro-batch so far, which neighbours disturbed least.
    """

    def __init__(self, spec: RunSpec, precision: str):
        self._model = to_device(build_model(spec.model_config(), spec.seed))
        self._optimizer = torch.optim.AdamW(self._model.parameters(), lr=0.0)
        self._device, self._dtype = self._model.device.type, _DTYPES.get(precision)
        shape = (spec.batch_size, spec.context_length)
        self._ids = torch.randint(spec.vocabulary.vocab_size, shape, device=self._device)
        self.seconds = math.inf
        self.update()
        self.seconds = math.inf  # the first update also pays for what torch sets up

    def update(self) -> None:
        """Do one update of one micro-batch; `seconds` keeps the fastest, which neighbours disturbed least."""
        start = time.perf_counter()
        with torch.autocast(self._device, dtype=self._dtype, enabled=self._dtype is not None):
            loss = self._model(input_ids=self._ids, labels=self._ids).loss
        loss.backward()
        self._optimizer.step()
        self._optimizer.zero_grad()
        if self._device == "cuda":
            torch.cuda.synchronize()
        self.seconds = min(self.seconds, time.perf_counter() - start)


def bf16_speedup(spec: RunSpec) -> float:
    """How many times faster an update is under bf16 autocast; 0 where this machine cannot do it at all."""
    try:
        probes = [Probe(spec, "fp32"), Probe(spec, "bf16")]
    except RuntimeError:
        return 0.0  # oneDNN has no bf16 LSTM on processors without AVX-512: it raises rather than falling back
    for _ in range(_TIMED_UPDATES):  # in turn, so that a slow moment of the machine hits both
        for probe in probes:
            probe.update()
    return probes[0].seconds / probes[1].seconds


def choose_precision(asked: str, specs: Sequence[RunSpec]) -> tuple[str, float | None]:
    """The precision of one family's runs, and the bf16 speed-up where it was measured.

    `auto` takes bf16 (fp16 on GPUs without it) on a GPU; on a CPU it measures the middle rung of the ladder and takes
    bf16 only where that is clearly faster.
    """
    check_precision(asked)
    if asked != "auto":
        return asked, None
    if torch.cuda.is_available():
        return ("bf16" if torch.cuda.is_bf16_supported() else "fp16"), None
    speedup = bf16_speedup(specs[len(specs) // 2])
    return ("bf16" if speedup > WORTHWHILE else "fp32"), round(speedup, 3)


def explain_precision(asked: str, speedup: float | None) -> str:
    """Why a family has the precision that `choose_precision` gave it."""
    if asked != "auto":
        return "as asked for"
    if speedup is None:
        return "auto: what this GPU is fast at"
    if not speedup:
        return "auto: this machine cannot train it in bf16"
    return f"auto: an update under bf16 runs at {speedup} times the speed of fp32 here, taken from {WORTHWHILE} on"


def seconds_per_update(spec: RunSpec) -> float:
    """Seconds that an update takes, from a few at the run's precision, uncompiled; 0 if it does not run here."""
    try:
        probe = Probe(spec, spec.precision)
        for _ in range(_TIMED_UPDATES):
            probe.update()
    except RuntimeError:
        return 0.0  # out of memory, mostly: the run itself will fail and say why, and the smaller ones go on
    return probe.seconds * spec.gradient_accumulation_steps


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
