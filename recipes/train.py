"""One run of a study: prepares what it needs, trains one size of one family, and adds its row to the ledger.

    accelerate launch recipes/train.py --run gpt2-120k
    accelerate launch recipes/train.py --config recipes/studies/quick.yaml --run folk_lstm-15k

RUN is FAMILY-SIZE, or a whole run id. A finished run is left alone; an interrupted one goes on from its checkpoint.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

from hf_scaling.records import LEDGER, UserError, exit_code, read_ledger
from hf_scaling.study.data_stages import prepare
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.options import add_study_options, make_parser, parse_study
from hf_scaling.study.stages import choose, plan, train_planned
from hf_scaling.training.processes import end
from hf_scaling.training.run import in_main_process

STUDIES = Path(__file__).parent / "studies"


def command_line() -> argparse.ArgumentParser:
    """What this recipe may be told."""
    parser = make_parser(__doc__)
    parser.add_argument("--run", required=True, help="which run: FAMILY-SIZE, or a run id")
    add_study_options(parser, STUDIES / "laptop.yaml")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Train one run, or one for each horizon and seed; return the exit code: 1 if one failed."""

    def work() -> int:
        config, arguments = parse_study(command_line(), argv)
        folder = StudyFolder(config, arguments.overwrite)
        prepared = prepare(folder)
        made = plan(folder, prepared)
        chosen = choose(made, [arguments.run], "--run")
        before = len(read_ledger(folder.path / LEDGER)[0])
        train_planned(folder, prepared, made, chosen)
        rows = {
            row["run_id"]: row
            for number, row in enumerate(read_ledger(folder.path / LEDGER)[0])
            if row["run_id"] in chosen and (number >= before or row["status"] == "finished")
        }
        if len(rows) < len(chosen):
            raise UserError(f"--run: {arguments.run} is being trained by another process; start again when that ended")
        for row in rows.values():
            print(json.dumps(row, indent=2))
        return int(any(row["status"] == "failed" for row in rows.values()))

    return exit_code("train.py", lambda: in_main_process(work))


if __name__ == "__main__":
    end(main())
