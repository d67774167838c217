"""Bits per character of the models of a study beside those of compressors, on the same leak-safe test tunes.

    accelerate launch recipes/sweep.py --config recipes/studies/compressors.yaml
    python benchmarks/loss_vs_compressors.py outputs/compressors

Every finished run is scored on the whole test split. PPMd and n-grams were given the same training text; PPMd goes on
learning from the test tunes while it codes them, the models do not.
"""

import argparse
from pathlib import Path

from common import write_result

from hf_scaling.records import LEDGER, finished_rows, read_json
from hf_scaling.training.blocks import read_stream
from hf_scaling.training.evaluation import evaluate
from hf_scaling.training.model_folder import load_model

_GOALS = {"PPMd-16 / best GPT-2 of at most 1M": 1 / 0.9, "PPMd-16 / best LSTM of at most 1M": 1.0}
_MOST_PARAMETERS = 1_000_000


def main() -> None:
    """Score every run of a study."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="a finished study")
    study = parser.parse_args().study
    stream = read_stream(study / "tokens", "test")
    epoch = len(read_stream(study / "tokens", "train"))
    rows = []
    for row in finished_rows(study / LEDGER):
        model = load_model(study / "runs" / row["run_id"] / "model")
        context_length = model.config.max_position_embeddings
        result = evaluate(model, stream, context_length, max(1, 16_384 // context_length))
        kept = ("run_id", "family", "size", "n_params", "n_tokens", "optimizer", "learning_rate", "wall_seconds")
        rows.append({name: row[name] for name in kept} | {"epochs": row["n_tokens"] / epoch, "test_bpc": result.bpc})
        print(f"{row['run_id']:28} {row['n_params']:10,} {rows[-1]['epochs']:6.2f} epochs {result.bpc:.3f} bpc")
    compressors = read_json(study / "dataset" / "baselines.json")["models"]
    for found in compressors:
        print(f"{found['name']:28} {'':10} {'':13} {found['test']:.3f} bpc")
    ppmd = next(found["test"] for found in compressors if found["name"].startswith("PPMd"))
    ratios = {}
    for label, family in (("GPT-2", "gpt2"), ("LSTM", "folk_lstm"), ("LLaMA", "llama")):
        small = [row["test_bpc"] for row in rows if row["family"] == family and row["n_params"] <= _MOST_PARAMETERS]
        if small:
            ratios[f"PPMd-16 / best {label} of at most 1M"] = ppmd / min(small)
    rows += [{"compressor": found["name"], "test_bpc": found["test"]} for found in compressors]
    write_result("loss_vs_compressors", rows, ratios, _GOALS)


if __name__ == "__main__":
    main()
