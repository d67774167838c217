"""Sealed forecasts: written before the run they predict, scored when it has ended.

`forecasts/<run_id>.json` names the runs it rests on by a hash of their losses, and bears a hash of itself: what was
changed afterwards no longer matches. It is never written over.
"""

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_scaling.laws.diagnostics import mean_loss_by_size
from hf_scaling.laws.forecast import Forecast, forecast
from hf_scaling.laws.forms import CHINCHILLA, KAPLAN, POWER, Form, Runs
from hf_scaling.laws.interval import format_interval
from hf_scaling.records import (
    LEDGER,
    UserError,
    content_hash,
    finished_rows,
    read_json,
    read_ledger,
    read_object,
    write_json,
)
from hf_scaling.records.files import PARTIAL
from hf_scaling.study.fit_text import align
from hf_scaling.study.plan import PLAN
from hf_scaling.training.row import now
from hf_scaling.training.spec import RunSpec

FOLDER = "forecasts"


def planned_run(study: Path, run_id: str) -> dict[str, Any]:
    """A run of the study's plan, by run id.

    Raises:
        UserError: there is no plan, or no such run in it.
    """
    plan = read_json(study / PLAN)
    found = [run for run in plan if run["run_id"] == run_id]
    if not found:
        raise UserError(f"--run: got {run_id!r}, expected one of {', '.join(run['run_id'] for run in plan)}")
    return dict(found[0])


def targets(runs: Sequence[RunSpec]) -> frozenset[str]:
    """The runs to forecast: those of the largest size. `runs`: of the plan, cheapest first."""
    sizes = {spec.size for spec in runs}
    return frozenset(spec.run_id for spec in runs if len(sizes) > 1 and spec.size == runs[-1].size)


def has_begun(study: Path, run_id: str) -> bool:
    """Whether a run has a folder, or a row in the ledger, be it of a failure."""
    return (study / "runs" / run_id).exists() or any(row["run_id"] == run_id for row in read_ledger(study / LEDGER)[0])


def seal(study: Path, run: dict[str, Any]) -> dict[str, Any]:
    """Forecast a run from those of smaller models of its family, and write that down, or why there is no forecast.

    An earlier forecast stays as it is.

    Args:
        study: the study folder.
        run: `run_id, family, size, n_params, n_tokens, flops` of a run that has not begun.

    Raises:
        UserError: the run has begun.
    """
    path = study / FOLDER / f"{run['run_id']}.json"
    if path.exists():
        return dict(read_json(path))
    if has_begun(study, run["run_id"]):
        raise UserError(f"{run['run_id']}: has begun already; a forecast must come first")
    # not shorter runs of the same size: to know those is nearly to know this one, and no test of a law of size
    smaller = [row for row in finished_rows(study / LEDGER) if row["n_params"] < run["n_params"]]
    basis = [row for row in smaller if row["family"] == run["family"]]
    # fits depend on the order in their last digits, and runs side by side end in any
    basis.sort(key=lambda row: (row["n_params"], row["n_tokens"], row["run_id"]))
    kept = ("run_id", "family", "size", "n_params", "n_tokens", "flops")
    record = {name: run[name] for name in kept} | {"sealed_at": now()}
    record |= {"basis": [row["run_id"] for row in basis], "data_hash": _data_hash(basis)}
    record |= {"persistence": _persistence(basis, run)} | _made(basis, run)
    record["seal"] = content_hash(record)
    with tempfile.TemporaryDirectory(dir=study, prefix=PARTIAL) as aside:
        write_json(Path(aside) / path.name, record)
        path.parent.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):  # somebody else's, sealed a moment ago, stays
            os.link(Path(aside) / path.name, path)
    return dict(read_json(path))


def _made(basis: list[dict[str, Any]], run: dict[str, Any]) -> dict[str, Any]:
    """The forecast as JSON, or the reason why there is none."""
    several_d = len({row["n_tokens"] for row in basis} | {run["n_tokens"]}) > 1
    forms: list[Form] = [CHINCHILLA, KAPLAN] if several_d else [POWER]
    try:
        made = _forecast(forms, basis, run)
    except ValueError as error:
        return {"loss": None, "reason": str(error)}
    intervals = {f"{level:g}": list(interval) for level, interval in made.intervals.items()}
    return {"loss": made.loss, "form": made.form, "intervals": intervals, "rolling_errors": made.rolling_errors}


def _forecast(forms: list[Form], basis: list[dict[str, Any]], run: dict[str, Any]) -> Forecast:
    def column(name: str) -> np.ndarray:
        return np.array([row[name] for row in basis], dtype=float)

    runs = Runs.of(column("n_params"), column("n_tokens"))
    target = Runs.of([run["n_params"]], [run["n_tokens"]])
    return forecast(forms, runs, column("val_loss"), column("flops"), target)


def _persistence(basis: list[dict[str, Any]], run: dict[str, Any]) -> float | None:
    """The loss of the next smaller model at the same horizon: what a flat curve would predict."""
    smaller = [row for row in basis if row["n_tokens"] == run["n_tokens"] and row["n_params"] < run["n_params"]]
    if not smaller:
        return None
    size = max(row["n_params"] for row in smaller)
    return float(np.mean([row["val_loss"] for row in smaller if row["n_params"] == size]))


