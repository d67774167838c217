"""Attention in bfloat16 on a CPU, against torch's own."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from hf_scaling.models import Size, Vocabulary, build_config, build_model
from hf_scaling.training.model_folder import load_model

FAMILIES = ["gpt2", "llama"]
VOCABULARY = Vocabulary(40, 0, 1, 1)


def build(family, attention=None, dropout=0.0):
    """A small model with weights large enough that attention is far from uniform."""
    model = build_model(build_config(family, Size.parse("a=32x2x4x64"), VOCABULARY, 320, dropout), 0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3.0)
    if attention:
        model.set_attn_implementation(attention)
    return model


def loss_and_gradient(model, ids):
    """Under bf16 autocast, as a run has it."""
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
    loss.backward()
    return loss.item(), torch.cat([parameter.grad.flatten() for parameter in model.parameters()])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("length", [3, 127, 128, 200, 320])
def test_it_errs_no_more_than_a_few_roundings_from_float32(family, length):
    ids = torch.randint(40, (3, length), generator=torch.Generator().manual_seed(0))
    exact = build(family, "sdpa")
    loss = exact(input_ids=ids, labels=ids).loss
    loss.backward()
    gradient = torch.cat([parameter.grad.flatten() for parameter in exact.parameters()])
    found, found_gradient = loss_and_gradient(build(family), ids)
    torchs, torchs_gradient = loss_and_gradient(build(family, "sdpa"), ids)
    assert found == pytest.approx(loss.item(), rel=5e-3)
    error, torchs_error = ((other - gradient).norm() / gradient.norm() for other in (found_gradient, torchs_gradient))
    assert error < max(1.5 * torchs_error, 5e-3)
    assert not torch.equal(found_gradient, torchs_gradient)  # or one was compared with itself


@pytest.mark.parametrize("family", FAMILIES)
def test_no_position_sees_what_comes_after_it(family):
    model = build(family).eval()
    ids = torch.randint(40, (2, 300), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        whole = model(input_ids=ids, use_cache=False).logits
        for changed in (1, 127, 128, 129, 299):
            other = ids.clone()
            other[:, changed:] = (other[:, changed:] + 1) % 40
            logits = model(input_ids=other, use_cache=False).logits
            assert torch.equal(logits[:, :changed], whole[:, :changed])
            assert not torch.equal(logits[:, changed], whole[:, changed])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_compiled_model_has_no_mask_either(family):
    nodes = []

    def keep(graph, _):
        nodes.extend(
            node for node in graph.graph.nodes if node.target is torch.nn.functional.scaled_dot_product_attention
        )
        return graph

    model = torch.compile(build(family), backend=keep)
    ids = torch.randint(40, (3, 200))
    model(input_ids=ids, shift_labels=ids, use_cache=False)
    assert [(node.kwargs["attn_mask"], node.kwargs["is_causal"]) for node in nodes] == [(None, True)] * 2


@pytest.mark.parametrize("family", FAMILIES)
def test_float32_padding_and_generation_are_left_to_torch(family):
    model, torchs = build(family).eval(), build(family, "sdpa").eval()
    ids = torch.randint(40, (2, 200), generator=torch.Generator().manual_seed(2))
    mask = torch.ones_like(ids)
    mask[0, :50] = 0
    with torch.inference_mode():
        assert torch.equal(model(input_ids=ids).logits, torchs(input_ids=ids).logits)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            padded = {"input_ids": ids, "attention_mask": mask, "use_cache": False}
            assert torch.equal(model(**padded).logits, torchs(**padded).logits)
        prompt = ids[:, :20]
        assert torch.equal(model.generate(prompt, max_length=40), torchs.generate(prompt, max_length=40))


@pytest.mark.parametrize("family", FAMILIES)
def test_dropout_is_left_to_torch(family):
    ids = torch.randint(40, (2, 200), generator=torch.Generator().manual_seed(3))
    found = []
    for model in (build(family, dropout=0.5), build(family, "sdpa", 0.5), build(family)):
        torch.manual_seed(0)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found.append(model.train()(input_ids=ids, use_cache=False).logits)
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])


@pytest.mark.parametrize("family", FAMILIES)
def test_sequences_that_are_packed_into_one_do_not_see_each_other(family):
    model, torchs = build(family).eval(), build(family, "sdpa").eval()
    ids = torch.randint(40, (1, 200), generator=torch.Generator().manual_seed(4))
    packed = {"input_ids": ids, "position_ids": (torch.arange(200) % 100)[None], "use_cache": False}
    for precise in (True, False):
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16, enabled=not precise):
            assert torch.equal(model(**packed).logits, torchs(**packed).logits)


def test_a_model_that_is_read_back_attends_as_before(tmp_path):
    build("gpt2").save_pretrained(tmp_path)
    assert load_model(tmp_path).config._attn_implementation == build("gpt2").config._attn_implementation


def test_a_saved_model_does_not_ask_for_it(tmp_path):
    build("gpt2").save_pretrained(tmp_path)
    assert "causal_blocks" not in (tmp_path / "config.json").read_text()
    assert AutoModelForCausalLM.from_pretrained(tmp_path).config._attn_implementation == "sdpa"
