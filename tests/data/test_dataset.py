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

from hf_scaling.data import dataset as dataset_module
from hf_scaling.data import splits as splits_module
from hf_scaling.data.clean import CleanOptions, body_of, clean
from hf_scaling.data.corpus import REASONS, parse_sources
from hf_scaling.data.dataset import DataOptions, build_dataset, epoch_texts, load_splits, unique_texts
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.notation import pitches, transpose
from hf_scaling.records import UserError, read_json, read_jsonl

CLEAN = CleanOptions(64, 2000)
OPTIONS = DataOptions(("music21",), SourceOptions(["miscFolk"]), CLEAN, 0.1, 0.1, 0.3, seed=0)
SPLITS = ("train", "validation", "test")


def build(options, folder):
    """Build a data set; return its statistics."""
    build_dataset(options, folder, {"music21": "1"})
    return read_json(folder / "statistics.json")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "dataset"
    build(OPTIONS, folder)
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
         "mode": "Gmajor", "abc": abc, "date": "2024-01-01", "username": "u", "composer": ""}
        for number, (tune_id, abc) in enumerate(tunes)
    ]  # fmt: skip
    (tmp_path / "json").mkdir(exist_ok=True)
    (tmp_path / "json" / "tunes.json").write_text(json.dumps(rows))
    (tmp_path / "LICENSE.md").write_text("Open Database License (ODbL)")
    return replace(OPTIONS, sources=("the_session",), source_options=SourceOptions([], "odbl-1.0", str(tmp_path)),
                   validation_fraction=0.2, test_fraction=0.2)  # fmt: skip


def everything(splits):
    return [row for split in SPLITS for row in splits[split]]


def test_features_are_typed_and_every_row_is_a_clean_tune(splits):
    expected = dict.fromkeys(
        ("text", "tune_id", "family_id", "source", "collection", "file", "setting", "title", "rhythm", "meter", "key"),
        Value("string"),
    ) | {"number": Value("int32"), "n_chars": Value("int32"), "transposed": Value("int8"), "copies": Value("int16")}
    assert list(splits) == list(SPLITS)
    for split in SPLITS:
        assert dict(splits[split].features) == expected
    for row in everything(splits):
        tune = clean(row["text"], CLEAN)
        fields = [row[name] for name in ("text", "title", "rhythm", "meter", "key")]
        assert [tune.text, tune.title, tune.rhythm, tune.meter, tune.key] == fields
        assert row["n_chars"] == len(row["text"])
        assert (row["source"], row["collection"]) == ("music21", "miscFolk")
        assert row["tune_id"] == f"music21/miscFolk/{row['file']}/{row['number']}"
        assert (row["transposed"], row["copies"]) == (0, 1)


def test_no_family_crosses_splits_and_no_music_stands_twice(splits):
    families = {split: set(splits[split]["family_id"]) for split in SPLITS}
    for one, other in combinations(SPLITS, 2):
        assert not families[one] & families[other]
    rows = everything(splits)
    assert len({row["tune_id"] for row in rows}) == len(rows)
    assert len({row["text"].split("\nK:")[1].split("\n", 1)[1] for row in rows}) == len(rows)


def test_no_pair_across_splits_reaches_the_threshold_by_a_comparison_of_every_pair(splits):
    prints = {split: [set(clean(text, CLEAN).grams) for text in splits[split]["text"]] for split in SPLITS}
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
    assert report["random_split_test_in_train"]["twins"]["0.3"] > 0


