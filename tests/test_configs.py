"""Every configuration in the repository is one that its program takes."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.commands.launch import launch_command_parser

from hf_scaling.data.sources import SOURCES
from hf_scaling.models import FAMILIES, Vocabulary, build_config, build_model, count_parameters
from hf_scaling.records import UserError, read_ledger
from hf_scaling.study.options import load_config
from hf_scaling.training.memory import training_bytes
from hf_scaling.training.spec import RunSpec

ROOT = Path(__file__).parents[1]
STUDIES = sorted((ROOT / "recipes" / "studies").glob("*.yaml"))
LAUNCHERS = sorted((ROOT / "accelerate_configs").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_loads_and_is_named_as_its_file(path):
    config = load_config(path, {})
    assert config.name == path.stem
    assert config.folder == Path("outputs") / path.stem
    assert set(config.families) <= set(FAMILIES)
    assert len(config.sizes) >= {"billion": 1, "compressors": 3}.get(path.stem, 5)  # those two claim no law
    assert path.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.stem)
def test_a_launcher_configuration_loads_and_opens_with_its_command(path):
    config = load_config_from_file(str(path))
    alone = path.stem in ("cpu", "single_gpu")
    assert (config.num_processes == 1) == alone
    assert config.mixed_precision == "no"  # the study decides
    if path.stem != "multi_node":
        command = f"# accelerate launch --config_file accelerate_configs/{path.name} recipes/sweep.py"
        assert command in path.read_text(encoding="utf-8")


def test_the_launcher_without_a_gpu_uses_none():
    for path in LAUNCHERS:
        assert load_config_from_file(str(path)).use_cpu == path.stem.startswith("cpu")


def test_launchers_of_one_machine_take_any_free_port_so_that_two_can_run_at_once():
    for path in LAUNCHERS:
        config = load_config_from_file(str(path))
        if config.num_machines == 1 and config.num_processes > 1:
            assert config.main_process_port == 0, path.name


def test_the_seed_study_asks_for_the_licence_of_its_tunes():
    config = load_config(ROOT / "recipes" / "studies" / "seed.yaml", {})
    assert config.sources == ["the_session"]
    assert config.accept_licence is None
    with pytest.raises(UserError, match="accept_licence: odbl-1.0"):
        next(SOURCES["the_session"].read(config.source_options()))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_every_size_is_built_and_counted_without_its_weights(path):
    config = load_config(path, {})
    vocabulary = Vocabulary(100, 0, 1, 1)
    for size in config.sizes:
        counts = {}
        for family in FAMILIES:
            with torch.device("meta"):
                model = build_model(build_config(family, size, vocabulary, config.context_length), 0)
            counts[family] = count_parameters(model).total
            print(f"{path.stem} {family}-{size.name}: {counts[family]:,} parameters")
        assert counts["folk_lstm"] == pytest.approx(counts["gpt2"], rel=0.05)
        assert counts["llama"] == pytest.approx(counts["gpt2"], rel=0.05)


def test_the_billion_study_is_as_large_as_it_says_and_fits_on_its_gpus_only_in_parts():
    config = load_config(ROOT / "recipes" / "studies" / "billion.yaml", {})
    (size,) = config.sizes
    with torch.device("meta"):
        model = build_model(build_config("gpt2", size, Vocabulary(100, 0, 1, 1), config.context_length), 0)
    n = count_parameters(model).total
    assert n == pytest.approx(1.2e9, rel=0.02)
    spec = RunSpec(
        family="gpt2", size=size, vocabulary=Vocabulary(100, 0, 1, 1), context_length=config.context_length,
        n_tokens=10**9, batch_size=config.batch_size, gradient_accumulation_steps=1, optimizer=config.optimizer,
        learning_rate=2e-4, rest_rate_ratio=1.0, weight_decay=0.1, schedule="wsd", warmup_updates=1, decay_fraction=0.5,
        max_grad_norm=1.0, dropout=0.0, precision=config.precision, compile=False, seed=0, data_hash="",
    )  # fmt: skip
    assert training_bytes(spec) > 80e9  # on a single GPU it would not
    shared = replace(spec, batch_size=config.batch_size // 8)
    state = 16 * n
    assert state / 8 + training_bytes(shared) - state < 80e9


@pytest.fixture
def slurm(tmp_path):
    """Start recipes/launch.slurm as Slurm would on `nodes` nodes, all of them this machine, with what else it sets."""
    bin = tmp_path / "bin"
    bin.mkdir()
    everywhere = 'for ((rank = 0; rank < SLURM_NNODES; rank++)); do SLURM_PROCID=$rank "$@" & done'
    ended = "for pid in $(jobs -p); do wait $pid || exit; done"
    for name, body in {
        "scontrol": "echo 127.0.0.1; echo node2",
        "srun": f"while [[ $1 == --* ]]; do shift; done; {everywhere}; {ended}",
    }.items():
        (bin / name).write_text(f"#!/bin/bash\n{body}\n")
        (bin / name).chmod(0o755)

    def start(*arguments, nodes=1, gpus=1, job=77, **environment):
        programs = f"{bin}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        told = {"SLURM_JOB_NODELIST": "node[1-2]", "SLURM_NNODES": str(nodes), "SLURM_GPUS_ON_NODE": str(gpus)}
        return subprocess.Popen(
            ["bash", "recipes/launch.slurm", *map(str, arguments)],
            env=os.environ | {"PATH": programs, "SLURM_JOB_ID": str(job)} | told | environment,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT,
        )  # fmt: skip

    return start


@pytest.mark.parametrize(
    ("nodes", "gpus", "environment", "configuration", "port"),
    [
        (1, 1, {"SLURM_ARRAY_TASK_ID": "7"}, "single_gpu", "0"),
        (1, 4, {"SLURM_ARRAY_TASK_ID": "0"}, "multi_node", "0"),
        (2, 8, {}, "multi_node", "24567"),
        (2, 8, {"ACCELERATE_CONFIG": "accelerate_configs/fsdp2.yaml"}, "fsdp2", "24567"),
    ],
)
def test_the_slurm_script_tells_each_node_its_part(nodes, gpus, environment, configuration, port, slurm, tmp_path):
    (tmp_path / "bin" / "accelerate").write_text('#!/bin/bash\nIFS="|"; echo "$*"\n')
    (tmp_path / "bin" / "accelerate").chmod(0o755)
    said = slurm("--config", "a study.yaml", nodes=nodes, gpus=gpus, job=1234567, **environment).communicate()[0]
    parser, ranks = launch_command_parser(), []
    for line in said.splitlines():
        command, *arguments = line.split("|")
        told = parser.parse_args(arguments)
        assert command == "launch"
        assert (told.config_file, told.main_process_port) == (f"accelerate_configs/{configuration}.yaml", int(port))
        assert (told.num_machines, told.num_processes, told.main_process_ip) == (nodes, nodes * gpus, "127.0.0.1")
        assert told.training_script == "recipes/sweep.py"
        only = ["--only", environment["SLURM_ARRAY_TASK_ID"]] if "SLURM_ARRAY_TASK_ID" in environment else []
        assert told.training_script_args == ["--config", "a study.yaml", *only]
        ranks.append(told.machine_rank)
    assert sorted(ranks) == list(range(nodes))


def test_two_tasks_of_an_array_train_on_one_node_at_once(slurm, tiny_study, tiny_yaml, tmp_path):
    """Under the launcher of several processes, which meet at a port of their own, though one is enough to show it."""
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder, ignore=shutil.ignore_patterns("runs.jsonl"))
    study = ["--config", tiny_yaml, "--output_dir", folder]
    several = "accelerate_configs/multi_node.yaml"
    tasks = [slurm(*study, ACCELERATE_CONFIG=several, SLURM_ARRAY_TASK_ID=task) for task in "01"]
    for task in tasks:
        said, _ = task.communicate()
        assert task.returncode == 0, said
    rows = read_ledger(folder / "runs.jsonl")[0]
    assert [row["status"] for row in rows] == ["finished"] * 2
    assert {row["run_id"].rpartition("-")[0] for row in rows} == {"gpt2-a", "folk_lstm-a"}
