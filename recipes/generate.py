"""New tunes from a trained model: ABC notation, held to the grammar or repaired where it must be, and as MIDI.

    python recipes/generate.py outputs/laptop
    python recipes/generate.py outputs/laptop --number 4 --key D --meter 6/8 --rhythm Jig --title "The Quick Study"
    python recipes/generate.py outputs/laptop --constrain none
    python recipes/generate.py path/to/model --number 20 --temperature 0.8 --output_dir tunes

MODEL is a study folder (its best model is taken), or a model's folder or name on the Hub.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from hf_scaling.generation import CONSTRAINTS, HEADER_FIELDS, build_prompt, load_model_and_tokenizer
from hf_scaling.records import UserError, exit_code, read_json
from hf_scaling.study.options import make_parser
from hf_scaling.study.samples import write_samples


def main(argv: Sequence[str] | None = None) -> int:
    """Write tunes; return the exit code."""
    parser = make_parser(__doc__)
    parser.add_argument("model", metavar="MODEL", help="a study folder, a model's folder, or its name on the Hub")
    parser.add_argument("--number", type=int, default=1, help="of tunes (default 1)")
    parser.add_argument("--seed", type=int, default=0, help="tune i is a function of seed + i (default 0)")
    parser.add_argument("--temperature", type=float, default=0.9, help="lower is safer, higher is bolder (default 0.9)")
    parser.add_argument("--top_p", type=float, default=0.95, help="of the probability to sample from (default 0.95)")
    parser.add_argument(
        "--constrain",
        choices=list(CONSTRAINTS),
        default="strict",
        help="what the model may write: strictly valid notation, legal notation with bars of any length, or anything;"
        " what it would write by itself, with the same seeds, is judged beside it (default strict)",
    )
    parser.add_argument("--output_dir", type=Path, default=Path("outputs/tunes"), help="default: outputs/tunes")
    for name, letter in HEADER_FIELDS.items():
        parser.add_argument(f"--{name}", metavar="TEXT", help=f"the tune's {letter}: field")

    def work() -> int:
        options = parser.parse_args(argv)
        if options.number < 1:
            raise UserError(f"--number: got {options.number}, expected at least 1")
        if not 0 <= options.seed < 2**63 - 100_000:
            raise UserError(f"--seed: got {options.seed}, expected at least 0 and below 2^63 - 100,000")
        if options.output_dir.exists():
            raise UserError(f"--output_dir: {options.output_dir} exists already; name a new folder")
        prompt = build_prompt(**{name: getattr(options, name) for name in HEADER_FIELDS})
        best = Path(options.model) / "best.json"
        name = str(best.parent / read_json(best)["model_path"]) if best.exists() else options.model
        model, tokenizer = load_model_and_tokenizer(name)
        sampling = {"temperature": options.temperature, "top_p": options.top_p}
        prompts = [prompt] * options.number
        write_samples(model, tokenizer, prompts, options.seed, sampling, options.output_dir, options.constrain)
        print((options.output_dir / "generated_samples.txt").read_text(encoding="utf-8"))
        print(f"tunes: {options.output_dir}")
        return 0

    return exit_code("generate.py", work)


if __name__ == "__main__":
    sys.exit(main())
