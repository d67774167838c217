"""`hf-scaling fit` and `frontier`: scaling laws from a table of runs, and what they say of a budget."""

import argparse
from pathlib import Path
from typing import Any

from hf_scaling.cli.command import Command, count, level
from hf_scaling.cli.outputs import Drawing, add_outputs, check_outputs, write_outputs
from hf_scaling.records import UserError

# name, what it is: a line each keeps `--help` instant, for the forms themselves need NumPy
FORMS = {
    "power": "L(N) = a N^-alpha + c (default)",
    "data": "L(D) = b D^-beta + c",
    "chinchilla": "L(N, D) = A N^-alpha + B D^-beta + E",
    "kaplan": "L(N, D) = ((N_c/N)^(alpha_N/alpha_D) + D_c/D)^alpha_D",
    "data_constrained": "chinchilla in effective N and D, with U unique tokens (Muennighoff et al.)",
    "sms": "symbolic music scaling law of MuPT, with U",
}
_COLUMNS = {
    "n": "parameters",
    "d": "training tokens",
    "c": "training FLOPs",
    "u": "unique training tokens",
    "loss": "loss, nats per token",
    "group": "family; each is fitted by itself",
}


def add_column_options(parser: argparse.ArgumentParser) -> None:
    """The table of runs, and the names of its columns."""
    parser.add_argument(
        "file", type=Path, help="a .csv, .jsonl or .parquet table (N, D, loss), a study folder, or a Hub data set"
    )
    for role, meaning in _COLUMNS.items():
        parser.add_argument(f"--{role}-column", metavar="NAME", help=f"column of {meaning}")


def columns(options: argparse.Namespace) -> Any:
    """The names of columns, as `study.points.Columns`."""
    from hf_scaling.study.points import Columns

    return Columns(**{role: getattr(options, f"{role}_column") for role in _COLUMNS})


def _table_options(parser: argparse.ArgumentParser) -> None:
    add_column_options(parser)
    parser.add_argument("--drop-highest-loss", type=count, default=0, metavar="K", help="leave out K runs of a group")
    parser.add_argument(
        "--objective",
        choices=["huber", "squares"],
        help="on log-loss, delta 1e-3, or least squares (default: squares for power and data, huber for the others)",
    )
    parser.add_argument("--level", type=level, default=0.9, help="of the intervals (default 0.9)")
    add_outputs(parser)


def _fit_options(parser: argparse.ArgumentParser) -> None:
    _table_options(parser)
    parser.add_argument("--form", choices=FORMS, default="power", help="the law, see below (default power)")
    parser.add_argument(
        "--bootstrap",
        type=count,
        default=0,
        metavar="K",
        help="percentile intervals of K resamples as well; power is then fitted to log-loss, as the other forms are",
    )
    parser.add_argument("--seed", type=count, default=0, help="of the bootstrap (default 0)")


def _read(options: argparse.Namespace) -> Any:
    check_outputs(options.file, options.json, options.figure)
    from hf_scaling.study.points import read_points

    return read_points(options.file, columns(options))


def _fit(options: argparse.Namespace) -> None:
    points = _read(options)
    objective = options.objective or ("squares" if options.form in ("power", "data") else "huber")
    if options.form == "power" and objective == "squares" and not options.bootstrap:
        _fit_power(options, points)
        return
    from tqdm import tqdm

    from hf_scaling.study.fit_text import describe_forms
    from hf_scaling.study.form_fits import FormOptions, fit_forms

    chosen = FormOptions(
        options.form, objective, options.level, options.drop_highest_loss, options.bootstrap, options.seed
    )
    with tqdm(desc="bootstrap", unit=" resamples", leave=False, disable=not options.bootstrap) as bar:
        result = fit_forms(points, chosen, bar.update)

    def draw() -> Drawing:
        from hf_scaling.laws.plots import residual_figure, residual_table

        return residual_figure(result["fits"]), residual_table(result["fits"])

    write_outputs(result, describe_forms(result), options.json, options.figure, draw)


def _fit_power(options: argparse.Namespace, points: Any) -> None:
    from hf_scaling.study.fit_text import describe_fits
    from hf_scaling.study.fits import fit_points  # numpy and scipy: not before the input is known to be good

    result = fit_points(points, options.level, options.drop_highest_loss)
    if all(fit["params"]["alpha"] is None for fit in result["fits"]):
        raise UserError(f"{options.file}: nothing to fit: {result['fits'][0]['sentence']}")

    def draw() -> Drawing:
        from hf_scaling.laws.plots import scaling_figure, scaling_table

        return scaling_figure(result["fits"]), scaling_table(result["fits"])

    write_outputs(result, describe_fits(result), options.json, options.figure, draw)


def _frontier_options(parser: argparse.ArgumentParser) -> None:
    _table_options(parser)
    parser.add_argument(
        "--budgets",
        type=float,
        nargs="+",
        metavar="C",
        help="FLOPs (default: from the smallest run's to 100 times the largest's)",
    )


def _frontier(options: argparse.Namespace) -> None:
    points = _read(options)
    from hf_scaling.study.form_fits import FormOptions
    from hf_scaling.study.frontiers import describe_frontiers, frontiers

    chosen = FormOptions("chinchilla", options.objective or "huber", options.level, options.drop_highest_loss)
    result = frontiers(points, chosen, options.budgets)

    def draw() -> Drawing:
        from hf_scaling.laws.plots import frontier_figure, frontier_table

        return frontier_figure(result["frontiers"]), frontier_table(result["frontiers"])

    write_outputs(result, describe_frontiers(result), options.json, options.figure, draw)


_FORMS_HELP = "\n".join(f"  {name:17} {meaning}" for name, meaning in FORMS.items())
_FIT_HELP = f"""\
forms, L in nats per token, N in parameters, D and U in tokens:
{_FORMS_HELP}

A column of N (n_params) and one of loss (val_loss) are needed, and what the
form reads: D (n_tokens), U (n_unique_tokens). Where there is a C (flops) and
no D, D is C/(6N). Each family (group) is fitted by itself. An exponent is not
resolved where its interval is open or wider than the estimate.

examples:
  hf-scaling fit runs.csv
  hf-scaling fit runs.csv --form chinchilla --bootstrap 1000 --json fit.json
  hf-scaling fit outputs/laptop --figure law.png --figure law.csv
"""
_FRONTIER_HELP = """\
L(N, D) = A N^-alpha + B D^-beta + E is fitted to runs at several N and D; its
optimum is given for C = 6ND and, where the table has a C (flops,
flops_causal), for FLOPs as they were counted. Budgets with runs of four sizes
and more are checked by IsoFLOP parabolas.

examples:
  hf-scaling frontier runs.csv
  hf-scaling frontier outputs/laptop --budgets 1e15 1e16 --figure frontier.png
"""

COMMANDS = {
    "fit": Command("fit a scaling law to a table of runs, with intervals and a verdict", _fit_options, _fit, _FIT_HELP),
    "frontier": Command(
        "compute-optimal N and D for budgets of FLOPs, with intervals", _frontier_options, _frontier, _FRONTIER_HELP
    ),
}