def test_statistics_sum_up(splits, statistics):
    rows = everything(splits)
    for split in SPLITS:
        assert statistics["splits"][split] == {
            "tunes": len(splits[split]),
            "characters": sum(map(len, splits[split]["text"])),
            "tune_families": len(set(splits[split]["family_id"])),
            "transposed_copies": 0,
            "unique_tokens": sum(map(len, splits[split]["text"])) + len(splits[split]),
            "tokens_per_epoch": sum(map(len, splits[split]["text"])) + len(splits[split]),
        }
    raws = sum(1 for _ in SOURCES["music21"].read(OPTIONS.source_options))
    assert len(rows) + sum(statistics["rejected"].values()) == raws
    assert set(statistics["rejected"]) >= {"same music as another tune", "several voices", "not legal notation"}
    assert statistics["collections"] == {"miscFolk": len(rows)}
    for name, column in (("keys", "key"), ("meters", "meter"), ("rhythms", "rhythm")):
        assert statistics[name] == dict(Counter(row[column] for row in rows))
    assert statistics["characters"] == dict(Counter("".join(row["text"] for row in rows)))
    sizes = Counter(Counter(row["family_id"] for row in rows).values())
    assert statistics["family_sizes"] == {str(size): count for size, count in sizes.items()}
    assert sum(map(sum, statistics["tune_length_histogram"]["counts"].values())) == len(rows)
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
    assert f"- `music21`: {SOURCES['music21'].licence(OPTIONS.source_options).notice}" in text
    assert "| `music21` | other | no | no |" in text
    for split in SPLITS:
        numbers = statistics["splits"][split]
        assert f"| {split} | {numbers['tunes']:,} | {numbers['characters']:,} | {numbers['tune_families']:,} |" in text
    assert f"Leaks: 0 of {statistics['splits']['test']['tunes']} test tunes" in text


