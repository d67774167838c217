"""`hf-scaling forecast`, `score` and `plan`: what runs will say, what they said, and which to make."""

import argparse
import json
from pathlib import Path

from hf_scaling.cli.command import Command
from hf_scaling.records import UserError


def _forecast_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")
    parser.add_argument("--run", required=True, metavar="RUN_ID", help="a run of its plan that has not begun")


def _forecast(options: argparse.Namespace) -> None:
    from hf_scaling.study.forecasts import describe_forecast, planned_run, seal

    print(describe_forecast(seal(options.study, planned_run(options.study, options.run))))


def _score_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _score(options: argparse.Namespace) -> None:
    from hf_scaling.study.forecasts import describe_scores, score

    scored = score(options.study)
    if not scored:
        raise UserError(
            f"{options.study}: no forecast in it; make one with: hf-scaling forecast {options.study} --run RUN_ID"
        )
    print(json.dumps(scored, indent=2) if options.json else describe_scores(scored))


def _budget(text: str) -> tuple[float, str]:
    """(seconds or FLOPs, which): `90m`, `2h`, `1.5d`, or a bare number of FLOPs."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    try:
        if text[-1:] in units:
            value, kind = float(text[:-1]) * units[text[-1]], "seconds"
        else:
            value, kind = float(text), "flops"
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"got {text!r}, expected a time such as 90m or 2h, or FLOPs such as 1e15")
    return value, kind


def _plan_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", type=Path, metavar="STUDY.yaml", help="a study's configuration, or its study.yaml")
    parser.add_argument("--budget", type=_budget, required=True, help="of training: 90m, 2h, or FLOPs such as 1e15")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def _plan(options: argparse.Namespace) -> None:
    from hf_scaling.study.design import describe_designs, plan_study

    if not options.config.is_file():
        raise UserError(f"{options.config}: not found; expected a study's YAML, such as recipes/studies/laptop.yaml")
    result = plan_study(options.config, *options.budget)
    print(json.dumps(result, indent=2) if options.json else describe_designs(result))


_FORECAST_HELP = """\
Writes STUDY/forecasts/RUN_ID.json: the loss, its 50 and 90 % intervals, the
form that had the least rolling-origin error, a hash of the runs it rests on,
and the time. It is never written over, and refused once the run has begun.
With fewer than two runs more than parameters in hand it holds the reason why
there is no forecast.

example, of a run that STUDY/plan.json names:
  hf-scaling forecast outputs/laptop --run RUN_ID
"""
_SCORE_HELP = """\
Beside each error stands that of persistence, the loss of the next smaller
model: a flat curve earns nothing. A forecast that was changed, whose runs were
changed, or whose run began first is refused.
"""
_PLAN_HELP = """\
Sizes of the study's ladder, horizons and seeds are chosen together, N and D
varied independently; with the schedule wsd horizons share a trunk and pay for
their cooldowns. A time is turned into runs by a few measured updates of each
size. The law is that of the study's own runs where it has enough of them, and
else assumed. The best designs are simulated.

examples:
  hf-scaling plan recipes/studies/laptop.yaml --budget 2h
  hf-scaling plan recipes/studies/laptop.yaml --budget 1e15
"""

COMMANDS = {
    "forecast": Command(
        "seal a prediction of a run's loss before it begins", _forecast_options, _forecast, _FORECAST_HELP
    ),
    "score": Command("compare sealed forecasts with what the runs gave", _score_options, _score, _SCORE_HELP),
    "plan": Command(
        "which runs to make, so that the exponent's interval is narrowest", _plan_options, _plan, _PLAN_HELP
    ),
}
