"""Ladders: how sizes are written, what is built from them, and how the families are matched."""

from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_scaling.models import (
    FAMILIES,
    Size,
    Vocabulary,
    build_config,
    build_model,
    count_parameters,
    generation_limit,
    parse_ladder,
)

STUDIES = Path(__file__).parents[2] / "recipes" / "studies"
VOCABULARY = Vocabulary(110, 0, 1, 1)


def ladder(study):
    config = yaml.safe_load((STUDIES / f"{study}.yaml").read_text())
    return [(text, config["context_length"]) for text in config["ladder"]]


def gpt2_total(size, vocab, context):
    """Every matrix and bias of GPT-2 (Radford et al. 2019), written out; the output matrix is the token embedding."""
    d, ff = size.d_model, size.d_ff
    norm = d + d
    attention = (d * 3 * d + 3 * d) + (d * d + d)
    feed_forward = (d * ff + ff) + (ff * d + d)
    return vocab * d + context * d + size.n_layers * (norm + attention + norm + feed_forward) + norm


def lstm_total(width, n_layers, vocab):
    """Embedding, and in each layer four gates, each with two square matrices and two biases, as torch has them."""
    gate = width * width + width * width + width + width
    return vocab * width + n_layers * 4 * gate


def llama_total(size, width, vocab):
    """Every matrix of LLaMA (Touvron et al. 2023): no biases, and norms without an offset."""
    d = size.d_model
    return vocab * d + size.n_layers * (d + 4 * d * d + d + 3 * d * width) + d


def test_a_ladder_is_read_in_the_order_given():
    assert parse_ladder(["30k=32x2x2x128", " 1.5M=128x5x4x500 "]) == [
        Size("30k", d_model=32, n_layers=2, n_heads=2, d_ff=128),
        Size("1.5M", d_model=128, n_layers=5, n_heads=4, d_ff=500),
    ]


@pytest.mark.parametrize(
    ("texts", "named"),
    [
        (["30k"], ["'30k'", "NAME=D_MODELxN_LAYERSxN_HEADSxD_FF"]),
        (["30k=32x2x2"], ["'30k=32x2x2'"]),
        (["30k=32x2x2x128x1"], ["'30k=32x2x2x128x1'"]),
        (["30k=32x2x2x-128"], ["'30k=32x2x2x-128'"]),
        (["30k=32x2x2x1e2"], ["'30k=32x2x2x1e2'"]),
        (["../x=32x2x2x128"], ["'../x=32x2x2x128'"]),
        (["a\nb=32x2x2x128"], ["'a\\nb=32x2x2x128'"]),
        (["=32x2x2x128"], ["'=32x2x2x128'"]),
        (["a=32x2x2x99999999"], ["'a=32x2x2x99999999'"]),
        (["a=32x0x2x128"], ["size a", "n_layers 0", "at least 1"]),
        (["a=0x1x1x128"], ["size a", "d_model 0"]),
        (["a=30x2x4x128"], ["size a", "d_model 30", "n_heads 4", "multiple"]),
        (["a=32x2x2x128", "b=32x2x2x128", "a=64x2x2x128"], ["'a'", "stands twice"]),
        ([], ["no size"]),
    ],
)
def test_a_ladder_that_cannot_be_is_one_line_that_names_the_value(texts, named):
    with pytest.raises(ValueError, match="^ladder: ") as caught:
        parse_ladder(texts)
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in named)


def test_an_unknown_family_is_named_with_what_there_is():
    with pytest.raises(ValueError, match="families: got 'mamba', expected one of gpt2, folk_lstm, llama"):
        build_config("mamba", Size.parse("a=8x1x1x8"), VOCABULARY, 32)


@pytest.mark.parametrize(("text", "context"), ladder("seed") + ladder("quick"))
def test_every_size_builds_with_exactly_the_parameters_of_its_formula(text, context):
    size = Size.parse(text)
    configs = {family: build_config(family, size, VOCABULARY, context) for family in FAMILIES}
    with torch.device("meta"):  # the largest would take half a gigabyte
        models = {family: build_model(config, 0) for family, config in configs.items()}
    lstm = configs["folk_lstm"]
    expected = {
        "gpt2": gpt2_total(size, 110, context),
        "folk_lstm": lstm_total(lstm.hidden_size, lstm.num_hidden_layers, 110),
        "llama": llama_total(size, configs["llama"].intermediate_size, 110),
    }
    for family, model in models.items():
        assert sum(parameter.numel() for parameter in model.parameters()) == expected[family]
        assert count_parameters(model).total == expected[family]
    for config in configs.values():
        assert config.max_position_embeddings == context
        assert config.vocab_size == 110
        assert (config.pad_token_id, config.bos_token_id, config.eos_token_id) == (0, 1, 1)


