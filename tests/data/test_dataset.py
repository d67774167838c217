"""The data set as a whole: typed, split by family, documented, and absent unless all went well."""

import json
import random
from collections import Counter
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import yaml
from datasets import Value

from hf_scaling.data import build_dataset, load_splits
from hf_scaling.data import dataset as dataset_module
from hf_scaling.data.clean import clean
from hf_scaling.data.dataset import DataOptions, check_sources
from hf_scaling.data.families import fingerprint
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.records import UserError, read_json

OPTIONS = DataOptions(("music21",), SourceOptions(["miscFolk"]), 64, 2000, 0.1, 0.1, 0.3, seed=0)
SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "dataset"
    build_dataset(OPTIONS, folder)
    return folder


@pytest.fixture(scope="module")
def splits(folder):
    return load_splits(folder)


@pytest.fixture(scope="module")
def statistics(folder):
    return json.loads((folder / "statistics.json").read_text())


def walk(seed, notes=64):
    """Four bars a line of a random melody in eighths."""
    generator = random.Random(seed)
    step, written = 7, []
    for number in range(notes):
        step = min(13, max(0, step + generator.choice([-2, -1, 1, 2, 3])))
        written.append("CDEFGABcdefgab"[step] + "|" * (number % 8 == 7))
    return "".join(written)


def session(tmp_path, tunes):
    """Options for The Session's source holding (tune_id, abc) pairs."""
    rows = [
        {"tune_id": tune_id, "setting_id": str(number), "name": f"Tune {tune_id}", "type": "reel", "meter": "4/4",
         "mode": "Gmajor", "abc": abc, "date": "2020-01-01", "username": "u", "composer": ""}
        for number, (tune_id, abc) in enumerate(tunes)
    ]  # fmt: skip
    (tmp_path / "json").mkdir(exist_ok=True)
    (tmp_path / "json" / "tunes.json").write_text(json.dumps(rows))
    return replace(OPTIONS, sources=("the_session",), source_options=SourceOptions([], "odbl-1.0", str(tmp_path)),
                   validation_fraction=0.2, test_fraction=0.2)  # fmt: skip


def everything(splits):
    return [row for split in SPLITS for row in splits[split]]


def test_features_are_typed_and_every_row_is_a_clean_tune(splits):
    expected = dict.fromkeys(
        ("text", "tune_id", "family_id", "source", "collection", "title", "rhythm", "meter", "key"), Value("string")
    ) | {"n_chars": Value("int32")}
    assert list(splits) == list(SPLITS)
    for split in SPLITS:
        assert dict(splits[split].features) == expected
    for row in everything(splits):
        tune = clean(row["text"], 64, 2000)
        fields = [row[name] for name in ("text", "title", "rhythm", "meter", "key")]
        assert [tune.text, tune.title, tune.rhythm, tune.meter, tune.key] == fields
        assert row["n_chars"] == len(row["text"])
        assert (row["source"], row["collection"]) == ("music21", "miscFolk")


