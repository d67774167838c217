"""`hf-scaling compare`: is one family of a study better than another, and by how much?"""

import argparse
from pathlib import Path

from hf_scaling.cli.command import Command, count, level
from hf_scaling.cli.outputs import Drawing, add_outputs, check_outputs, write_outputs


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")
    parser.add_argument("first", metavar="FAMILY", help="such as gpt2; differences are of this one less the other")
    parser.add_argument("second", metavar="FAMILY", help="such as folk_lstm")
    parser.add_argument("--level", type=level, default=0.9, help="of the intervals (default 0.9)")
    parser.add_argument("--seed", type=count, default=0, help="of the bootstrap over tunes (default 0)")
    add_outputs(parser)


def _compare(options: argparse.Namespace) -> None:
    check_outputs(options.study, options.json, options.figure)
    from hf_scaling.study.compare import compare  # numpy and scipy: not before the options are known to be good
    from hf_scaling.study.compare_text import describe_comparison

    result = compare(options.study, options.first, options.second, options.level, options.seed)

    def draw() -> Drawing:
        from hf_scaling.laws.plots.comparison import comparison_figure, comparison_table

        return comparison_figure(result), comparison_table(result)

    write_outputs(result, describe_comparison(result), options.json, options.figure, draw)


_HELP = """\
Compared are the runs of the longest horizon that both families have: their
exponents; how many times the parameters, FLOPs and seconds the first needs to
reach a loss of the second; the losses on the same tunes at each common size,
by a paired bootstrap over tunes; and the loss by tokens of context. Each
answer is a sentence with its interval.

example:
  hf-scaling compare outputs/laptop gpt2 folk_lstm
"""

COMMANDS = {
    "compare": Command(
        "compare two families: exponents, cost at equal loss, paired losses, with intervals", _options, _compare, _HELP
    ),
}
