"""What is kept of a study under version control: enough to draw everything again and to go on, and nothing more."""

import json
import runpy
import shutil
from pathlib import Path

import pytest
from datasets import load_from_disk

numbers = runpy.run_path(str(Path(__file__).parents[1] / "sameness.py"))["numbers"]


@pytest.fixture
def kept(tiny_study, commands, tmp_path):
    folder = tmp_path / "results" / "tiny"
    ended = commands.run("hf-scaling", "keep", tiny_study.folder, folder)
    assert ended.code == 0, ended.stderr
    return folder


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_tunes_weights_and_audio_stay_out(tiny_study, kept):
    for name, content in files(kept).items():
        assert (tiny_study.folder / name).read_bytes() == content
        assert Path(name).suffix not in (".arrow", ".safetensors", ".bin", ".opus", ".html")
    everything = b"".join(content for name, content in files(kept).items() if not name.endswith((".svg", ".png")))
    for split in load_from_disk(str(tiny_study.folder / "dataset")).values():
        for text in split["text"]:
            body = text.splitlines()[-1].encode()
            assert len(body) < 30 or body not in everything


def test_laws_and_figures_come_out_of_the_ledger_as_they_were(kept, commands):
    before = files(kept)
    for name in ("fits.json", "comparison.json"):
        (kept / name).unlink()
    shutil.rmtree(kept / "figures")
    ended = commands.run("hf-scaling", "figures", kept)
    assert ended.code == 0, ended.stderr
    assert files(kept) == before
    assert commands.run("hf-scaling", "report", kept).code == 0


def test_a_copy_of_it_is_a_study_that_goes_on(tiny_study, kept, commands, tiny_yaml):
    ledger = (kept / "runs.jsonl").read_bytes()
    ended = commands.run("sweep.py", "--config", tiny_yaml, "--output_dir", kept)
    assert ended.code == 0, ended.stderr
    assert "runs: 6 of 6 finished, nothing to do" in ended.stdout
    assert "finished, but its weights are not here; training it again" in ended.stdout
    assert (kept / "runs.jsonl").read_bytes() == ledger
    there, expected = numbers(kept), numbers(tiny_study.folder)
    assert len(there["weights"]) == 2  # of the best model and of the run that it goes on from
    assert there["weights"].items() <= expected["weights"].items()
    assert all(there[name] == expected[name] for name in expected if name != "weights")


def test_nothing_is_replaced_unasked_and_nonsense_is_refused(tiny_study, kept, commands, tmp_path):
    (kept / "mine.txt").write_text("mine")

    def refused(*arguments):
        ended = commands.run("hf-scaling", *arguments)
        assert ended.code == 2
        assert ended.stderr.count("\n") == 1
        return ended.stderr

    assert "exists; use --overwrite to replace it" in refused("keep", tiny_study.folder, kept)
    assert (kept / "mine.txt").exists()
    assert "lies in the study itself" in refused("keep", tiny_study.folder, tiny_study.folder / "kept")
    assert "holds no runs.jsonl" in refused("keep", tmp_path, tmp_path / "kept")
    assert "holds no study.yaml" in refused("figures", tmp_path)
    assert commands.run("hf-scaling", "keep", tiny_study.folder, kept, "--overwrite").code == 0
    assert not (kept / "mine.txt").exists()
    (kept / "study.yaml").write_text(json.dumps({"families": ["gpt2"]}))
    assert "it must hold families, level and seed" in refused("figures", kept)
