"""Several processes on one run: the main process leads, and the others follow it from run to run.

Which processes there are is the launcher's business (`accelerate launch`, `torchrun`); what they share is Accelerate's.
Everything but the training itself (data, plan, evaluation, files) happens in the main process alone.
"""

import atexit
import os
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from math import gcd
from pathlib import Path
from typing import Any, NoReturn

import torch
from accelerate import PartialState
from accelerate.utils import broadcast_object_list

from hf_scaling.records import UserError, write_text

_PATIENCE = timedelta(days=2)  # followers wait while the main process prepares data or evaluates
_FOR_A_FAILURE = timedelta(minutes=1)
_FOR_THE_ROW = 10  # seconds; the launcher ends everybody as soon as one exits
_LAST_WORDS = "failed_alone.txt"
_meeting: Any = None  # the processes once more, to meet in while what they share otherwise may be stuck
_together = True


class PartnerLostError(UserError):
    """A process of the run died, or failed while the others did not; they can do nothing together any more."""


def n_processes() -> int:
    """How many processes the launcher started; 1 without one."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def cores() -> int:
    """Processor cores that this process may use, shared evenly with the launcher's others on this machine."""
    return max(1, len(os.sched_getaffinity(0)) // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def join_processes() -> bool:
    """Meet the other processes, if there are any; whether this one is the main one."""
    global _meeting
    if n_processes() == 1:
        return True
    state = PartialState(cpu=not torch.cuda.is_available(), timeout=_PATIENCE)
    _meeting = torch.distributed.new_group(timeout=_FOR_A_FAILURE, backend="gloo")
    return state.is_main_process


def all_failed() -> bool:
    """Whether the other processes failed as well; called by each that did.

    If not, one of them has died, or is in the middle of an update and waits there for this one.
    """
    global _together
    if n_processes() > 1:
        try:
            torch.distributed.barrier(_meeting)
        except RuntimeError:
            _together = False
    return _together


def leave(folder: Path, reason: str) -> None:
    """End the part of a follower that failed alone: leave word in the run's folder, and let go of the others.

    The main process, which waits in the middle of an update, fails then and enters the row.
    """
    write_text(folder / _LAST_WORDS, f"process {torch.distributed.get_rank()}: {reason}")
    if torch.distributed.get_backend() == "gloo":  # NCCL waits for the others itself: there the launcher ends them
        torch.distributed.destroy_process_group()
        time.sleep(_FOR_THE_ROW)


def last_words(folder: Path) -> str | None:
    """Why a follower left, if one did; told once."""
    path = folder / _LAST_WORDS
    words = path.read_text(encoding="utf-8") if path.exists() else None
    path.unlink(missing_ok=True)
    return words


def announce(task: Any) -> None:
    """Hand `task` to every follower; called by the main process."""
    if n_processes() > 1 and _together:
        broadcast_object_list([task])


def follow(work: Callable[[Any], object]) -> None:
    """Do every task that the main process announces, until it announces None."""
    while True:
        box = [None]
        broadcast_object_list(box)
        if box[0] is None:
            return
        work(box[0])


def part() -> None:
    """End what `join_processes` began: a process that exits with its group open is aborted now and then."""
    if n_processes() > 1 and _together:
        torch.distributed.destroy_process_group()


def end(code: int) -> NoReturn:
    """Exit; under a launcher without Python's farewell, in which threads that libraries left behind abort it at times.

    With DeepSpeed installed the main process was, now and then, and the launcher told of a failure.
    """
    if n_processes() > 1:
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def check_optimizer(optimizer: str) -> None:
    """Raise UserError for Muon under a launcher whose engine cuts matrices into pieces: it needs them whole."""
    for engine in ("FSDP", "DEEPSPEED"):
        if optimizer == "muon" and os.environ.get(f"ACCELERATE_USE_{engine}", "false").lower() == "true":
            raise UserError(f"optimizer: got 'muon', which needs whole matrices, but {engine} cuts them; use adamw")


def share_batch(batch_size: int, gradient_accumulation_steps: int, processes: int) -> tuple[int, int]:
    """(micro-batch, accumulation) of each process, such that an update takes the same blocks whatever their number.

    Raises:
        UserError: the blocks of an update cannot be shared out evenly.
    """
    by_accumulation = gcd(gradient_accumulation_steps, processes)
    left = processes // by_accumulation
    if batch_size % left:
        raise UserError(
            f"batch_size: got {batch_size} with gradient_accumulation_steps {gradient_accumulation_steps}, which "
            f"{processes} processes cannot share evenly; make their product a multiple of {processes}"
        )
    return batch_size // left, gradient_accumulation_steps // by_accumulation
