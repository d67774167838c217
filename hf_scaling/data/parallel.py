"""One function over many items on every core, in order, holding only a few at a time."""

import gc
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_CHUNK = 256
_AHEAD = 4  # chunks per process that wait for their turn


def in_parallel(function: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """`map(function, items)`, in as many processes as this one may use cores.

    They are forks: spawned ones would import the whole program once more, which takes longer than most corpora. What
    they inherit is frozen, or their garbage collectors would walk through all of it again and again.
    """
    processes = len(os.sched_getaffinity(0))
    source = iter(items)
    first = list(islice(source, _CHUNK))
    if processes == 1 or len(first) < _CHUNK:
        yield from map(function, first)
        yield from map(function, source)
        return
    waiting: deque[Future[list[Result]]] = deque()
    with ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), gc.freeze) as pool:
        chunk = first
        while chunk:
            waiting.append(pool.submit(_each, function, chunk))
            if len(waiting) > processes * _AHEAD:
                yield from waiting.popleft().result()
            chunk = list(islice(source, _CHUNK))
        while waiting:
            yield from waiting.popleft().result()


def _each(function: Callable[[Item], Result], chunk: list[Item]) -> list[Result]:
    return [function(item) for item in chunk]
