"""Time and updates until our recipe reaches what two others end at, on the same tunes and the same machine.

    python benchmarks/time_to_loss.py outputs/laptop            # a study whose data are prepared
    python benchmarks/time_to_loss.py outputs/laptop --only original

- the original recipe, whole: post-norm encoder layers with a causal mask, learned positions, untied output, dropout
  0.1, normal(0.02) weights; white space collapsed, windows of 256 characters at stride 128, short tunes padded; AdamW
  at 5e-4, 5 % warm-up, cosine, batch 128 with 2 accumulations, one epoch. (Its fp16 does nothing on a CPU.)
- AdamW at the best of several rates, one epoch, on our blocks and our model.

Ours is Muon at settings tried by hand, trained to growing horizons until its end reaches the other's. That run and the
other's are then made in turn again, and the ratio is that of their medians. Losses are nats per character of the
validation split, each recipe on the text as it reads it.

`seconds` is what the clock says, `cpu_seconds` what all threads of this process worked meanwhile: on a machine that has
other work too, the second is the one to compare by.
"""

import argparse
import math
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from common import write_result
from torch import nn

import hf_scaling.study  # noqa: F401 - its thread policy
from hf_scaling.data.dataset import load_splits
from hf_scaling.models import Size, Vocabulary
from hf_scaling.study.plan import set_threads
from hf_scaling.tokenization import load_tokenizer
from hf_scaling.training.blocks import read_stream
from hf_scaling.training.row import describe
from hf_scaling.training.run import train_run
from hf_scaling.training.spec import RunSpec

_SIZE = Size("0.6M", 128, 3, 4, 512)
_WINDOW, _STRIDE, _PAD = 256, 128, 0
_BATCH, _ACCUMULATION = 128, 2
_ADAMW_RATES = (2e-3, 4e-3, 8e-3)
_MUON = {"optimizer": "muon", "learning_rate": 4e-2, "rest_rate_ratio": 0.5, "decay_fraction": 0.8}
_SHARES = (0.01, 0.02, 0.04, 0.08, 0.16, 0.25, 0.35, 0.42, 0.5, 0.65, 0.8, 1.0)  # of an epoch
_ROUNDS = 3  # of the two to compare, in turn
_CLOCKS = ("seconds", "cpu_seconds")
_GOALS = {f"{clock}, original over ours": 10.0 for clock in _CLOCKS} | {
    f"{clock}, AdamW over ours": 1.8 for clock in _CLOCKS
}


