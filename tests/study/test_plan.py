"""The plan: which runs, in which order, at which rates, and what is found out about the machine only once."""

import gc
import os
import shutil
from pathlib import Path

import pytest
import torch
import yaml

from hf_scaling.records import UserError
from hf_scaling.study import design, plan
from hf_scaling.study.data_stages import prepare
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.options import load_config
from hf_scaling.study.stages import plan as plan_stage
from hf_scaling.tokenization import CorpusEncoder
from hf_scaling.training import precision
from hf_scaling.training.blocks import write_streams

STUDIES = Path(__file__).parents[2] / "recipes" / "studies"


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def prepared_folder(tmp_path_factory, tiny_yaml):
    """A folder of the tiny study with its data prepared."""
    path = tmp_path_factory.mktemp("prepared") / "study"
    prepare(StudyFolder(load_config(tiny_yaml, {"output_dir": str(path)})))
    return path


@pytest.fixture
def open_study(prepared_folder, tiny_yaml, tmp_path):
    """Open a copy of the prepared study, as every start of it does."""
    shutil.copytree(prepared_folder, tmp_path / "study")

    def start(**overrides):
        gc.collect()  # an earlier start is over, and its lock with it
        folder = StudyFolder(load_config(tiny_yaml, {"output_dir": str(tmp_path / "study")} | overrides))
        return folder, prepare(folder)

    return start


def test_the_learning_rate_follows_the_number_of_parameters(tiny_yaml):
    config = load_config(tiny_yaml, {"learning_rates": ["gpt2=8e-3", "folk_lstm=2e-2"], "learning_rate_exponent": 0.5})
    rules = plan.configured_rules(config)
    assert rules["gpt2"].at(100_000) == 8e-3
    assert rules["gpt2"].at(400_000) == 4e-3
    assert rules["folk_lstm"].at(25_000) == 4e-2
    apart = load_config(tiny_yaml, {"learning_rates": ["gpt2=8e-3:-.5", "folk_lstm=2e-2"], "learning_rate_exponent": 1})
    assert plan.configured_rules(apart)["gpt2"].at(400_000) == 1.6e-2
    assert plan.configured_rules(apart)["folk_lstm"].at(400_000) == 5e-3
    flat = load_config(tiny_yaml, {"learning_rate_exponent": 0.0})
    assert plan.configured_rules(flat)["gpt2"].at(10**9) == 2e-2


def test_threads_are_every_core_or_as_many_as_asked_for():
    assert plan.set_threads(0) == len(os.sched_getaffinity(0))
    assert plan.set_threads(1) == torch.get_num_threads() == 1


def test_processes_of_a_launcher_share_the_cores_of_their_machine(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(6)))
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert plan.set_threads(0) == 3
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert plan.set_threads(6) == 3  # a study that one process began
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "8")
    assert plan.set_threads(0) == 1


def test_runs_differ_in_family_and_size_only(open_study):
    folder, prepared = open_study()
    runs = plan_stage(folder, prepared).runs
    assert [(spec.size.name, spec.family) for spec in runs] == [(s, f) for s in "abc" for f in ("gpt2", "folk_lstm")]
    assert len({spec.run_id for spec in runs}) == 6
    for name in ("n_tokens", "batch_size", "context_length", "seed", "data_hash", "vocabulary", "weight_decay"):
        assert len({getattr(spec, name) for spec in runs}) == 1, name


def test_the_ladder_may_be_given_in_any_order(open_study, tiny_yaml, tmp_path):
    folder, prepared = open_study()
    ladder = list(reversed(folder.config.ladder))
    config = load_config(tiny_yaml, {"ladder": ladder})
    asked = [
        plan.Planner(ordered, prepared.tokenizer, prepared.tokens).runs(plan.configured_rules(ordered))
        for ordered in (config, folder.config)
    ]
    assert asked[0] == asked[1]


