"""The recipes beside the sweep, each as a person runs it."""

import json
import re
import shutil

import pytest

from hf_scaling.notation import check
from hf_scaling.records import read_jsonl, read_ledger


def refusal(ended, program):
    """The one line that a command which refuses its input leaves on standard error."""
    assert ended.code == 2, ended
    assert "Traceback" not in ended.stderr
    assert len(ended.problems) == 1, ended.stderr
    name, _, message = ended.problems[0].partition(": ")
    assert name == program
    return message


@pytest.mark.parametrize("name", ["sweep.py", "train.py", "prepare_data.py", "generate.py", "hf-scaling"])
def test_help(commands, name):
    shown = commands.run(name, "--help")
    assert shown.code == 0
    assert shown.stdout.startswith("usage: ")
    assert shown.problems == []


# --- generate.py


def test_generate_writes_tunes_with_the_prompt_from_a_study(commands, tiny_study, tmp_path):
    options = ["--number", 2, "--seed", 7, "--key", "D", "--meter", "6/8", "--rhythm", "Jig", "--title", "Für Elsa"]
    ended = commands.run("generate.py", tiny_study.folder, *options, "--output_dir", tmp_path / "neue Töne")
    assert ended.code == 0, ended.stderr
    rows = read_jsonl(tmp_path / "neue Töne" / "samples.jsonl")
    assert len(rows) == 2
    for row in rows:
        assert row["kind"] == "prompted"
        assert row["prompt"] == "X:1\nT:Für Elsa\nR:Jig\nM:6/8\nL:1/8\nK:D\n"
        assert row["raw"].startswith(row["prompt"])
        assert check(row["abc"]).playable
        assert (tmp_path / "neue Töne" / row["midi"]["file"]).read_bytes().startswith(b"MThd")
    assert ended.stdout.splitlines()[-1] == f"tunes: {tmp_path / 'neue Töne'}"
    assert "T:Für Elsa" in ended.stdout


def test_generate_leaves_an_existing_folder_alone(commands, tiny_study, tmp_path):
    (tmp_path / "mine.abc").write_text("mine")
    message = refusal(commands.run("generate.py", tiny_study.folder, "--output_dir", tmp_path), "generate.py")
    assert message == f"--output_dir: {tmp_path} exists already; name a new folder"
    assert [path.name for path in tmp_path.iterdir()] == ["mine.abc"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--number", "0"], "--number: got 0, expected at least 1"),
        (["--number", "two"], "argument --number: invalid int value: 'two'"),
        (["--temperature", "0"], "temperature: got 0.0, expected a number above 0"),
        (["--temperature", "nan"], "temperature: got nan, expected a number above 0"),
        (["--top_p", "2"], "top_p: got 2.0, expected a number above 0 and at most 1"),
        (["--title", "two\nlines"], r"title: got 'two\\nlines', expected text on a single line"),
        (["--title", "x" * 1000], "prompt: got .* characters, the model writes at most"),
        (["--tempo", "fast"], "unrecognized arguments: --tempo fast"),
    ],
)
def test_generate_refuses_what_it_cannot_do(commands, tiny_study, tmp_path, options, message):
    ended = commands.run("generate.py", tiny_study.folder, "--output_dir", tmp_path / "tunes", *options)
    assert re.match(message, refusal(ended, "generate.py"))
    assert list(tmp_path.iterdir()) == []


def test_generate_names_a_model_that_is_not_there(commands, tmp_path):
    ended = commands.run("generate.py", "nobody/no-such-model", "--output_dir", tmp_path / "tunes")
    assert refusal(ended, "generate.py").startswith("model: 'nobody/no-such-model' cannot be loaded (")


def test_generate_names_a_model_that_is_damaged(commands, tiny_study, tmp_path):
    best = json.loads((tiny_study.folder / "best.json").read_text())
    shutil.copytree(tiny_study.folder / best["model_path"], tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    ended = commands.run("generate.py", tmp_path / "model", "--output_dir", tmp_path / "tunes")
    assert "cannot be loaded (" in refusal(ended, "generate.py")


# --- prepare_data.py and train.py


def test_data_prepared_first_is_taken_up_by_a_run_of_its_own(commands, tiny_study, tiny_yaml, tmp_path):
    study = ["--config", tiny_yaml, "--output_dir", tmp_path / "study"]
    prepared = commands.run("prepare_data.py", *study)
    assert prepared.code == 0, prepared.stderr
    assert "| train |" in prepared.stdout
    assert prepared.stdout.splitlines()[-1] == f"data: {tmp_path / 'study' / 'dataset'}"
    assert not (tmp_path / "study" / "runs").exists()

    trained = commands.run("train.py", *study, "--run", "folk_lstm-a")
    assert trained.code == 0, trained.stderr
    assert "dataset: complete, nothing to do" in trained.stdout
    (row,) = read_ledger(tmp_path / "study" / "runs.jsonl")[0]
    same = next(r for r in read_ledger(tiny_study.folder / "runs.jsonl")[0] if r["run_id"] == row["run_id"])
    assert row["val_loss"] == same["val_loss"]
    assert [path.name for path in (tmp_path / "study" / "runs").iterdir()] == [row["run_id"]]

    before = (tmp_path / "study" / "runs.jsonl").read_bytes()
    again = commands.run("train.py", *study, "--run", row["run_id"])  # by its whole name
    assert again.code == 0
    assert (tmp_path / "study" / "runs.jsonl").read_bytes() == before


def test_train_names_the_runs_that_there_are(commands, tiny_study, tiny_yaml):
    study = ["--config", tiny_yaml, "--output_dir", tiny_study.folder]
    message = refusal(commands.run("train.py", *study, "--run", "gpt2-z"), "train.py")
    assert message == (
        "--run: got 'gpt2-z', expected a run id, a number below 6 or some of "
        "gpt2-a, folk_lstm-a, gpt2-b, folk_lstm-b, gpt2-c, folk_lstm-c"
    )
    assert "--run" in refusal(commands.run("train.py", *study), "train.py")


# --- hf-scaling on a study folder


def test_the_laws_of_a_study_are_those_that_the_study_wrote(commands, tiny_study):
    shown = commands.run("hf-scaling", "fit", tiny_study.folder, "--json", "-")
    assert shown.code == 0, shown.stderr
    assert json.loads(shown.stdout) == json.loads((tiny_study.folder / "fits.json").read_text())


def test_a_lost_report_is_written_again(commands, tiny_study, tmp_path):
    shutil.copytree(tiny_study.folder, tmp_path / "study")
    (tmp_path / "study" / "report.html").unlink()
    shown = commands.run("hf-scaling", "report", tmp_path / "study")
    assert shown.code == 0, shown.stderr
    assert shown.stdout == f"report: {tmp_path / 'study' / 'report.html'}\n"
    assert (tmp_path / "study" / "report.html").stat().st_size > 10_000
