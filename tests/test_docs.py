"""The examples of docs/ that are whole modules: they do what their page says."""

import re
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch

from hf_scaling.data.clean import CleanOptions
from hf_scaling.data.corpus import read_corpus
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.models import (
    FAMILIES,
    Size,
    Vocabulary,
    build_config,
    build_model,
    count_parameters,
    hidden_matrices,
    training_flops_per_token,
)
from hf_scaling.notation import check

DOCS = Path(__file__).parents[1] / "docs"


def example(page, folder):
    """The module that a page shows."""
    (code,) = re.findall(r"^```python\n(.*?)^```", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    path = folder / f"{Path(page).stem}_example.py"
    path.write_text(code, encoding="utf-8")
    spec = spec_from_file_location(path.stem, path)
    module = module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def test_the_source_of_the_page_gives_tunes_to_a_study(tmp_path, monkeypatch):
    walks = example("add_a_source.md", tmp_path)
    monkeypatch.setitem(SOURCES, "walks", walks)
    corpus = read_corpus({"walks": 1}, SourceOptions(), CleanOptions(64, 2000))
    assert len(corpus.tunes) == 500
    assert corpus.rejects == []
    assert all(check(tune.text).strict for tune in corpus.tunes)
    assert walks.licence(SourceOptions()).redistributable
    assert "500 tunes" in walks.identity(SourceOptions())


@pytest.mark.parametrize("text", ["a=128x4x4x512", "b=64x3x2x256"])
def test_the_family_of_the_page_has_the_size_of_gpt2_and_learns(text, tmp_path, monkeypatch):
    monkeypatch.setitem(FAMILIES, "qwen2", example("add_a_family.md", tmp_path))
    vocabulary = Vocabulary(100, 0, 1, 1)
    size = Size.parse(text)
    config = build_config("qwen2", size, vocabulary, 64)
    model = build_model(config, 0)
    n, gpt2 = count_parameters(model), build_model(build_config("gpt2", size, vocabulary, 64), 0)
    assert n.total == pytest.approx(gpt2.num_parameters(), rel=0.02)
    assert 6 * n.non_embedding < training_flops_per_token(config)[1] < 8 * n.total
    assert len(hidden_matrices(model)) == 7 * size.n_layers
    ids = torch.randint(2, 100, (2, 32))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    losses = []
    for _ in range(5):
        loss = model(input_ids=ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
