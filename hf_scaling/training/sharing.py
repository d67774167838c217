"""How many runs at a time serve a machine best: one that has all of it, or several that share it."""

import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import torch

from hf_scaling.records import begin_worker
from hf_scaling.training.precision import WORTHWHILE, Probe, measurable
from hf_scaling.training.processes import n_processes
from hf_scaling.training.spec import RunSpec

_LONG_ENOUGH = 300  # predicted seconds of a study from which the measurement pays for itself
_MOST_ON_A_GPU = 4
_MEASURED_SECONDS = 3.0


def choose_side_by_side(asked: int, threads: int, runs: Sequence[RunSpec], predicted_seconds: float) -> dict[str, Any]:
    """How many runs at a time, with how many CPU threads each, and the speed-up over one where it was measured.

    Args:
        asked: runs at a time; 0 measures the middle one of `runs`, in studies long enough.
        threads: CPU threads of a run; 0 gives each its share of the cores.
    """
    cores = len(os.sched_getaffinity(0))
    several = asked or min(cores if not torch.cuda.is_available() else _MOST_ON_A_GPU, len(runs))
    speedup = None
    if n_processes() > 1 or (not asked and predicted_seconds < _LONG_ENOUGH):
        several = 1
    elif not asked and several > 1:
        if measurable(middle := runs[len(runs) // 2], several):
            speedup = round(_speedup(middle, several, cores, threads), 3)
        several = several if speedup and speedup > WORTHWHILE else 1
    return {
        "side_by_side": several,
        "side_by_side_speedup": speedup,
        "threads": threads or max(1, cores // several),
    }


def _speedup(spec: RunSpec, several: int, cores: int, threads: int) -> float:
    """Micro-batches a second of `several` runs at a time over those of a single one."""
    alone = _together(spec, 1, threads or cores)
    return _together(spec, several, threads or max(1, cores // several)) / alone


def _together(spec: RunSpec, processes: int, threads: int) -> float:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _meet, (os.getpid(), context.Barrier(processes), threads)) as pool:
        return sum(pool.map(_rate, [spec] * processes))


_barrier: Any = None  # where the processes of a measurement wait for each other


def _meet(parent: int, barrier: Any, threads: int) -> None:
    global _barrier
    begin_worker(parent)
    _barrier = barrier
    torch.set_num_threads(threads)


def _rate(spec: RunSpec) -> float:
    """Micro-batches a second, while the others are at it too."""
    probe = Probe(spec, spec.precision)
    _barrier.wait()
    start, updates = time.perf_counter(), 0
    while time.perf_counter() - start < _MEASURED_SECONDS:
        probe.update()
        updates += 1
    return updates / (time.perf_counter() - start)
