"""What runs here in which precision is found out, not assumed."""

import itertools

import pytest
import torch

from hf_scaling.models import build_model
from hf_scaling.models.folk_lstm import FolkLSTMForCausalLM
from hf_scaling.records import UserError
from hf_scaling.training import precision, sharing
from hf_scaling.training.muon import Muon

needs_no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="holds on machines without a GPU")


@pytest.fixture
def no_bf16_lstm(monkeypatch):
    """A backend like oneDNN's on processors without AVX-512: it raises instead of falling back."""
    forward = FolkLSTMForCausalLM.forward

    def refuse(self, *args, **kwargs):
        if torch.is_autocast_enabled("cpu"):
            raise RuntimeError("could not create a primitive descriptor for an LSTM forward propagation primitive")
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(FolkLSTMForCausalLM, "forward", refuse)


def test_a_backend_that_raises_has_no_speedup(make_spec, no_bf16_lstm):
    assert precision.bf16_speedup(make_spec(family="folk_lstm")) == 0.0


@needs_no_gpu
def test_auto_takes_what_runs_and_tells_what_it_measured(make_spec, no_bf16_lstm):
    assert precision.choose_precision("auto", [make_spec(family="folk_lstm")]) == ("fp32", 0.0)
    assert precision.explain_precision("auto", 0.0) == "auto: this machine cannot train it in bf16"


@needs_no_gpu
@pytest.mark.parametrize(("speedup", "expected"), [(1.5, "bf16"), (0.7, "fp32"), (1.05, "fp32")])
def test_auto_takes_what_is_clearly_faster(speedup, expected, make_spec, monkeypatch):
    monkeypatch.setattr(precision, "bf16_speedup", lambda spec: speedup)
    assert precision.choose_precision("auto", [make_spec()]) == (expected, speedup)
    assert precision.explain_precision("auto", speedup) == (
        f"auto: an update under bf16 runs at {speedup} times the speed of fp32 here, taken from 1.1 on"
    )


@pytest.mark.parametrize("asked", ["fp32", "bf16"])
def test_what_is_asked_for_is_taken_without_a_probe(asked, make_spec, monkeypatch):
    monkeypatch.delattr(precision, "bf16_speedup")
    assert precision.choose_precision(asked, [make_spec()]) == (asked, None)
    assert precision.explain_precision(asked, None) == "as asked for"


@needs_no_gpu
def test_fp16_on_a_cpu_is_refused_because_it_would_do_nothing(make_spec):
    with pytest.raises(UserError, match=r"precision: got 'fp16', but there is no GPU here"):
        precision.choose_precision("fp16", [make_spec()])


def test_a_run_in_bf16_says_so_and_learns(make_spec, train, tmp_path):
    half, full = (train(make_spec(precision=name), tmp_path / name) for name in ("bf16", "fp32"))
    assert half["precision"] == "bf16"
    assert full["precision"] == "fp32"
    assert half["val_loss"] == pytest.approx(full["val_loss"], rel=0.05)
    assert half["val_loss"] != full["val_loss"]  # or bf16 was a silent no-op


def test_only_families_that_gain_are_compiled(make_spec, monkeypatch):
    monkeypatch.setattr(precision, "compile_possible", lambda: True)
    specs = [make_spec(family=family) for family in ("gpt2", "folk_lstm")]
    assert [spec.compile for spec in precision.resolve(specs, "fp32", ask_compile=True)[0]] == [True, False]
    assert [spec.compile for spec in precision.resolve(specs, "fp32", ask_compile=False)[0]] == [False, False]
    monkeypatch.setattr(precision, "compile_possible", lambda: False)
    assert [spec.compile for spec in precision.resolve(specs, "fp32", ask_compile=True)[0]] == [False, False]


def test_a_size_that_runs_out_of_memory_does_not_stop_the_plan(make_spec, monkeypatch):
    def too_large(config, seed):
        raise torch.OutOfMemoryError("tried to allocate 4 TiB")

    monkeypatch.setattr(precision, "build_model", too_large)
    assert precision.seconds_per_update(make_spec()) == 0.0  # its run will fail, with the reason in its row


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_an_update_is_timed_with_the_optimizer_of_the_run_whatever_its_rates(optimizer, make_spec, monkeypatch):
    spec = make_spec(optimizer=optimizer, learning_rate=1e30, rest_rate_ratio=1e30, weight_decay=1e30)
    model, steps, step = build_model(spec.model_config(), 0), [], Muon.step
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    monkeypatch.setattr(precision, "build_model", lambda config, seed: model)
    monkeypatch.setattr(Muon, "step", lambda self: steps.append(self) or step(self))
    assert 0 < precision.seconds_per_update(spec) < 60
    assert bool(steps) == (optimizer == "muon")
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())


def test_an_update_is_as_many_micro_batches_as_it_accumulates_and_one_step(make_spec, monkeypatch):
    clock = itertools.accumulate(itertools.cycle([0.0, 2.0, 3.0]))  # start, gradient and step of each update
    monkeypatch.setattr(precision, "_now", lambda: next(clock))
    assert precision.Probe(make_spec(gradient_accumulation_steps=4), "fp32").seconds == float("inf")
    monkeypatch.setattr(precision, "least_seconds", lambda spec: 0.0)
    assert precision.seconds_per_update(make_spec(gradient_accumulation_steps=4)) == 4 * 2 + 3


@pytest.fixture
def unbuilt(monkeypatch):
    """Whatever is built is on the meta device."""

    def build(config, seed):
        assert torch.get_default_device().type == "meta"
        return build_model(config, seed)

    monkeypatch.setattr(precision, "build_model", build)


