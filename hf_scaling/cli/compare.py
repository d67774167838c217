"""`hf-scaling compare`: is one family of a study better than another, and by how much?"""

import argparse
import json
from pathlib import Path

from hf_scaling.cli.command import Command, count, level
from hf_scaling.records import UserError, atomic_file, write_json


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")
    parser.add_argument("first", metavar="FAMILY", help="such as gpt2; differences are of this one less the other")
    parser.add_argument("second", metavar="FAMILY", help="such as folk_lstm")
    parser.add_argument("--level", type=level, default=0.9, help="of the intervals (default 0.9)")
    parser.add_argument("--seed", type=count, default=0, help="of the bootstrap over tunes (default 0)")
    parser.add_argument("--json", metavar="OUT", help="write the result as JSON; - prints it instead of the text")
    parser.add_argument("--figure", type=Path, metavar="OUT", help="draw it; OUT ends in .png or .svg")


def _compare(options: argparse.Namespace) -> None:
    if options.figure and options.figure.suffix not in (".png", ".svg"):
        raise UserError(f"--figure: got {str(options.figure)!r}, expected a name that ends in .png or .svg")
    from hf_scaling.study.compare import compare  # numpy and scipy: not before the options are known to be good
    from hf_scaling.study.compare_text import describe_comparison

    result = compare(options.study, options.first, options.second, options.level, options.seed)
    if options.json not in (None, "-"):
        write_json(Path(options.json), result)
    if options.figure:
        from hf_scaling.laws.plots import write_figure
        from hf_scaling.laws.plots.comparison import comparison_figure

        with atomic_file(options.figure) as temporary:
            write_figure(comparison_figure(result), temporary)
    print(json.dumps(result, indent=2, allow_nan=False) if options.json == "-" else describe_comparison(result))


COMMANDS = {
    "compare": Command(
        "compare two families: exponents, cost at equal loss, paired losses, with intervals", _options, _compare
    ),
}
