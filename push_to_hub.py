"""Push what a study made to the Hub. At present: its data set, if the licences of all its sources allow that.

    python push_to_hub.py dataset outputs/my-study --repository me/my-tunes
    python push_to_hub.py dataset outputs/my-study --repository me/my-tunes --private

Log in first with `hf auth login`, or set HF_TOKEN.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from hf_scaling.records import exit_code
from hf_scaling.study.options import make_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Push; return the exit code."""
    parser = make_parser(__doc__)
    parser.add_argument("what", choices=["dataset"], help="what to push")
    parser.add_argument("study", type=Path, help="a study folder, such as outputs/my-study")
    parser.add_argument("--repository", required=True, metavar="USER/NAME", help="where to")
    parser.add_argument("--private", action="store_true", help="for your eyes only")

    def work() -> int:
        options = parser.parse_args(argv)
        from hf_scaling.data.publish import publish_dataset  # seconds of imports: not before the options are right

        print(publish_dataset(options.study / "dataset", options.repository, options.private))
        return 0

    return exit_code("push_to_hub.py", work)


if __name__ == "__main__":
    sys.exit(main())
