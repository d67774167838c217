"""What decoding costs: under the constraint of the grammar against without, and in batches against transformers'
`pipeline` called one prompt at a time; and how many constrained tunes are strictly valid.

    python benchmarks/generation.py outputs/laptop
    python benchmarks/generation.py outputs/quick --samples 64      # quicker

STUDY is a study folder; the largest model of each family is measured. Blocks of tunes are drawn in turns, a different
way first each time. The constraint starts knowing nothing ("from cold") and is measured once more on the same seeds,
knowing its way ("warm"). Seconds are processor seconds of this process.
"""

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import write_result
from transformers import PreTrainedModel, PreTrainedTokenizerBase, pipeline
from transformers.utils import logging

from hf_scaling.generation import build_prompt, generate_tunes, load_model_and_tokenizer
from hf_scaling.models import generation_limit
from hf_scaling.notation import check
from hf_scaling.records import finished_rows

_BLOCK = 256  # of four kinds of prompts, so that batches have 64 rows
PROMPTS = ["", build_prompt(key="D", meter="6/8", rhythm="Jig"), build_prompt(meter="3/4"), build_prompt(key="Ador")]
_GOALS = {
    "speed, constrained from cold against unconstrained": 0.8,
    "speed, constrained warm against unconstrained": 0.8,
    "speed, batched against pipeline": 10.0,
    "share strictly valid, constrained": 1.0,
}


def largest(study: Path) -> dict[str, Path]:
    """The model folder of the largest run of each family."""
    rows = {row["family"]: row for row in sorted(finished_rows(study / "runs.jsonl"), key=lambda row: row["n_params"])}
    return {family: study / "runs" / row["run_id"] / "model" for family, row in rows.items()}


def measure(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, number: int
) -> dict[str, tuple[float, int, list[str]]]:
    """Of each way to draw: seconds, tokens, and the tunes."""
    one_by_one = pipeline("text-generation", model=model, tokenizer=tokenizer)
    limit = generation_limit(model.config)

    def batched(constrain: str) -> Callable[[list[str], list[int]], list[str]]:
        def draw(prompts: list[str], seeds: list[int]) -> list[str]:
            drawn = generate_tunes(model, tokenizer, prompts, seeds, temperature=0.9, constrain=constrain)
            return [one.text for one in drawn]

        return draw

    def piped(prompts: list[str], seeds: list[int]) -> list[str]:
        # eight prompts a block are enough to tell its speed; an empty prompt it refuses
        options = {"do_sample": True, "temperature": 0.9, "top_p": 0.95, "max_length": limit, "max_new_tokens": None}
        return [one_by_one(prompt or "X:1\n", **options)[0]["generated_text"] for prompt in prompts[:8]]

    ways = {"unconstrained": batched("none"), "constrained": batched("strict"), "pipeline": piped}
    found: dict[str, tuple[float, int, list[str]]] = {name: (0.0, 0, []) for name in [*ways, "constrained warm"]}
    order = list(ways)

    def run(name: str, way: str, start: int) -> None:
        block = list(range(start, min(start + _BLOCK, number)))
        prompts = [PROMPTS[place % len(PROMPTS)] for place in block]
        began = time.process_time()
        texts = ways[way](prompts, block)
        taken = time.process_time() - began
        asked = [prompt or ("X:1\n" if way == "pipeline" else "") for prompt in prompts]
        tokens = sum(len(text) - len(prompt) + 1 for text, prompt in zip(texts, asked, strict=False))
        seconds, before, all_texts = found[name]
        found[name] = seconds + taken, before + tokens, all_texts + texts

    for start in range(0, number, _BLOCK):
        order.append(order.pop(0))
        for name in order:
            run(name, name, start)
    for start in range(0, number, _BLOCK):
        run("constrained warm", "constrained", start)
    return found


def main() -> None:
    """Measure, print a table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, metavar="STUDY")
    parser.add_argument("--samples", type=int, default=1000, help="how many tunes of each family (default 1000)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    rows, ratios = [], {}
    for family, path in largest(options.study).items():
        found = measure(*load_model_and_tokenizer(str(path)), options.samples)
        speed = {name: tokens / seconds for name, (seconds, tokens, _) in found.items()}
        valid = {name: sum(check(text).strict for text in texts) for name, (_, _, texts) in found.items()}
        for name, (seconds, tokens, texts) in found.items():
            row = {"family": family, "way": name, "tunes": len(texts), "tokens": tokens, "seconds": seconds}
            rows.append({**row, "tokens_per_second": speed[name], "strictly_valid": valid[name]})
            print(f"{family:10} {name:18}{len(texts):6} tunes{tokens:8} tokens{speed[name]:9,.0f} a second", end="")
            print(f"{valid[name]:6} strictly valid")
        ratios |= {
            f"{family}: speed, constrained from cold against unconstrained": speed["constrained"]
            / speed["unconstrained"],
            f"{family}: speed, constrained warm against unconstrained": speed["constrained warm"]
            / speed["unconstrained"],
            f"{family}: speed, batched against pipeline": speed["unconstrained"] / speed["pipeline"],
            f"{family}: speed, batched and constrained against pipeline": speed["constrained"] / speed["pipeline"],
            f"{family}: share strictly valid, constrained": valid["constrained"] / options.samples,
            f"{family}: share strictly valid, unconstrained": valid["unconstrained"] / options.samples,
        }
    goals = {label: goal for label in ratios for name, goal in _GOALS.items() if label.endswith(f": {name}")}
    write_result("generation", rows, ratios, goals)


if __name__ == "__main__":
    main()
