"""What transformers asks of every causal language model, asked of every family."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_scaling.models import FAMILIES, Size, Vocabulary, build_config, build_model, hidden_matrices

VOCABULARY = Vocabulary(30, 0, 1, 1)
SIZE = Size("a", 16, 2, 2, 32)


@pytest.fixture(params=FAMILIES)
def model(request):
    return build_model(build_config(request.param, SIZE, VOCABULARY, 32), 0).eval()


@pytest.fixture
def ids():
    return torch.randint(2, 30, (3, 12), generator=torch.Generator().manual_seed(1))


def test_what_is_saved_is_what_is_loaded(model, ids, tmp_path):
    model.save_pretrained(tmp_path)
    loaded = type(model).from_pretrained(tmp_path).eval()
    assert torch.equal(loaded(input_ids=ids).logits, model(input_ids=ids).logits)
    inputs, outputs = loaded.get_input_embeddings().weight, loaded.get_output_embeddings().weight
    assert inputs.data_ptr() == outputs.data_ptr()
    assert [path.name for path in tmp_path.glob("*.safetensors")] == ["model.safetensors"]
    assert (
        tmp_path / "model.safetensors"
    ).stat().st_size < 4 * loaded.num_parameters() + 10_000  # tied, so stored once


@pytest.mark.parametrize("beams", [1, 3])
def test_generation_is_the_same_with_and_without_the_cache(model, ids, beams):
    options = {"max_new_tokens": 10, "num_beams": beams, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    cached, fresh = (model.generate(ids, use_cache=use, **options) for use in (True, False))
    assert torch.equal(cached, fresh)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_no_logits(model, ids, side):
    length, padding = 7, torch.zeros(3, 5, dtype=torch.int64)
    parts, ones = [padding, ids[:, :length]], torch.ones(3, length, dtype=torch.int64)
    masks = [padding, ones]
    if side == "right":
        parts, masks = parts[::-1], masks[::-1]
    rows, mask = torch.cat(parts, 1), torch.cat(masks, 1)
    # positions as `generate` gives them; a recurrent model has none
    positions = {} if model.config.model_type == "folk_lstm" else {"position_ids": (mask.cumsum(1) - 1).clamp(min=0)}
    padded = model(input_ids=rows, attention_mask=mask, **positions).logits
    kept = padded[:, 5:] if side == "left" else padded[:, :length]
    torch.testing.assert_close(kept, model(input_ids=ids[:, :length]).logits, atol=1e-5, rtol=1e-5)


def test_labels_that_are_shifted_already_train_every_position(model, ids):
    nats = torch.nn.functional.cross_entropy(
        model(input_ids=ids[:, :-1]).logits.flatten(0, 1), ids[:, 1:].flatten(), reduction="none"
    )
    ahead = ids[:, 1:].contiguous()
    batch = {"input_ids": ids[:, :-1], "labels": ahead, "shift_labels": ahead}
    torch.testing.assert_close(model(**batch).loss, nats.mean())
    torch.testing.assert_close(model(**batch, num_items_in_batch=torch.tensor(50)).loss, nats.sum() / 50)


def test_gradient_checkpointing_changes_no_gradient(model, ids):
    if not model.supports_gradient_checkpointing:
        pytest.skip("the family has nothing to recompute")
    model.train()
    gradients = []
    for checkpointed in (False, True):
        if checkpointed:
            model.gradient_checkpointing_enable()
        model.zero_grad()
        model(input_ids=ids, labels=ids, use_cache=False).loss.backward()
        gradients.append([parameter.grad.clone() for parameter in model.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other)


def test_in_bf16_it_says_nearly_the_same(model, ids):
    full = model(input_ids=ids).logits
    try:
        half = model.to(torch.bfloat16)(input_ids=ids).logits
    except RuntimeError as error:
        pytest.skip(f"this machine has no bf16 for it: {error}")
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), full, atol=0.1, rtol=0.1)


@settings(max_examples=40)
@given(
    heads=st.integers(1, 12),
    half=st.integers(4, 40),
    layers=st.integers(1, 8),
    vocab=st.integers(60, 200),
    context=st.integers(32, 2048),
)
def test_llama_is_as_large_as_gpt2(heads, half, layers, vocab, context):
    d = 2 * half * heads
    vocabulary = Vocabulary(vocab, 0, 1, 1)
    with torch.device("meta"):
        gpt2, llama = (
            build_model(build_config(family, Size("a", d, layers, heads, 4 * d), vocabulary, context), 0)
            for family in ("gpt2", "llama")
        )
    n = gpt2.num_parameters()
    if n >= 200_000:
        assert abs(llama.num_parameters() / n - 1) < 0.01


def test_llama_refuses_heads_that_rotary_positions_cannot_turn():
    with pytest.raises(ValueError, match="size odd has heads of 3 units; llama's rotary positions need an even number"):
        build_config("llama", Size("odd", 6, 1, 2, 12), VOCABULARY, 32)


def test_hidden_matrices_are_views_that_multiply_as_the_model_does(model):
    parameters = dict(model.named_parameters())
    hidden = hidden_matrices(model)
    for name, layout in hidden.items():
        blocks = layout.blocks(parameters[name])
        assert blocks.shape[0] == layout.n_blocks
        blocks.data[-1, 0, 0] = 77.0
        assert (parameters[name] == 77.0).sum() == 1
    covered = sum(parameters[name].numel() for name in hidden)
    others = [name for name, parameter in parameters.items() if parameter.ndim > 1 and name not in hidden]
    assert all("emb" in name or "wte" in name or "wpe" in name for name in others)
    assert covered + sum(p.numel() for n, p in parameters.items() if n not in hidden) == model.num_parameters()


def test_gpt2_queries_keys_and_values_are_three_matrices_of_outputs_by_inputs():
    model = build_model(build_config("gpt2", SIZE, VOCABULARY, 32), 0)
    attention, x = model.transformer.h[0].attn.c_attn, torch.randn(16)
    blocks = hidden_matrices(model)["transformer.h.0.attn.c_attn.weight"].blocks(attention.weight)
    torch.testing.assert_close(attention(x[None])[0], torch.cat([block @ x for block in blocks]))


def test_lstm_gates_are_four_matrices():
    model = build_model(build_config("folk_lstm", SIZE, VOCABULARY, 32), 0)
    weight, width = model.lstm.weight_ih_l0, model.config.hidden_size
    blocks = hidden_matrices(model)["lstm.weight_ih_l0"].blocks(weight)
    assert blocks.shape == (4, width, width)
    assert torch.equal(blocks[1], weight[width : 2 * width])
