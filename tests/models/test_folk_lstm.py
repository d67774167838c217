"""The LSTM as transformers sees it: loss, padding, cache, generation, saving, and loading it without this package."""

import json
import os
import subprocess
import sys
import warnings

import pytest
import torch
from safetensors import safe_open
from torch.nn import functional
from transformers import AutoModelForCausalLM

from hf_scaling.models import Vocabulary, build_model
from hf_scaling.models.folk_lstm import FolkLSTMConfig, FolkLSTMForCausalLM
from hf_scaling.tokenization import build_tokenizer

VOCABULARY = Vocabulary(20, pad_token_id=0, bos_token_id=1, eos_token_id=1)


def make(seed=0, **changes):
    # wide initial weights, so that what the model predicts depends on what it has read
    config = FolkLSTMConfig(
        **{"hidden_size": 16, "max_position_embeddings": 32, "initializer_range": 0.7}
        | VOCABULARY.as_config()
        | changes
    )
    return build_model(config, seed).eval()


@pytest.fixture(scope="module")
def model():
    return make()


@pytest.fixture(scope="module")
def ids():
    return torch.randint(2, 20, (3, 12), generator=torch.Generator().manual_seed(0))


def padded(ids, lengths, side):
    """The first `lengths` ids of each row with padding on one side, and their mask."""
    rows, masks = torch.zeros_like(ids), torch.zeros_like(ids)
    for row, n in enumerate(lengths):
        where = slice(ids.shape[1] - n, None) if side == "left" else slice(0, n)
        rows[row, where], masks[row, where] = ids[row, :n], 1
    return rows, masks


@pytest.mark.parametrize("side", ["left", "right"])
@torch.no_grad()
def test_padding_on_either_side_changes_nothing(model, ids, side):
    lengths = [12, 5, 1]
    rows, masks = padded(ids, lengths, side)
    out = model(input_ids=rows, attention_mask=masks, use_cache=True)
    for row, n in enumerate(lengths):
        alone = model(input_ids=ids[row : row + 1, :n], use_cache=True)
        torch.testing.assert_close(out.logits[row][masks[row].bool()], alone.logits[0])
        for index in (0, 1):
            torch.testing.assert_close(out.cache_params.state()[index][:, row], alone.cache_params.state()[index][:, 0])


@torch.no_grad()
def test_a_row_of_padding_alone_disturbs_no_other(model, ids):
    rows, masks = padded(ids, [12, 0, 5], "left")
    out = model(input_ids=rows, attention_mask=masks)
    torch.testing.assert_close(out.logits[0], model(input_ids=ids[:1]).logits[0])
    assert out.logits.isfinite().all()


@torch.no_grad()
def test_the_state_stands_for_all_that_was_read(model, ids):
    whole = model(input_ids=ids).logits
    first = model(input_ids=ids[:, :7], use_cache=True)
    shapes = [part.shape for part in first.cache_params.state()]
    second = model(input_ids=ids[:, 7:8], cache_params=first.cache_params, use_cache=True)
    third = model(input_ids=ids[:, 8:], cache_params=second.cache_params, use_cache=True)
    pieces = torch.cat([first.logits, second.logits, third.logits], dim=1)
    torch.testing.assert_close(pieces, whole)
    assert [part.shape for part in third.cache_params.state()] == shapes == [(2, 3, 16)] * 2
    assert (whole[:, 7:] - model(input_ids=ids[:, 7:]).logits).abs().max() > 0.1  # the state is what makes it so


@torch.no_grad()
def test_a_model_says_the_same_of_a_prefix_whatever_follows(model, ids):
    changed = ids.clone()
    changed[:, 8:] = 2
    torch.testing.assert_close(model(input_ids=changed).logits[:, :8], model(input_ids=ids).logits[:, :8])


@pytest.mark.parametrize("beams", [1, 3])
@pytest.mark.parametrize("lengths", [[12, 12, 12], [12, 5, 1]])
def test_generation_is_the_same_with_and_without_the_cache(model, ids, beams, lengths):
    rows, masks = padded(ids, lengths, "left")
    options = {
        "attention_mask": masks, "max_new_tokens": 12, "num_beams": beams, "num_return_sequences": beams,
        "do_sample": False, "return_dict_in_generate": True, "output_scores": True,
    }  # fmt: skip
    cached, fresh = (model.generate(rows, use_cache=use, **options) for use in (True, False))
    assert torch.equal(cached.sequences, fresh.sequences)
    for one, other in zip(cached.scores, fresh.scores, strict=True):
        torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-4)
    if beams > 1:
        torch.testing.assert_close(cached.sequences_scores, fresh.sequences_scores)
        assert len({tuple(row) for row in cached.sequences.tolist()}) == 9


