"""`hf-scaling fit`: scaling laws from a table of runs."""

import argparse
import json
from pathlib import Path

from hf_scaling.cli.command import Command, level
from hf_scaling.records import UserError, atomic_file, write_json


def _fit_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a .csv table (N, D, loss), a .jsonl ledger or a study folder")
    parser.add_argument("--form", choices=["power"], default="power", help="power: L(N) = a N^-alpha + c (default)")
    parser.add_argument("--level", type=level, default=0.9, help="of the intervals (default 0.9)")
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


COMMANDS = {"fit": Command("fit a scaling law to a table of runs, with intervals and a verdict", _fit_options, _fit)}
