"""Push what a study made to the Hub: models, tokenizer, data set, ledger, report, and a page to play with.

    python push_to_hub.py models ledger outputs/laptop --repository me/folk --dry-run
    python push_to_hub.py all outputs/laptop --repository me/folk --collection "Folk tunes at all sizes"
    python push_to_hub.py dataset outputs/my-study --repository me/my-tunes --private

Each goes to a repository of its own: `best`, `dataset` and `space` to NAME itself, the others to NAME-tokenizer,
NAME-ledger, NAME-report and, a model a run, NAME-RUN_ID. The same command again changes nothing where nothing has
changed, and goes on where it was interrupted. Log in first with `hf auth login`, or set HF_TOKEN.
"""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from huggingface_hub import HfApi

from hf_scaling.hub.folders import Naming, Target, study_targets
from hf_scaling.hub.push import Pushing, dry_run, full_name
from hf_scaling.hub.reading import read_study
from hf_scaling.records import UserError, check_https, exit_code

WHAT = ("dataset", "tokenizer", "ledger", "models", "best", "report", "space")


class Parser(ArgumentParser):
    """Its errors are UserErrors."""

    def error(self, message: str) -> NoReturn:
        """Raise the message."""
        raise UserError(message)


def parse(argv: Sequence[str] | None) -> Namespace:
    """The command line, as documented by `--help`."""
    parser = Parser(description=__doc__, formatter_class=RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("what", nargs="+", choices=[*WHAT, "all"], help="what to push")
    parser.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")
    parser.add_argument("--repository", required=True, metavar="[USER/]NAME", help="where to")
    parser.add_argument("--org", metavar="NAME", help="the organisation, if NAME is not to be yours")
    parser.add_argument("--private", action="store_true", help="for your eyes only")
    parser.add_argument("--revision", metavar="BRANCH", help="push to this branch, made if absent")
    parser.add_argument("--collection", metavar="TITLE", help="put them into the collection of that title")
    parser.add_argument("--dry-run", action="store_true", help="write the folders to STUDY/hub and push nothing")
    return parser.parse_args(argv)


def targets(options: Namespace, stem: str, endpoint: str) -> list[Target]:
    """The repositories that the command line asks for."""
    naming = Naming(stem, endpoint, options.revision, WHAT if "all" in options.what else options.what)
    chosen = []
    if "dataset" in naming.what:
        from hf_scaling.data.publish import stage_dataset  # seconds of imports that nothing else here needs

        stage = partial(stage_dataset, options.study / "dataset", f"{endpoint}/datasets/{stem}")
        chosen.append(Target("dataset", stem, stage))
    if set(naming.what) - {"dataset"}:
        chosen += study_targets(read_study(options.study), naming, Path(__file__).with_name("LICENSE"))
    return chosen


def main(argv: Sequence[str] | None = None) -> int:
    """Push; return the exit code, 2 if anything was refused."""

    def work() -> int:
        options = parse(argv)
        pushing = Pushing(HfApi(), options.private, options.revision)
        check_https(pushing.api.endpoint, "HF_ENDPOINT")
        stem = full_name(pushing.api, options.repository, options.org)
        chosen = targets(options, stem, pushing.api.endpoint)
        outcomes = []
        for outcome in dry_run(chosen, options.study / "hub") if options.dry_run else pushing.push(chosen):
            outcomes.append(outcome)
            print(outcome.message, file=sys.stdout if outcome.pushed else sys.stderr, flush=True)
        pushed = [outcome.target for outcome in outcomes if outcome.pushed]
        if options.collection and pushed:
            count = f"collection {options.collection!r}: {len(pushed)} repositories"
            print(count if options.dry_run else pushing.collect(options.collection, pushed))
        return 0 if len(pushed) == len(outcomes) else 2

    return exit_code("push_to_hub.py", work)


if __name__ == "__main__":
    sys.exit(main())
