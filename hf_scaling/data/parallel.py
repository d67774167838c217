"""One function over many items on every core, in order, holding only a few at a time."""

import gc
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from multiprocessing.context import ForkContext, ForkProcess
from typing import Any, TypeVar

from hf_scaling.records import begin_worker

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = 256
_AHEAD = 4  # chunks per process that wait for their turn


def in_parallel(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`map(function, items)`, in as many processes as this one may use cores.

    They are forks: spawned ones would import the whole program once more, which takes longer than most corpora.
    """
    processes = len(os.sched_getaffinity(0))
    source = iter(items)
    first = list(islice(source, _CHUNK))
    if processes == 1 or len(first) < _CHUNK:
        yield from map(function, first)
        yield from map(function, source)
        return
    waiting: deque[Future[list[Result]]] = deque()
    with ProcessPoolExecutor(processes, _Forks(), _begin, (os.getpid(),)) as pool:
        chunk = first
        while chunk:
            waiting.append(pool.submit(_each, function, chunk))
            if len(waiting) > processes * _AHEAD:
                yield from waiting.popleft().result()
            chunk = list(islice(source, _CHUNK))
        while waiting:
            yield from waiting.popleft().result()


class _Forks(ForkContext):
    """Forks that Python stops at its own exit; it would wait for others for ever if Ctrl-C comes while they start."""

    class Process(ForkProcess):
        """One of them."""

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options, daemon=True)


def _begin(parent: int) -> None:
    """A fork's first act; it keeps the garbage collector from walking through all of the parent's modules."""
    begin_worker(parent)
    gc.freeze()


def _each(function: Callable[[Item], Result], chunk: list[Item]) -> list[Result]:
    return [function(item) for item in chunk]
