"""What only a GPU can show: that what a CPU ignores, refuses or imitates does happen there."""

import json
import multiprocessing
import os
import signal

import pytest
import torch

from hf_scaling.models import FAMILIES, Size, build_model
from hf_scaling.training import precision
from hf_scaling.training.blocks import TokenBlocks, read_stream
from hf_scaling.training.callbacks import PaceCallback
from hf_scaling.training.sharing import choose_side_by_side
from hf_scaling.training.trainer import RunTrainer

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
MIDDLE = Size("middle", 64, 2, 2, 256)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("half", ["fp16", "bf16"])
def test_half_precision_learns_what_float32_does(family, optimizer, half, make_spec, train, tmp_path):
    full, halved = (
        train(make_spec(family=family, size=MIDDLE, optimizer=optimizer, precision=name), tmp_path / name)
        for name in ("fp32", half)
    )
    assert (halved["status"], halved["precision"]) == ("finished", half)
    assert halved["val_loss"] == pytest.approx(full["val_loss"], rel=0.03)
    assert halved["val_loss"] != full["val_loss"]  # or it was a silent no-op
    assert torch.cuda.get_device_name() == halved["device"]


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_fp16_scales_its_loss_and_skips_the_update_that_overflows(optimizer, make_spec, tokens, tmp_path):
    spec = make_spec(size=MIDDLE, optimizer=optimizer, precision="fp16", n_tokens=6 * 4 * 32, warmup_updates=0)
    blocks = TokenBlocks(read_stream(tokens, "train"), 32, spec.updates * spec.batch_size, 0)
    seen = []

    class Watch(PaceCallback):
        def on_step_begin(self, args, state, control, model, **kwargs):
            self.before = model.transformer.h[0].mlp.c_fc.weight.detach().clone()
            if state.global_step == 2:
                trainer.accelerator.scaler._scale.fill_(2.0**60)

        def on_step_end(self, args, state, control, model, **kwargs):
            moved = not torch.equal(self.before, model.transformer.h[0].mlp.c_fc.weight)
            seen.append((moved, trainer.accelerator.scaler.get_scale()))

    model = build_model(spec.model_config(), 0)
    trainer = RunTrainer(spec, model, blocks, tmp_path, [Watch(spec, tmp_path, None)])
    trainer.train()
    assert [moved for moved, _ in seen[:2]] == [True, True]
    assert seen[0][1] == 2.0**16
    assert not seen[2][0]
    assert seen[2][1] == 2.0**59
    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())


def test_compiled_equals_eager_within_a_thousandth(make_spec, train, tmp_path):
    eager, compiled = (
        train(make_spec(size=MIDDLE, compile=on, precision="bf16"), tmp_path / str(on)) for on in (False, True)
    )
    assert compiled["compiled"]
    assert compiled["val_loss"] == pytest.approx(eager["val_loss"], rel=1e-3)


@pytest.mark.parametrize("family", ["gpt2", "folk_lstm"])
def test_memory_that_really_runs_out_halves_the_micro_batch(family, make_spec, train, capsys, tmp_path):
    spec = make_spec(family=family, size=Size("wide", 256, 4, 4, 1024), batch_size=512, n_tokens=4 * 512 * 32)
    whole = train(spec, tmp_path / "whole")
    torch.cuda.empty_cache()
    share = whole["peak_memory_bytes"] / torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(share * 0.75)
    try:
        halved = train(spec, tmp_path / "halved")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert whole["micro_batch_halvings"] == 0
    assert halved["micro_batch_halvings"] >= 1
    assert halved["val_loss"] == pytest.approx(whole["val_loss"], rel=1e-3)
    assert "out of memory; going on with micro-batches of 256, 2 an update" in capsys.readouterr().out


# cuDNN keeps the random state of the dropout between an LSTM's layers to itself, so that none can be restored
@pytest.mark.parametrize(("family", "dropout"), [("gpt2", 0.1), ("folk_lstm", 0.0)])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(family, dropout, make_spec, train, tmp_path):
    spec = make_spec(family=family, size=MIDDLE, precision="fp16", dropout=dropout)
    whole = train(spec, tmp_path / "whole")

    def stop(step):
        if step == 23:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path / "cut", progress=stop)
    seen = []
    resumed = train(spec, tmp_path / "cut", progress=seen.append)
    assert seen[0] > 1
    assert resumed["val_loss"] == pytest.approx(whole["val_loss"], rel=1e-4)


def test_a_loader_that_dies_fails_the_run(make_spec, train, tmp_path):
    def kill(step):
        if step == 5:
            for worker in multiprocessing.active_children():
                os.kill(worker.pid, signal.SIGKILL)

    with pytest.raises(RuntimeError, match="DataLoader worker"):
        train(make_spec(n_tokens=4000 * 4 * 32), tmp_path, progress=kill)


def test_auto_takes_what_the_gpu_is_fast_at(make_spec):
    expected = "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    assert precision.choose_precision("auto", [make_spec()]) == (expected, None)
    assert precision.seconds_per_update(make_spec(precision=expected)) > 0


def test_memory_and_device_are_those_of_the_gpu(make_spec, train, tmp_path):
    row = train(make_spec(size=MIDDLE), tmp_path)
    assert 0 < row["peak_memory_bytes"] < torch.cuda.get_device_properties(0).total_memory
    assert json.loads((tmp_path / "model" / "config.json").read_text())["use_cache"]


def test_several_small_runs_sharing_the_gpu_are_measured(make_spec):
    found = choose_side_by_side(0, 1, 1, [make_spec()] * 4, 1e6)
    assert found["side_by_side"] in (1, 4)
    assert found["side_by_side_speedup"] > 0
