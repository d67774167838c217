"""What the README's two-minute command leaves behind: the study folder, held against its contract."""

import csv
import json
import math
import os
import re
import struct
import xml.etree.ElementTree as ElementTree
from collections import Counter
from itertools import pairwise

import pytest
import yaml
from datasets import load_from_disk
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

import hf_scaling.models  # noqa: F401 - makes AutoModelForCausalLM know folk_lstm
from hf_scaling.notation import check
from hf_scaling.records import LEDGER_FIELDS, read_json, read_jsonl, read_ledger

FAMILIES, SIZES = ["gpt2", "folk_lstm"], ["5k", "8k", "15k", "30k", "60k"]


@pytest.fixture(scope="module")
def folder(quick_study):
    return quick_study.folder


@pytest.fixture(scope="module")
def rows(folder):
    found, notes = read_ledger(folder / "runs.jsonl")
    assert notes == []
    return found


@pytest.fixture(scope="module")
def samples(folder):
    return read_jsonl(folder / "samples" / "samples.jsonl")


# --- the command


def test_the_command_ends_with_a_table_the_laws_and_the_path_of_the_report(quick_study, rows):
    said = quick_study.stdout.splitlines()
    data = ["dataset", "tokenizer", "tokens", "corpus picture", "baselines"]
    stages = [*data, "best", "fits", "comparison", "scores", "figures", "samples", "patterns", "lint", "report"]
    assert [line.removesuffix(" ...") for line in said if line.endswith(" ...")] == stages
    assert sum(line.split()[:2] == ["run", "N"] for line in said) == 2  # the plan comes first
    head = max(index for index, line in enumerate(said) if line.startswith("run "))
    table = said[head + 1 : head + 11]
    assert {line.split()[0] for line in table} == {row["run_id"] for row in rows}
    for line, row in ((line, row) for line in table for row in rows if line.startswith(row["run_id"])):
        assert f"{row['val_loss']:.4f} ± {row['val_loss_stderr']:.4f}" in line
        assert f"{row['n_params']:,}" in line
    for family in FAMILIES:
        for convention in ("total", "non_embedding"):
            assert any(line.startswith(f"{family}, N {convention}: alpha is ") for line in said)
    assert said[-1] == f"report: {quick_study.folder / 'report.html'}"


def test_standard_error_is_for_progress(quick_study):
    assert "Traceback" not in quick_study.stderr
    assert "Warning" not in quick_study.stderr
    assert "all runs: " in quick_study.stderr


# --- the folder


def test_the_folder_holds_what_the_contract_names_and_nothing_else(folder, rows):
    assert {path.name for path in folder.iterdir() if not path.name.endswith((".lock", ".locks"))} == {
        *("study.yaml", "stages.json", "dataset", "tokenizer", "tokens", "plan.json", "forecasts", "runs"),
        *(
            "runs.jsonl",
            "best.json",
            "fits.json",
            "comparison.json",
            "scores.json",
            "figures",
            "samples",
            "patterns.json",
        ),
        *("lint.json", "report.html"),
    }
    best = read_json(folder / "best.json")
    runs = {row["run_id"]: folder / "runs" / row["run_id"] for row in rows} | {"best": folder / "runs" / best["run_id"]}
    for run in (folder / "runs").iterdir():
        assert {path.name for path in run.iterdir()} == {
            "checksums.json",
            "config.json",
            "metrics.jsonl",
            "model",
            "validation.json",
        }
    assert len(list((folder / "runs").iterdir())) == len(runs) == 11
    partial = [path for path in folder.rglob("*") if path.name.startswith(".") and not path.name.endswith(".lock")]
    assert partial == []


def test_the_record_of_the_configuration(folder):
    record = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))
    assert record["name"] == "quick"
    assert len(record["config_hash"]) == 64
    assert set(record["resolved"]["precision"]) == set(FAMILIES)
    assert record["resolved"]["command"].startswith("accelerate launch recipes/sweep.py --config recipes/studies/quick")


def test_a_run_has_as_many_threads_as_pay_whatever_the_launcher_asks_for(folder, rows):
    record = yaml.safe_load((folder / "study.yaml").read_text(encoding="utf-8"))["resolved"]
    cores = len(os.sched_getaffinity(0))
    assert record["threads"] == (1 if (record["threads_speedup"] or 2) <= 1.1 else cores)
    assert {row["threads"] for row in rows} == {record["threads"]}


