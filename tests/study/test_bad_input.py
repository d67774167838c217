"""Bad input at the command line: exit code 2 and one line that names the field, the value and the cure."""

import json
import re
import shutil

import pytest
import yaml


@pytest.fixture(scope="module")
def refused(commands):
    """Run a recipe that must refuse its input; returns the one line on standard error, without the program's name."""

    def run(name, *arguments):
        ended = commands.run(name, *arguments)
        assert "Traceback" not in ended.stderr
        assert ended.code == 2, ended
        assert len(ended.problems) == 1, ended.stderr
        program, _, message = ended.problems[0].partition(": ")
        assert program == name
        return message

    return run


@pytest.fixture
def sweep(refused, tiny_yaml, tmp_path):
    """The refusal of the tiny study with further options, in a new folder unless they name one."""
    return lambda *more: refused("sweep.py", "--config", tiny_yaml, "--output_dir", tmp_path / "study", *more)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--batch_sise", "4"], "unrecognized arguments: --batch_sise 4"),
        (["--batch", "4"], "unrecognized arguments: --batch 4"),  # no guessing
        (["--batch_size"], "argument --batch_size: expected one argument"),
        (["--batch_size", "four"], "batch_size: got 'four', expected a whole number"),
        (["--ladder", "a=10x1x3x16"], "ladder: size a has d_model 10, which its n_heads 3 do not divide"),
        (["--ladder", "small"], "ladder: got 'small', expected NAME=D_MODELxN_LAYERSxN_HEADSxD_FF"),
        (["--families", "gpt2", "rnn"], "families: got .*'rnn'.*, expected some of gpt2, folk_lstm"),
        (["--sources", "napster"], "sources: got 'napster', expected some of music21, the_session"),
        (["--config", "no/such.yaml"], "--config: no/such.yaml not found; expected a YAML file"),
        (["--config", "recipes"], "recipes: Is a directory"),
        (["--config", "recipes/sweep.py"], "recipes/sweep.py: not valid YAML|recipes/sweep.py: got str, expected keys"),
    ],
)
def test_before_anything_is_done(sweep, tmp_path, options, message):
    assert re.match(message, sweep(*options))
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--collections", "opera"], "collections: got 'opera', expected some of essenFolksong, oneills1850"),
        (["--min_chars", "50000", "--max_chars", "60000"], "sources: music21 gave no usable tune .*'too short'"),
        (["--test_fraction", "1e-9"], "test: no tune family fell into this split of 1.. tunes; use more tunes or"),
        (["--context_length", "1000000"], "context_length: got 1000000, but the training split has .* shorter context"),
        (["--tokens_per_run", "1023"], "tokens_per_run: got 1023, .* but one update takes 512; .* at least two"),
        (["--tokens_per_run", "10000000000"], "tokens_per_run: got 10000000000, .* expected at most .*, 100 passes"),
        (["--horizons", ".05", "1"], "tokens_per_run: got 10240; horizons: got .0.05, 1.0., which makes a run of 512"),
        (
            ["--tune_sizes", "a", "b", "c", "--tune_tokens", "100000000"],
            "tune_tokens: got 100000000, which makes a run of 100000000 tokens, expected at most",
        ),
        (["--best_tokens", "100"], "best_tokens: 6 passes make 384 tokens, but one update takes 512; .*"),
        (["--precision", "fp16"], "precision: got 'fp16', but there is no GPU here; on a CPU use auto, fp32 or bf16"),
    ],
)
def test_before_any_training(sweep, tmp_path, options, message):
    assert re.match(message, sweep(*options))
    assert not (tmp_path / "study" / "runs").exists()


def test_a_refusal_leaves_the_folder_to_the_corrected_command(sweep, commands, tiny_yaml, tmp_path):
    sweep("--collections", "opera")
    corrected = commands.run("prepare_data.py", "--config", tiny_yaml, "--output_dir", tmp_path / "study")
    assert corrected.code == 0, corrected.stderr
    assert yaml.safe_load((tmp_path / "study" / "study.yaml").read_text())["collections"] == ["miscFolk"]


def test_the_seed_study_says_why_it_does_not_start(refused, tmp_path):
    study = ["--config", "recipes/studies/seed.yaml", "--output_dir", tmp_path / "seed"]
    message = refused("sweep.py", *study)
    assert message.startswith("accept_licence: got None, but the source 'the_session' is under the Open Database")
    assert message.endswith("set accept_licence: odbl-1.0")
    where = ["--the_session_path", tmp_path / "nowhere"]
    message = refused("sweep.py", *study, "--accept_licence", "odbl-1.0", *where)
    assert message.startswith("the_session_path: ")
    assert "nowhere" in message
    message = refused("sweep.py", *study, "--accept_licence", "odbl-1.0")
    assert message.startswith("the_session_path: ")
    assert "HF_HUB_OFFLINE" in message


