"""`hf-scaling lint`: is there anything about a study that makes its conclusions wrong or fragile?"""

import argparse
import json
from pathlib import Path

from hf_scaling.cli.command import Command
from hf_scaling.cli.laws import FORMS, add_column_options, columns
from hf_scaling.records import write_json


def _options(parser: argparse.ArgumentParser) -> None:
    add_column_options(parser)
    parser.add_argument("--form", choices=FORMS, help="the law that is concluded (default: what the runs allow)")
    parser.add_argument("--json", metavar="OUT", help="write the findings as JSON; - prints it instead of the text")


def _lint(options: argparse.Namespace) -> int:
    """1 where something was found, so that a script can stop there."""
    from hf_scaling.study.lint import describe_lint, lint

    result = lint(options.file, columns(options), options.form)
    if options.json not in (None, "-"):
        write_json(Path(options.json), result)
    print(json.dumps(result, indent=2) if options.json == "-" else describe_lint(result))
    return 1 if result["findings"] else 0


COMMANDS = {
    "lint": Command("name what makes a study's conclusions wrong or fragile; exit code 1 if anything", _options, _lint)
}
