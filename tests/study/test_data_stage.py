"""The data stage through the recipe, and what `hf-scaling data` says of it."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from hf_scaling.data.corpus import REASONS
from hf_scaling.data.sources import SOURCES, music21_corpora
from hf_scaling.records import UserError, read_json, write_jsonl
from hf_scaling.study.data_stages import prepare
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.options import load_config


@pytest.fixture(scope="module")
def prepared(commands, tiny_yaml, tmp_path_factory):
    """A study folder with data of two keys more, and what the recipe printed."""
    folder = tmp_path_factory.mktemp("data") / "study"
    options = ["--transpositions", "-2", "3", "--sources", "music21=1", "--keep_fields", "Q"]
    ended = commands.run("prepare_data.py", "--config", tiny_yaml, "--output_dir", folder, *options)
    assert ended.code == 0, ended.stderr
    return folder, ended.stdout


def test_the_recipe_leaves_all_that_is_promised_and_says_where(prepared):
    folder, stdout = prepared
    for name in (
        *("README.md", "leak_report.json", "statistics.json", "rejects.jsonl"),
        *("corpus.png", "corpus.svg", "baselines.json", "dataset_dict.json"),
    ):
        assert (folder / "dataset" / name).stat().st_size > 0
    assert f"data: {folder / 'dataset'}" in stdout
    assert "Leaks: 0 of" in stdout
    models = read_json(folder / "dataset" / "baselines.json")["models"]
    assert all(0 < model[split] < 8 for model in models for split in ("validation", "test"))


def test_unique_and_seen_tokens_are_told_apart(prepared):
    folder, _ = prepared
    counts = read_json(folder / "dataset" / "statistics.json")["splits"]["train"]
    stream = np.load(folder / "tokens" / "train.npy", mmap_mode="r")
    assert len(stream) == counts["tokens_per_epoch"] + 1  # one mark more ends it
    assert counts["unique_tokens"] < 0.4 * len(stream)


def test_rejects_are_listed_by_reason(prepared, commands):
    folder, _ = prepared
    rejected = read_json(folder / "dataset" / "statistics.json")["rejected"]
    reason, count = max(rejected.items(), key=lambda item: item[1])
    everything = commands.run("hf-scaling", "data", "rejects", folder, "--limit", 0)
    assert everything.code == 0
    assert f"{count:7,}  {reason}: {REASONS[reason]}" in everything.stdout
    assert everything.stdout.count("music21/miscFolk/") == sum(rejected.values())
    chosen = commands.run("hf-scaling", "data", "rejects", folder, "--reason", reason, "--limit", 3, "--json")
    rows = [json.loads(line) for line in chosen.stdout.splitlines()]
    assert [row["reason"] for row in rows] == [reason] * min(3, count)
    assert all(row["opening"].startswith("X:") for row in rows)


def test_json_is_never_cut_short_unasked_where_nothing_could_say_so(commands, tmp_path):
    row = dict.fromkeys(("detail", "source", "collection", "file", "opening"), "x") | {"reason": "no key"}
    write_jsonl(tmp_path / "dataset" / "rejects.jsonl", [row | {"number": number} for number in range(30)])
    listed = commands.run("hf-scaling", "data", "rejects", tmp_path)
    assert listed.stdout.count("x/x/x, tune ") == 20
    assert listed.stdout.endswith("... and 10 more; --limit 0 lists all\n")
    piped = commands.run("hf-scaling", "data", "rejects", tmp_path, "--json")
    assert [json.loads(line)["number"] for line in piped.stdout.splitlines()] == list(range(30))
    none = commands.run("hf-scaling", "data", "rejects", tmp_path, "--reason", "too long", "--json")
    assert (none.code, none.stdout) == (0, "")


@pytest.mark.parametrize("line", ["{}", "[1]", '{"reason": "no key"}'])
def test_damaged_rejects_are_one_line(commands, tmp_path, line):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "rejects.jsonl").write_text(f"{line}\n")
    ended = commands.run("hf-scaling", "data", "rejects", tmp_path)
    assert ended.code == 2
    assert len(ended.problems) == 1
    assert "rejects.jsonl: " in ended.problems[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reason", "ugly"], "--reason: got 'ugly', expected one of unreadable file"),
        (["--limit", "-1"], "argument --limit: got '-1', expected a whole number"),
    ],
)
def test_a_wrong_question_gets_one_line(prepared, commands, options, message):
    ended = commands.run("hf-scaling", "data", "rejects", prepared[0], *options)
    assert ended.code == 2
    assert message in ended.problems[-1]


def test_a_folder_without_data_is_named(commands, tmp_path):
    ended = commands.run("hf-scaling", "data", "rejects", tmp_path / "nowhere")
    assert ended.code == 2
    assert len(ended.problems) == 1
    assert "nowhere" in ended.problems[0]


def test_the_licence_register_has_every_source_and_its_terms(commands):
    ended = commands.run("hf-scaling", "data", "sources")
    assert ended.code == 0
    for name, source in SOURCES.items():
        assert f"{name}: " in ended.stdout
        assert callable(source.read)
    assert "the_session: odbl\n" in ended.stdout
    assert "redistribution: no" in ended.stdout


def test_a_prepared_study_goes_on_where_its_source_is_missing_but_none_begins_there(prepared, tmp_path, monkeypatch):
    folder, _ = prepared
    shutil.copytree(folder, tmp_path / "moved")
    stored = yaml.safe_load((folder / "study.yaml").read_text())
    (tmp_path / "same.yaml").write_text(
        yaml.safe_dump({name: value for name, value in stored.items() if name not in ("config_hash", "resolved")})
    )
    monkeypatch.setattr(music21_corpora, "find_spec", lambda name: None)
    before = (tmp_path / "moved" / "dataset" / "statistics.json").stat().st_mtime_ns
    again = prepare(StudyFolder(load_config(tmp_path / "same.yaml", {"output_dir": str(tmp_path / "moved")})))
    assert (tmp_path / "moved" / "dataset" / "statistics.json").stat().st_mtime_ns == before
    assert again.unique_tokens > 0
    with pytest.raises(UserError, match="pip install music21"):
        prepare(StudyFolder(load_config(tmp_path / "same.yaml", {"output_dir": str(tmp_path / "new")})))


@pytest.mark.parametrize(
    ("option", "values", "message"),
    [
        ("--sources", ["music21=-1"], "sources: got 'music21=-1', expected music21=WEIGHT"),
        (
            "--abc_files",
            ["my.abc"],
            "abc_files: got 'my.abc', but sources do not name abc_files; add it, or leave abc_",
        ),
        ("--hub_dataset", ["a/b"], "hub_dataset: got 'a/b', but sources do not name hub; add it, or leave hub_dataset"),
        ("--collections", ["miscFolk", "miscFolk"], "collections: got ['miscFolk', 'miscFolk'], expected each once"),
        ("--transpositions", ["0"], "transpositions: got [0], expected numbers from -6 to 6 other than 0"),
        ("--transpositions", ["1", "1"], "transpositions: got [1, 1]"),
        ("--transpositions", ["7"], "transpositions: got [7]"),
        ("--transpositions", ["up"], "transpositions: got 'up', expected a whole number"),
        ("--keep_fields", ["K"], "keep_fields: got ['K'], expected some of C O A"),
        ("--notation", ["perfect"], "notation: got 'perfect', expected one of parses, strict"),
    ],
)
def test_bad_choices_are_named(commands, tiny_yaml, tmp_path, option, values, message):
    ended = commands.run("prepare_data.py", "--config", tiny_yaml, "--output_dir", tmp_path / "study", option, *values)
    assert ended.code == 2
    assert message in ended.problems[0]
    assert not (tmp_path / "study").exists()


def at_work(pid):
    """The children of a process that have computed for a tenth of a second."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ticks = {child: int(Path(f"/proc/{child}/stat").read_text().split()[13]) for child in children}
    except FileNotFoundError:  # ended meanwhile
        return []
    return [child for child, used in ticks.items() if used >= 0.1 * os.sysconf("SC_CLK_TCK")]


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGINT], ids=["killed", "Ctrl-C"])
def test_stopped_while_it_reads_it_leaves_no_process_and_no_lock(commands, tiny_yaml, tmp_path, sent):
    options = ["--config", tiny_yaml, "--output_dir", tmp_path / "study", "--collections", "airdsAirs"]
    started = commands.start("prepare_data.py", *options)
    workers = []

    def reading():
        workers[:] = at_work(started.pid)
        return bool(workers)  # how many share a small collection is chance

    ended = started.kill_when(reading, sent)
    assert ended.code == (130 if sent == signal.SIGINT else -sent)
    assert "Traceback" not in ended.stderr
    until = time.monotonic() + 20
    while any(Path("/proc", worker).exists() for worker in workers) and time.monotonic() < until:
        time.sleep(0.05)
    assert not [worker for worker in workers if Path("/proc", worker).exists()]
    again = commands.run("prepare_data.py", *options)
    assert again.code == 0, again.stderr