@needs_no_gpu
def test_what_does_not_fit_into_memory_is_not_built_to_be_measured(make_spec, unbuilt, monkeypatch):
    monkeypatch.setattr(precision, "available_bytes", lambda: 2 * precision.training_bytes(make_spec()) - 1)
    monkeypatch.setattr(sharing, "_together", lambda *arguments: pytest.fail("measured"))
    assert precision.choose_precision("auto", [make_spec()]) == ("fp32", None)  # it would take two at a time
    assert precision.explain_precision("auto", None) == "auto: too large to be measured here"
    assert sharing.choose_side_by_side(0, 1, 1, [make_spec()] * 2, 1e6)["side_by_side"] == 1
    monkeypatch.setattr(precision, "available_bytes", lambda: precision.training_bytes(make_spec()) - 1)
    assert precision.seconds_per_update(make_spec()) == 0.0


@needs_no_gpu
def test_what_would_take_long_is_estimated_from_its_flops(make_spec, unbuilt, monkeypatch):
    monkeypatch.setattr(precision, "available_bytes", lambda: float("inf"))
    size = make_spec().size.parse("1.2B=2048x24x16x8192")
    spec = make_spec(size=size, context_length=1024, batch_size=64, gradient_accumulation_steps=3, n_tokens=10**6)
    assert 6 * 1.2e9 * 64 * 1024 * 3 / 1e14 < precision.seconds_per_update(spec) < 10**6
    assert precision.choose_precision("auto", [spec]) == ("fp32", None)


@needs_no_gpu
@pytest.mark.parametrize("chosen", ["fp32", "bf16"])
def test_what_attention_keeps_for_the_backward_pass_is_counted_as_memory(make_spec, chosen):
    spec = make_spec(precision=chosen, size=make_spec().size.parse("wide=32x4x16x64"), context_length=512)
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with (
        torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
        torch.autocast("cpu", dtype=torch.bfloat16, enabled=chosen == "bf16"),
    ):
        ids = torch.randint(spec.vocabulary.vocab_size, (spec.batch_size, spec.context_length))
        loss = build_model(spec.model_config(), 0)(input_ids=ids, labels=ids).loss  # holds on to what is kept
    assert loss.isfinite()
    assert sum(kept.values()) < precision.training_bytes(spec) < 2 * sum(kept.values())


@pytest.fixture
def two_cores(monkeypatch):
    monkeypatch.setattr(sharing, "cores", lambda: 2)
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@needs_no_gpu
@pytest.mark.parametrize(("speedup", "threads"), [(1.5, 2), (1.05, 1), (0.2, 1)])
def test_a_run_has_all_cores_only_where_they_are_clearly_faster(make_spec, monkeypatch, two_cores, speedup, threads):
    monkeypatch.setattr(sharing, "_rate", lambda *_: 10.0 * (speedup if torch.get_num_threads() == 2 else 1))
    assert sharing.choose_threads(0, [make_spec()]) == {"threads": threads, "threads_speedup": speedup}


@needs_no_gpu
def test_the_largest_run_of_each_family_tells_how_many_threads(make_spec, monkeypatch, two_cores):
    asked = []
    monkeypatch.setattr(
        sharing, "Probe", lambda spec, precision: asked.append((spec.family, spec.size.name)) or Updates()
    )
    monkeypatch.setattr(sharing, "_rate", lambda *_: 1.0)
    monkeypatch.setattr(sharing, "measurable", lambda spec: spec.size.name != "huge")
    sizes = [make_spec().size.parse(text) for text in ("a=8x1x1x16", "b=16x1x1x16", "huge=32x1x1x16")]
    runs = [make_spec(family=family, size=size) for size in sizes for family in ("gpt2", "folk_lstm")]
    assert sharing.choose_threads(0, runs)["threads"] == 1
    assert asked == [("gpt2", "b"), ("folk_lstm", "b")]


class Updates:
    """Of no model."""

    def update(self):
        pass


@needs_no_gpu
def test_threads_are_measured_only_where_there_is_a_choice(make_spec, monkeypatch, two_cores):
    monkeypatch.setattr(sharing, "Probe", lambda *_: pytest.fail("measured"))
    assert sharing.choose_threads(3, [make_spec()]) == {"threads": 3, "threads_speedup": None}
    with monkeypatch.context() as large:
        large.setattr(sharing, "measurable", lambda spec: False)
        assert sharing.choose_threads(0, [make_spec()])["threads"] == 2
    with monkeypatch.context() as shared:
        shared.setenv("WORLD_SIZE", "2")
        assert sharing.choose_threads(0, [make_spec()])["threads"] == 2
    monkeypatch.setattr(sharing, "cores", lambda: 1)
    assert sharing.choose_threads(0, [make_spec()])["threads"] == 1


@needs_no_gpu
def test_several_share_the_cores_unless_told_how_many_threads_each_has(make_spec, monkeypatch, two_cores):
    rates = {1: 10.0, 2: 15.0}
    monkeypatch.setattr(sharing, "_together", lambda spec, several, threads: rates[several])
    runs = [make_spec()] * 3
    together = {"side_by_side": 2, "side_by_side_speedup": 1.5}
    assert sharing.choose_side_by_side(0, 0, 2, runs, 1e6) == together | {"threads": 1}
    assert sharing.choose_side_by_side(0, 3, 3, runs, 1e6) == together | {"threads": 3}
    rates[2] = 10.5
    assert sharing.choose_side_by_side(0, 0, 2, runs, 1e6)["threads"] == 2  # alone again, with all of them
    assert sharing.choose_side_by_side(0, 0, 1, runs, 10.0) == {
        "side_by_side": 1, "side_by_side_speedup": None, "threads": 1,
    }  # fmt: skip
