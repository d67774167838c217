"""The loss on a split, held against a computation without blocks, batches or shortcuts."""

import math

import numpy as np
import pytest
import torch

from hf_scaling.models import build_model
from hf_scaling.training.blocks import read_stream
from hf_scaling.training.evaluation import evaluate


def model_of(spec):
    """Weights far from uniform predictions, so that tokens differ in loss."""
    model = build_model(spec.model_config(), seed=1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model


@torch.inference_mode()
def naive_nats(model, stream, context_length):
    """Nats of each token but the first, predicted from what stands before it in its block, one at a time."""
    model.eval()
    nats = []
    for target in range(1, len(stream)):
        start = (target - 1) // context_length * context_length
        before = torch.tensor([stream[start:target].tolist()])
        nats.append(-float(model(input_ids=before).logits[0, -1].log_softmax(-1)[int(stream[target])]))
    return np.array(nats)


@pytest.mark.parametrize("family", ["gpt2", "folk_lstm"])
def test_every_token_is_scored_once_from_what_stands_before_it(family, make_spec, tokens, tunes):
    model = model_of(make_spec(family=family))
    stream = read_stream(tokens, "validation")
    expected = naive_nats(model, stream, 32)
    result = evaluate(model, stream, 32, batch_size=3)
    assert result.loss == pytest.approx(expected.mean(), rel=1e-5)
    assert result.perplexity == pytest.approx(math.exp(expected.mean()), rel=1e-5)
    assert result.tune_tokens.tolist() == [len(tune) + 1 for tune in tunes["validation"]]
    ends = np.cumsum(result.tune_tokens)
    by_tune = [expected[end - length : end].sum() for end, length in zip(ends, result.tune_tokens, strict=True)]
    assert result.tune_nats == pytest.approx(by_tune, rel=1e-5)
    characters = sum(map(len, tunes["validation"]))
    assert result.bpc == pytest.approx(expected.sum() / characters / math.log(2), rel=1e-5)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 1000])
def test_the_batch_size_does_not_show(batch_size, make_spec, tokens):
    model, stream = model_of(make_spec()), read_stream(tokens, "validation")
    assert evaluate(model, stream, 32, batch_size).loss == pytest.approx(evaluate(model, stream, 32, 5).loss, rel=1e-6)


@pytest.mark.parametrize("length", [3, 8, 9, 10, 16, 17, 18])
def test_a_last_block_of_any_length_counts(length, make_spec, tokens):
    model, stream = model_of(make_spec(context_length=8)), read_stream(tokens, "validation")[:length]
    result = evaluate(model, stream, 8, batch_size=2)
    assert result.tune_tokens.sum() == length - 1
    assert result.loss == pytest.approx(naive_nats(model, stream, 8).mean(), rel=1e-5)


def test_the_loss_by_position_is_that_of_all_tokens_with_as_many_before_them(make_spec, tokens):
    model, stream = model_of(make_spec(context_length=8)), read_stream(tokens, "validation")[:45]
    nats = naive_nats(model, stream, 8)  # five whole blocks, and half of one
    assert [len(nats[position::8]) for position in range(8)] == [6] * 4 + [5] * 4
    expected = [nats[position::8].mean() for position in range(8)]
    assert evaluate(model, stream, 8, batch_size=4).position_loss == pytest.approx(expected, rel=1e-5)


def test_the_standard_error_is_that_of_resampled_tunes(make_spec, tokens):
    result = evaluate(model_of(make_spec()), read_stream(tokens, "train"), 32, batch_size=64)
    draws = np.random.default_rng(0).integers(len(result.tune_nats), size=(4000, len(result.tune_nats)))
    resampled = result.tune_nats[draws].sum(axis=1) / result.tune_tokens[draws].sum(axis=1)
    assert result.loss_stderr == pytest.approx(resampled.std(), rel=0.1)


def test_it_leaves_the_model_as_it_was(make_spec, tokens):
    model = model_of(make_spec(dropout=0.5))
    for training in (True, False):
        model.train(training)
        first = evaluate(model, read_stream(tokens, "validation"), 32, 8)
        assert model.training is training
        assert first.loss == evaluate(model, read_stream(tokens, "validation"), 32, 8).loss  # no dropout in it