def test_left_padded_rows_are_continued_as_if_alone(model, ids):
    lengths = [12, 5, 1]
    rows, masks = padded(ids, lengths, "left")
    together = model.generate(rows, attention_mask=masks, max_new_tokens=8, do_sample=False, eos_token_id=None)
    for row, n in enumerate(lengths):
        alone = model.generate(ids[row : row + 1, :n], max_new_tokens=8, do_sample=False, eos_token_id=None)
        assert together[row, 12:].tolist() == alone[0, n:].tolist()


def test_assisted_generation_is_refused_because_a_state_cannot_be_rolled_back(model, ids):
    with pytest.raises(ValueError, match="assisted generation is not supported with stateful models"):
        model.generate(ids[:1], assistant_model=make(1), max_new_tokens=4)


def test_the_loss_is_the_cross_entropy_of_the_next_token(model, ids):
    labels = ids.clone()
    labels[0, :4] = labels[2, 6:] = -100
    out = model(input_ids=ids, labels=labels)
    predicted, target = out.logits[:, :-1].reshape(-1, 20), labels[:, 1:].reshape(-1)
    kept = target != -100
    nats = -torch.log_softmax(predicted, dim=-1)[kept].gather(1, target[kept].unsqueeze(1))
    assert 0 < kept.sum() < 33
    torch.testing.assert_close(out.loss, nats.mean())
    out = model(input_ids=ids, labels=labels, num_items_in_batch=torch.tensor(100))
    torch.testing.assert_close(out.loss, nats.sum() / 100)  # as accumulation over several batches asks for


def test_losses_of_accumulated_batches_add_up_to_that_of_the_whole(model, ids):
    whole = model(input_ids=ids, labels=ids).loss
    n = torch.tensor(ids.shape[0] * (ids.shape[1] - 1))
    parts = [model(input_ids=row, labels=row, num_items_in_batch=n).loss for row in ids.split(1)]
    torch.testing.assert_close(sum(parts), whole)


def test_logits_to_keep_selects_positions(model, ids):
    every = model(input_ids=ids).logits
    assert every.shape == (3, 12, 20)
    torch.testing.assert_close(model(input_ids=ids, logits_to_keep=2).logits, every[:, -2:])
    chosen = torch.tensor([0, 5])
    torch.testing.assert_close(model(input_ids=ids, logits_to_keep=chosen).logits, every[:, chosen])


def test_embeddings_may_be_given_in_place_of_ids(model, ids):
    embeddings = model.get_input_embeddings()(ids)
    torch.testing.assert_close(model(inputs_embeds=embeddings).logits, model(input_ids=ids).logits)
    for wrong in ({}, {"input_ids": ids, "inputs_embeds": embeddings}):
        with pytest.raises(ValueError, match="either input_ids or inputs_embeds"):
            model(**wrong)


def test_outputs_come_as_asked_for(model, ids):
    out = model(input_ids=ids, labels=ids, output_hidden_states=True)
    embeddings, last = out.hidden_states
    torch.testing.assert_close(embeddings, model.embed_tokens(ids))
    torch.testing.assert_close(model.lm_head(last), out.logits)
    loss, logits, *_ = model(input_ids=ids, labels=ids, return_dict=False)
    assert torch.equal(loss, out.loss)
    assert torch.equal(logits, out.logits)
    assert model(input_ids=ids, use_cache=False).cache_params is None
    assert model(input_ids=ids).cache_params is not None
    model.train()
    assert model(input_ids=ids).cache_params is None  # nobody reads it while training
    model.eval()


def test_forget_gates_start_open_and_all_other_biases_at_zero():
    model = make(num_hidden_layers=3)
    for layer in range(3):
        bias = getattr(model.lstm, f"bias_ih_l{layer}").reshape(4, 16)  # input, forget, cell, output
        assert bias[1].tolist() == [1.0] * 16
        assert bias[[0, 2, 3]].abs().sum() == 0
        assert getattr(model.lstm, f"bias_hh_l{layer}").abs().sum() == 0


def test_dropout_works_between_layers_and_with_one_layer_without_a_warning(ids):
    for layers in (1, 2):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = make(num_hidden_layers=layers, dropout=0.5)
        assert model.lstm.dropout == (0.5 if layers > 1 else 0.0)
        model.train()
        assert not torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)
        model.eval()
        assert torch.equal(model(input_ids=ids).logits, model(input_ids=ids).logits)


def test_gradients_reach_every_parameter_and_the_first_token(ids):
    model = make()
    model(input_ids=ids, labels=ids).loss.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().sum() > 0, name
    embeddings = model.embed_tokens(ids).detach().requires_grad_()
    model(inputs_embeds=embeddings).logits[:, -1].sum().backward()
    assert embeddings.grad[:, 0].abs().sum() > 0


