"""One run of a study: prepares what it needs, trains one size of one family, and adds its row to the ledger.

    accelerate launch recipes/train.py --run gpt2-175k
    accelerate launch recipes/train.py --config recipes/studies/quick.yaml --run folk_lstm-15k

RUN is FAMILY-SIZE, or a whole run id. A finished run is left alone; an interrupted one goes on from its checkpoint.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from hf_scaling.records import UserError, exit_code, read_ledger
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.options import add_study_options, make_parser, parse_study
from hf_scaling.study.progress import StudyProgress
from hf_scaling.study.stages import plan, prepare, train

STUDIES = Path(__file__).parent / "studies"


def main(argv: Sequence[str] | None = None) -> int:
    """Train one run; return the exit code: 1 if it failed."""
    parser = make_parser(__doc__)
    parser.add_argument("--run", required=True, help="which run: FAMILY-SIZE, or a run id")
    parser.add_argument("--overwrite", action="store_true", help="set aside a study of another configuration")
    add_study_options(parser, STUDIES / "laptop.yaml")

    def work() -> int:
        config, arguments = parse_study(parser, argv)
        folder = StudyFolder(config, arguments.overwrite)
        prepared = prepare(folder)
        made = plan(folder, prepared)
        names = {spec.run_id.rpartition("-")[0]: spec for spec in made.runs}
        spec = {**names, **{spec.run_id: spec for spec in made.runs}}.get(arguments.run)
        if spec is None:
            raise UserError(f"--run: got {arguments.run!r}, expected one of {', '.join(names)}")
        with StudyProgress({spec.run_id: made.resolved["predicted_seconds"][spec.run_id]}, set()) as progress:
            train(folder, prepared, [spec], progress)
        rows, _ = read_ledger(folder.path / "runs.jsonl")
        row = [row for row in rows if row["run_id"] == spec.run_id][-1]
        print(json.dumps(row, indent=2))
        return 0 if row["status"] == "finished" else 1

    return exit_code("train.py", work)


if __name__ == "__main__":
    sys.exit(main())
