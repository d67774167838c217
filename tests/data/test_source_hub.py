"""Tunes from a Hub on loopback, read by a process of its own: the libraries read its address once, at their import."""

import json
import os
import subprocess
import sys

import pytest

from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.records import UserError

HUB = SOURCES["hub"]
READER = """
import json, sys
from dataclasses import asdict
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.records import UserError
hub = SOURCES["hub"]
for line in sys.stdin:
    options = SourceOptions(**json.loads(line))
    answer = {"identity": hub.identity(options), "tunes": []}
    try:
        answer["tunes"] += [{"kind": type(tune).__name__} | asdict(tune) for tune in hub.read(options)]
    except UserError as error:
        answer["error"] = str(error)
    print(json.dumps(answer), flush=True)
"""
# as sander-wood/irishman has them: titles and everything else in words left out
ROWS = [
    {"abc notation": "L:1/8\nM:6/8\nK:D\n|: AFA BAB |]\n", "control code": "S:1\nB:1\n"},
    {"abc notation": "X:7\nL:1/8\nM:4/4\nK:G\n|: GABc d4 :|\n", "control code": "S:1\nB:1\n"},
]


def json_lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def start(environment):
    return subprocess.Popen(
        [sys.executable, "-c", READER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | environment,
    )


@pytest.fixture(scope="module")
def read(hub_server, tmp_path_factory):
    """What a process that takes the server for the Hub reads: identity, tunes, and the error if there was one."""
    hub_server.add(
        "sander-wood/irishman",
        {
            "README.md": "---\nlicense: mit\n---\n",
            "train.json": json.dumps(ROWS),
            "validation.json": json.dumps(ROWS[:1]),
            "leadsheet_ids.json": '{"train": [1]}',
        },
    )
    child = start(hub_server.environment(tmp_path_factory.mktemp("home")))

    def read(**options):
        child.stdin.write(json.dumps(options) + "\n")
        child.stdin.flush()
        return json.loads(child.stdout.readline())

    yield read
    child.communicate()


def texts(answer):
    assert "error" not in answer, answer["error"]
    return [tune.get("text") for tune in answer["tunes"]]


def error(answer):
    assert not answer["tunes"]
    assert "\n" not in answer["error"]
    return answer["error"]


def test_irishman_is_read_by_default_and_its_tunes_are_made_whole(read, hub_server):
    answer = read()
    assert texts(answer) == ["X:1\nL:1/8\nM:6/8\nK:D\n|: AFA BAB |]\n", ROWS[1]["abc notation"]]
    first = answer["tunes"][0]
    assert (first["source"], first["collection"], first["file"]) == ("hub", "sander-wood/irishman", "train")
    assert [tune["number"] for tune in answer["tunes"]] == [1, 2]
    commit = hub_server.repositories["datasets/sander-wood/irishman"].names["main"]
    assert answer["identity"] == f"sander-wood/irishman@{commit}"


def test_a_split_can_be_chosen(read):
    assert len(texts(read(hub_split="validation"))) == 1
    assert "Bad split: nothing" in error(read(hub_split="nothing"))


def test_a_revision_stays_what_it_is_while_the_main_branch_moves_on(read, hub_server):
    old = hub_server.add("tester/moving", {"train.jsonl": json_lines({"abc": "X:1\nK:C\nold|"})})
    new = hub_server.add("tester/moving", {"train.jsonl": json_lines({"abc": "X:1\nK:C\nnew|"})})
    for revision, commit, word in ((None, new, "new"), ("main", new, "new"), (old, old, "old")):
        answer = read(hub_dataset="tester/moving", hub_revision=revision)
        assert texts(answer) == [f"X:1\nK:C\n{word}|"]
        assert answer["identity"] == f"tester/moving@{commit}"
    assert error(read(hub_dataset="tester/moving", hub_revision="gone")).startswith(
        "hub_revision: got 'gone', expected"
    )
    assert "cannot be read" in error(read(hub_dataset="tester/moving", hub_revision="0" * 40))


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("train.csv", 'number,Some ABC\n1,"X:1\nK:C\nabc|"\n'),
        ("data/train-00000-of-00001.jsonl", json_lines({"number": 1, "Some ABC": "X:1\nK:C\nabc|"})),
    ],
)
def test_any_data_set_is_read_by_the_only_column_that_is_called_abc(read, hub_server, file, content):
    hub_server.add("tester/any", {file: content})
    assert texts(read(hub_dataset="tester/any")) == ["X:1\nK:C\nabc|"]


