"""Parameters by group and FLOPs per token, against counts made in other ways."""

import pytest
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from hf_scaling.models import FAMILIES, Size, Vocabulary, build_config, build_model, count_parameters
from hf_scaling.models import training_flops_per_token as flops_per_token

VOCABULARY = Vocabulary(110, 0, 1, 1)
SIZES = ["a=32x2x2x128", "b=48x3x4x100"]


@pytest.mark.parametrize("text", SIZES)
def test_groups_sum_to_the_whole_and_hold_what_their_names_say(text):
    size, context = Size.parse(text), 64
    d, ff, layers = size.d_model, size.d_ff, size.n_layers
    count = count_parameters(build_model(build_config("gpt2", size, VOCABULARY, context), 0))
    assert count.groups == {
        "token_embedding": 110 * d,
        "position_embedding": context * d,
        "attention": layers * (4 * d * d + 4 * d),
        "feed_forward": layers * (2 * d * ff + ff + d),
        "normalization": (2 * layers + 1) * 2 * d,
    }
    assert sum(count.groups.values()) == count.total
    assert count.non_embedding == count.total - 110 * d - context * d

    config = build_config("folk_lstm", size, VOCABULARY, context)
    count = count_parameters(build_model(config, 0))
    width = config.hidden_size
    assert count.groups == {"token_embedding": 110 * width, "recurrence": 2 * (8 * width * width + 8 * width)}
    assert sum(count.groups.values()) == count.total
    assert count.non_embedding == count.total - 110 * width


def test_a_parameter_that_belongs_to_no_group_is_not_passed_over():
    model = build_model(build_config("gpt2", Size.parse(SIZES[0]), VOCABULARY, 64), 0)
    model.adapter = torch.nn.Linear(2, 2)
    with pytest.raises(AssertionError, match=r"adapter\.weight belongs to no parameter group"):
        count_parameters(model)


def counted(work, tokens):
    """FLOPs per token of what `work` does, by torch's own counter."""
    with FlopCounterMode(display=False) as counter:
        work()
    return counter.get_total_flops() / tokens


@pytest.mark.parametrize("family", ["gpt2", "llama"])
@pytest.mark.parametrize(("text", "context"), [(SIZES[0], 128), (SIZES[1], 32)])
def test_transformer_flops_are_those_that_torch_counts_forward_and_backward(family, text, context):
    config = build_config(family, Size.parse(text), VOCABULARY, context)
    model = build_model(config, 0)
    model.set_attn_implementation("eager")  # torch counts no fused attention on a CPU
    ids = torch.randint(110, (2, context))
    measured = counted(lambda: model(input_ids=ids, labels=ids).loss.backward(), ids.numel())
    assert flops_per_token(config)[0] == pytest.approx(measured, rel=0.01)


@pytest.mark.parametrize("text", SIZES)
def test_the_causal_convention_counts_half_of_the_attention(text):
    size, context = Size.parse(text), 128
    executed, causal = flops_per_token(build_config("gpt2", size, VOCABULARY, context))
    assert executed - causal == 6 * context * size.d_model * size.n_layers
    executed, causal = flops_per_token(build_config("folk_lstm", size, VOCABULARY, context))
    assert executed == causal


def unrolled_loss(model, ids):
    """The loss of a folk_lstm, step by step: torch takes `nn.LSTM` for no FLOPs at all. And its logits."""
    inputs = model.embed_tokens(ids)
    for layer in range(model.config.num_hidden_layers):
        weights = [getattr(model.lstm, f"{name}_l{layer}") for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        h = c = torch.zeros_like(inputs[:, 0])
        outputs = []
        for x in inputs.unbind(1):
            gates = functional.linear(x, weights[0], weights[2]) + functional.linear(h, weights[1], weights[3])
            i, f, g, o = gates.chunk(4, dim=-1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
            outputs.append(h)
        inputs = torch.stack(outputs, 1)
    logits = model.lm_head(inputs)
    return functional.cross_entropy(logits[:, :-1].flatten(0, 1), ids[:, 1:].flatten()), logits


def test_lstm_flops_are_those_that_torch_counts_in_an_unrolled_cell():
    config = build_config("folk_lstm", Size.parse(SIZES[0]), VOCABULARY, 32)
    model = build_model(config, 0)
    ids = torch.randint(110, (2, 32))
    loss, logits = unrolled_loss(model, ids)
    expected = model(input_ids=ids, labels=ids)
    torch.testing.assert_close(logits, expected.logits, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(loss, expected.loss)
    measured = counted(lambda: unrolled_loss(model, ids)[0].backward(), ids.numel())
    assert flops_per_token(config)[0] == pytest.approx(measured, rel=0.01)


@pytest.mark.parametrize("family", FAMILIES)
def test_flops_are_near_six_times_the_parameters_that_multiply(family):
    config = build_config(family, Size.parse("a=256x4x4x1024"), VOCABULARY, 32)
    with torch.device("meta"):
        count = count_parameters(build_model(config, 0))
    assert flops_per_token(config)[1] == pytest.approx(6 * count.non_embedding, rel=0.05)