def test_totals_worked_out_by_hand():
    size = Size.parse("30k=28x2x2x112")
    # (110 + 256) * 28 + 2 * (4 * 28 + 28 * 84 + 84 + 28 * 28 + 28 + 2 * 28 * 112 + 112 + 28) + 2 * 28
    assert gpt2_total(size, 110, 256) == 10_248 + 2 * (112 + 2_436 + 812 + 6_412) + 56 == 29_848
    assert lstm_total(40, 2, 110) == 4_400 + 2 * 4 * (3_200 + 80) == 30_640
    lstm = build_config("folk_lstm", size, VOCABULARY, 256)
    assert lstm_total(39, 2, 110) == 29_250  # 598 too few against 792 too many: 39 it is
    assert lstm.hidden_size == 39


def assert_matched(size, vocab, context):
    target = gpt2_total(size, vocab, context)
    config = build_config("folk_lstm", size, Vocabulary(vocab, 0, 1, 1), context)

    def off(width):
        return abs(lstm_total(width, 2, vocab) / target - 1)

    width = config.hidden_size
    in_eights = [eights for eights in range(width // 8 * 8 - 8, width + 17, 8) if off(eights) <= 0.01]
    if width >= 256 and in_eights:  # what a GPU's tensor cores want
        assert width == min(in_eights, key=off)
    else:
        assert off(width) == min(off(width + step) for step in (-1, 0, 1))
    if target >= 30_000:  # below, one unit of width is too coarse a step
        assert off(width) <= (0.01 if target >= 200_000 else 0.03)


@pytest.mark.parametrize(("text", "context"), ladder("laptop") + ladder("seed"))
def test_the_lstm_of_a_study_has_the_size_of_its_transformer(text, context):
    assert_matched(Size.parse(text), 110, context)


@settings(max_examples=60)
@given(
    heads=st.integers(1, 16),
    head_width=st.integers(4, 96),
    layers=st.integers(1, 12),
    widening=st.integers(1, 6),
    vocab=st.integers(60, 200),
    context=st.integers(32, 2048),
)
def test_the_lstm_of_any_size_is_the_closest_to_its_transformer(heads, head_width, layers, widening, vocab, context):
    d = heads * head_width
    assert_matched(Size("a", d, layers, heads, widening * d), vocab, context)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_seed_alone_decides_the_initial_weights(family):
    config = build_config(family, Size.parse("a=16x2x2x32"), VOCABULARY, 32)
    first = build_model(config, seed=3)
    torch.rand(7)  # whatever was drawn before
    again, other = build_model(config, seed=3), build_model(config, seed=4)
    for name, value in first.state_dict().items():
        assert value.dtype == torch.float32
        assert torch.equal(value, again.state_dict()[name])
    embeddings = [model.get_input_embeddings().weight for model in (first, other)]
    assert not torch.equal(*embeddings)


def test_initial_weights_scale_with_the_width():
    for d_model in (48, 192):
        size = Size("a", d_model, 1, 1, d_model)
        gpt2 = build_model(build_config("gpt2", size, VOCABULARY, 32), 0)
        expected = 0.02 * (768 / d_model) ** 0.5  # GPT-2's own at GPT-2's width
        assert gpt2.transformer.wte.weight.std().item() == pytest.approx(expected, rel=0.1)


def test_a_transformer_writes_one_context_and_an_lstm_more():
    size = Size.parse("a=16x2x2x32")
    assert generation_limit(build_config("gpt2", size, VOCABULARY, 32)) == 32
    assert generation_limit(build_config("folk_lstm", size, VOCABULARY, 32)) > 32


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_is_off_unless_asked_for(family):
    size = Size.parse("a=16x2x2x32")
    ids = torch.arange(20).reshape(2, 10)
    for dropout, same in ((0.0, True), (0.5, False)):
        model = build_model(build_config(family, size, VOCABULARY, 32, dropout), 0).train()
        assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits) == same
        model.eval()
        assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)
