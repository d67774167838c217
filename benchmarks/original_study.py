"""How long the plan of the original study took to train, five transformers and five LSTMs of one epoch each.

    accelerate launch recipes/sweep.py --config recipes/studies/gpu_original.yaml --train-only
    python benchmarks/original_study.py outputs/gpu_original

On the machine that trained it, since a benchmark's result is about its machine. Its author reports 4 to 7 hours on a
T4. The goal counts the seconds of every run as if they had come one after the other; runs side by side took less
together.
"""

import argparse
import sys
from datetime import datetime
from pathlib import Path

from common import write_result

from hf_scaling.records import LEDGER, UserError, exit_code, finished_rows, read_json
from hf_scaling.study.plan import PLAN
from hf_scaling.training.row import device

_GOAL_SECONDS = 300
_KEPT = ("run_id", "family", "size", "n_params", "n_tokens", "precision", "compiled", "threads", "wall_seconds")


def _measure(study: Path) -> int:
    planned = [run["run_id"] for run in read_json(study / PLAN)]
    rows = {row["run_id"]: row for row in finished_rows(study / LEDGER)}
    if left := [run_id for run_id in planned if run_id not in rows]:
        raise UserError(f"{study}: {len(left)} of {len(planned)} runs have not finished, {left[0]} among them")
    ran = [rows[run_id] for run_id in planned]
    if strange := {row["device"] for row in ran} - {device()}:
        raise UserError(f"{study}: trained on {strange.pop()}, but this is {device()}; run this where it was trained")
    seconds = sum(row["wall_seconds"] for row in ran)
    begun, ended = min(row["started_at"] for row in ran), max(row["finished_at"] for row in ran)
    elapsed = (datetime.fromisoformat(ended) - datetime.fromisoformat(begun)).total_seconds()
    label = f"{_GOAL_SECONDS} s / training of {len(ran)} runs"
    write_result(
        "original_study",
        [*({name: row[name] for name in _KEPT} for row in ran), {"runs": len(ran), "elapsed_seconds": elapsed}],
        {label: _GOAL_SECONDS / seconds, f"{_GOAL_SECONDS} s / first start to last end": _GOAL_SECONDS / elapsed},
        {label: 1.0},
    )
    return 0


def main() -> int:
    """Read the ledger of a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="a study whose runs have all finished")
    study = parser.parse_args().study
    return exit_code("original_study.py", lambda: _measure(study))


if __name__ == "__main__":
    sys.exit(main())
