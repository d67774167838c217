"""The ledger of a study as a data set: every run with its configuration, its curve and its losses tune by tune."""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from hf_scaling.hub.reading import HubStudy, Record
from hf_scaling.records import LEDGER_FIELDS, UserError, read_jsonl, read_object

_AT_ONCE = 256  # runs in memory, and in a row group
_TYPES: dict[tuple[type, ...], Any] = {
    (str,): pyarrow.string(),
    (int,): pyarrow.int64(),
    (int, float): pyarrow.float64(),
    (bool,): pyarrow.bool_(),
    (dict,): pyarrow.string(),  # as JSON: its keys differ from version to version
}
_CURVE = pyarrow.struct(
    [(name, pyarrow.int64()) for name in ("step", "tokens_seen", "peak_memory_bytes")]
    + [(name, pyarrow.float64()) for name in ("flops", "loss", "learning_rate", "grad_norm")]
    + [(name, pyarrow.float64()) for name in ("tokens_per_second", "wall_seconds")]
)
_SCHEMA = pyarrow.schema(
    [(name, _TYPES[types]) for name, types in LEDGER_FIELDS.items()]
    + [
        ("configuration", pyarrow.string()),
        ("metrics", pyarrow.list_(_CURVE)),
        ("tune_nats", pyarrow.list_(pyarrow.float64())),
        ("tune_tokens", pyarrow.list_(pyarrow.int64())),
        ("position_loss", pyarrow.list_(pyarrow.float64())),
    ]
)


def write_ledger(study: HubStudy, path: Path) -> None:
    """Write all rows of the ledger, failed ones too, as Parquet.

    Columns are those of the ledger, and besides: `configuration` (JSON: what defines the run), `metrics` (its training
    curve), and of the validation split `tune_nats` and `tune_tokens` (total nats and tokens of each tune, in the order
    of the split) and `position_loss` (nats per token by position in the context). What a failed run has not is null.

    Raises:
        UserError: a file of a run is damaged.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with pyarrow.parquet.ParquetWriter(path, _SCHEMA) as writer:
        for rows in _batches(_row(study, row) for row in study.rows):
            try:
                writer.write_table(pyarrow.Table.from_pylist(rows, _SCHEMA))
            except (pyarrow.ArrowException, OverflowError) as error:
                raise UserError(f"{study.folder}: a run's files do not hold what a ledger takes ({error})") from None


def _batches(rows: Iterable[Record]) -> Iterator[list[Record]]:
    source = iter(rows)
    while batch := list(islice(source, _AT_ONCE)):
        yield batch


def _row(study: HubStudy, row: Record) -> Record:
    folder = study.folder / "runs" / row["run_id"]
    finished = row["status"] == "finished"  # else the files beside it may be another attempt's
    files = {name: folder / name for name in ("config.json", "metrics.jsonl", "validation.json")}
    there = {name: path for name, path in files.items() if finished and path.is_file()}
    configuration = read_object(there["config.json"]) if "config.json" in there else None
    losses = read_object(there["validation.json"]) if "validation.json" in there else {}
    home = str(Path.home())  # an error may name a file of this machine, and where it lies is nobody else's business
    return row | {
        "error": row["error"].replace(home, "~") if row.get("error") else None,
        "versions": json.dumps(row.get("versions"), sort_keys=True),
        "configuration": json.dumps(configuration, sort_keys=True) if configuration else None,
        "metrics": read_jsonl(there["metrics.jsonl"]) if "metrics.jsonl" in there else None,
        **{name: losses.get(name) for name in ("tune_nats", "tune_tokens", "position_loss")},
    }
