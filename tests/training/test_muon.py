"""Muon: the update of torch.optim.Muon, on matrices that are oriented and taken apart first."""

from copy import deepcopy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_scaling.models import FAMILIES, Size, Vocabulary, build_config, build_model, hidden_matrices
from hf_scaling.training.muon import Muon, orthogonalize

SIZE, VOCABULARY = Size("a", 16, 2, 2, 48), Vocabulary(40, 0, 1, 1)


def with_gradients(family, seed=0):
    model = build_model(build_config(family, SIZE, VOCABULARY, 32), seed)
    ids = torch.randint(40, (4, 32), generator=torch.Generator().manual_seed(seed))
    model(input_ids=ids, labels=ids).loss.backward()
    return model


@settings(max_examples=30)
@given(rows=st.integers(2, 20), more=st.integers(0, 30), count=st.integers(1, 4), seed=st.integers(0, 999))
def test_singular_values_end_near_one_and_vectors_stay(rows, more, count, seed):
    generator = torch.Generator().manual_seed(seed)
    left, _ = torch.linalg.qr(torch.randn(count, rows, rows, generator=generator))
    right, _ = torch.linalg.qr(torch.randn(count, rows + more, rows, generator=generator))
    values = torch.linspace(0.2, 1.0, rows)
    result = left.mT @ orthogonalize(left @ torch.diag(values) @ right.mT) @ right
    diagonal = result.diagonal(dim1=1, dim2=2)
    assert diagonal.min() > 0.3
    assert diagonal.max() < 1.3
    torch.testing.assert_close(result, torch.diag_embed(diagonal), atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_three_updates_are_those_of_torch_on_the_matrices_taken_apart(family):
    model, twin = with_gradients(family), with_gradients(family)
    ours = Muon(model, 0.02, 0.5, 0.1)
    hidden = hidden_matrices(twin)
    blocks = {
        name: [torch.nn.Parameter(block.detach().clone()) for block in hidden[name].blocks(parameter)]
        for name, parameter in twin.named_parameters()
        if name in hidden
    }
    torchs = torch.optim.Muon([block for parts in blocks.values() for block in parts], lr=0.02, weight_decay=0.1)
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    for update in range(3):
        for name, parameter in model.named_parameters():
            parameter.grad = gradients[name] * (update + 1)
            for block, gradient in zip(
                blocks.get(name, []), hidden[name].blocks(parameter.grad) if name in hidden else [], strict=True
            ):
                block.grad = gradient.clone()
        ours.step()
        torchs.step()
    for name, parameter in model.named_parameters():
        if name in hidden:
            # torch orthogonalizes in bfloat16, with 8 bits of precision
            expected = torch.stack([block.data for block in blocks[name]])
            torch.testing.assert_close(hidden[name].blocks(parameter).data, expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_other_parameters_are_adamws(family):
    model, twin = with_gradients(family), with_gradients(family)
    hidden = hidden_matrices(model)
    Muon(model, 0.02, 0.5, 0.1).step()
    others = [p for name, p in twin.named_parameters() if name not in hidden]
    torch.optim.AdamW(
        [
            {"params": [p for p in others if p.ndim > 1], "weight_decay": 0.1},
            {"params": [p for p in others if p.ndim == 1], "weight_decay": 0.0},
        ],
        lr=0.01,
    ).step()
    for (name, one), other in zip(model.named_parameters(), twin.parameters(), strict=True):
        if name not in hidden:
            torch.testing.assert_close(one, other)
    assert all("embed" not in name and "wte" not in name and "wpe" not in name for name in hidden)


def test_parts_of_one_stored_matrix_do_not_share_an_update():
    model = with_gradients("gpt2")
    attention = model.transformer.h[0].attn.c_attn.weight
    before = attention.detach().clone()
    with torch.no_grad():
        attention.grad[:, :16] *= 1e6  # the queries' gradient: one matrix with keys and values, it would drown theirs
    Muon(model, 0.02, 0.5, 0.0).step()
    moved = (attention.detach() - before).split(16, dim=1)
    norms = [part.norm().item() for part in moved]
    assert max(norms) < 1.5 * min(norms)


@pytest.mark.parametrize("family", FAMILIES)
def test_its_state_is_restored_to_the_bit(family):
    model, twin = with_gradients(family), with_gradients(family)
    gradients = [parameter.grad.clone() for parameter in model.parameters()]
    first = Muon(model, 0.02, 0.5, 0.1)
    first.step()
    second = Muon(twin, 0.5, 0.1, 0.9)
    twin.load_state_dict(model.state_dict())
    second.load_state_dict(deepcopy(first.state_dict()))
    for each, optimizer in ((model, first), (twin, second)):
        for parameter, gradient in zip(each.parameters(), gradients, strict=True):
            parameter.grad = gradient.clone()
        optimizer.step()
    for one, other in zip(model.parameters(), twin.parameters(), strict=True):
        assert torch.equal(one, other)
