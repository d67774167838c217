"""THE LEDGER (`runs.jsonl`): one JSON row per ended run, append only, at most one finished row per run.

Each row ends with a checksum of its values, for JSON has none: a digit that rots on the disk is found, and so is one
that somebody changes. Whoever reads the ledger never sees it.
"""

import fcntl
import json
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from hf_scaling.records.errors import UserError
from hf_scaling.records.files import content_hash

LEDGER = "runs.jsonl"  # its name in a study folder

# field -> the types its value may have; a failed run may leave what it never measured as null
LEDGER_FIELDS: dict[str, tuple[type, ...]] = {
    "run_id": (str,),
    "study": (str,),
    "family": (str,),
    "size": (str,),
    "n_params": (int,),
    "n_params_non_embedding": (int,),
    "n_tokens": (int,),
    "n_unique_tokens": (int,),
    "flops": (int, float),
    "flops_causal": (int, float),
    "learning_rate": (int, float),
    "optimizer": (str,),
    "schedule": (str,),
    "batch_tokens": (int,),
    "seed": (int,),
    "val_loss": (int, float),
    "val_loss_stderr": (int, float),
    "val_bpc": (int, float),
    "perplexity": (int, float),
    "updates": (int,),
    "wall_seconds": (int, float),
    "tokens_per_second": (int, float),
    "peak_memory_bytes": (int,),
    "device": (str,),
    "precision": (str,),
    "compiled": (bool,),
    "threads": (int,),
    "status": (str,),
    "micro_batch_halvings": (int,),
    "n_processes": (int,),
    "error": (str,),
    "started_at": (str,),
    "finished_at": (str,),
    "versions": (dict,),
    "git_commit": (str,),
    "config_hash": (str,),
}
_CHECKSUM = "checksum"
_ALWAYS = ("run_id", "study", "family", "size", "status")
_WHEN_FINISHED = (*_ALWAYS, "n_params", "n_params_non_embedding", "n_tokens", "flops", "flops_causal", "val_loss")


def validate_row(row: Any) -> str | None:
    """What is wrong with a ledger row, or None."""
    if not isinstance(row, dict):
        return f"expected an object, got {type(row).__name__}"
    if row.get("status") not in ("finished", "failed"):
        return f"status: got {row.get('status')!r}, expected 'finished' or 'failed'"
    for name in _WHEN_FINISHED if row["status"] == "finished" else _ALWAYS:
        if row.get(name) is None:
            return f"{name}: missing"
    for name, value in row.items():
        types = LEDGER_FIELDS.get(name)
        if (
            types
            and value is not None
            and (not isinstance(value, types) or isinstance(value, bool) != (types == (bool,)))
        ):
            return f"{name}: got {value!r}, expected {' or '.join(t.__name__ for t in types)}"
        if isinstance(value, float) and not math.isfinite(value):
            return f"{name}: got {value!r}, expected a finite number"
    return None


def read_ledger(path: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """All rows of a ledger, oldest first, and notes on what had to be left out (a truncated last line).

    An absent ledger is an empty one.

    Raises:
        UserError: a whole line is damaged, or a run has two finished rows. Names the line.
    """
    if not path.exists():
        return [], []
    rows: list[dict[str, Any]] = []
    notes: list[str] = []
    finished: set[str] = set()
    for number, line in enumerate(BytesIO(path.read_bytes()), 1):  # only a line feed ends a line
        if not line.endswith(b"\n"):
            notes.append(f"{path}, line {number}: cut short by an interruption; the row is left out")
            break
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{path}, line {number}: not valid JSON ({error}); remove the line") from None
        if problem := validate_row(row):
            raise UserError(f"{path}, line {number}: {problem}")
        checksum = row.pop(_CHECKSUM, None)
        if checksum is not None and checksum != content_hash(row):  # rows that other programs write have none
            raise UserError(f"{path}, line {number}: damaged, or changed after it was written; remove the line")
        if row["status"] == "finished":
            if row["run_id"] in finished:
                raise UserError(f"{path}, line {number}: run {row['run_id']} has a finished row already; remove one")
            finished.add(row["run_id"])
        rows.append(row)
    return rows, notes


def finished_rows(path: Path) -> list[dict[str, Any]]:
    """The finished runs of a ledger, oldest first."""
    return [row for row in read_ledger(path)[0] if row["status"] == "finished"]


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the ledger against other processes; the lock dies with its holder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(f".{path.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def append_row(path: Path, row: dict[str, Any]) -> bool:
    """Append one row, whole or not at all; return False if the run already has a finished row.

    A last line that an interruption cut short is cut away first.

    Raises:
        UserError: the row is not a valid ledger row.
    """
    if problem := validate_row(row):
        raise UserError(f"{path}: {problem}")
    row = {name: value for name, value in row.items() if name != _CHECKSUM}  # copied from another row, it is not ours
    line = (json.dumps(row | {_CHECKSUM: content_hash(row)}, ensure_ascii=False, allow_nan=False) + "\n").encode()
    with _locked(path):
        rows, _ = read_ledger(path)
        if any(old["run_id"] == row["run_id"] and old["status"] == "finished" for old in rows):
            return False
        with open(path, "ab+") as file:
            file.seek(0)
            whole = file.read().rfind(b"\n") + 1
            file.truncate(whole)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    return True
