"""What a run's `validation.json` holds: its losses by tune and by position."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hf_scaling.records import UserError, read_json

_ROUNDED = 1e-4  # the file keeps six digits of each tune's nats


@dataclass(frozen=True)
class Evaluation:
    """Losses of one run on the validation split.

    Attributes:
        tune_nats: nats of each tune, shape (tunes,).
        tune_tokens: shape (tunes,).
        position_loss: nats per token after 1, 2, ... tokens of context, shape (context_length,).
    """

    tune_nats: NDArray[np.float64]
    tune_tokens: NDArray[np.float64]
    position_loss: NDArray[np.float64]


def read_evaluation(study: Path, row: dict[str, Any]) -> Evaluation:
    """The evaluation of a finished run.

    Args:
        row: of the ledger.

    Raises:
        UserError: the file is absent, damaged, or of another model than the row.
    """
    path = study / "runs" / row["run_id"] / "validation.json"
    content = read_json(path)
    if not isinstance(content, dict):
        raise UserError(f"{path}: got {type(content).__name__}, expected an object")
    found = Evaluation(*(_numbers(path, content, name) for name in ("tune_nats", "tune_tokens", "position_loss")))
    if len(found.tune_nats) != len(found.tune_tokens) or not (found.tune_tokens > 0).all():
        raise UserError(f"{path}: tune_tokens: expected a positive number for each of {len(found.tune_nats)} tunes")
    loss = float(found.tune_nats.sum() / found.tune_tokens.sum())
    if abs(loss - row["val_loss"]) > _ROUNDED:
        raise UserError(f"{path}: its loss is {loss:.4f}, but that of run {row['run_id']} is {row['val_loss']:.4f}")
    return found


def _numbers(path: Path, content: dict[str, Any], name: str) -> NDArray[np.float64]:
    values = content.get(name)
    if not isinstance(values, list) or not values:
        raise UserError(f"{path}: {name}: got {type(values).__name__}, expected a list of numbers")
    for value in values:
        if type(value) not in (int, float) or not math.isfinite(value):
            raise UserError(f"{path}: {name}: got {value!r}, expected a finite number")
    return np.array(values, dtype=float)
