"""What the samples of a study are like as music, beside its held-out real tunes: `patterns.json`."""

from pathlib import Path
from typing import Any

from datasets import load_from_disk

from hf_scaling.music.patterns import compare_with_real
from hf_scaling.records import read_jsonl

RECORD = "patterns.json"
_MOST_REAL = 200  # tunes of the validation split; beside ten samples, more would tell nothing


def find_patterns(study: Path) -> dict[str, Any]:
    """The content of `patterns.json`, of the samples as they were delivered."""
    samples = read_jsonl(study / "samples" / "samples.jsonl")
    split = load_from_disk(str(study / "dataset"))["validation"].shuffle(seed=0)
    return compare_with_real([(sample["index"], sample["abc"]) for sample in samples], list(split[:_MOST_REAL]["text"]))