def test_a_few_steps_of_training_lower_the_loss(ids):
    model = make(initializer_range=0.3).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.03)
    losses = []
    for _ in range(30):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_what_is_saved_is_what_is_loaded_with_one_matrix_at_both_ends(model, ids, tmp_path):
    trained = make()
    with torch.no_grad():
        for parameter in trained.parameters():
            parameter.add_(0.1)  # biases too, so that loading has something to keep
    trained.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        names = set(file.keys())
    gates = {f"lstm.{kind}_{side}_l{layer}" for kind in ("weight", "bias") for side in ("ih", "hh") for layer in (0, 1)}
    assert len(names & {"embed_tokens.weight", "lm_head.weight"}) == 1
    assert names - {"embed_tokens.weight", "lm_head.weight"} == gates

    loaded = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    assert type(loaded) is FolkLSTMForCausalLM
    assert loaded.lm_head.weight is loaded.embed_tokens.weight
    for name, value in trained.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name
    assert torch.equal(loaded(input_ids=ids).logits, trained(input_ids=ids).logits)
    assert loaded.config.to_dict().items() >= {"hidden_size": 16, "num_hidden_layers": 2, "eos_token_id": 1}.items()
    with torch.no_grad():
        loaded.embed_tokens.weight[5] = 9.0
    assert loaded.lm_head.weight[5].tolist() == [9.0] * 16


def test_the_saved_folder_carries_its_own_code(model, tmp_path):
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["auto_map"] == {
        "AutoConfig": "configuration_folk_lstm.FolkLSTMConfig",
        "AutoModelForCausalLM": "modeling_folk_lstm.FolkLSTMForCausalLM",
    }
    for name in ("configuration_folk_lstm.py", "modeling_folk_lstm.py"):
        assert "hf_scaling" not in (tmp_path / name).read_text()


def test_in_half_precision_it_loads_and_generates(model, ids, tmp_path):
    try:
        torch.nn.LSTM(4, 4).bfloat16()(torch.zeros(2, 1, 4).bfloat16())
    except RuntimeError as error:
        pytest.skip(f"this processor has no bfloat16 LSTM: {error}")
    model.save_pretrained(tmp_path)
    half = AutoModelForCausalLM.from_pretrained(tmp_path, dtype=torch.bfloat16).eval()
    logits = half(input_ids=ids).logits
    assert logits.dtype == torch.bfloat16
    torch.testing.assert_close(logits.float(), model(input_ids=ids).logits, atol=0.25, rtol=0.05)
    rows, masks = padded(ids, [12, 5, 1], "left")
    for beams in (1, 2):
        out = half.generate(rows, attention_mask=masks, max_new_tokens=6, num_beams=beams, do_sample=False)
        assert out.shape[1] > 12


ELSEWHERE = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "hf_scaling":
            raise ModuleNotFoundError(f"no {name} on this machine")

sys.meta_path.insert(0, Blocker())
try:
    import hf_scaling
except ModuleNotFoundError:
    pass
else:
    raise SystemExit("hf_scaling can be imported: the test proves nothing")

import json
from transformers import pipeline

folder, prompt = sys.argv[1:]
try:
    pipeline("text-generation", model=folder, trust_remote_code=False)
except ValueError as error:
    refusal = str(error)
writer = pipeline("text-generation", model=folder, trust_remote_code=True)
greedy = writer(prompt, max_new_tokens=20, do_sample=False)[0]["generated_text"]
beams = writer([prompt, prompt[:3]], max_new_tokens=20, do_sample=False, num_beams=2, batch_size=2)
print(json.dumps([type(writer.model).__module__, refusal, greedy, [one[0]["generated_text"] for one in beams]]))
"""


def test_a_saved_model_generates_where_this_package_is_not_installed(tmp_path):
    prompt = "X:1\nK:D\nABc"
    tokenizer = build_tokenizer([prompt + "defgGFE|2: \n"], 32)
    vocabulary = Vocabulary(len(tokenizer), tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    model = make(3, **vocabulary.as_config())
    folder = tmp_path / "model"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, folder, prompt],
        capture_output=True, text=True, env=environment, cwd=tmp_path, check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    module, refusal, greedy, beams = json.loads(ended.stdout.splitlines()[-1])
    assert module.startswith("transformers_modules.")
    assert "trust_remote_code" in refusal

    def here(text, **options):
        out = model.generate(**tokenizer(text, return_tensors="pt"), max_new_tokens=20, do_sample=False, **options)
        return tokenizer.decode(out[0], skip_special_tokens=True)

    assert greedy == here(prompt)
    assert len(greedy) > len(prompt)
    assert beams == [here(text, num_beams=2) for text in (prompt, prompt[:3])]


def test_gates_are_those_of_the_textbook(model, ids):
    """One step from zero, written out: Hochreiter & Schmidhuber (1997) with the forget gate of Gers et al. (2000)."""
    x = model.embed_tokens(ids[:, 0])
    for layer in (0, 1):
        weight, bias = (getattr(model.lstm, f"{name}_ih_l{layer}") for name in ("weight", "bias"))
        i, _, g, o = functional.linear(x, weight, bias).chunk(4, dim=-1)
        x = torch.sigmoid(o) * torch.tanh(torch.sigmoid(i) * torch.tanh(g))
    torch.testing.assert_close(model(input_ids=ids[:, :1]).logits[:, 0], x @ model.embed_tokens.weight.T)
