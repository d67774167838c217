"""`hf-scaling listen` and `preferences`: tunes that people compare by ear, and what they preferred."""

import argparse
import json
from pathlib import Path

from hf_scaling.cli.command import Command
from hf_scaling.records import UserError


def _listen_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a study folder with music.json (recipes/evaluate_music.py)")
    parser.add_argument("-o", "--output", type=Path, default=Path("listening.html"), help="default: listening.html")
    parser.add_argument("--models", nargs="+", default=[], metavar="RUN", help="default: the largest of each family")
    parser.add_argument("--pairs", type=int, default=20, metavar="N", help="how many pairs of tunes (default 20)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice of tunes and pairs (default 0)")


def _listen(options: argparse.Namespace) -> None:
    from hf_scaling.study.listening import write_page

    key = write_page(options.study, options.output, options.models, options.pairs, options.seed)
    print(f"page: {options.output}")
    print(f"key, not for listeners: {key}")


def _preferences_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("key", type=Path, help="the .key.json that was written with the page")
    parser.add_argument("answers", type=Path, nargs="+", help="files that listeners saved, one each")
    parser.add_argument("--json", action="store_true", help="a JSON object a line")


def _preferences(options: argparse.Namespace) -> None:
    from hf_scaling.music.preferences import preferences
    from hf_scaling.study.listening import REAL, read_answers

    answers = read_answers(options.key, options.answers)
    if not answers:
        raise UserError(f"{options.answers[0]}: holds no answer")
    for found in preferences(answers, REAL):
        if options.json:
            print(json.dumps(found._asdict() | {"chance": found.chance._asdict()}))
            continue
        chance = f"{found.chance.value:.2f} [{found.chance.low:.2f}, {found.chance.high:.2f}]"
        print(f"{found.kind:32} preferred to {REAL} {chance}, won {found.won:g} of {found.answers}")


COMMANDS = {
    "listen": Command("a page for a blind comparison of tunes by ear", _listen_options, _listen),
    "preferences": Command("what listeners of such a page preferred", _preferences_options, _preferences),
}
