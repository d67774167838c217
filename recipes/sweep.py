"""The main job: from tunes to a scaling law, in one command.

    accelerate launch recipes/sweep.py
    accelerate launch recipes/sweep.py --config recipes/studies/quick.yaml
    accelerate launch recipes/sweep.py --config recipes/studies/laptop.yaml --seed 1 --output_dir outputs/laptop-seed1
    accelerate launch recipes/sweep.py --dry-run
    accelerate launch recipes/sweep.py --only gpt2-30k folk_lstm-30k
    accelerate launch recipes/sweep.py --train-only

Stopped at any moment, by Ctrl-C or worse, it goes on from there when started again. Started a second time while it
runs, it shares the work.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from hf_scaling.records import UserError, exit_code
from hf_scaling.study.data_stages import prepare
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.options import add_study_options, make_parser, parse_study
from hf_scaling.study.stages import preview, run_study
from hf_scaling.training.processes import end
from hf_scaling.training.run import in_main_process

STUDIES = Path(__file__).parent / "studies"


def command_line() -> argparse.ArgumentParser:
    """What this recipe may be told."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "--dry-run", action="store_true", help="prepare the data, print the runs, their cost and time; train nothing"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="RUN", help="train these: FAMILY-SIZE, run ids, or numbers in the plan"
    )
    parser.add_argument(
        "--train-only",
        action="store_true",
        help="stop when the last model is trained, as on a machine with a rented GPU; the same command without this "
        "draws the conclusions, on any machine that the study folder was copied to",
    )
    parser.add_argument(
        "--force-retrain", action="store_true", help="train every run again; the earlier results are set aside"
    )
    add_study_options(parser, STUDIES / "laptop.yaml")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a study; return the exit code."""

    def work() -> int:
        config, arguments = parse_study(command_line(), argv)
        if arguments.force_retrain and arguments.only:
            raise UserError("--force-retrain: sets every run aside, not only those of --only; leave one of them out")
        folder = StudyFolder(config, arguments.overwrite)
        if arguments.dry_run:
            print(preview(folder, prepare(folder)))
            return 0
        if arguments.force_retrain:
            print(f"earlier results: {folder.set_results_aside()}")
        return run_study(folder, arguments.only, arguments.train_only)

    return exit_code("sweep.py", lambda: in_main_process(work))


if __name__ == "__main__":
    end(main())
