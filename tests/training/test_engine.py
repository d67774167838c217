"""One run, however it is cut up: shared trunks, halved micro-batches, other optimizers, schedules and compilation."""

import json
import math

import pytest
import torch
from safetensors.torch import load_file

from hf_scaling.models import FAMILIES, build_model
from hf_scaling.records import UserError, read_jsonl
from hf_scaling.training import run
from hf_scaling.training.checkpoints import discard_checkpoints, find_trunk
from hf_scaling.training.processes import share_batch


def weights(folder):
    return {name: tensor.tolist() for name, tensor in load_file(folder / "model" / "model.safetensors").items()}


def steps_of(folder):
    return [row["step"] for row in read_jsonl(folder / "metrics.jsonl")]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_a_run_from_a_shared_trunk_ends_in_the_same_bits(family, optimizer, make_spec, train, tmp_path):
    short, long = (
        make_spec(family=family, optimizer=optimizer, n_tokens=updates * 128, dropout=0.1) for updates in (30, 60)
    )
    alone = train(long, tmp_path / "alone")
    trunks = tmp_path / "trunks"
    train(short, tmp_path / "short", trunks=trunks)
    seen = []
    branched = train(long, tmp_path / "long", trunks=trunks, progress=seen.append)
    assert seen[0] == short.trunk_end + 1 == 16  # what the shorter run did before its cooldown is not done again
    assert weights(tmp_path / "long") == weights(tmp_path / "alone")
    assert branched["val_loss"] == alone["val_loss"]
    assert branched["wall_seconds"] > 0
    assert steps_of(tmp_path / "long")[-1] == 60
    losses = [
        {row["step"]: row["loss"] for row in read_jsonl(tmp_path / name / "metrics.jsonl")}
        for name in ("long", "alone")
    ]
    assert losses[0] == losses[1]


def test_an_interrupted_branch_goes_on_from_the_trunk(make_spec, train, tmp_path):
    short, long = make_spec(n_tokens=30 * 128), make_spec(n_tokens=60 * 128)
    alone = train(long, tmp_path / "alone")
    trunks = tmp_path / "trunks"
    train(short, tmp_path / "short", trunks=trunks)

    def stop(step):
        if step == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(long, tmp_path / "long", trunks=trunks, progress=stop)
    assert train(long, tmp_path / "long", trunks=trunks)["val_loss"] == alone["val_loss"]
    assert weights(tmp_path / "long") == weights(tmp_path / "alone")


def test_trunks_are_shared_by_runs_that_differ_in_their_horizon_only(make_spec, train, tmp_path):
    spec = make_spec()
    assert make_spec(n_tokens=9999).trunk == spec.trunk
    others = [{"seed": 6}, {"learning_rate": 0.02}, {"warmup_updates": 5}, {"size": spec.size.parse("x=32x1x2x32")}]
    assert len({make_spec(**other).trunk for other in others} | {spec.trunk}) == len(others) + 1
    assert make_spec(schedule="cosine").trunk == ""
    trunks = tmp_path / "trunks"
    train(spec, tmp_path / "run", trunks=trunks)
    assert find_trunk(make_spec(n_tokens=80 * 128), trunks).name == f"checkpoint-{spec.trunk_end}"
    assert find_trunk(make_spec(n_tokens=20 * 128), trunks) is None  # its cooldown has begun before that


@pytest.mark.parametrize("family", FAMILIES)
def test_muon_learns_and_is_repeatable(family, make_spec, train, tmp_path):
    spec = make_spec(family=family, optimizer="muon", learning_rate=0.03)
    first, second = (train(spec, tmp_path / name) for name in "ab")
    assert first["optimizer"] == "muon"
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    untrained = math.log(spec.vocabulary.vocab_size)
    assert first["val_loss"] < untrained - 0.5


def test_a_cosine_falls_from_the_warmup_to_nothing(make_spec, train, tmp_path):
    row = train(make_spec(schedule="cosine"), tmp_path)
    assert row["schedule"] == "cosine"
    rates = [each["learning_rate"] for each in read_jsonl(tmp_path / "metrics.jsonl")]
    assert rates[:4] == pytest.approx([0.01 * step / 4 for step in range(4)])
    assert rates[4:] == pytest.approx([0.005 * (1 + math.cos(math.pi * step / 36)) for step in range(36)])


@pytest.fixture
def little_memory(monkeypatch):
    """A machine on which a micro-batch of more than one block does not fit."""
    forward = torch.nn.Module.__call__

    def refuse(self, *arguments, input_ids=None, **options):
        if input_ids is not None and self.training and len(input_ids) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, *arguments, **({"input_ids": input_ids} if input_ids is not None else {}), **options)

    monkeypatch.setattr(torch.nn.Module, "__call__", refuse)


@pytest.mark.parametrize(("batch_size", "halved"), [(4, ["2, 2", "1, 4"]), (6, ["3, 2", "1, 6"]), (3, ["1, 3"])])
def test_out_of_memory_divides_the_micro_batch_and_keeps_the_batch(
    batch_size, halved, make_spec, train, request, capsys, tmp_path
):
    spec = make_spec(batch_size=batch_size, n_tokens=20 * batch_size * 32)
    whole = train(spec, tmp_path / "whole")
    request.getfixturevalue("little_memory")
    divided = train(spec, tmp_path / "divided")
    assert (whole["micro_batch_halvings"], divided["micro_batch_halvings"]) == (0, len(halved))
    assert divided["run_id"] == whole["run_id"]
    assert divided["updates"] == whole["updates"] == 20
    assert divided["val_loss"] == pytest.approx(whole["val_loss"], rel=1e-5)
    said = [f"{spec.run_id}: out of memory; going on with micro-batches of {sizes} an update" for sizes in halved]
    assert capsys.readouterr().out.splitlines() == said


def test_a_micro_batch_of_one_that_does_not_fit_fails(make_spec, train, monkeypatch, tmp_path):
    def refuse(config, seed):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(
        run,
        "build_model",
        lambda c, s: build_model(c, s) if torch.get_default_device().type == "meta" else refuse(c, s),
    )
    with pytest.raises(torch.OutOfMemoryError):
        train(make_spec(), tmp_path)


def test_neither_a_launcher_nor_an_earlier_run_has_a_run_compiled(make_spec, train, monkeypatch, tmp_path):
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "EAGER")
    monkeypatch.setattr(torch, "compile", lambda *arguments, **options: pytest.fail("compiled"))
    assert not train(make_spec(), tmp_path)["compiled"]


def test_what_lies_where_checkpoints_lay_is_gone(make_spec, train, tmp_path):
    train(make_spec(), tmp_path)
    discard_checkpoints(tmp_path)
    assert not (tmp_path / "checkpoints").exists()
    assert json.loads((tmp_path / "config.json").read_text())["optimizer"] == "adamw"


@pytest.mark.parametrize(
    ("batch", "accumulation", "processes", "expected"),
    [(8, 1, 1, (8, 1)), (8, 4, 2, (8, 2)), (8, 1, 2, (4, 1)), (8, 2, 8, (2, 1)), (6, 3, 2, (3, 3))],
)
def test_processes_share_a_batch_evenly(batch, accumulation, processes, expected):
    shared = share_batch(batch, accumulation, processes)
    assert shared == expected
    assert shared[0] * shared[1] * processes == batch * accumulation


def test_a_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(UserError, match="batch_size: got 3 with gradient_accumulation_steps 1, which 2 processes"):
        share_batch(3, 1, 2)