def test_the_machine_is_asked_once_and_the_answer_kept(open_study, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr(plan, "seconds_per_update", lambda spec: asked.append(spec.run_id) or 0.5)
    folder, prepared = open_study()
    first = plan_stage(folder, prepared)
    assert asked == [spec.run_id for spec in first.runs]
    record = yaml.safe_load((tmp_path / "study" / "study.yaml").read_text(encoding="utf-8"))["resolved"]
    assert record["threads"] == 1
    assert record["precision"] == {"gpt2": "fp32", "folk_lstm": "fp32"}
    assert record["predicted_seconds"] == dict.fromkeys(asked, 0.5 * first.runs[0].updates)
    assert record["side_by_side"] == 1
    del folder, prepared

    def again(*arguments):
        raise AssertionError("asked again")

    monkeypatch.setattr(plan, "resolve", again)
    monkeypatch.setattr(plan, "seconds_per_update", again)
    monkeypatch.setattr(plan, "choose_side_by_side", again)
    monkeypatch.setattr(plan, "choose_threads", again)
    folder, prepared = open_study()
    second = plan_stage(folder, prepared)
    assert second == first


def test_what_trials_run_with_is_settled_for_the_runs_that_follow_them(prepared_folder, tiny_yaml, monkeypatch):
    asked = {}
    choose_threads, resolve, choose_side_by_side = plan.choose_threads, plan.resolve, plan.choose_side_by_side
    monkeypatch.setattr(plan, "seconds_per_update", lambda spec: 0.5)
    monkeypatch.setattr(
        plan, "choose_threads", lambda given, runs: asked.update(threads=runs) or choose_threads(given, runs)
    )
    monkeypatch.setattr(plan, "resolve", lambda runs, *rest: asked.update(precision=runs) or resolve(runs, *rest))
    monkeypatch.setattr(
        plan,
        "choose_side_by_side",
        lambda *given: asked.update(together=given[3], seconds=given[4]) or choose_side_by_side(*given),
    )
    prepared = prepare(StudyFolder(load_config(tiny_yaml, {"output_dir": str(prepared_folder)})))
    config = load_config(tiny_yaml, {"tune_sizes": ["a", "b", "c"], "tune_tokens": 2048})
    planner = plan.Planner(config, prepared.tokenizer, prepared.tokens)
    rules = plan.configured_rules(config)
    runs = planner.runs(rules)
    trials = planner.trials(rules)
    settled = plan.settle(config, trials, {}, runs)
    seconds = 0.5 * sum(run.updates for run in (*trials, *runs))
    assert asked == {"threads": runs, "precision": runs, "together": runs, "seconds": seconds}
    assert settled.resolved["predicted_seconds"] == {spec.run_id: 0.5 * spec.updates for spec in settled.runs}


def test_what_an_earlier_start_found_out_holds_though_this_one_would_find_otherwise(open_study, tmp_path):
    folder, prepared = open_study()
    plan_stage(folder, prepared)
    del folder, prepared
    record = tmp_path / "study" / "study.yaml"
    changed = yaml.safe_load(record.read_text(encoding="utf-8"))
    changed["resolved"]["precision"]["gpt2"] = "bf16"
    record.write_text(yaml.safe_dump(changed), encoding="utf-8")
    folder, prepared = open_study()
    assert {spec.family: spec.precision for spec in plan_stage(folder, prepared).runs} == {
        "gpt2": "bf16",
        "folk_lstm": "fp32",
    }


def test_predictions_for_runs_that_are_no_longer_planned_are_made_anew(open_study, tmp_path):
    folder, prepared = open_study()
    ids = {spec.run_id for spec in plan_stage(folder, prepared).runs}
    del folder, prepared
    record = tmp_path / "study" / "study.yaml"
    changed = yaml.safe_load(record.read_text(encoding="utf-8"))
    changed["resolved"]["predicted_seconds"] = {"gpt2-a-00000000": 3.0}
    record.write_text(yaml.safe_dump(changed), encoding="utf-8")
    folder, prepared = open_study()
    assert set(plan_stage(folder, prepared).resolved["predicted_seconds"]) >= ids


def test_one_tune_to_validate_on_is_too_few_for_a_standard_error(open_study, tmp_path):
    folder, prepared = open_study()
    tunes = {"train": ["X:1\nK:C\n" + "CDEF" * 20] * 400, "validation": ["X:1\nK:C\nCDE\n"], "test": ["X:1\nK:C\nC\n"]}
    write_streams(tunes, CorpusEncoder(prepared.tokenizer), tmp_path / "tokens")
    with pytest.raises(UserError, match="validation_fraction: got 0.1, which leaves one tune"):
        plan.Planner(folder.config, prepared.tokenizer, tmp_path / "tokens")


def test_horizons_and_replicates_multiply_the_runs_cheapest_first(tiny_yaml, prepared_folder):
    config = load_config(tiny_yaml, {"horizons": [1, 0.25], "replicates": 2, "seed": 7})
    prepared = prepare(StudyFolder(load_config(tiny_yaml, {"output_dir": str(prepared_folder)})))
    planner = plan.Planner(config, prepared.tokenizer, prepared.tokens)
    runs = planner.runs(plan.configured_rules(config))
    assert len({spec.run_id for spec in runs}) == len(runs) == 3 * 2 * 2 * 2
    assert {(spec.seed, spec.n_tokens) for spec in runs} == {(s, t) for s in (7, 8) for t in (2560, 10240)}
    gpt2 = [spec for spec in runs if spec.family == "gpt2"]
    costs = [planner.n_params("gpt2", spec.size) * spec.n_tokens for spec in gpt2]
    largest = [spec.size == runs[-1].size for spec in gpt2]
    assert largest == sorted(largest)  # forecast from all the others, and so the last
    for these in (False, True):
        part = [cost for cost, last in zip(costs, largest, strict=True) if last == these]
        assert part == sorted(part)
    shared = [spec for spec in runs if spec.family == "gpt2" and spec.size.name == "a" and spec.seed == 7]
    assert len({spec.trunk for spec in shared}) == 1
    assert len({spec.trunk for spec in runs}) == len(runs) / 2


def test_trials_lie_around_the_rule_at_the_sizes_to_tune(tiny_yaml, prepared_folder):
    config = load_config(tiny_yaml, {"tune_sizes": ["a", "c", "b"], "tune_factors": [2, 0.5, 1], "tune_tokens": 2048})
    prepared = prepare(StudyFolder(load_config(tiny_yaml, {"output_dir": str(prepared_folder)})))
    trials = plan.Planner(config, prepared.tokenizer, prepared.tokens).trials(plan.configured_rules(config))
    assert [spec.size.name for spec in trials] == sorted("abc" * 6)
    assert [spec.learning_rate for spec in trials if spec.family == "gpt2"] == [0.01, 0.02, 0.04] * 3
    assert {spec.n_tokens for spec in trials} == {2048}


def test_runs_of_one_trunk_cost_but_their_cooldowns(monkeypatch, tiny_yaml, prepared_folder):
    monkeypatch.setattr(plan, "seconds_per_update", lambda spec: 1.0)
    config = load_config(tiny_yaml, {"horizons": [0.5, 1], "families": ["gpt2"], "ladder": ["a=8x1x1x16"]})
    prepared = prepare(StudyFolder(load_config(tiny_yaml, {"output_dir": str(prepared_folder)})))
    runs = plan.Planner(config, prepared.tokenizer, prepared.tokens).runs(plan.configured_rules(config))
    assert [spec.updates for spec in runs] == [10, 20]
    assert list(plan.predict(runs).values()) == [10.0, 15.0]  # the trunk is left after 5, and carries the other on


def test_a_shape_that_a_family_cannot_have_is_refused_in_one_line(tiny_yaml, prepared_folder):
    rates = ["llama=1e-3"]
    config = load_config(tiny_yaml, {"families": ["llama"], "learning_rates": rates, "ladder": ["odd=6x1x2x12"]})
    prepared = prepare(StudyFolder(load_config(tiny_yaml, {"output_dir": str(prepared_folder)})))
    planner = plan.Planner(config, prepared.tokenizer, prepared.tokens)
    with pytest.raises(UserError, match="ladder: size odd has heads of 3 units"):
        planner.runs(plan.configured_rules(config))


def test_a_model_far_too_large_for_this_machine_is_planned_without_being_run(monkeypatch, tiny_yaml, prepared_folder):
    monkeypatch.delattr(precision, "build_model")
    monkeypatch.setattr(precision, "available_bytes", lambda: 16e9)
    changes = {"sources": ["music21"], "epochs": 20, "best_epochs": 20, "validation_fraction": 0.1}
    config = load_config(STUDIES / "billion.yaml", changes)
    prepared = prepare(StudyFolder(load_config(tiny_yaml, {"output_dir": str(prepared_folder)})))
    planner = plan.Planner(config, prepared.tokenizer, prepared.tokens)
    made = plan.settle(config, planner.runs(plan.configured_rules(config)), {})
    (spec,) = made.runs
    assert planner.n_params("gpt2", spec.size) > 1e9
    assert made.resolved["predicted_seconds"] == {spec.run_id: 0.0}


def test_no_time_is_budgeted_where_a_size_cannot_be_timed(monkeypatch, tiny_yaml):
    monkeypatch.setattr(design, "seconds_per_update", lambda spec: 0.0)
    with pytest.raises(UserError, match="ladder: size a does not run here and cannot be timed; give --budget in FLOPs"):
        design.plan_study(tiny_yaml, 60.0, "seconds")
