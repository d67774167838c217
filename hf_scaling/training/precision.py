"""Which precision runs here, found out once, and what an update costs."""

import math
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import torch

from hf_scaling.models import FAMILIES, build_model, to_device, training_flops_per_token
from hf_scaling.records import UserError
from hf_scaling.training.memory import available_bytes, training_bytes
from hf_scaling.training.optimizer import build_optimizer
from hf_scaling.training.spec import RunSpec

PRECISIONS = ("auto", "fp32", "bf16", "fp16")
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_TIMED_UPDATES = 3
_PRODUCTS = 8
_SOON = 1.0  # seconds of a micro-batch at full speed, which training does not come to
WORTHWHILE = 1.1  # less than this may be noise, and float32 is the better number


def check_precision(asked: str) -> None:
    """Raise UserError for a precision that this device would silently ignore."""
    if asked == "fp16" and not torch.cuda.is_available():
        raise UserError("precision: got 'fp16', but there is no GPU here; on a CPU use auto, fp32 or bf16")


def compile_possible() -> bool:
    """Whether torch.compile finds a compiler here."""
    return any(shutil.which(name) for name in ("g++", "clang++"))


class Probe:
    """A model of a run at one precision, one warm-up update done, ready to be timed."""

    def __init__(self, spec: RunSpec, precision: str):
        self._model = to_device(build_model(spec.model_config(), spec.seed))
        self._optimizer = build_optimizer(spec, self._model, learning_rate=0.0)  # no rate can spoil the weights
        self._accumulation = spec.gradient_accumulation_steps
        self._device, self._dtype = self._model.device.type, _DTYPES.get(precision)
        shape = (spec.batch_size, spec.context_length)
        self._ids = torch.randint(spec.vocabulary.vocab_size, shape, device=self._device)
        self._gradient_seconds = self._step_seconds = math.inf
        self.update()
        self._gradient_seconds = self._step_seconds = math.inf  # the first update also pays for what torch sets up

    @property
    def seconds(self) -> float:
        """Of an update of the run, from the fastest micro-batch and step so far, which neighbours disturbed least."""
        return self._accumulation * self._gradient_seconds + self._step_seconds

    def update(self) -> None:
        """Do one update of one micro-batch."""
        start = _now()
        with torch.autocast(self._device, dtype=self._dtype, enabled=self._dtype is not None):
            loss = self._model(input_ids=self._ids, labels=self._ids, use_cache=False).loss
        loss.backward()
        middle = _now()
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._gradient_seconds = min(self._gradient_seconds, middle - start)
        self._step_seconds = min(self._step_seconds, _now() - middle)


def _now() -> float:
    """Seconds, when all that was begun has been done."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def matrix_product_flops(precision: str, rows: int) -> float:
    """FLOPs a second of a large square matrix product, the best of several."""
    kind, device = _DTYPES.get(precision, torch.float32), "cuda" if torch.cuda.is_available() else "cpu"
    matrix = torch.randn(rows, rows, device=device, dtype=kind)
    best = 0.0
    for _ in range(_PRODUCTS):  # the first also pays for what torch sets up
        start = _now()
        matrix @ matrix
        best = max(best, 2 * rows**3 / (_now() - start))
    return best


@cache
def _full_speed(precision: str, threads: int) -> float:
    """FLOPs a second; `threads` are those that torch has."""
    return matrix_product_flops(precision, 8192 if torch.cuda.is_available() else 1024)


def least_seconds(spec: RunSpec) -> float:
    """What the FLOPs of a micro-batch take at the speed of a large matrix product here: it cannot be faster."""
    flops = training_flops_per_token(spec.model_config())[0] * spec.batch_size * spec.context_length
    return flops / _full_speed(spec.precision, torch.get_num_threads())


def measurable(spec: RunSpec, copies: int = 1) -> bool:
    """Whether a few updates of `copies` of a run fit into the memory here, and end soon."""
    return copies * training_bytes(spec) <= available_bytes() and least_seconds(spec) <= _SOON


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

    `auto` takes bf16 (fp16 on GPUs without it) on a GPU; on a CPU it measures the middle rung of the ladder, or the
    largest below it that can be measured here, and takes bf16 only where that is clearly faster.
    """
    check_precision(asked)
    if asked != "auto":
        return asked, None
    if torch.cuda.is_available():
        return ("bf16" if torch.cuda.is_bf16_supported() else "fp16"), None

    def both(spec: RunSpec) -> bool:
        return all(measurable(replace(spec, precision=kind), copies=2) for kind in ("fp32", "bf16"))

    lower = reversed(specs[: len(specs) // 2 + 1])
    measured = next((spec for spec in lower if both(spec)), None)
    if measured is None:
        return "fp32", None
    speedup = bf16_speedup(measured)
    return ("bf16" if speedup > WORTHWHILE else "fp32"), round(speedup, 3)


def explain_precision(asked: str, speedup: float | None) -> str:
    """Why a family has the precision that `choose_precision` gave it."""
    if asked != "auto":
        return "as asked for"
    if speedup is None:
        return "auto: what this GPU is fast at" if torch.cuda.is_available() else "auto: too large to be measured here"
    if not speedup:
        return "auto: this machine cannot train it in bf16"
    return f"auto: an update under bf16 runs at {speedup} times the speed of fp32 here, taken from {WORTHWHILE} on"


def seconds_per_update(spec: RunSpec) -> float:
    """Seconds that an update takes at the run's precision, uncompiled; 0 where the run does not fit here.

    Measured by a few; where these would take long, what their FLOPs take at the full speed of this machine.
    """
    if training_bytes(spec) > available_bytes():
        return 0.0
    if (least := least_seconds(spec)) > _SOON:
        return least * spec.gradient_accumulation_steps
    try:
        probe = Probe(spec, spec.precision)
        for _ in range(_TIMED_UPDATES):
            probe.update()
    except RuntimeError:
        return 0.0  # out of memory, mostly: the run itself will fail and say why, and the smaller ones go on
    return probe.seconds


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
