"""The data of a study: cleaned tunes, splits by tune family, leak report, tokenizer, token streams and baselines.

    python recipes/prepare_data.py
    python recipes/prepare_data.py --config recipes/studies/quick.yaml --family_threshold 0.5 --output_dir outputs/t5

A study folder prepared here is taken up by sweep.py and train.py with the same configuration.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hf_scaling.records import exit_code
from hf_scaling.study.data_stages import prepare, survey
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.options import add_study_options, make_parser, parse_study

STUDIES = Path(__file__).parent / "studies"


def command_line() -> argparse.ArgumentParser:
    """What this recipe may be told."""
    parser = make_parser(__doc__)
    add_study_options(parser, STUDIES / "laptop.yaml")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare a study's data; return the exit code."""

    def work() -> int:
        config, arguments = parse_study(command_line(), argv)
        folder = StudyFolder(config, arguments.overwrite)
        survey(folder, prepare(folder))
        print((folder.path / "dataset" / "README.md").read_text(encoding="utf-8").partition("---\n# ")[2])
        print(f"data: {folder.path / 'dataset'}")
        return 0

    return exit_code("prepare_data.py", work)


if __name__ == "__main__":
    sys.exit(main())
