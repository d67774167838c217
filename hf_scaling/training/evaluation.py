"""Loss on a whole split: always the same blocks, every token scored once, errors by tune."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import PreTrainedModel

IGNORED = -100


@dataclass(frozen=True)
class Evaluation:
    """Losses of one model on one split.

    Attributes:
        loss: nats per token; the end of each tune is a token.
        loss_stderr: standard error of `loss`, tunes taken as the independent units.
        bpc: bits per character; a tune's end costs bits but is no character.
        tune_nats: float64, shape (tunes,), total nats of each tune in the order of the split.
        tune_tokens: int64, shape (tunes,).
        position_loss: float64, shape (context_length,), nats per token by the number of tokens that a block shows
            before it, less one.
    """

    loss: float
    loss_stderr: float
    bpc: float
    tune_nats: np.ndarray
    tune_tokens: np.ndarray
    position_loss: np.ndarray

    @property
    def perplexity(self) -> float:
        """exp(loss), per token."""
        return math.exp(self.loss)


def _blocks(stream: np.ndarray, context_length: int, filler: int) -> tuple[torch.Tensor, torch.Tensor]:
    """(inputs, targets), int64 (blocks, context_length): consecutive blocks, each token but the first a target once."""
    n_targets = len(stream) - 1
    n_blocks = -(-n_targets // context_length)
    shape = (n_blocks, context_length)
    inputs = torch.full((n_blocks * context_length,), filler, dtype=torch.int64)
    targets = torch.full((n_blocks * context_length,), IGNORED, dtype=torch.int64)
    inputs[:n_targets] = torch.from_numpy(stream[:-1].astype(np.int64))
    targets[:n_targets] = torch.from_numpy(stream[1:].astype(np.int64))
    return inputs.view(shape), targets.view(shape)


@contextmanager
def _whole_float32() -> Iterator[None]:
    """Without TF32, of which a GPU's LSTM makes use by default: it keeps 10 bits of float32's 23."""
    lstm: Any = torch.backends.cudnn.rnn  # by itself, for its neighbours' older names clash with it
    before = lstm.fp32_precision
    lstm.fp32_precision = "ieee"
    try:
        yield
    finally:
        lstm.fp32_precision = before


@_whole_float32()
@torch.inference_mode()
def evaluate(model: PreTrainedModel, stream: np.ndarray, context_length: int, batch_size: int) -> Evaluation:
    """Score every token of `stream` (ids with `<|bos|>` before each tune and after the last).

    Always in float32, whatever the run trained in: comparisons between models hang on the fourth digit.
    """
    bos = int(stream[0])
    inputs, targets = _blocks(stream, context_length, bos)
    was_training = model.training
    model.eval()
    losses = []
    for start in range(0, len(inputs), batch_size):
        batch, target = (part[start : start + batch_size].to(model.device) for part in (inputs, targets))
        logits = model(input_ids=batch, use_cache=False).logits.flatten(0, 1)
        nats = torch.nn.functional.cross_entropy(logits, target.flatten(), ignore_index=IGNORED, reduction="none")
        losses.append(nats.cpu())
    model.train(was_training)
    scored = torch.cat(losses)[: len(stream) - 1].double().numpy()
    tune_of_target = np.cumsum(np.asarray(stream[:-1]) == bos) - 1  # a tune's end belongs to the tune that it ends
    tune_nats = np.bincount(tune_of_target, weights=scored)
    tune_tokens = np.bincount(tune_of_target)
    loss = float(tune_nats.sum() / tune_tokens.sum())
    # ratio estimator over clusters: Cochran 1977, section 2.11
    residuals = tune_nats - loss * tune_tokens
    count = len(tune_nats)
    stderr = math.sqrt(count / max(count - 1, 1) * float(residuals @ residuals)) / tune_tokens.sum()
    bpc = float(tune_nats.sum() / (tune_tokens - 1).sum() / math.log(2))
    position = np.arange(len(scored)) % context_length
    position_loss = np.bincount(position, weights=scored) / np.bincount(position)
    return Evaluation(loss, float(stderr), bpc, tune_nats, tune_tokens, position_loss)
