"""Training runs, one at a time in this process or several side by side in processes of their own.

Small models cannot keep many cores busy, nor a GPU; several of them together can. Sweeps of other processes, on this
machine or on another that sees the same folder, may work on the same study: a lock on each run keeps them apart.
"""

import contextlib
import fcntl
import multiprocessing
import os
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from hf_scaling.records import (
    UserError,
    append_row,
    begin_worker,
    check_room,
    finished_rows,
    of_files,
    redact,
    write_text,
)
from hf_scaling.study.folder import LOCKS
from hf_scaling.study.forecasts import has_begun, seal
from hf_scaling.study.progress import StudyProgress
from hf_scaling.tokenization import load_tokenizer
from hf_scaling.training.checkpoints import discard_checkpoints
from hf_scaling.training.processes import PartnerLostError
from hf_scaling.training.row import describe, in_one_line, now
from hf_scaling.training.run import train_run
from hf_scaling.training.spec import RunSpec

_TRACEBACK = "failure.txt"

Report = Callable[[str, int], None]


@dataclass(frozen=True)
class Workplace:
    """What every run of a study needs.

    Attributes:
        folder: the study folder.
        ledger: where the rows of these runs go.
        unique_tokens: of the training split, without its copies.
        trunks: where runs of several horizons leave what they share; None with a single horizon.
        threads: CPU threads of a run.
        forecasts: runs whose loss is forecast before they begin.
    """

    folder: Path
    ledger: Path
    study: str
    unique_tokens: int
    sampling: dict[str, float]
    trunks: Path | None
    report_to: tuple[str, ...]
    threads: int
    forecasts: frozenset[str] = frozenset()


@contextlib.contextmanager
def _claim(study: Path, run_id: str) -> Iterator[bool]:
    """Hold a run against everybody else; whether that succeeded. The lock dies with its holder."""
    locks = study / LOCKS
    locks.mkdir(exist_ok=True)
    with open(locks / f"{run_id}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def train_one(work: Workplace, spec: RunSpec, report: Report) -> bool:
    """Train a run, unless it has finished or somebody else is at it, and enter it in the ledger.

    A run that fails gets a failed row, and leaves its traceback in its folder. Returns whether there is a row of this
    run now.

    Raises:
        PartnerLostError: another process of the run died, or failed alone.
        UserError: what the study was told, or holds, cannot be used.
        OSError: the disk is full, or fails.
    """
    folder = work.folder / "runs" / spec.run_id
    with _claim(work.folder, spec.run_id) as mine:
        if not mine:
            return False
        if any(row["run_id"] == spec.run_id for row in finished_rows(work.ledger)):
            discard_checkpoints(folder)  # an interruption may have come between the row and this
            return True
        row = describe(spec, work.study, work.unique_tokens)
        earliest = now()
        if spec.run_id in work.forecasts and not has_begun(work.folder, spec.run_id):
            earliest = seal(work.folder, row)["sealed_at"]
        started_at = max(now(), earliest)  # whatever is done to the clock meanwhile
        try:
            row = train_run(
                spec,
                row,
                work.folder / "tokens",
                load_tokenizer(work.folder / "tokenizer"),
                folder,
                work.sampling,
                trunks=work.trunks,
                report_to=work.report_to,
                progress=lambda step: report(spec.run_id, step),
            )
        except Exception as error:
            told = isinstance(error, UserError) and not isinstance(error, PartnerLostError)
            if told or (isinstance(error, OSError) and of_files(error)):
                raise  # no other run would do better
            check_room(folder)  # torch and safetensors have words of their own for that
            write_text(folder / _TRACEBACK, redact(traceback.format_exc()))
            row |= {"status": "failed", "error": in_one_line(error), "started_at": started_at, "finished_at": now()}
            if isinstance(error, PartnerLostError):
                append_row(work.ledger, row)
                raise
        else:
            (folder / _TRACEBACK).unlink(missing_ok=True)  # of an earlier attempt
        row["started_at"] = max(row["started_at"], started_at)
        append_row(work.ledger, row)
        discard_checkpoints(folder)
        return True


def train_all(work: Workplace, specs: Sequence[RunSpec], side_by_side: int, progress: StudyProgress) -> set[str]:
    """Train runs in the order given; the ids of those that have a row now. The others are being trained elsewhere."""
    if side_by_side == 1:
        return {spec.run_id for spec in specs if train_one(work, spec, progress.report)}
    return _Crew(work, side_by_side, progress).train(specs)


def _begin(parent: int, threads: int, queue: Any) -> None:
    global _reports
    begin_worker(parent)
    _reports = queue
    torch.set_num_threads(threads)


_reports: Any = None  # a worker's queue to its parent


def _train_one_in_worker(work: Workplace, spec: RunSpec) -> bool:
    return train_one(work, spec, lambda run_id, step: _reports.put((run_id, step)))


class _Crew:
    """Processes that train runs side by side."""

    def __init__(self, work: Workplace, size: int, progress: StudyProgress):
        self._work, self._size, self._progress = work, size, progress
        self._spawn = multiprocessing.get_context("spawn")  # forks of a process that has used torch's threads hang
        self._reports = self._spawn.SimpleQueue()

    def train(self, specs: Sequence[RunSpec]) -> set[str]:
        drain = threading.Thread(target=self._drain, daemon=True)
        drain.start()
        left, done = list(specs), set[str]()
        while left:  # a worker that dies takes its pool with it
            with self._pool() as pool:
                try:
                    left, ended = self._run(pool, left)
                except BaseException:
                    for worker in multiprocessing.active_children():
                        worker.kill()  # the pool would wait for their runs to end
                    raise
            done |= ended
        self._reports.put(None)
        drain.join()
        return done

    def _pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(self._size, self._spawn, _begin, (os.getpid(), self._work.threads, self._reports))

    def _drain(self) -> None:
        while (report := self._reports.get()) is not None:
            self._progress.report(*report)

    def _run(self, pool: ProcessPoolExecutor, specs: list[RunSpec]) -> tuple[list[RunSpec], set[str]]:
        """Keep the workers busy; the runs that are still to do when a worker has died, and those with a row."""
        left, done, busy = list(specs), set[str](), dict[Future[bool], RunSpec]()
        while left or busy:
            while len(busy) < self._size and (spec := self._next(left, busy.values())):
                left.remove(spec)
                busy[pool.submit(_train_one_in_worker, self._work, spec)] = spec
            ended, _ = wait(busy, return_when=FIRST_COMPLETED)
            try:
                for future in ended:
                    if future.result():
                        done.add(busy[future].run_id)
                    del busy[future]
            except BrokenProcessPool:
                for spec in busy.values():  # which of them brought the worker down cannot be told
                    self._enter_death(spec)
                return left, done | {spec.run_id for spec in busy.values()}
        return [], done

    def _next(self, left: list[RunSpec], busy: Any) -> RunSpec | None:
        """The first run that need not wait for one at work: for its trunk, or for a loss to be forecast from."""
        trunks = {spec.trunk for spec in busy if spec.trunk}
        bases = {spec.family for spec in busy if spec.run_id not in self._work.forecasts}

        def free(spec: RunSpec) -> bool:
            return spec.trunk not in trunks and not (spec.run_id in self._work.forecasts and spec.family in bases)

        return next(filter(free, left), None)

    def _enter_death(self, spec: RunSpec) -> None:
        row = describe(spec, self._work.study, self._work.unique_tokens)
        error = "its process died, as when the system runs out of memory"
        append_row(self._work.ledger, row | {"status": "failed", "error": error, "finished_at": now()})
