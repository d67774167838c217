"""How many threads serve a run best, and how many runs at a time a machine: one that has all of it, or several."""

import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from typing import Any

import torch

from hf_scaling.records import begin_worker
from hf_scaling.training.precision import WORTHWHILE, Probe, measurable
from hf_scaling.training.processes import cores, n_processes
from hf_scaling.training.spec import RunSpec

_LONG_ENOUGH = 300  # predicted seconds of a study from which the measurement pays for itself
_MOST_ON_A_GPU = 4
_MEASURED_SECONDS, _BRIEFLY = 3.0, 0.3


def choose_threads(asked: int, runs: Sequence[RunSpec]) -> dict[str, Any]:
    """CPU threads of a run that is alone, and the speed-up of all cores over one where it was measured.

    Threads wait for each other at every product. In small models, an LSTM above all, that can cost more than they
    gain, and many times more where other programs keep a core busy.

    Args:
        asked: threads; 0 measures each family's largest run that can be, as these are most of the work, and takes all
            cores where that is clearly faster.
    """
    threads, speedup = asked or cores(), None
    torch.set_num_threads(threads)  # the launcher's one would make runs look too large to be measured
    if not asked and threads > 1 and n_processes() == 1 and not torch.cuda.is_available():
        largest_first = [replace(spec, precision="fp32") for spec in reversed(runs)]
        families = dict.fromkeys(spec.family for spec in runs)
        largest = [
            next((spec for spec in largest_first if spec.family == family and measurable(spec)), None)
            for family in families
        ]
        seconds = dict.fromkeys((1, threads), 0.0)
        for spec in filter(None, largest):
            probe = Probe(spec, "fp32")
            for number in (*seconds, *seconds):  # in turn, so that a slow moment of the machine hits both
                torch.set_num_threads(number)
                probe.update()  # starts them
                seconds[number] += 1 / _rate(probe, _BRIEFLY)
        if any(largest):
            speedup = round(seconds[1] / seconds[threads], 3)
            threads = threads if speedup > WORTHWHILE else 1
    return {"threads": threads, "threads_speedup": speedup}


def choose_side_by_side(
    asked: int, threads: int, alone: int, runs: Sequence[RunSpec], predicted_seconds: float
) -> dict[str, Any]:
    """How many runs at a time, with how many CPU threads each, and the speed-up over one where it was measured.

    Args:
        asked: runs at a time; 0 measures the middle one of `runs`, in studies long enough.
        threads: CPU threads of a run; 0 gives each of several its share of the cores.
        alone: CPU threads of a run that is alone.
    """
    several = asked or min(cores() if not torch.cuda.is_available() else _MOST_ON_A_GPU, len(runs))
    share = threads or max(1, cores() // several)
    speedup = None
    if n_processes() > 1 or (not asked and predicted_seconds < _LONG_ENOUGH):
        several = 1
    elif not asked and several > 1:
        if measurable(middle := runs[len(runs) // 2], several):
            speedup = round(_together(middle, several, share) / _together(middle, 1, alone), 3)
        several = several if speedup and speedup > WORTHWHILE else 1
    return {
        "side_by_side": several,
        "side_by_side_speedup": speedup,
        "threads": share if several > 1 else alone,
    }


def _together(spec: RunSpec, processes: int, threads: int) -> float:
    """Micro-batches a second of as many copies of a run."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _meet, (os.getpid(), context.Barrier(processes), threads)) as pool:
        return sum(pool.map(_rate_of_one, [spec] * processes))


_barrier: Any = None  # where the processes of a measurement wait for each other


def _meet(parent: int, barrier: Any, threads: int) -> None:
    global _barrier
    begin_worker(parent)
    _barrier = barrier
    torch.set_num_threads(threads)


def _rate_of_one(spec: RunSpec) -> float:
    """Micro-batches a second, while the others are at it too."""
    probe = Probe(spec, spec.precision)
    _barrier.wait()
    return _rate(probe, _MEASURED_SECONDS)


def _rate(probe: Probe, seconds: float) -> float:
    start, updates = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        probe.update()
        updates += 1
    return updates / (time.perf_counter() - start)
