"""The main job: from tunes to a scaling law, in one command.

    accelerate launch recipes/sweep.py
    accelerate launch recipes/sweep.py --config recipes/studies/quick.yaml
    accelerate launch recipes/sweep.py --config recipes/studies/laptop.yaml --seed 1 --output_dir outputs/laptop-seed1

Stopped at any moment, by Ctrl-C or worse, it goes on from there when started again.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from hf_scaling.records import exit_code
from hf_scaling.study.options import add_study_options, make_parser, parse_study
from hf_scaling.study.stages import run_study
from hf_scaling.study.summary import summarize

STUDIES = Path(__file__).parent / "studies"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a study; return the exit code."""
    parser = make_parser(__doc__)
    parser.add_argument(
        "--overwrite", action="store_true", help="set aside a study of another configuration and start anew"
    )
    add_study_options(parser, STUDIES / "laptop.yaml")

    def work() -> int:
        config, arguments = parse_study(parser, argv)
        return summarize(run_study(config, arguments.overwrite))

    return exit_code("sweep.py", work)


if __name__ == "__main__":
    sys.exit(main())