def test_no_tune_family_is_cut_by_a_split(folder):
    splits = load_from_disk(str(folder / "dataset"))
    assert set(splits) == {"train", "validation", "test"}
    families = {name: set(split["family_id"]) for name, split in splits.items()}
    assert not families["train"] & families["validation"]
    assert not families["train"] & families["test"]
    assert not families["validation"] & families["test"]
    assert read_json(folder / "dataset" / "leak_report.json")["leaks"] == 0
    assert all(check(text).parses for text in splits["test"]["text"])
    assert "## Licences" in (folder / "dataset" / "README.md").read_text(encoding="utf-8")


def test_the_tokenizer_loads_as_any_other(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    text = load_from_disk(str(folder / "dataset"))["train"][0]["text"]
    ids = tokenizer(text).input_ids
    assert ids[0] == tokenizer.bos_token_id
    assert len(ids) == len(text) + 1
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


# --- the runs


def test_the_ledger_is_complete(rows):
    assert Counter((row["family"], row["size"]) for row in rows) == Counter((f, s) for f in FAMILIES for s in SIZES)
    for row in rows:
        assert row["status"] == "finished"
        assert {name for name in LEDGER_FIELDS if row.get(name) is None} == {"error"}
        assert row["run_id"].startswith(f"{row['family']}-{row['size']}-")
        assert row["perplexity"] == pytest.approx(math.exp(row["val_loss"]))
        assert 0 < row["val_loss_stderr"] < 0.1
        assert row["val_bpc"] > row["val_loss"] / math.log(2)  # the ends of tunes cost bits and are no characters
        assert row["flops"] >= row["flops_causal"] > 6 * row["n_params_non_embedding"] * row["n_tokens"]
        assert row["n_params_non_embedding"] < row["n_params"]


def test_all_runs_see_the_same_tokens(rows):
    for name in ("n_tokens", "n_unique_tokens", "batch_tokens", "updates", "seed"):
        assert len({row[name] for row in rows}) == 1, name
    assert rows[0]["n_tokens"] == rows[0]["updates"] * rows[0]["batch_tokens"]


def test_the_cheapest_run_first_and_the_families_in_turn(rows):
    assert [row["size"] for row in rows] == [size for size in SIZES for _ in FAMILIES]
    assert [row["family"] for row in rows] == FAMILIES * len(SIZES)


def test_the_families_match_in_size(rows):
    n = {(row["family"], row["size"]): row["n_params"] for row in rows}
    for size in SIZES:
        assert n["folk_lstm", size] == pytest.approx(n["gpt2", size], rel=0.05)


def test_every_model_learns(folder, rows):
    vocabulary = len(AutoTokenizer.from_pretrained(folder / "tokenizer"))
    for row in rows:
        assert 0.5 < row["val_loss"] < 0.75 * math.log(vocabulary), row["run_id"]


def test_every_model_loads_with_as_many_parameters_as_its_row_says(folder, rows):
    for row in rows:
        model = AutoModelForCausalLM.from_pretrained(folder / "runs" / row["run_id"] / "model")
        assert model.num_parameters() == row["n_params"]


def test_the_metrics_of_every_run(folder, rows):
    for row in rows:
        metrics = read_jsonl(folder / "runs" / row["run_id"] / "metrics.jsonl")
        steps = [metric["step"] for metric in metrics]
        assert all(a < b for a, b in pairwise(steps))
        assert steps[-1] == row["updates"]
        assert [metric["tokens_seen"] for metric in metrics] == [step * row["batch_tokens"] for step in steps]
        assert metrics[-1]["flops"] == row["flops"]
        rates = [metric["learning_rate"] for metric in metrics]
        assert rates[0] < rates[1] <= max(rates) == pytest.approx(row["learning_rate"])
        assert rates[-1] < 0.03 * row["learning_rate"]
        assert metrics[-1]["loss"] < metrics[0]["loss"] - 0.5
        assert all(metric["peak_memory_bytes"] > 0 for metric in metrics)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_pipeline_writes_text_with_a_model_folder(folder, rows, family):
    run_id = next(row["run_id"] for row in rows if row["family"] == family)
    generate = pipeline("text-generation", model=str(folder / "runs" / run_id / "model"), device="cpu")
    (written,) = generate("X:1\nT:Test\n", max_new_tokens=20)
    assert written["generated_text"].startswith("X:1\nT:Test\n")
    assert len(written["generated_text"]) > len("X:1\nT:Test\n")
    assert generate.model.generation_config.temperature == 0.9


# --- the laws


def test_both_families_are_fitted_by_both_counts_of_parameters(folder, rows):
    result = read_json(folder / "fits.json")
    fits = {(fit["family"], fit["n_convention"]): fit for fit in result["fits"]}
    assert set(fits) == {(family, convention) for family in FAMILIES for convention in ("total", "non_embedding")}
    for (family, convention), fit in fits.items():
        column = "n_params" if convention == "total" else "n_params_non_embedding"
        expected = [(row[column], row["val_loss"]) for row in rows if row["family"] == family]
        assert sorted((point["n"], point["loss"]) for point in fit["points"]) == sorted(expected)
        assert fit["n_points"] == 5
        assert fit["form"] == "power"
        assert fit["level"] == result["level"] == 0.9
        assert fit["verdict"] in ("resolved", "not resolved")
        low, high = fit["intervals"]["alpha"]
        if None not in (low, high):
            assert low <= fit["params"]["alpha"] <= high
        assert any("2 (5 points, 3 parameters)" in warning for warning in fit["warnings"])
    assert set(result["comparison"]) == {"total", "non_embedding"}


@pytest.mark.parametrize("name", ["scaling", "training_curves"])
def test_a_figure_has_its_picture_twice_and_its_numbers(folder, rows, name):
    figure = folder / "figures" / name
    assert figure.with_suffix(".png").read_bytes().startswith(b"\x89PNG\r\n")
    assert ElementTree.parse(figure.with_suffix(".svg")).getroot().tag.endswith("svg")
    with open(figure.with_suffix(".csv"), newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    assert {line["size"] for line in table if line["size"]} == set(SIZES)
    if name == "scaling":
        drawn = {float(line["loss"]) for line in table if line["kind"] == "run"}
        assert drawn == {row["val_loss"] for row in rows}


# --- the best model and its music


def test_the_best_model_is_the_winner_trained_on(folder, rows):
    best = read_json(folder / "best.json")
    winner = min(rows, key=lambda row: row["val_loss"])
    assert best["from_run_id"] == winner["run_id"]
    assert best["epochs"] == 3
    assert best["val_loss"] < winner["val_loss"]
    assert best["test_loss"] == pytest.approx(best["val_loss"], abs=0.3)
    assert best["test_loss"] != best["val_loss"]
    assert (folder / best["model_path"] / "model.safetensors").is_file()


def test_ten_samples_five_of_them_prompted(folder, samples):
    assert [row["index"] for row in samples] == list(range(1, 11))
    assert [row["kind"] for row in samples] == ["unconditional"] * 5 + ["prompted"] * 5
    prompts = [row["prompt"] for row in samples]
    assert prompts[:5] == [""] * 5
    for letter in "KMRT":
        assert any(re.search(f"^{letter}:", prompt, re.MULTILINE) for prompt in prompts[5:])
    assert all(row["raw"].startswith(row["prompt"]) for row in samples)
    assert len({row["abc"] for row in samples}) == 10
    assert {path.suffix for path in (folder / "samples").iterdir()} == {
        *(".abc", ".mid", ".svg", ".opus", ".txt", ".jsonl"),
    }


def verdict_of(text):
    verdict = check(text)
    return {
        "parses": verdict.parses,
        "strict": verdict.strict,
        "playable": verdict.playable,
        "diagnostics": [diagnostic._asdict() for diagnostic in verdict.diagnostics],
    }


def test_every_sample_plays_and_a_repaired_one_keeps_what_the_model_wrote(folder, samples):
    for row in samples:
        assert (folder / "samples" / f"{row['index']:03d}.abc").read_bytes().decode() == row["abc"]
        assert row["verdict"] == verdict_of(row["abc"])
        assert row["verdict"]["playable"]
        assert row["raw_verdict"] == verdict_of(row["raw"])
        assert row["written_verdict"] == verdict_of(row["written"])
        assert bool(row["repairs"]) == (row["abc"] != row["written"])


def test_every_sample_is_strictly_valid_whatever_the_model_writes_without_the_constraint(samples):
    assert {row["constrain"] for row in samples} == {"strict"}
    assert all(row["verdict"]["strict"] and not row["repairs"] and not row["redraws"] for row in samples)
    assert all(row["raw"] != row["written"] for row in samples if not row["raw_verdict"]["strict"])


def notes_of(data):
    """Note-ons of a Standard MIDI File with a velocity above 0 (MIDI 1.0 Detailed Specification, part 5)."""
    assert data[:8] == b"MThd\0\0\0\6"
    _, n_tracks, _ = struct.unpack(">HHH", data[8:14])
    at, notes = 14, 0

    def quantity():
        nonlocal at
        value = 0
        while True:
            byte, at = data[at], at + 1
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value

    for _ in range(n_tracks):
        assert data[at : at + 4] == b"MTrk"
        end = at + 8 + int.from_bytes(data[at + 4 : at + 8])
        at, status = at + 8, 0
        while at < end:
            quantity()
            if data[at] >= 0x80:
                status, at = data[at], at + 1
            if status == 0xFF:
                at += 1
            if status in (0xFF, 0xF0, 0xF7):
                length = quantity()
                at += length
                continue
            notes += status >> 4 == 9 and data[at + 1] > 0
            at += 1 if status >> 4 in (0xC, 0xD) else 2
        assert at == end
    assert at == len(data)
    return notes


def test_every_midi_file_sounds(folder, samples):
    for row in samples:
        assert row["midi"]["file"] == f"{row['index']:03d}.mid"
        assert notes_of((folder / "samples" / row["midi"]["file"]).read_bytes()) == row["midi"]["notes"] > 0
        assert row["midi"]["seconds"] > 0


def test_every_score_is_engraved_or_said_not_to_be(folder, samples):
    for row in samples:
        assert (row["score"] is None) == (row["score_error"] is not None)
        if row["score"]:
            root = ElementTree.parse(folder / "samples" / row["score"]).getroot()
            assert any("note" in element.get("class", "").split() for element in root.iter())


def test_the_samples_read_as_text(folder, samples):
    text = (folder / "samples" / "generated_samples.txt").read_text(encoding="utf-8")
    entries = re.split(r"^=== ", text, flags=re.MULTILINE)[1:]
    assert len(entries) == 10
    for entry, row in zip(entries, samples, strict=True):
        assert entry.startswith(f"{row['index']:03d}  {row['kind']}, seed {row['seed']}, redraws {row['redraws']}")
        assert f"prompt: {row['prompt']!r}\n" in entry
        raw = row["raw_verdict"]
        words = ", ".join(f"{tier} {'yes' if raw[tier] else 'no'}" for tier in ("parses", "strict", "playable"))
        assert f"as written: {words}" in entry
        assert row["raw"].rstrip("\n") in entry
        assert row["written"].rstrip("\n") in entry
        assert row["abc"].rstrip("\n") in entry
        assert all(change["message"] in entry for change in row["repairs"])


# --- the report


def test_the_report_names_every_run(folder, rows):
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert len(page) < 15e6
    assert page.lstrip().lower().startswith("<!doctype html>")
    for row in rows:
        assert f"{row['val_loss']:.3f}" in page


def test_started_again_it_finds_nothing_to_do(quick_study, commands):
    folder = quick_study.folder
    files = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    ledger = (folder / "runs.jsonl").read_bytes()
    again = commands.run("sweep.py", "--config", "recipes/studies/quick.yaml", "--output_dir", folder)
    assert again.code == 0
    assert "runs: 10 of 10 finished, nothing to do" in again.stdout
    assert (folder / "runs.jsonl").read_bytes() == ledger
    changed = [path for path, at in files.items() if path.stat().st_mtime_ns != at]
    assert [path for path in changed if not path.name.endswith(".lock")] == []
    assert again.stdout.splitlines()[-1] == f"report: {folder / 'report.html'}"
    assert json.loads(ledger.splitlines()[0])["run_id"] in again.stdout
