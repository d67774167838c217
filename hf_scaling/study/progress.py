"""Bars with a time left: one for the study, one for the run at hand."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from tqdm import tqdm

# a file or a log gets a line now and then, a terminal a bar that moves
_OPTIONS: dict[str, Any] = {"mininterval": 0.3 if sys.stderr.isatty() else 30.0, "dynamic_ncols": sys.stderr.isatty()}


@contextmanager
def run_bar(run_id: str, updates: int, position: int = 0) -> Iterator[Any]:
    """Yield a function to be told the number of updates done."""
    with tqdm(total=updates, desc=run_id, unit=" updates", position=position, leave=False, **_OPTIONS) as bar:
        yield lambda step: bar.update(step - bar.n)


class StudyProgress:
    """The study's bar counts predicted training seconds, so that its time left holds from tiny runs to large ones."""

    def __init__(self, predicted: dict[str, float], finished: set[str]):
        self._predicted = predicted
        self._bar: Any = tqdm(
            total=sum(predicted.values()) * (1 + 1e-9),  # the parts may sum to a hair more
            initial=sum(predicted[run_id] for run_id in finished),
            desc="all runs",
            bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed} gone, {remaining} left",
            disable=len(finished) == len(predicted),
            **_OPTIONS,
        )

    def __enter__(self) -> "StudyProgress":
        return self

    def __exit__(self, kind: type | None, value: BaseException | None, traceback: TracebackType | None) -> None:
        self._bar.close()

    @contextmanager
    def run(self, run_id: str, updates: int) -> Iterator[Any]:
        """Like `run_bar`, moving the study's bar too."""
        share, done = self._predicted[run_id] / updates, 0
        with run_bar(run_id, updates, position=1) as update:

            def advance(step: int) -> None:
                nonlocal done
                # a sum of shares may end a hair above the total, which tqdm warns of
                self._bar.update(min(share * (step - done), self._bar.total - self._bar.n))
                done = step
                update(step)

            yield advance
