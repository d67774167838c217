"""What the tunes of every model of a study are worth, and how that changes with model size.

    python recipes/evaluate_music.py outputs/laptop
    python recipes/evaluate_music.py outputs/quick --number 16

Draws tunes from each finished model of the longest horizon, unconstrained, measures them beside held-out real tunes
(docs/music.md), writes music.jsonl and music.json into the study's folder, and its report anew. Interrupted, it goes on
with the next model.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from hf_scaling.records import exit_code
from hf_scaling.report import write_report
from hf_scaling.study.options import make_parser
from hf_scaling.study.worth import Drawing, evaluate_music
from hf_scaling.study.worth_trends import RECORD, describe_worth


def main(argv: Sequence[str] | None = None) -> int:
    """Measure the models of a study; return the exit code."""
    default = Drawing()
    parser = make_parser(__doc__)
    parser.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")
    parser.add_argument("--number", type=int, default=default.n_tunes, help="of tunes a model (default %(default)s)")
    parser.add_argument("--seed", type=int, default=default.seed, help="tune i is drawn with seed + i (default 0)")
    parser.add_argument(
        "--temperature", type=float, default=default.temperature, help="default 1: the model's own distribution"
    )
    parser.add_argument("--top_p", type=float, default=default.top_p, help="default 1: the model's own distribution")

    def work() -> int:
        options = parser.parse_args(argv)
        drawing = Drawing(options.number, options.seed, options.temperature, options.top_p)
        print(describe_worth(evaluate_music(options.study, drawing)))
        print(f"music: {options.study / RECORD}")
        print(f"report: {write_report(options.study)}")
        return 0

    return exit_code("evaluate_music.py", work)


if __name__ == "__main__":
    sys.exit(main())
