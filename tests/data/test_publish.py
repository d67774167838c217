"""A data set goes to the Hub if all its sources may be passed on, and only then."""

import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import DatasetCard

from hf_scaling.data.clean import CleanOptions
from hf_scaling.data.dataset import DataOptions, build_dataset, load_splits
from hf_scaling.data.sources import SourceOptions

ROOT = Path(__file__).parents[2]
SPLITS = ("train", "validation", "test")


def book(seed):
    """Thirty random tunes as a tune book, and one to reject that names a person."""
    draw = random.Random(seed)
    bars = ("".join(draw.choices("CDEFGABcdefg", k=8)) + "|" for _ in range(30 * 8))
    return (
        "".join(f"X:{n}\nT:Tune {n}\nM:4/4\nL:1/8\nK:G\n{''.join(next(bars) for _ in range(8))}\n\n" for n in range(30))
        + "X:30\nZ:A. Person\nK:G\n[V:1]abc|\n"
    )


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Make a study folder with a data set of some sources."""
    folder = tmp_path_factory.mktemp("studies")
    (folder / "book.abc").write_text(book(1))

    def make(sources, **options):
        name = "-".join([*sources, *map(str, options.values())])
        if not (folder / name).exists():
            source_options = SourceOptions(["miscFolk"], abc_files=str(folder / "book.abc"), **options)
            data = DataOptions(sources, source_options, CleanOptions(64, 2000), 0.2, 0.2, 0.3, seed=0)
            build_dataset(data, folder / name / "dataset", {})
        return folder / name

    return make


@pytest.fixture(scope="module")
def push(hub_server, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")

    def run(*arguments, **environment):
        return subprocess.run(
            [sys.executable, "push_to_hub.py", "dataset", *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env=os.environ | hub_server.environment(home) | environment,
            check=False,
        )

    return run


@pytest.fixture
def refused(commands):
    """Try to push what must be refused before any Hub is asked; the one line that says why."""

    def run(*arguments):
        ended = commands.run("push_to_hub.py", "dataset", *arguments)
        assert ended.code == 2, ended.stderr
        (message,) = ended.problems
        return message

    return run


def test_tunes_under_an_open_licence_are_pushed_and_come_back_the_same(study, push, hub_server, tmp_path):
    folder = study(("abc_files",), files_licence="cc-by-4.0")
    ended = push(folder, "--repository", "user/tunes")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == f"{hub_server.url}/datasets/user/tunes\n"
    files = hub_server.repositories["datasets/user/tunes"].files
    assert {"README.md", "leak_report.json", "statistics.json"} <= files.keys()
    pushed = b"".join(files.values())
    assert str(folder.parent).encode() not in pushed, "where files lie on this machine is told nobody"
    assert b"A. Person" not in pushed, "what cleaning leaves out is not passed on with a reject either"
    assert json.loads(files["rejects.jsonl"])["reason"] == "several voices"
    assert "license: cc-by-4.0" in files["README.md"].decode()
    assert "CC-BY" in files["README.md"].decode().upper()
    loaded = subprocess.run(
        [
            *(sys.executable, "-c"),
            "import datasets, json; rows = datasets.load_dataset('user/tunes');"
            "print(json.dumps({split: rows[split]['text'][:] for split in rows}))",
        ],
        capture_output=True,
        text=True,
        env=os.environ | hub_server.environment(tmp_path),
        check=True,
    )
    splits = load_splits(folder / "dataset")
    assert json.loads(loaded.stdout.splitlines()[-1]) == {split: splits[split]["text"][:] for split in SPLITS}


@pytest.mark.parametrize(
    ("sources", "options", "named"),
    [
        (("music21",), {}, "music21"),
        (("abc_files",), {}, "abc_files"),
        (("abc_files", "music21"), {"files_licence": "cc0-1.0"}, "music21"),
        (("abc_files", "music21"), {}, "abc_files, music21"),
    ],
)
def test_what_may_not_be_passed_on_is_refused_by_name(study, refused, sources, options, named):
    message = refused(study(sources, **options), "--repository", "user/closed")
    assert f"may not be pushed, since {named} may not be redistributed" in message


def test_where_licences_differ_the_metadata_lead_to_those_on_the_card(study, commands, tmp_path):
    row = dict.fromkeys(("meter", "type", "date"), "") | {"tune_id": "1", "setting_id": "1", "name": "One", "mode": "G"}
    (tmp_path / "tunes.json").write_text(json.dumps([row | {"abc": "GABc dedB|" * 8}]))
    (tmp_path / "LICENSE.md").write_text("Open Database License (ODbL)")
    options = {"files_licence": "mit", "accept_licence": "odbl-1.0", "the_session_path": str(tmp_path)}
    folder = study(("abc_files", "the_session"), **options)
    ended = commands.run("push_to_hub.py", "dataset", folder, "--repository", "user/mixed", "--dry-run")
    assert ended.code == 0, ended.stderr
    (card,) = (folder / "hub").rglob("README.md")
    data = DatasetCard.load(card).data
    assert (data.license, data.license_name) == ("other", "see-below")
    assert data.license_link.endswith("/datasets/user/mixed#licences")
    text = card.read_text(encoding="utf-8")
    assert "\n## Licences\n" in text
    assert "| `abc_files` | mit |" in text
    assert "| `the_session` | odbl |" in text


def test_statistics_that_claim_otherwise_are_not_believed(study, refused, tmp_path):
    folder = tmp_path / "study"
    folder.symlink_to(study(("music21",)))
    statistics = folder / "dataset" / "statistics.json"
    before = statistics.read_text()
    claims = json.loads(before)
    claims["options"]["sources"] = ["abc_files"]
    claims["options"]["source_options"]["files_licence"] = "cc0-1.0"
    statistics.write_text(json.dumps(claims))
    message = refused(folder, "--repository", "user/claimed")
    statistics.write_text(before)
    assert "holds tunes of music21, which its statistics do not name" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere", "--repository", "user/tunes"], "nowhere/dataset: holds no data set"),
        (["nowhere"], "the following arguments are required: --repository"),
    ],
)
def test_what_is_missing_is_named(refused, arguments, message):
    told = refused(*arguments)
    assert message in told


@pytest.mark.parametrize("damage", ["sources", "dataset_dict.json", "train"])
def test_a_damaged_data_set_is_one_line(study, refused, tmp_path, damage):
    shutil.copytree(study(("abc_files",), files_licence="cc-by-4.0"), tmp_path / "study")
    dataset = tmp_path / "study" / "dataset"
    if damage == "sources":
        statistics = json.loads((dataset / "statistics.json").read_text())
        statistics["options"]["sources"] = [3]
        (dataset / "statistics.json").write_text(json.dumps(statistics))
    else:
        (dataset / damage).rename(tmp_path / damage)
    message = refused(tmp_path / "study", "--repository", "user/damaged")
    assert "expected the data set of a prepared study" in message


def test_a_hub_that_cannot_be_reached_is_one_line_without_the_token(study, push):
    folder = study(("abc_files",), files_licence="cc-by-4.0")
    for arguments, environment in (
        (["--repository", "user/tunes"], {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_TOKEN": "hf_secret"}),
        (["--repository", "a/b/c"], {}),
    ):
        ended = push(folder, *arguments, **environment)
        assert ended.returncode == 2
        assert f"{arguments[1]}: the Hub did not take it" in ended.stderr
        assert "hf_secret" not in ended.stderr + ended.stdout
        assert ended.stderr.count("\n") == 1