def test_no_family_crosses_splits_and_no_music_stands_twice(splits):
    families = {split: set(splits[split]["family_id"]) for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        assert not families[one] & families[other]
    rows = everything(splits)
    assert len({row["tune_id"] for row in rows}) == len(rows)
    assert len({row["text"].split("\nK:")[1].split("\n", 1)[1] for row in rows}) == len(rows)


def test_no_pair_across_splits_reaches_the_threshold_by_a_comparison_of_every_pair(splits):
    prints = {split: [fingerprint(text) for text in splits[split]["text"]] for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        for a in prints[one]:
            assert all(len(a & b) < 0.3 * len(a | b) for b in prints[other] if a | b)


def test_the_leak_report_says_none_where_a_random_split_leaks(folder, splits):
    report = json.loads((folder / "leak_report.json").read_text())
    assert report["leaks"] == 0
    assert report["thresholds"] == [0.3, 0.5, 0.8]
    for pair in ("validation_in_train", "test_in_train", "test_in_validation"):
        assert report[pair]["tunes"] == len(splits[pair.split("_")[0]])
        assert set(report[pair]["twins"].values()) == {0}
        assert report[pair]["highest_similarity"] < 0.3
    assert report["random_split_test_in_train"]["twins"]["0.3"] > 0


def test_statistics_sum_up(splits, statistics):
    rows = everything(splits)
    for split in SPLITS:
        assert statistics["splits"][split] == {
            "tunes": len(splits[split]),
            "characters": sum(map(len, splits[split]["text"])),
            "tune_families": len(set(splits[split]["family_id"])),
        }
    raws = sum(1 for _ in SOURCES["music21"].read(OPTIONS.source_options))
    assert len(rows) + sum(statistics["rejected"].values()) == raws
    assert set(statistics["rejected"]) >= {"same music as another tune", "several voices", "not legal notation"}
    assert statistics["collections"] == {"miscFolk": len(rows)}
    for name, column in (("keys", "key"), ("meters", "meter"), ("rhythms", "rhythm")):
        assert statistics[name] == dict(Counter(row[column] for row in rows))
    lengths = sorted(len(row["text"]) for row in rows)
    assert statistics["tune_length_percentiles"]["100"] == lengths[-1]
    assert abs(statistics["tune_length_percentiles"]["50"] - lengths[len(lengths) // 2]) <= 2
    assert statistics["options"]["seed"] == 0
    assert statistics["options"]["source_options"]["collections"] == ["miscFolk"]


def test_the_card_has_its_front_matter_the_numbers_and_the_licence_notice(folder, statistics):
    _, front, text = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    assert yaml.safe_load(front)["license"] == "other"
    assert yaml.safe_load(front)["task_categories"] == ["text-generation"]
    assert "not for commercial use" in text
    assert f"- `music21`: {SOURCES['music21'].LICENCE.notice}" in text
    for split in SPLITS:
        numbers = statistics["splits"][split]
        assert f"| {split} | {numbers['tunes']:,} | {numbers['characters']:,} | {numbers['tune_families']:,} |" in text
    assert f"Leaks: 0 of {statistics['splits']['test']['tunes']} test tunes" in text


def test_the_same_options_give_the_same_data_and_another_seed_another_split(folder, splits, tmp_path):
    build_dataset(OPTIONS, tmp_path / "again")
    again = load_splits(tmp_path / "again")
    assert all(again[split].to_list() == splits[split].to_list() for split in SPLITS)
    for name in ("README.md", "leak_report.json", "statistics.json"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    build_dataset(replace(OPTIONS, seed=1), tmp_path / "seed")
    assert set(load_splits(tmp_path / "seed")["test"]["text"]) != set(splits["test"]["text"])


def test_splits_do_not_depend_on_the_order_in_which_a_source_yields(tmp_path):
    tunes = [(str(number), walk(number)) for number in range(40)]
    found = []
    for name, order in (("first", tunes), ("second", random.Random(0).sample(tunes, len(tunes)))):
        build_dataset(session(tmp_path, order), tmp_path / name)
        found.append({split: load_splits(tmp_path / name)[split]["text"][:] for split in SPLITS})
    assert found[0] == found[1]


def test_settings_of_one_tune_share_one_family_however_different_their_notes(tmp_path):
    build_dataset(session(tmp_path, [(str(number // 3), walk(number)) for number in range(60)]), tmp_path / "dataset")
    rows = everything(load_splits(tmp_path / "dataset"))
    assert len(rows) == 60
    assert len({row["family_id"] for row in rows}) == 20
    assert set(Counter((row["family_id"], row["title"]) for row in rows).values()) == {3}


def planted(tmp_path):
    """Thirty tunes, each with two near-duplicates under numbers of their own."""
    tunes = [walk(number) + tail for number in range(30) for tail in ("", "GABc GABc|", "z8|")]
    return session(tmp_path, [(str(number), abc) for number, abc in enumerate(tunes)])


def test_planted_near_duplicates_end_in_one_family_and_a_leak_stops_everything(tmp_path, monkeypatch):
    options = planted(tmp_path)
    statistics = build_dataset(options, tmp_path / "good" / "dataset")
    assert sum(split["tune_families"] for split in statistics["splits"].values()) == 30
    monkeypatch.setattr(dataset_module, "find_families", lambda prints, groups, threshold: np.arange(len(prints)))
    with pytest.raises(UserError, match=r"leak report: \d+ tunes have a near-duplicate in another split"):
        build_dataset(options, tmp_path / "bad" / "dataset")
    assert [path.name for path in (tmp_path / "bad").iterdir()] == ["leak_report.json"]
    assert read_json(tmp_path / "bad" / "leak_report.json")["leaks"] > 0


def test_a_failure_while_writing_leaves_nothing_and_keeps_what_was_there(tmp_path, monkeypatch):
    target = tmp_path / "study" / "dataset"
    options = session(tmp_path, [(str(number), walk(number)) for number in range(30)])

    def full_disk(path, value):
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(dataset_module, "write_json", full_disk)
        with pytest.raises(OSError, match="No space"):
            build_dataset(options, target)
    assert list(target.parent.iterdir()) == []
    build_dataset(options, target)
    before = load_splits(target)["test"]["text"]
    monkeypatch.setattr(dataset_module, "write_json", full_disk)
    with pytest.raises(OSError, match="No space"):
        build_dataset(replace(options, seed=1), target)
    assert [path.name for path in target.parent.iterdir()] == ["dataset"]
    assert load_splits(target)["test"]["text"] == before


def test_no_usable_tune_and_an_empty_split_are_errors_that_say_why(tmp_path):
    with pytest.raises(UserError, match=r"sources: the_session gave no usable tune \(rejected: \{\}\)"):
        build_dataset(session(tmp_path, []), tmp_path / "dataset")
    with pytest.raises(UserError, match=r"gave no usable tune \(rejected: \{'too short': 1\}\)"):
        build_dataset(session(tmp_path, [("1", "GA|")]), tmp_path / "dataset")
    with pytest.raises(UserError, match=r"(train|validation|test): no tune family fell into this split of 1 tunes"):
        build_dataset(session(tmp_path, [("1", walk(1))]), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_an_unknown_source_or_collection_is_named_with_what_there_is(tmp_path):
    with pytest.raises(UserError, match=r"sources: got 'abcnotation', expected some of music21, the_session"):
        build_dataset(replace(OPTIONS, sources=("abcnotation",)), tmp_path / "dataset")
    with pytest.raises(UserError, match="sources: got 'x'"):
        check_sources(["music21", "x"])
    with pytest.raises(UserError, match="collections: got 'bach'"):
        build_dataset(replace(OPTIONS, source_options=SourceOptions(["bach"])), tmp_path / "dataset")
    assert list(tmp_path.iterdir()) == []
