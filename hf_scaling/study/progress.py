"""Bars with a time left: one for the study, one for each run at hand."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from tqdm import tqdm

# a file or a log gets a line now and then, a terminal a bar that moves
_OPTIONS: dict[str, Any] = {"mininterval": 0.3 if sys.stderr.isatty() else 30.0, "dynamic_ncols": sys.stderr.isatty()}


def _run_bar(run_id: str, updates: int, position: int = 0) -> Any:
    return tqdm(total=updates, desc=run_id, unit=" updates", position=position, leave=False, **_OPTIONS)


@contextmanager
def run_bar(run_id: str, updates: int) -> Iterator[Callable[[int], None]]:
    """Yield a function to be told the number of updates done."""
    with _run_bar(run_id, updates) as bar:
        yield lambda step: bar.update(step - bar.n)


class StudyProgress:
    """The study's bar counts predicted training seconds, so that its time left holds from tiny runs to large ones.

    Args:
        predicted: run id -> (predicted seconds, updates) of every run, in order.
        finished: run ids that need no training.
    """

    def __init__(self, predicted: Mapping[str, tuple[float, int]], finished: set[str]):
        self._predicted = predicted
        self._bars: dict[str, tuple[int, Any]] = {}
        self._done = {run_id: predicted[run_id][1] for run_id in finished}
        self._bar: Any = tqdm(
            total=sum(seconds for seconds, _ in predicted.values()) * (1 + 1e-9),  # the parts may sum to a hair more
            initial=sum(predicted[run_id][0] for run_id in finished),
            desc="all runs",
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed} gone, {remaining} left",
            disable=len(finished) == len(predicted),
            **_OPTIONS,
        )

    def __enter__(self) -> "StudyProgress":
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        for _, bar in self._bars.values():
            bar.close()
        self._bar.close()

    def report(self, run_id: str, step: int) -> None:
        """A run has done `step` updates."""
        seconds, updates = self._predicted[run_id]
        if run_id not in self._bars:
            taken = {position for position, _ in self._bars.values()}
            position = next(position for position in range(1, len(taken) + 2) if position not in taken)
            self._bars[run_id] = position, _run_bar(run_id, updates, position)
        bar = self._bars[run_id][1]
        bar.update(step - bar.n)
        if step == updates:
            self._bars.pop(run_id)
            bar.close()
        share = seconds / updates * (step - self._done.get(run_id, 0))
        self._done[run_id] = step
        # a sum of shares may end a hair above the total, which tqdm warns of
        self._bar.update(min(share, self._bar.total - self._bar.n))