def test_the_same_options_give_the_same_data_and_another_seed_another_split(folder, splits, tmp_path):
    build(OPTIONS, tmp_path / "again")
    again = load_splits(tmp_path / "again")
    assert all(again[split].to_list() == splits[split].to_list() for split in SPLITS)
    for name in ("README.md", "leak_report.json", "statistics.json", "rejects.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    build(replace(OPTIONS, seed=1), tmp_path / "seed")
    assert set(load_splits(tmp_path / "seed")["test"]["text"]) != set(splits["test"]["text"])


def test_splits_do_not_depend_on_the_order_in_which_a_source_yields(tmp_path):
    tunes = [(str(number), walk(number)) for number in range(40)]
    found = []
    for name, order in (("first", tunes), ("second", random.Random(0).sample(tunes, len(tunes)))):
        build(session(tmp_path, order), tmp_path / name)
        found.append({split: load_splits(tmp_path / name)[split]["text"][:] for split in SPLITS})
    assert found[0] == found[1]


def test_settings_of_one_tune_share_one_family_however_different_their_notes(tmp_path):
    build(session(tmp_path, [(str(number // 3), walk(number)) for number in range(60)]), tmp_path / "dataset")
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
    statistics = build(options, tmp_path / "good" / "dataset")
    assert sum(split["tune_families"] for split in statistics["splits"].values()) == 30
    monkeypatch.setattr(splits_module, "find_families", lambda grams, groups, threshold: np.arange(grams.shape[0]))
    build(options, tmp_path / "mended" / "dataset")  # the exact search across splits joins what this one left apart
    good, mended = load_splits(tmp_path / "good" / "dataset"), load_splits(tmp_path / "mended" / "dataset")
    assert [good[split]["text"][:] for split in SPLITS] == [mended[split]["text"][:] for split in SPLITS]
    monkeypatch.setattr(splits_module, "reaches", lambda similarity, threshold: similarity > 2)
    with pytest.raises(UserError, match=r"leak report: \d+ tunes have a near-duplicate in another split"):
        build(options, tmp_path / "bad" / "dataset")
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
            build(options, target)
    assert list(target.parent.iterdir()) == []
    build(options, target)
    before = load_splits(target)["test"]["text"]
    monkeypatch.setattr(dataset_module, "write_json", full_disk)
    with pytest.raises(OSError, match="No space"):
        build(replace(options, seed=1), target)
    assert [path.name for path in target.parent.iterdir()] == ["dataset"]
    assert load_splits(target)["test"]["text"] == before


def test_no_usable_tune_and_an_empty_split_are_errors_that_say_why(tmp_path):
    with pytest.raises(UserError, match=r"sources: the_session gave no usable tune \(rejected: \{'no music': 2\}\)"):
        build(session(tmp_path, [("1", ""), ("2", "")]), tmp_path / "dataset")
    with pytest.raises(UserError, match=r"gave no usable tune \(rejected: \{'too short': 1\}\)"):
        build(session(tmp_path, [("1", "GA|")]), tmp_path / "dataset")
    with pytest.raises(UserError, match=r"(train|validation|test): no tune family fell into this split of 1 tunes"):
        build(session(tmp_path, [("1", walk(1))]), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()


def test_an_unknown_source_or_collection_is_named_with_what_there_is(tmp_path):
    with pytest.raises(UserError, match=r"sources: got 'abcnotation', expected some of music21, the_session, abc_"):
        build(replace(OPTIONS, sources=("abcnotation",)), tmp_path / "dataset")
    for sources, message in (
        (["music21", "x"], "got 'x', expected some of music21"),
        (["music21", "music21=2"], "got 'music21', expected .* each once"),
        (["music21=0"], "got 'music21=0', expected music21=WEIGHT, a number above 0"),
        (["music21=nan"], "expected music21=WEIGHT"),
        (["music21=many"], "expected music21=WEIGHT"),
        (["music21=101"], "at most 100"),
    ):
        with pytest.raises(UserError, match=message):
            parse_sources(sources)
    assert parse_sources(["the_session=0.5", "music21"]) == {"the_session": 0.5, "music21": 1}
    with pytest.raises(UserError, match="collections: got 'bach'"):
        build(replace(OPTIONS, source_options=SourceOptions(["bach"])), tmp_path / "dataset")
    assert list(tmp_path.iterdir()) == []


def test_of_the_same_music_in_two_sources_the_one_named_first_stays(tmp_path):
    same = [(str(number), walk(number)) for number in range(30)]
    options = session(tmp_path, same)
    book = "\n".join(f"X:{number}\nT:From a book\nM:4/4\nL:1/8\nK:G\n{abc}\n" for number, (_, abc) in enumerate(same))
    (tmp_path / "book.abc").write_text(book)
    both = replace(options.source_options, abc_files=str(tmp_path / "book.abc"))
    for sources in (("the_session", "abc_files"), ("abc_files", "the_session")):
        folder = tmp_path / sources[0]
        statistics = build(replace(options, sources=sources, source_options=both), folder)
        assert statistics["sources"] == {sources[0]: 30}
        rejects = read_jsonl(folder / "rejects.jsonl")
        assert [(row["reason"], row["source"]) for row in rejects] == [("same music as another tune", sources[1])] * 30
        assert [row["number"] for row in rejects] == list(range(1, 31))


def test_weights_decide_how_often_a_training_tune_stands_in_an_epoch(tmp_path):
    options = session(tmp_path, [(str(number), walk(number)) for number in range(400)])
    for weight, allowed in (("0.5", {0, 1}), ("1", {1}), ("2.25", {2, 3})):
        statistics = build(replace(options, sources=(f"the_session={weight}",)), tmp_path / weight)
        splits = load_splits(tmp_path / weight)
        copies = splits["train"]["copies"][:]
        assert set(copies) == allowed
        assert sum(copies) / len(copies) == pytest.approx(float(weight), abs=0.15)
        assert {*splits["validation"]["copies"], *splits["test"]["copies"]} == {1}
        texts = Counter(epoch_texts(splits["train"]))
        assert [texts[text] for text in splits["train"]["text"]] == copies
        unique = unique_texts(splits["train"])
        assert sorted(unique) == sorted(texts)
        assert statistics["splits"]["train"]["unique_tokens"] == sum(map(len, unique)) + len(unique)
        assert statistics["splits"]["train"]["tokens_per_epoch"] == sum(len(text) + 1 for text in texts.elements())


def test_transposed_copies_are_of_the_training_split_alone_and_no_unique_tokens(folder, splits, statistics, tmp_path):
    augmented = build(replace(OPTIONS, transpositions=(-3, 2)), tmp_path / "dataset")
    rows = load_splits(tmp_path / "dataset")
    plain = splits["train"].to_list()
    assert rows["train"].to_list()[: len(plain)] == plain
    assert [rows[split].to_list() for split in SPLITS[1:]] == [splits[split].to_list() for split in SPLITS[1:]]
    copies = rows["train"].to_list()[len(plain) :]
    assert 1.9 * len(plain) < len(copies) == augmented["splits"]["train"]["transposed_copies"] <= 2 * len(plain)
    originals = {row["tune_id"]: row for row in plain}
    for row in copies:
        original = originals[row["tune_id"]]
        assert row["family_id"] == original["family_id"]
        assert row["text"] != original["text"]
        assert pitches(row["text"]) == [pitch + row["transposed"] for pitch in pitches(original["text"])]
        again = clean(row["text"], CleanOptions(1, 9999))
        assert (again.text, again.key, len(again.text)) == (row["text"], row["key"], row["n_chars"])
    assert unique_texts(rows["train"]) == unique_texts(splits["train"])
    counts = augmented["splits"]["train"], statistics["splits"]["train"]
    assert counts[0]["unique_tokens"] == counts[1]["unique_tokens"]
    assert counts[0]["tokens_per_epoch"] > 2.9 * counts[1]["tokens_per_epoch"]
    assert augmented["keys"] == statistics["keys"]
    assert len(epoch_texts(rows["train"])) == len(rows["train"])


def test_characters_that_only_a_transposed_copy_shares_with_held_out_tunes_are_counted(tmp_path):
    tunes = []
    for number in range(40):  # pairs that share a passage, the other a tone higher, and are no near-duplicates
        higher = body_of(transpose(f"X:1\nK:G\n{walk(number)}\n", 2)).strip()
        tunes += [walk(number) + walk(100 + number, 192), higher + walk(200 + number, 192)]
    options = session(tmp_path, [(str(number), abc) for number, abc in enumerate(tunes)])
    found = []
    for transpositions in ((), (2,)):
        folder = tmp_path / f"dataset{len(transpositions)}"
        build(replace(options, transpositions=transpositions), folder)
        report, rows = read_json(folder / "leak_report.json"), load_splits(folder)
        for split in SPLITS[1:]:
            bodies = map(body_of, rows[split]["text"])
            runs = ({body[at : at + 50] for at in range(len(body) - 49)} for body in bodies)
            shared = sum(any(run in text for run in one for text in rows["train"]["text"][:]) for one in runs)
            assert report[f"{split}_in_train"]["share_50_characters"] == shared
            found.append(shared)
        assert report["leaks"] == 0
    assert found[:2] == [0, 0]
    assert min(found[2:]) > 0


def test_every_reject_can_be_found_again(folder, statistics):
    rejects = read_jsonl(folder / "rejects.jsonl")
    assert dict(Counter(row["reason"] for row in rejects)) == statistics["rejected"]
    raws = {(raw.file, raw.number): raw for raw in SOURCES["music21"].read(OPTIONS.source_options)}
    for row in rejects:
        raw = raws[row["file"], row["number"]]
        assert row["reason"] in REASONS
        if row["reason"] != "same music as another tune":
            assert raw.text.startswith(row["opening"])
            assert clean(raw.text, CLEAN).reason == row["reason"]


def test_a_duplicate_that_is_left_out_still_ties_its_tune_to_the_other_whatever_the_order(tmp_path):
    x, y, z = (walk(number) for number in (900, 901, 902))
    tunes = [("one", x), ("one", y), ("two", x), ("two", z)]
    others = [(str(number), walk(number)) for number in range(40)]
    found = []
    for name, order in (("forth", [*tunes, *others]), ("back", [*others[::-1], *tunes[::-1]])):
        statistics = build(session(tmp_path, order), tmp_path / name)
        assert statistics["rejected"] == {"same music as another tune": 1}
        rows = everything(load_splits(tmp_path / name))
        assert len({row["family_id"] for row in rows if row["title"] in ("Tune one", "Tune two")}) == 1
        found.append(sorted((row["text"], row["family_id"]) for row in rows))
        found.append([load_splits(tmp_path / name)[split]["text"][:] for split in SPLITS])
    assert found[:2] == found[2:]


def test_weights_that_leave_nothing_to_train_on_are_refused(tmp_path):
    options = session(tmp_path, [(str(number), walk(number)) for number in range(30)])
    with pytest.raises(UserError, match=r"sources: got \['the_session=1e-06'\], which leaves no tune to train on"):
        build(replace(options, sources=("the_session=1e-06",)), tmp_path / "dataset")
    assert not (tmp_path / "dataset").exists()
