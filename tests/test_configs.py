"""Every configuration in the repository is one that its program takes."""

from pathlib import Path

import pytest
import torch
from accelerate.commands.config.config_args import load_config_from_file

from hf_scaling.data.sources import SOURCES
from hf_scaling.models import FAMILIES, Vocabulary, build_config, build_model, count_parameters
from hf_scaling.records import UserError
from hf_scaling.study.options import load_config

ROOT = Path(__file__).parents[1]
STUDIES = sorted((ROOT / "recipes" / "studies").glob("*.yaml"))
LAUNCHERS = sorted((ROOT / "accelerate_configs").glob("*.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_a_study_loads_and_is_named_as_its_file(path):
    config = load_config(path, {})
    assert config.name == path.stem
    assert config.folder == Path("outputs") / path.stem
    assert set(config.families) == {"gpt2", "folk_lstm"}
    assert len(config.sizes) >= 5
    assert path.read_text(encoding="utf-8").startswith("# ")


@pytest.mark.parametrize("path", LAUNCHERS, ids=lambda path: path.stem)
def test_a_launcher_configuration_loads_and_opens_with_its_command(path):
    config = load_config_from_file(str(path))
    assert config.num_processes == config.num_machines == 1  # a study trains in one process
    assert config.mixed_precision == "no"  # the study decides
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith(f"# accelerate launch --config_file accelerate_configs/{path.name} recipes/")


def test_the_launcher_without_a_gpu_uses_none():
    assert load_config_from_file(str(ROOT / "accelerate_configs" / "cpu.yaml")).use_cpu
    assert not load_config_from_file(str(ROOT / "accelerate_configs" / "single_gpu.yaml")).use_cpu


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
