"""What a person sees when a study has ended: its runs, its laws, and where the report lies."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hf_scaling.records import LEDGER, read_json, read_ledger
from hf_scaling.study.fit_text import align, describe_fits
from hf_scaling.study.forecasts import describe_scores, score
from hf_scaling.study.plan import Plan
from hf_scaling.training.memory import training_bytes
from hf_scaling.training.row import describe

_UNITS = {"hours": 3600, "minutes": 60}


def describe_plan(plan: Plan, study: str) -> str:
    """The runs to come: exact counts, and what each is predicted to take of this machine."""
    table = [["", "run", "N", "N non-embedding", "D", "C (FLOPs)", "learning rate", "seconds", "memory (GB)"]]
    for number, spec in enumerate(plan.runs):
        row = describe(spec, study, 0)
        counts = [f"{row[name]:,}" for name in ("n_params", "n_params_non_embedding", "n_tokens")]
        seconds, memory = plan.resolved["predicted_seconds"][spec.run_id], training_bytes(spec) / 1e9
        time = f"{seconds:,.{0 if seconds >= 10 else 1}f}" if seconds else "?"
        measured = [f"{row['flops']:.3g}", f"{spec.learning_rate:.3g}", time, f"{memory:.2f}"]
        table.append([str(number), spec.run_id, *counts, *measured])
    return "\n".join([*align(table), describe_time(plan, "runs")])


def describe_time(plan: Plan, what: str) -> str:
    """How many runs (or trials) there are, and how long they are predicted to train."""
    several = plan.resolved["side_by_side"]
    seconds = [plan.resolved["predicted_seconds"][spec.run_id] for spec in plan.runs]
    total = sum(seconds)
    unit, length = next((pair for pair in _UNITS.items() if total > 1.5 * pair[1]), ("seconds", 1))
    together = f", less with {several} side by side" if several > 1 else ""
    untimed = f"; {seconds.count(0)} could not be timed here, for want of memory mostly" if 0 in seconds else ""
    return f"{len(plan.runs)} {what}, predicted to train for {total / length:.3g} {unit}{together}{untimed}"


def describe_runs(rows: Sequence[dict[str, Any]]) -> str:
    """The ended runs as a table, the failed with their reason."""
    table = [["run", "N", "D", "val loss", "bits/char", "seconds", "tokens/s"]]
    for row in rows:
        if row["status"] == "failed":
            table.append(
                [row["run_id"], f"{row['n_params']:,}", f"{row['n_tokens']:,}", f"failed: {row['error']}", "", "", ""]
            )
        else:
            table.append(
                [row["run_id"], f"{row['n_params']:,}", f"{row['n_tokens']:,}"]
                + [f"{row['val_loss']:.4f} ± {row['val_loss_stderr']:.4f}", f"{row['val_bpc']:.3f}"]
                + [f"{row['wall_seconds']:.0f}", f"{row['tokens_per_second']:,.0f}"]
            )
    return "\n".join(align(table))


def summarize(study: Path) -> int:
    """Print a study's outcome; return its exit code: 1 if a run has only failed so far."""
    rows = read_ledger(study / LEDGER)[0]
    failed = _only_failed(rows)
    ended = [row for row in rows if row["status"] == "finished"] + list(failed.values())
    print(f"\n{describe_runs(sorted(ended, key=lambda row: (row['family'], row['n_params'])))}\n")
    print(describe_fits(read_json(study / "fits.json")))
    scored = score(study)
    if any(found["loss"] for found in scored):
        print(f"\n{describe_scores(scored)}")
    codes = dict.fromkeys(found["code"] for found in read_json(study / "lint.json")["findings"])
    print(f"\nlint: {', '.join(codes) or 'nothing found'}; hf-scaling lint {shlex.quote(str(study))} tells more")
    if failed:
        print(f"\n{len(failed)} runs failed; the same command tries them again")
    print(f"\nreport: {study / 'report.html'}")
    return 1 if failed else 0


def _only_failed(rows: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """By run id, the last row of each run that has not finished."""
    finished = {row["run_id"] for row in rows if row["status"] == "finished"}
    return {row["run_id"]: row for row in rows if row["run_id"] not in finished}


def tell_failures(study: Path, run_ids: Sequence[str] = ()) -> int:
    """Print which of these runs (of all, if none are named) have only failed so far, and why; 1 if some have."""
    every = _only_failed(read_ledger(study / LEDGER)[0])
    failed = [row for run_id, row in every.items() if run_id in (run_ids or every)]
    for row in failed:
        print(f"{row['run_id']} failed: {row['error']}; the same command tries it again")
    return 1 if failed else 0