def test_a_column_that_cannot_be_told_or_does_not_exist_is_asked_for(read, hub_server):
    hub_server.add(
        "tester/two", {"train.jsonl": json_lines({"abc_raw": "X:1\nK:C\na|", "abc": "X:1\nK:C\nb|", "t": 1})}
    )
    for column in (None, "tune"):
        assert error(read(hub_dataset="tester/two", hub_column=column)) == (
            f"hub_column: got {column!r}, expected the column of tester/two with ABC, one of: 'abc_raw', 'abc', 't'"
        )
    assert texts(read(hub_dataset="tester/two", hub_column="abc")) == ["X:1\nK:C\nb|"]


def test_rows_without_a_tune_are_counted(read, hub_server):
    rows = [{"abc": None}, {"abc": " \n"}, {"abc": "X:1\nK:C\n" + "a" * 2**20}, {"abc": "K:C\nabc|"}]
    hub_server.add("tester/gaps", {"train.jsonl": json_lines(*rows)})
    tunes = read(hub_dataset="tester/gaps")["tunes"]
    assert [tune.get("reason") for tune in tunes] == ["no tune in file", "no tune in file", "overlong tune", None]
    assert [tune["number"] for tune in tunes] == [1, 2, 3, 4]


def test_a_column_of_numbers_holds_no_tune(read, hub_server):
    hub_server.add("tester/numbers", {"train.jsonl": json_lines({"abc": 1})})
    assert [tune["kind"] for tune in read(hub_dataset="tester/numbers")["tunes"]] == ["Unread"]


@pytest.mark.parametrize("name", ["tester/missing", "no name!", "a/b/c"])
def test_a_data_set_that_does_not_exist_is_named(read, name):
    answer = read(hub_dataset=name)
    assert error(answer) == f"hub_dataset: got {name!r}, expected USER/NAME of a data set that you have access to"
    assert answer["identity"] is None


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"README.md": "nothing else"}, "doesn't contain any data files"),
        ({"train.json": '[{"abc": "X:1'}, "cannot be read"),
        ({"train.jsonl": ""}, "cannot be read"),
        ({"train.parquet": b"PAR1 but no more"}, "Parquet magic bytes not found"),
        ({"train.jsonl": '{"abc": "X:1"}\n{"abc": '}, "cannot be read"),
    ],
)
def test_a_data_set_that_is_empty_or_damaged_is_one_line_of_error(read, hub_server, files, reason):
    hub_server.add("tester/damaged", files)
    answer = read(hub_dataset="tester/damaged")
    assert reason in answer["error"]
    assert answer["error"].startswith("hub_dataset: tester/damaged, split 'train', cannot be read (")


def test_what_is_pushed_can_be_read_again(read, hub_server, tmp_path):
    push = (
        "from datasets import Dataset, DatasetDict; "
        "make = lambda n: Dataset.from_dict({'abc': [f'X:{i}' + chr(10) + 'K:C' for i in range(n)]}); "
        "DatasetDict(train=make(30), test=make(3)).push_to_hub('tester/pushed')"
    )
    environment = os.environ | hub_server.environment(tmp_path)
    subprocess.run([sys.executable, "-c", push], env=environment, check=True, capture_output=True)
    assert texts(read(hub_dataset="tester/pushed", hub_split="test")) == ["X:0\nK:C", "X:1\nK:C", "X:2\nK:C"]


def test_an_address_where_nobody_answers_is_one_line_of_error(hub_server, tmp_path):
    child = start(hub_server.environment(tmp_path) | {"HF_ENDPOINT": "http://127.0.0.1:1"})
    printed, _ = child.communicate(json.dumps({}) + "\n")
    answer = json.loads(printed)
    assert error(answer).startswith("hub_dataset: sander-wood/irishman, split 'train', cannot be read (")
    assert answer["identity"] is None


@pytest.mark.parametrize("revision", [None, "0" * 40])
def test_offline_is_one_line_of_error(revision):
    with pytest.raises(UserError, match=r"^hub_dataset: sander-wood/irishman, split 'train', cannot be read") as caught:
        list(HUB.read(SourceOptions(hub_revision=revision)))
    assert "\n" not in str(caught.value)


def test_offline_only_a_commit_tells_what_would_be_read():
    assert HUB.identity(SourceOptions()) is None
    assert HUB.identity(SourceOptions(hub_dataset="a/b", hub_revision="f" * 40)) == f"a/b@{'f' * 40}"


def test_irishman_carries_its_caution_and_other_data_sets_are_not_passed_on():
    irishman = HUB.licence(SourceOptions())
    assert irishman.identifier == "mit"
    for word in ("MIT as stated by its author", "Caution", "thesession.org", "abcnotation.com"):
        assert word in irishman.notice
    other = HUB.licence(SourceOptions(hub_dataset="tester/any"))
    assert (other.identifier, other.redistributable, other.commercial_use) == ("unknown", False, False)
    assert "tester/any" in other.notice
