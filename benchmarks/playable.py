"""Do tunes drawn under the constraint play? Of every model of a study: how many are strictly valid by our checker, how
many music21 turns into MIDI, and how many symusic can read, with the same notes for the same time or not.

    python benchmarks/playable.py outputs/laptop
    python benchmarks/playable.py outputs/quick --samples 50     # quicker

The first drawing of each seed counts; a study draws again what does not play.
"""

import argparse
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from common import write_result
from generation import PROMPTS
from transformers.utils import logging

from hf_scaling.generation import generate_tunes, load_model_and_tokenizer
from hf_scaling.music.cross_check import cross_check
from hf_scaling.music.midi import MidiError, tunes_to_midi
from hf_scaling.notation import check
from hf_scaling.records import finished_rows

_READERS = ("strictly valid", "played by music21", "read by symusic")


def judge(model: Path, number: int, folder: Path) -> dict[str, Any]:
    """Counts over so many tunes of one model, and why those that do not play do not."""
    prompts = [PROMPTS[place % len(PROMPTS)] for place in range(number)]
    drawn = generate_tunes(
        *load_model_and_tokenizer(str(model)), prompts, range(number), temperature=0.9, constrain="strict"
    )
    tunes = [(one.text, folder / f"{place}.mid") for place, one in enumerate(drawn)]
    midi = tunes_to_midi(tunes)
    played = [tune for tune, result in zip(tunes, midi, strict=True) if not isinstance(result, MidiError)]
    second = cross_check(played)
    failures = Counter(str(result).splitlines()[0][:100] for result in midi if isinstance(result, MidiError))
    counts = (sum(check(text).strict for text, _ in tunes), len(played), sum(one.agrees is not None for one in second))
    same = {"same notes by both": sum(bool(one.agrees) for one in second), "failures": dict(failures)}
    return {"tunes": number, **dict(zip(_READERS, counts, strict=True)), **same}


def main() -> None:
    """Judge each model, print a line of it, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, metavar="STUDY")
    parser.add_argument("--samples", type=int, default=1000, help="tunes of each model (default 1000)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    rows = []
    for run in finished_rows(options.study / "runs.jsonl"):
        with tempfile.TemporaryDirectory() as folder:
            found = judge(options.study / "runs" / run["run_id"] / "model", options.samples, Path(folder))
        rows.append({"run_id": run["run_id"], "n_params": run["n_params"], **found})
        print(rows[-1], flush=True)
    total = sum(row["tunes"] for row in rows)
    ratios = {f"share {reader}": sum(row[reader] for row in rows) / total for reader in _READERS}
    ratios["share in which both readers hear the same notes"] = sum(row["same notes by both"] for row in rows) / total
    write_result("playable", rows, ratios, dict.fromkeys((f"share {reader}" for reader in _READERS), 1.0))


if __name__ == "__main__":
    main()
