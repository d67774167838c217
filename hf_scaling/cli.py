"""The console script `hf-scaling`: what needs no accelerator.

A subcommand is two functions, one that declares its options and one that runs it, and a line in `COMMANDS`. Whatever
is heavy is imported where the command runs, so that `hf-scaling --help` stays instant.
"""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

from hf_scaling.records import UserError, atomic_file, exit_code, read_jsonl, write_json


class Command(NamedTuple):
    """One subcommand: its one-line help, the function that adds its options, and the one that runs it."""

    help: str
    options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


class _Parser(argparse.ArgumentParser):
    """Reports a wrong option in one line, like every other bad input."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def _level(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a number between 0 and 1, such as 0.9")
    return value


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a whole number")
    return int(text)


def _fit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a .csv table (N, D, loss), a .jsonl ledger or a study folder")
    parser.add_argument("--form", choices=["power"], default="power", help="power: L(N) = a N^-alpha + c (default)")
    parser.add_argument("--level", type=_level, default=0.9, help="of the intervals (default 0.9)")
    parser.add_argument("--json", metavar="OUT", help="write the fits as JSON; - prints them instead of the table")
    parser.add_argument("--figure", type=Path, metavar="OUT", help="draw the fits; OUT ends in .png or .svg")
    for role, meaning in (
        ("n", "parameters"),
        ("d", "training tokens"),
        ("loss", "loss, nats per token"),
        ("group", "family; each is fitted by itself"),
    ):
        parser.add_argument(f"--{role}-column", metavar="NAME", help=f"column of {meaning}")


def _fit(options: argparse.Namespace) -> None:
    from hf_scaling.study.points import read_points

    figure, json_out = options.figure, None if options.json in (None, "-") else Path(options.json)
    if figure and figure.suffix not in (".png", ".svg"):
        raise UserError(f"--figure: got {str(figure)!r}, expected a name that ends in .png or .svg")
    for out in (figure, json_out):
        if out and out.exists() and out.samefile(options.file):
            raise UserError(f"{out}: is the input; name another file for the result")
    points = read_points(options.file, options.n_column, options.d_column, options.loss_column, options.group_column)
    from hf_scaling.study.fits import fit_points  # numpy and scipy: not before the input is known to be good
    from hf_scaling.study.summary import describe_fits

    result = fit_points(points, options.level)
    if all(fit["params"]["alpha"] is None for fit in result["fits"]):
        raise UserError(f"{options.file}: nothing to fit: {result['fits'][0]['sentence']}")
    if json_out:
        write_json(json_out, result)
    if figure:
        from hf_scaling.laws.plots import scaling_figure, write_figure

        with atomic_file(figure) as temporary:
            write_figure(scaling_figure(result["fits"]), temporary)
    print(json.dumps(result, indent=2, allow_nan=False) if options.json == "-" else describe_fits(result))


def _report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")


def _report(options: argparse.Namespace) -> None:
    from hf_scaling.report import write_report

    print(f"report: {write_report(options.study)}")


def _data_options(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", metavar="WHAT", required=True)
    rejects = parts.add_parser("rejects", help="list the tunes that a study left out, and why")
    rejects.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")
    rejects.add_argument("--reason", metavar="REASON", help="only these, as in --reason 'too long'")
    rejects.add_argument("--limit", type=_count, default=20, metavar="N", help="how many at most (default 20; 0: all)")
    rejects.add_argument("--json", action="store_true", help="one JSON object a line, whole")
    parts.add_parser("sources", help="the licence register: each source of tunes, and what may be done with them")


def _data(options: argparse.Namespace) -> None:
    if options.part == "sources":
        from hf_scaling.data.register import describe_sources

        print(describe_sources())
        return
    from hf_scaling.data.register import describe_rejects

    listed = options.study / "dataset" / "rejects.jsonl"
    if not listed.is_file():
        raise UserError(f"{options.study}: holds no dataset/rejects.jsonl; expected the folder of a prepared study")
    rows = read_jsonl(listed)
    print(describe_rejects(rows, options.reason, options.limit, options.json))


COMMANDS = {
    "data": Command("what a study left out and why, and the licences of the sources", _data_options, _data),
    "fit": Command("fit a scaling law to a table of runs, with intervals and a verdict", _fit_options, _fit),
    "report": Command("write report.html of a study anew, from what its folder holds", _report_options, _report),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code: 0, or 2 for bad input, told in one line on standard error."""
    parser = _Parser(prog="hf-scaling", description="Scaling laws of language models of symbolic music.")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        command.options(subparsers.add_parser(name, help=command.help, description=command.help))
    options = parser.parse_args(arguments)

    def work() -> int:
        COMMANDS[options.command].run(options)
        return 0

    return exit_code("hf-scaling", work)


if __name__ == "__main__":
    sys.exit(main())
