"""Bits that flip and files that end too soon, in every kind of file: found, named, and made again where they can be."""

import json
import runpy
import shutil
from pathlib import Path

import pytest

from hf_scaling.records import UserError, append_row, checksums, first_damaged, read_ledger
from hf_scaling.training.checkpoints import last_whole_checkpoint
from hf_scaling.training.model_folder import load_model

ROOT = Path(__file__).parents[2]
differences = runpy.run_path(str(ROOT / "tests" / "sameness.py"))["differences"]


def flip(path):
    """One bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-7])


@pytest.fixture
def study(tiny_study, tmp_path):
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    return folder


def test_what_can_be_made_again_is_named_and_made_again(study, tiny_study, commands, tiny_yaml):
    best = json.loads((study / "best.json").read_text())["model_path"]
    damaged = {
        "dataset": study / "dataset" / "train" / "data-00000-of-00001.arrow",
        "tokenizer": study / "tokenizer" / "tokenizer.json",
        "tokens": study / "tokens" / "validation.npy",
        "baselines": study / "dataset" / "baselines.json",
        "fits": study / "fits.json",
        "comparison": study / "comparison.json",
        "figures": study / "figures" / "scaling.svg",
        "best": study / best / "model.safetensors",
        "samples": study / "samples" / "003.mid",
        "report": study / "report.html",
    }
    for number, path in enumerate(damaged.values()):
        (flip, cut)[number % 2](path)
    (study / "plan.json").write_text("[{")
    configuration = study / "study.yaml"
    configuration.write_text(configuration.read_text().replace("dropout: 0.0", "dropout: 0.1"))
    ended = commands.run("sweep.py", "--config", tiny_yaml, "--output_dir", study)
    assert ended.code == 0, ended.stderr
    for stage, path in damaged.items():
        # the data set takes what lies in its folder with it when it is made again
        if stage != "baselines":
            assert f"{stage}: {path} is damaged, or was changed by somebody else; made again" in ended.stdout
    assert differences(study, tiny_study.folder) == []
    assert "dropout: 0.0" in configuration.read_text()
    again = commands.run("sweep.py", "--config", tiny_yaml, "--output_dir", study)
    assert "damaged" not in again.stdout


@pytest.mark.parametrize("name", ["model/model.safetensors", "model/config.json", "model/tokenizer.json"])
def test_a_damaged_model_is_not_loaded(study, name):
    run = next((study / "runs").glob("gpt2-c-*"))
    flip(run / name)
    with pytest.raises(UserError, match=rf"{name}: damaged, or changed after it was written; remove .*{run.name}"):
        load_model(run / "model")


def test_a_row_of_the_ledger_that_was_changed_is_named_by_its_line(study):
    ledger = study / "runs.jsonl"
    lines = ledger.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace('"seed": 0', '"seed": 1').replace('"n_tokens": 10240', '"n_tokens": 10241')
    ledger.write_text("".join(lines))
    with pytest.raises(UserError, match=r"runs.jsonl, line 3: damaged, or changed after it was written"):
        read_ledger(ledger)


def test_rows_come_back_as_they_were_given(study, tmp_path):
    rows, _ = read_ledger(study / "runs.jsonl")
    for row in rows:
        append_row(tmp_path / "runs.jsonl", row)
    assert read_ledger(tmp_path / "runs.jsonl") == (rows, [])


@pytest.mark.parametrize("harm", [flip, cut])
def test_a_damaged_checkpoint_is_named_and_not_gone_on_from(study, tmp_path, capsys, harm):
    model = next((study / "runs").glob("gpt2-a-*/model"))
    for step in (2, 4):
        checkpoint = tmp_path / f"checkpoint-{step}"
        shutil.copytree(model, checkpoint)
        (checkpoint / "trainer_state.json").write_text("{}")
        (checkpoint / "checksums.json").write_text(json.dumps(checksums(checkpoint, ["."])))
    assert last_whole_checkpoint(tmp_path) == tmp_path / "checkpoint-4"
    harm(tmp_path / "checkpoint-4" / "model.safetensors")
    assert last_whole_checkpoint(tmp_path) == tmp_path / "checkpoint-2"
    assert "checkpoint-4/model.safetensors: damaged; not going on from there" in capsys.readouterr().out
    assert not (tmp_path / "checkpoint-4").exists()


def test_runs_vouch_for_all_that_they_leave(study):
    for run in (study / "runs").iterdir():
        expected = json.loads((run / "checksums.json").read_text())
        left = {path.relative_to(run).as_posix() for path in run.rglob("*") if path.is_file()}
        assert expected.keys() == left - {"checksums.json"}
        assert first_damaged(run, expected) is None