def test_tunes_under_the_licence_that_forbids_this_use_are_refused(refused, tmp_path):
    names = ("tune_id", "setting_id", "name", "type", "meter", "mode", "abc")
    tune = dict.fromkeys(names, "1") | {"date": "2025-10-09 10:00:00"}
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "tunes.json").write_text(json.dumps([tune]), encoding="utf-8")
    message = refused(
        "prepare_data.py",
        *["--config", "recipes/studies/seed.yaml", "--output_dir", tmp_path / "seed"],
        *["--accept_licence", "odbl-1.0", "--the_session_path", tmp_path],
    )
    assert "forbids use with AI and large language models" in message


# --- the output folder


def test_a_file_in_place_of_the_folder(sweep, tmp_path):
    (tmp_path / "file").write_text("mine")
    assert sweep("--output_dir", tmp_path / "file") == f"output_dir: {tmp_path / 'file'} is a file, expected a folder"
    message = sweep("--output_dir", tmp_path / "file" / "below")
    assert message == f"output_dir: {tmp_path / 'file' / 'below'} cannot be written (Not a directory)"
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_with_something_else_in_it(sweep, tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("mine")
    expected = "holds other files (chapter1.tex); expected a new or empty folder"
    assert sweep("--output_dir", tmp_path / "thesis").endswith(expected)
    assert sweep("--output_dir", tmp_path / "thesis", "--overwrite").endswith(expected)
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "mine"


def test_the_folder_of_another_study_is_left_alone_and_set_aside_on_demand(tiny_study, sweep, commands, tiny_yaml):
    folder = tiny_study.folder.with_name("other")
    shutil.copytree(tiny_study.folder, folder)
    message = sweep("--output_dir", folder, "--seed", "3", "--dropout", "0.1")
    assert message == (
        f"output_dir: {folder} belongs to a study with other values of seed, dropout; "
        "use --overwrite to set it aside, or another --output_dir"
    )
    before = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    begun = commands.run("prepare_data.py", "--config", tiny_yaml, "--output_dir", folder, "--seed", 3, "--overwrite")
    assert begun.code == 0, begun.stderr
    (aside,) = folder.parent.glob("other.replaced-*")
    assert f"{folder}: the earlier study was moved to {aside}" in begun.stdout
    assert {path.relative_to(aside): path.read_bytes() for path in aside.rglob("*") if path.is_file()} == before
    assert not (folder / "runs.jsonl").exists()


@pytest.mark.parametrize(
    "content", [b"", b"just text", b"- a\n- b\n", b"config_hash: [", b"\xff\xfe", b"config_hash: x\nresolved: 3\n"]
)
def test_a_damaged_record_of_the_configuration(sweep, tmp_path, content):
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "study.yaml").write_bytes(content)
    record = tmp_path / "study" / "study.yaml"
    assert sweep() == f"{record}: damaged; use --overwrite to start anew, or another --output_dir"
    assert record.read_bytes() == content


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda lines: [lines[0][:50] + "\n", *lines[1:]], "line 1: not valid JSON .*; remove the line"),
        (lambda lines: [*lines, lines[2]], "line 7: run .* has a finished row already; remove one"),
        (lambda lines: ["[]\n", *lines], "line 1: expected an object, got list"),
        (lambda lines: [lines[0].replace('"val_loss": ', '"val_loss": -Infinity, "x": '), *lines[1:]], "line 1: .*"),
        (lambda lines: [lines[0].replace('"family": "', '"family": 4, "x": "'), *lines[1:]], "line 1: family: got 4"),
    ],
)
def test_a_damaged_ledger(tiny_study, sweep, tmp_path, damage, message):
    folder = tmp_path / "copy"
    shutil.copytree(tiny_study.folder, folder)
    ledger = folder / "runs.jsonl"
    damaged = "".join(damage(ledger.read_text(encoding="utf-8").splitlines(keepends=True)))
    ledger.write_text(damaged, encoding="utf-8")
    assert re.search(f"runs.jsonl, {message}", sweep("--output_dir", folder))
    assert ledger.read_text(encoding="utf-8") == damaged


@pytest.mark.parametrize("content", ["{", "[]", '{"dataset": 3}'])
def test_a_damaged_record_of_stages(tiny_study, sweep, tmp_path, content):
    folder = tmp_path / "copy"
    shutil.copytree(tiny_study.folder, folder)
    (folder / "stages.json").write_text(content)
    assert re.search("stages.json: .*delete it to have it rebuilt", sweep("--output_dir", folder))
