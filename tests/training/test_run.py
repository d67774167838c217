"""One run through Trainer: repeatable, resumable, and honest about its loss."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from hf_scaling.models import FAMILIES, build_model
from hf_scaling.records import UserError, read_jsonl
from hf_scaling.training import callbacks, run
from hf_scaling.training.blocks import read_stream
from hf_scaling.training.checkpoints import discard_checkpoints, find_trunk
from hf_scaling.training.evaluation import evaluate
from hf_scaling.training.model_folder import load_model
from hf_scaling.training.row import diverged

CLOCKS = ("wall_seconds", "tokens_per_second", "peak_memory_bytes", "started_at", "finished_at")


def timeless(row):
    return {name: value for name, value in row.items() if name not in CLOCKS}


def outcome(folder, row):
    """Everything that must not depend on when and how often a run was stopped."""
    metrics = [timeless(row) for row in read_jsonl(folder / "metrics.jsonl")]
    weights = {name: tensor.tolist() for name, tensor in load_file(folder / "model" / "model.safetensors").items()}
    return timeless(row), metrics, weights


def stop():
    """Ctrl-C where it is asked for."""
    raise KeyboardInterrupt


class Stop:
    """Ctrl-C at the end of an update."""

    def __init__(self, at):
        self.at = at

    def __call__(self, step):
        if step == self.at:
            raise KeyboardInterrupt


def interrupted(train, spec, folder, *stops):
    for stop in stops:
        with pytest.raises(KeyboardInterrupt):
            train(spec, folder, progress=Stop(stop))
        assert not (folder / "model").exists()
    return train(spec, folder)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_spec_gives_the_same_bits(family, make_spec, train, tmp_path):
    spec = make_spec(family=family, dropout=0.1)
    first, second = (outcome(tmp_path / name, train(spec, tmp_path / name)) for name in "ab")
    assert first == second
    other = make_spec(family=family, dropout=0.1, seed=6)
    assert outcome(tmp_path / "c", train(other, tmp_path / "c"))[2] != first[2]


@pytest.mark.parametrize("family", FAMILIES)
def test_an_interrupted_run_ends_in_the_same_bits(family, make_spec, train, tmp_path):
    spec = make_spec(family=family, dropout=0.1)
    whole = outcome(tmp_path / "whole", train(spec, tmp_path / "whole"))
    # before the first checkpoint (every 4 updates), between two, on one, and before the last update
    stopped = outcome(tmp_path / "stopped", interrupted(train, spec, tmp_path / "stopped", 2, 11, 20, 39))
    assert stopped == whole


def test_checkpoints_lie_where_rows_end_so_that_metrics_have_no_seam(make_spec, train, tmp_path):
    spec = make_spec(n_tokens=310 * 2 * 16, context_length=16, batch_size=2)  # a row is the mean of several updates
    whole = outcome(tmp_path / "whole", train(spec, tmp_path / "whole"))
    stopped = outcome(tmp_path / "stopped", interrupted(train, spec, tmp_path / "stopped", 40, 100))
    assert stopped == whole


def test_a_resumed_run_keeps_what_it_had_written_and_goes_on_from_there(make_spec, train, tmp_path):
    spec = make_spec()
    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path, progress=Stop(30))
    before = (tmp_path / "metrics.jsonl").read_text().splitlines()
    steps = []
    row = train(spec, tmp_path, progress=steps.append)
    after = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert steps == list(range(29, 41))  # the last checkpoint is that of update 28
    assert after[:28] == before[:28]
    seconds = [json.loads(line)["wall_seconds"] for line in after]
    assert seconds == sorted(seconds)
    assert row["wall_seconds"] >= seconds[-1]


def test_a_checkpoint_that_takes_longer_than_the_training_it_saves_is_left_out(make_spec, train, monkeypatch, tmp_path):
    spec = make_spec(n_tokens=60 * 128)
    whole = outcome(tmp_path / "whole", train(spec, tmp_path / "whole", trunks=tmp_path / "trunks"))
    monkeypatch.setattr(callbacks, "_SAVED_BYTES_PER_SECOND", 1.0)  # as if a disk took hours for this model
    slow = tmp_path / "slow"
    stopped = outcome(slow, interrupted(train, spec, slow, 50))
    assert stopped == whole
    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path / "cut", progress=Stop(50))
    assert not list((tmp_path / "cut" / "checkpoints").glob("checkpoint-*"))
    train(make_spec(n_tokens=30 * 128), tmp_path / "short", trunks=tmp_path / "slow-trunks")
    assert find_trunk(spec, tmp_path / "slow-trunks")  # what other runs wait for is saved all the same


def test_a_run_stopped_behind_its_last_update_is_only_evaluated_again(make_spec, train, monkeypatch, tmp_path):
    spec = make_spec()
    whole = outcome(tmp_path / "whole", train(spec, tmp_path / "whole"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run, "evaluate_split", lambda *arguments: stop())
        train(spec, tmp_path / "stopped")
    steps = []
    row = train(spec, tmp_path / "stopped", progress=steps.append)
    assert steps == []
    assert outcome(tmp_path / "stopped", row) == whole


def test_a_checkpoint_that_was_torn_is_not_used(make_spec, train, tmp_path):
    spec = make_spec()
    whole = outcome(tmp_path / "whole", train(spec, tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path / "torn", progress=Stop(30))
    (checkpoint,) = (tmp_path / "torn" / "checkpoints").iterdir()
    torn = checkpoint.with_name("checkpoint-32")
    torn.mkdir()
    (torn / "model.safetensors").write_bytes((checkpoint / "model.safetensors").read_bytes()[:100])
    (torn / "trainer_state.json").write_text('{"global_step": 3')
    steps = []
    row = train(spec, tmp_path / "torn", progress=steps.append)
    assert steps[0] == 29
    assert outcome(tmp_path / "torn", row) == whole
    discard_checkpoints(tmp_path / "torn")
    assert sorted(path.name for path in (tmp_path / "torn").iterdir()) == [
        "checksums.json",
        "config.json",
        "metrics.jsonl",
        "model",
        "validation.json",
    ]


def test_two_micro_batches_of_two_are_one_batch_of_four(make_spec, train, tmp_path):
    whole = train(make_spec(), tmp_path / "whole")
    split = train(make_spec(batch_size=2, gradient_accumulation_steps=2), tmp_path / "split")
    assert split["val_loss"] == pytest.approx(whole["val_loss"], rel=1e-4)
    assert split["batch_tokens"] == whole["batch_tokens"]
    losses = [[row["loss"] for row in read_jsonl(tmp_path / name / "metrics.jsonl")] for name in ("whole", "split")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_the_learning_rate_rises_stays_and_falls_to_nothing(make_spec, train, tmp_path):
    spec = make_spec(warmup_updates=8, decay_fraction=0.5)
    train(spec, tmp_path)
    rates = [row["learning_rate"] for row in read_jsonl(tmp_path / "metrics.jsonl")]
    assert len(rates) == 40
    assert rates[:8] == pytest.approx([0.01 * step / 8 for step in range(8)])
    assert rates[8:20] == pytest.approx([0.01] * 12)
    assert rates[20:] == pytest.approx([0.01 * (1 - step / 20) for step in range(20)])


@pytest.mark.parametrize(("warmup", "decay"), [(0, 0.0), (2, 0.5), (3, 0.001)])
def test_extreme_schedules_train(warmup, decay, make_spec, train, tmp_path):
    spec = make_spec(n_tokens=3 * 4 * 32, warmup_updates=warmup, decay_fraction=decay)
    assert math.isfinite(train(spec, tmp_path)["val_loss"])
    rates = [row["learning_rate"] for row in read_jsonl(tmp_path / "metrics.jsonl")]
    assert all(0 <= rate <= spec.learning_rate for rate in rates)


def test_metrics_count_every_token_to_the_last_update(make_spec, train, tmp_path):
    spec = make_spec(n_tokens=253 * 2 * 16 + 5, context_length=16, batch_size=2)  # 253 is no multiple of its log steps
    row = train(spec, tmp_path)
    metrics = read_jsonl(tmp_path / "metrics.jsonl")
    assert [m["tokens_seen"] for m in metrics] == [m["step"] * spec.batch_tokens for m in metrics]
    assert metrics[-1]["step"] == row["updates"] == 253
    assert metrics[-1]["tokens_seen"] == row["n_tokens"] == 253 * 32
    assert metrics[-1]["flops"] == row["flops"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_saved_model_has_the_loss_of_its_row(family, make_spec, train, tokens, tmp_path):
    spec = make_spec(family=family)
    row = train(spec, tmp_path)
    untrained = evaluate(build_model(spec.model_config(), spec.seed), read_stream(tokens, "validation"), 32, 8).loss
    result = run.evaluate_split(load_model(tmp_path / "model"), spec, tokens, "validation")
    assert result.loss == row["val_loss"]
    assert row["val_loss"] < untrained - 0.3
    scored = json.loads((tmp_path / "validation.json").read_text())
    assert sum(scored["tune_nats"]) / sum(scored["tune_tokens"]) == pytest.approx(row["val_loss"], abs=1e-6)
    assert len(scored["position_loss"]) == spec.context_length
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config.get("use_cache", True) is True


def test_a_run_can_start_from_the_weights_of_another(make_spec, train, tmp_path):
    train(make_spec(), tmp_path / "first")
    spec = make_spec(parent="first", seed=6)
    with pytest.raises(KeyboardInterrupt):
        train(spec, tmp_path / "second", start_from=tmp_path / "first" / "model", progress=Stop(1))
    first_row = read_jsonl(tmp_path / "first" / "metrics.jsonl")[-1]
    row = train(spec, tmp_path / "second", start_from=tmp_path / "first" / "model")
    second_row = read_jsonl(tmp_path / "second" / "metrics.jsonl")[0]
    assert second_row["loss"] == pytest.approx(first_row["loss"], abs=0.3)
    assert row["run_id"] != make_spec().run_id


def test_unique_tokens_are_the_beginning_of_the_training_split(make_spec, train, tokens, tmp_path):
    spec = make_spec(pool_tokens=5 * 32)
    row = train(spec, tmp_path)
    assert row["n_unique_tokens"] == 160
    assert row["n_tokens"] == 40 * 4 * 32
    # five blocks over and over are learnt by heart; the rest of the split is not
    model = load_model(tmp_path / "model")
    stream = read_stream(tokens, "train")
    known, unknown = (evaluate(model, part, 32, 8).loss for part in (stream[:160], stream[160:]))
    assert known < unknown


def test_a_loss_that_is_not_finite_ends_the_run(make_spec, train, monkeypatch, tmp_path):
    def broken(config, seed):
        model = build_model(config, seed)
        with torch.no_grad():
            model.get_input_embeddings().weight.fill_(math.nan)
        return model

    monkeypatch.setattr(run, "build_model", broken)
    with pytest.raises(FloatingPointError, match="loss is nan at step 1"):
        train(make_spec(), tmp_path)
    assert not (tmp_path / "model").exists()


def test_a_loss_that_no_perplexity_belongs_to_is_one_of_a_run_that_diverged(make_spec, train, monkeypatch, tmp_path):
    def far_off(config, seed):
        model = build_model(config, seed)
        with torch.no_grad():
            model.get_input_embeddings().weight.mul_(1e6)  # which are the logits' weights, too
        return model

    monkeypatch.setattr(run, "build_model", far_off)
    with pytest.raises(FloatingPointError, match=r"validation loss is \d{3,}") as raised:
        train(make_spec(), tmp_path)
    assert diverged({"error": str(raised.value)})


def test_a_run_of_less_than_two_updates_is_refused(make_spec):
    with pytest.raises(UserError, match=r"tokens_per_run: got 255, but one update takes 128 tokens"):
        make_spec(n_tokens=255)
    assert make_spec(n_tokens=256).updates == 2


def test_an_id_is_a_function_of_everything_that_decides_the_numbers(make_spec):
    changes = [{}, {"seed": 9}, {"dropout": 0.5}, {"data_hash": "x"}, {"precision": "bf16"}, {"parent": "p"}]
    ids = [make_spec(**change).run_id for change in changes]
    assert len(set(ids)) == len(ids)
    assert make_spec().run_id == ids[0]
    assert all(run_id.startswith("gpt2-tiny-") for run_id in ids)
