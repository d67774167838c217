"""`hf-scaling lint`: is there anything about a study that makes its conclusions wrong or fragile?"""

import argparse

from hf_scaling.cli.command import Command
from hf_scaling.cli.laws import FORMS, add_column_options, columns
from hf_scaling.cli.outputs import add_outputs, check_outputs, write_outputs


def _options(parser: argparse.ArgumentParser) -> None:
    add_column_options(parser)
    parser.add_argument("--form", choices=FORMS, help="the law that is concluded (default: what the runs allow)")
    add_outputs(parser, figure=False)


def _lint(options: argparse.Namespace) -> int:
    """1 where something was found, so that a script can stop there."""
    check_outputs(options.file, options.json)
    from hf_scaling.study.lint import describe_lint, lint

    result = lint(options.file, columns(options), options.form)
    write_outputs(result, describe_lint(result), options.json)
    return 1 if result["findings"] else 0


_HELP = """\
Each finding says what it does to the conclusion and how to mend it. A study
folder is checked whole, its schedules, learning rates and leak report
included; of a bare table, what its columns tell.

examples:
  hf-scaling lint outputs/laptop
  hf-scaling lint runs.csv --form chinchilla
"""

COMMANDS = {
    "lint": Command(
        "name what makes a study's conclusions wrong or fragile; exit code 1 if anything", _options, _lint, _HELP
    )
}
