"""A corpus of a few thousand characters, and runs on it that take half a second."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hf_scaling.models import Size, Vocabulary
from hf_scaling.tokenization import CorpusEncoder, build_tokenizer
from hf_scaling.training.blocks import read_stream, write_streams
from hf_scaling.training.row import describe
from hf_scaling.training.run import train_run
from hf_scaling.training.spec import RunSpec

SAMPLING = {"temperature": 0.9, "top_p": 0.95}


@pytest.fixture(scope="session")
def tunes() -> dict[str, list[str]]:
    """Splits of synthetic tunes of several lengths."""
    draw = random.Random(3)

    def tune(number: int) -> str:
        bars = "|".join("".join(draw.choices("ABcdefg", k=6)) for _ in range(draw.randint(2, 9)))
        return f"X:{number}\nK:{draw.choice('DGA')}\n{bars}|]\n"

    return {
        split: [tune(number) for number in range(count)]
        for split, count in (("train", 60), ("validation", 12), ("test", 8))
    }


@pytest.fixture(scope="session")
def tokenizer(tunes: dict[str, list[str]]) -> Any:
    return build_tokenizer(tunes["train"], 32)


@pytest.fixture(scope="session")
def tokens(tmp_path_factory: pytest.TempPathFactory, tunes: dict[str, list[str]], tokenizer: Any) -> Path:
    """The folder of token streams."""
    folder = tmp_path_factory.mktemp("tokens") / "tokens"
    write_streams(tunes, CorpusEncoder(tokenizer), folder)
    return folder


@pytest.fixture(scope="session")
def make_spec(tokenizer: Any) -> Callable[..., RunSpec]:
    """A run of 40 updates of 4 blocks of 32 tokens, with changes."""
    defaults: dict[str, Any] = {
        "family": "gpt2",
        "size": Size("tiny", 16, 1, 2, 32),
        "vocabulary": Vocabulary(
            len(tokenizer), tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id
        ),
        "context_length": 32,
        "n_tokens": 40 * 4 * 32,
        "batch_size": 4,
        "gradient_accumulation_steps": 1,
        "optimizer": "adamw",
        "learning_rate": 0.01,
        "rest_rate_ratio": 0.2,
        "weight_decay": 0.1,
        "schedule": "wsd",
        "warmup_updates": 4,
        "decay_fraction": 0.5,
        "max_grad_norm": 1.0,
        "dropout": 0.0,
        "precision": "fp32",
        "compile": False,
        "seed": 5,
        "data_hash": "synthetic",
    }
    return lambda **changes: RunSpec(**defaults | changes)


@pytest.fixture(scope="session")
def train(tokens: Path, tokenizer: Any) -> Callable[..., dict[str, Any]]:
    """Train a run in a folder; returns its ledger row."""

    def run(spec: RunSpec, folder: Path, **options: Any) -> dict[str, Any]:
        row = describe(spec, "test", len(read_stream(tokens, "train")))
        return train_run(spec, row, tokens, tokenizer, folder, SAMPLING, **options)

    return run