class Original(nn.Module):
    """The transformer of the original recipe."""

    def __init__(self, vocab_size: int, size: Size):
        super().__init__()
        self.tokens = nn.Embedding(vocab_size, size.d_model)
        self.positions = nn.Embedding(_WINDOW, size.d_model)
        layer = nn.TransformerEncoderLayer(size.d_model, size.n_heads, size.d_ff, 0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, size.n_layers, enable_nested_tensor=False)
        self.output = nn.Linear(size.d_model, vocab_size)
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Logits (batch, window, vocabulary)."""
        mask = nn.Transformer.generate_square_subsequent_mask(ids.shape[1])
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[1]))
        return self.output(self.layers(x, mask=mask, is_causal=True))


def windows(tunes: list[str], alphabet: dict[str, int]) -> torch.Tensor:
    """Every tune as windows of character ids; 0 pads."""
    rows = []
    for tune in tunes:
        ids = [alphabet.get(character, 1) for character in re.sub(r"\s+", " ", tune).strip()]
        if len(ids) <= _WINDOW:
            rows.append(ids + [_PAD] * (_WINDOW - len(ids)))
        else:
            rows += [ids[start : start + _WINDOW] for start in range(0, len(ids) - _WINDOW + 1, _STRIDE)]
    return torch.tensor(rows)


def nats(model: Original, batch: torch.Tensor) -> torch.Tensor:
    """Mean loss of the characters of a batch."""
    logits = model(batch[:, :-1])
    return nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten(), ignore_index=_PAD)


def original(splits: Any) -> dict[str, Any]:
    """Train the original recipe for one epoch."""
    torch.manual_seed(0)
    texts = {split: list(splits[split]["text"]) for split in ("train", "validation")}
    alphabet = {character: index for index, character in enumerate(sorted(set("".join(texts["train"]))), 2)}
    train, validation = windows(texts["train"], alphabet), windows(texts["validation"], alphabet)
    model = Original(len(alphabet) + 2, _SIZE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.01)
    updates = math.ceil(len(train) / (_BATCH * _ACCUMULATION))
    warm = max(1, round(0.05 * updates))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min((step + 1) / warm, 0.5 * (1 + math.cos(math.pi * max(0, step - warm) / (updates - warm)))),
    )
    start, worked = time.perf_counter(), time.process_time()
    model.train()
    for rows in torch.randperm(len(train)).split(_BATCH * _ACCUMULATION):
        for part in rows.chunk(_ACCUMULATION):
            (nats(model, train[part]) / _ACCUMULATION).backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    times = dict(zip(_CLOCKS, (time.perf_counter() - start, time.process_time() - worked), strict=True))
    model.eval()
    with torch.inference_mode():
        counts = [(part[:, 1:] != _PAD).sum().item() for part in validation.split(_BATCH)]
        losses = [nats(model, part).item() for part in validation.split(_BATCH)]
    loss = sum(loss * count for loss, count in zip(losses, counts, strict=True)) / sum(counts)
    n = sum(parameter.numel() for parameter in model.parameters())
    return {"recipe": "original", "n_params": n, "updates": updates, **times, "val_loss": loss}


class Ours:
    """Runs of our engine on a prepared study."""

    def __init__(self, study: Path):
        self._tokenizer = load_tokenizer(study / "tokenizer")
        self._tokens = study / "tokens"
        self._epoch = len(read_stream(self._tokens, "train"))
        tokenizer = self._tokenizer
        self._spec = RunSpec(
            family="gpt2", size=_SIZE,
            vocabulary=Vocabulary(
                len(tokenizer), tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id
            ),
            context_length=256, n_tokens=self._epoch, batch_size=16, gradient_accumulation_steps=1, optimizer="adamw",
            learning_rate=0.0, rest_rate_ratio=1.0, weight_decay=0.1, schedule="wsd", warmup_updates=5,
            decay_fraction=0.4, max_grad_norm=1.0, dropout=0.0, precision="fp32", compile=False, seed=0, data_hash="",
        )  # fmt: skip

    def run(self, recipe: str, share: float, **changes: Any) -> dict[str, Any]:
        """Train for a share of an epoch."""
        spec = replace(self._spec, n_tokens=int(share * self._epoch), **changes)
        with tempfile.TemporaryDirectory() as folder:
            row = describe(spec, "benchmark", self._epoch)
            worked = time.process_time()
            row = train_run(spec, row, self._tokens, self._tokenizer, Path(folder), {})
        found = {"recipe": recipe, "share_of_epoch": share, "learning_rate": spec.learning_rate}
        found |= {"n_params": row["n_params"], "updates": row["updates"], "seconds": row["wall_seconds"]}
        found["cpu_seconds"] = time.process_time() - worked  # with the evaluation at the end
        print(f"{recipe:10} {share:5.2f} epochs {found['cpu_seconds']:8.1f} s {row['val_loss']:.4f} nats", flush=True)
        return found | {"val_loss": row["val_loss"]}

    def adamw(self, rate: float) -> dict[str, Any]:
        """AdamW for one epoch."""
        return self.run("AdamW", 1.0, learning_rate=rate)

    def muon(self, share: float) -> dict[str, Any]:
        """Our recipe for a share of an epoch."""
        return self.run("ours", share, **_MUON)


def compare(
    label: str, other: Callable[[], dict[str, Any]], first: dict[str, Any], ours: Ours
) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Find our shortest run to the loss of `first`: all runs made for it, and how many times that the other takes."""
    rows, others, reached = [], [first], []
    for share in _SHARES:
        rows.append(ours.muon(share))
        if rows[-1]["val_loss"] <= first["val_loss"]:
            reached.append(rows[-1])
            break
    else:
        return rows, {}
    while len(reached) < _ROUNDS:
        others.append(other())
        reached.append(ours.muon(share))
        rows += others[-1], reached[-1]
    return rows, {
        f"{what}, {label} over ours": median(row[what] for row in others) / median(row[what] for row in reached)
        for what in (*_CLOCKS, "updates")
    }


def main() -> None:
    """Measure both comparisons."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", type=Path, help="a study folder with its data prepared")
    parser.add_argument("--only", choices=["AdamW", "original"], help="one of the comparisons")
    options = parser.parse_args()
    set_threads(0)
    ours = Ours(options.study)
    rows: list[dict[str, Any]] = []
    ratios: dict[str, float] = {}
    recipes = {
        "AdamW": [partial(ours.adamw, rate) for rate in _ADAMW_RATES],
        "original": [partial(original, load_splits(options.study / "dataset"))],
    }
    for label in [options.only] if options.only else recipes:
        tried = [(other(), other) for other in recipes[label]]
        best, other = min(tried, key=lambda pair: pair[0]["val_loss"])
        further, found = compare(label, other, best, ours)
        rows += [row for row, _ in tried] + further
        ratios |= found
    write_result("time_to_loss", rows, ratios, _GOALS)


if __name__ == "__main__":
    main()