def _line(basis: list[dict[str, Any]], run: dict[str, Any]) -> float | None:
    """Straight on in log L and log N from the mean losses of the two next smaller sizes at the same horizon."""
    rows = [row for row in basis if row["n_tokens"] == run["n_tokens"]]
    n, loss = mean_loss_by_size([row["n_params"] for row in rows], [row["val_loss"] for row in rows])
    if len(n) < 2:
        return None
    slope, start = np.polyfit(np.log(n[-2:]), np.log(loss[-2:]), 1)
    return float(np.exp(start + slope * np.log(run["n_params"])))


def _data_hash(basis: list[dict[str, Any]]) -> str:
    return content_hash(sorted([row["run_id"], row["n_params"], row["n_tokens"], row["val_loss"]] for row in basis))


def score(study: Path) -> list[dict[str, Any]]:
    """Each forecast beside its outcome, in the order in which they were sealed; runs still to come have none.

    Raises:
        UserError: a forecast was changed after it was sealed, or its run began first.
    """
    files = sorted((study / FOLDER).glob("*.json"))
    rows = {row["run_id"]: row for row in finished_rows(study / LEDGER)}
    scored = []
    for path in files:
        record = read_object(path)
        sealed = {name: value for name, value in record.items() if name != "seal"}
        if record.get("seal") != content_hash(sealed):
            raise UserError(f"{path}: was changed after it was sealed; it proves nothing any more, remove it")
        basis = [rows[run_id] for run_id in record["basis"] if run_id in rows]
        if len(basis) < len(record["basis"]) or _data_hash(basis) != record["data_hash"]:
            raise UserError(f"{path}: the runs it rests on are not those of {study / LEDGER}")
        scored.append(sealed | _outcome(path, record, basis, rows.get(record["run_id"])))
    return sorted(scored, key=lambda record: (record["sealed_at"], record["run_id"]))


def _outcome(
    path: Path, record: dict[str, Any], basis: list[dict[str, Any]], row: dict[str, Any] | None
) -> dict[str, Any]:
    if row is None:
        return {"outcome": None}
    if (began := row.get("started_at")) is None:
        raise UserError(f"{path}: its run has no started_at in {LEDGER}, so that nothing shows which came first")
    if began < record["sealed_at"]:
        raise UserError(f"{path}: sealed at {record['sealed_at']}, but the run began first, at {began}")
    found = {"outcome": row["val_loss"]}
    if record["persistence"]:
        found["persistence_error"] = abs(record["persistence"] / row["val_loss"] - 1)
    if line := _line(basis, row):
        found["line_error"] = abs(line / row["val_loss"] - 1)
    if record["loss"]:
        found["error"] = abs(record["loss"] / row["val_loss"] - 1)
        found["inside"] = {
            level: (low is None or low <= row["val_loss"]) and (high is None or row["val_loss"] <= high)
            for level, (low, high) in record["intervals"].items()
        }
    return found


def describe_forecast(record: dict[str, Any]) -> str:
    """A sealed forecast in words."""
    told = f"{record['run_id']}: sealed at {record['sealed_at']}, from {len(record['basis'])} runs of smaller models: "
    if record["loss"] is None:
        return f"{told}no forecast, {record['reason']}"
    ends = [f"{float(level):.0%} {format_interval(tuple(ends))}" for level, ends in record["intervals"].items()]
    lines = [f"{told}{record['loss']:.4f} nats per token by the form {record['form']}, {', '.join(ends)}"]
    errors = {name: error for name, error in record["rolling_errors"].items() if error is not None}
    if errors:
        judged = ", ".join(f"{name} {error:.2%}" for name, error in errors.items())
        lines.append(f"rolling-origin error, by which the form was chosen: {judged}")
    if record["persistence"]:
        lines.append(f"persistence, the loss of the next smaller model: {record['persistence']:.4f} nats per token")
    return "\n".join(lines)


def describe_scores(scored: list[dict[str, Any]]) -> str:
    """Forecasts and outcomes as a table, then what they come to."""
    table = [["run", "form", "forecast", "90 % interval", "outcome", "error", "inside 50 %", "90 %", "persistence"]]
    for found in scored:
        made = found["loss"] is not None
        cells = [found["run_id"], found["form"] if made else "-", f"{found['loss']:.4f}" if made else "none"]
        cells.append(format_interval(tuple(found["intervals"]["0.9"])) if made else "-")
        cells.append("to come" if found["outcome"] is None else f"{found['outcome']:.4f}")
        cells += [f"{found[name]:.2%}" if name in found else "-" for name in ("error",)]
        cells += [("yes" if found["inside"][level] else "no") if "inside" in found else "-" for level in ("0.5", "0.9")]
        table.append([*cells, f"{found['persistence_error']:.2%}" if "persistence_error" in found else "-"])
    lines = align(table)
    both = [found for found in scored if "error" in found and "persistence_error" in found]
    if both:
        ours, theirs = (float(np.mean([found[name] for found in both])) for name in ("error", "persistence_error"))
        verdict = "better" if ours < theirs else "no better"
        lines.append(
            f"{len(both)} forecast{'s' * (len(both) > 1)}, mean error {ours:.2%}; "
            f"the loss of the next smaller model, {theirs:.2%}: "
            f"the law is {verdict} than saying that nothing changes"
        )
    lines += [f"{found['run_id']}: none, {found['reason']}" for found in scored if found["loss"] is None]
    return "\n".join(lines)
