"""Everything of a study to a Hub on loopback: twice, interrupted, refused, and a part of it at a time."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from huggingface_hub import SpaceCard
from huggingface_hub.utils import enable_progress_bars
from packaging.specifiers import SpecifierSet

from hf_scaling.records import append_row, finished_rows, read_json, write_jsonl
from hf_scaling.study.keep import keep

ROOT = Path(__file__).parents[2]
GRADIO = ">=6,<7"
ENDINGS = {
    "dataset": ["datasets/me/folk"],
    "tokenizer": ["models/me/folk-tokenizer"],
    "ledger": ["datasets/me/folk-ledger"],
    "best": ["models/me/folk"],
    "report": ["spaces/me/folk-report"],
    "space": ["spaces/me/folk"],
}
ALWAYS = {"README.md", "LICENSE", "config.json", "generation_config.json", "model.safetensors"}
ALWAYS |= {".gitattributes", "tokenizer.json", "tokenizer_config.json"}
CODE = {"configuration_folk_lstm.py", "modeling_folk_lstm.py"}


def models(hub):
    return {name: hub.repositories[name].files for name in hub.repositories if "-a-" in name}


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_everything_is_pushed_and_the_second_push_changes_nothing_and_says_so(push, hub, open_study):
    all_of_it = ("all", open_study, "--repository", "me/folk", "--collection", "Folk at all sizes")
    first = push(*all_of_it)
    assert (first.code, first.err) == (0, [])
    assert len(first.out) == len(hub.repositories) + 1 == 10
    commits = {name: list(repository.versions) for name, repository in hub.repositories.items()}
    again = push(*all_of_it)
    assert (again.code, again.err) == (0, [])
    assert again.out == [f"{line} (unchanged)" for line in first.out]
    assert commits == {name: list(repository.versions) for name, repository in hub.repositories.items()}

    assert hub.repositories.keys() >= {name for names in ENDINGS.values() for name in names}
    for name, held in models(hub).items():
        assert held.keys() == ALWAYS | (CODE if "lstm" in name else set()), name
        assert json.loads(held["config.json"])["use_cache"] is True
        assert json.loads(held["generation_config.json"])["do_sample"] is True
        assert ("auto_map" in json.loads(held["config.json"])) == ("lstm" in name)
    best = hub.repositories["models/me/folk"].files
    assert {"samples/001.abc", "samples/001.mid", "samples/001.svg"} <= best.keys()
    (collection,) = hub.collections.values()
    assert {f"{item['type']}s/{item['id']}" for item in collection["items"]} == hub.repositories.keys()
    held = b"".join(content for repository in hub.repositories.values() for content in repository.files.values())
    assert str(Path(sys.executable).parent).encode() not in held
    assert hub.repositories["spaces/me/folk-report"].files["index.html"] == (open_study / "report.html").read_bytes()
    assert [hub.repositories[f"spaces/me/folk{end}"].sdk for end in ("", "-report")] == ["gradio", "static"]


@pytest.mark.parametrize(
    ("what", "best", "runs"),
    [(["space"], True, True), (["space", "best"], True, False), (["space", "models"], False, True)],
)
def test_a_space_shows_the_models_that_are_pushed_with_it_or_else_all(push, hub, open_study, what, best, runs):
    assert push(*what, open_study, "--repository", "me/folk", "--revision", "v1").code == 0
    repository = hub.repositories["spaces/me/folk"]
    files = repository.versions[repository.names["v1"]]
    shown = json.loads(files["space.json"])
    names = [f"me/folk-{row['run_id']}" for row in finished_rows(open_study / "runs.jsonl")]
    named = [model["name"] for model in shown["models"]]
    assert (named[0] == "me/folk", set(names) <= set(named)) == (best, runs)
    assert {model["revision"] for model in shown["models"]} == {"v1"}
    assert len(named) == len({model["label"] for model in shown["models"]})
    assert shown["terms"][0].startswith("abc_files: Contains tunes from files of the user")
    card = SpaceCard(files["README.md"].decode())
    assert (card.data.sdk, card.data.app_file, card.data.license) == ("gradio", "app.py", "apache-2.0")
    assert card.data.models == named
    for name in ("title", "emoji", "colorFrom", "colorTo", "sdk_version", "pinned", "python_version"):
        assert card.data.get(name) is not None
    assert card.data.sdk_version in SpecifierSet(GRADIO)


def test_of_several_runs_of_a_size_the_best_is_shown(push, study):
    row = finished_rows(study / "runs.jsonl")[0]
    append_row(study / "runs.jsonl", row | {"run_id": "worse-of-the-same-size", "val_loss": row["val_loss"] + 1})
    push("space", study, "--repository", "me/folk", "--dry-run")
    shown = read_json(study / "hub" / "space" / "me" / "folk" / "space.json")["models"]
    assert f"me/folk-{row['run_id']}" in [model["name"] for model in shown]
    assert "me/folk-worse-of-the-same-size" not in [model["name"] for model in shown]


def test_the_space_asks_for_what_this_package_asks_for():
    asked = (ROOT / "hf_scaling" / "hub" / "space" / "requirements.txt").read_text().splitlines()
    assert [line for line in asked if f'"{line}"' not in (ROOT / "setup.py").read_text()] == []
    assert f"gradio{GRADIO}" in asked


def test_the_figure_of_a_card_is_the_same_every_time(push, hub, figured):
    push("best", figured, "--repository", "me/folk")
    assert hub.repositories["models/me/folk"].files["scaling.png"].startswith(b"\x89PNG")
    assert push("best", figured, "--repository", "me/folk").out == [f"{hub.url}/me/folk (unchanged)"]


def test_a_dry_run_needs_no_hub_and_writes_the_folders_that_a_push_sends(push, hub, study):
    some = ("ledger", "tokenizer", "report", "best", "space", study, "--repository", "me/folk")
    for what in (("dataset", study, "--repository", "me/folk"), some):
        planned = push(*what, "--dry-run", "--collection", "Folk")
        assert (planned.code, planned.err) == (0, [])
    assert hub.requests == []
    assert planned.out[-1] == "collection 'Folk': 5 repositories"
    assert (study / "hub" / "dataset" / "me" / "folk" / "data" / "train.parquet").is_file()
    written = files(study / "hub" / "dataset" / "me" / "folk-ledger")
    held = f"{len(written)} files, {sum(map(len, written.values())):,} bytes"
    assert f"dataset me/folk-ledger: {held}, in {study}/hub/dataset/me/folk-ledger" in planned.out
    push(*some)
    assert len(hub.repositories) == 5
    for name in hub.repositories:
        kind, _, rest = name.partition("s/")
        sent = {path: data for path, data in hub.repositories[name].files.items() if path != ".gitattributes"}
        assert sent == files(study / "hub" / kind / rest)


def test_what_may_not_be_passed_on_is_refused_by_name_and_the_rest_is_pushed(push, hub, tiny_study):
    pushed = push("dataset", "tokenizer", "ledger", tiny_study.folder, "--repository", "me/folk")
    assert pushed.code == 2
    (refusal,) = pushed.err
    assert "may not be pushed, since music21 may not be redistributed" in refusal
    assert hub.repositories.keys() == {"models/me/folk-tokenizer", "datasets/me/folk-ledger"}


def test_an_interrupted_push_goes_on_and_sends_no_large_file_twice(push, hub, study):
    hub.fail("POST .*/commit/", 0)
    cut = push("ledger", "best", study, "--repository", "me/folk")
    assert cut.code == 2
    (problem,) = cut.err
    assert problem.startswith("me/folk-ledger: the Hub did not take it (")
    assert cut.out == [f"{hub.url}/me/folk"]
    assert "data/runs.parquet" not in hub.repositories["datasets/me/folk-ledger"].files
    before = len(hub.requests)
    resumed = push("ledger", "best", study, "--repository", "me/folk")
    assert resumed.code == 0
    assert resumed.out == [f"{hub.url}/datasets/me/folk-ledger", f"{hub.url}/me/folk (unchanged)"]
    assert "data/runs.parquet" in hub.repositories["datasets/me/folk-ledger"].files
    assert not [request for request in hub.requests[before:] if request[0] == "PUT"]


CREATE, COMMIT = "POST /api/repos/create", "POST /api/models/.*/commit/"


@pytest.mark.parametrize(
    ("fault", "status", "said", "told"),
    [
        (CREATE, 401, "Invalid username or password.", "401: Invalid username or password.; log in with"),
        (CREATE, 403, f"no write access for hf_loopback_{'secret'}", "403: no write access for <token>; the token may"),
        (CREATE, 404, "no such organisation", "404: no such organisation; no such user or organisation"),
        (COMMIT, 403, "Private repository storage limit reached", "403: Private repository storage limit reached;"),
        (
            COMMIT,
            409,
            "The branch has moved\nin the meantime",
            "409: The branch has moved in the meantime; somebody else",
        ),
        (COMMIT, 413, "too large", "413: too large; the account is full"),
        (COMMIT, 429, "slow down", "429: slow down; too many requests; push again later"),
        (COMMIT, 500, "we are sorry", "500: we are sorry; the Hub is in trouble; push again later"),
        (COMMIT, 0, "", "disconnected"),
        ("POST /api/validate-yaml", 400, "not in the list of licences", "not in the list of licences"),
    ],
)
def test_a_fault_is_one_line_and_the_other_repositories_are_pushed(push, hub, open_study, fault, status, said, told):
    hub.fail(fault, status, said)
    ended = push("tokenizer", "report", open_study, "--repository", "me/folk")
    assert ended.code == 2
    (problem,) = ended.err
    assert problem.startswith("me/folk-tokenizer: the Hub did not take it (")
    assert told in problem
    assert ended.out == [f"{hub.url}/spaces/me/folk-report"]
    assert push("tokenizer", open_study, "--repository", "me/folk").out == [f"{hub.url}/me/folk-tokenizer"]


def test_a_collection_that_is_refused_loses_no_repository(push, hub, open_study):
    hub.fail("POST /api/collections/.*/items", 500)
    arguments = ("tokenizer", open_study, "--repository", "me/folk", "--collection", "Folk")
    ended = push(*arguments)
    assert (ended.code, ended.out) == (2, [f"{hub.url}/me/folk-tokenizer"])
    assert ended.err[0].startswith("push_to_hub.py: collection 'Folk': the Hub did not take it (500: ")
    again = push(*arguments)
    (slug,) = hub.collections
    assert (again.code, again.out[1]) == (0, f"{hub.url}/collections/{slug}")
    assert len(hub.collections[slug]["items"]) == 1


BUSY = "me/folk-ledger: the Hub is busy and asks for patience; going on in 7 s"
LARGE = "PUT /large-files/"


@pytest.mark.parametrize(
    ("fault", "header"),
    [*((fault, {"Retry_After": "7"}) for fault in (CREATE, "GET /api/datasets/", "/preupload/", LARGE, "/commit/")),
     (CREATE, {"RateLimit": '"api";r=0;t=7'})],
)  # fmt: skip
def test_where_the_hub_says_when_to_come_back_it_is_waited_for_and_told(push, hub, study, monkeypatch, fault, header):
    waited = []
    monkeypatch.setattr(time, "sleep", waited.append)
    hub.fail(fault, 429, times=2, **header)
    pushed = push("ledger", study, "--repository", "me/folk")
    assert (pushed.code, pushed.err) == (0, [BUSY, BUSY])
    assert pushed.out == [f"{hub.url}/datasets/me/folk-ledger"]
    assert waited == [7, 7]


@pytest.mark.parametrize(
    ("fault", "header"),
    [*((fault, {"Retry_After": "86400"}) for fault in (CREATE, "/preupload/", LARGE)),
     (CREATE, {"Retry_After": "Wed, 21 Oct 2026 07:28:00 GMT"}), (CREATE, {"RateLimit": '"api";r=0;t=86400'}),
     ("/preupload/", {})],
)  # fmt: skip
def test_nobody_waits_a_day(push, hub, study, monkeypatch, fault, header):
    monkeypatch.setattr(time, "sleep", lambda waited: pytest.fail(f"slept {waited} s"))
    hub.fail(fault, 429, "slow down", **header)
    ended = push("ledger", study, "--repository", "me/folk")
    assert ended.code == 2
    assert ended.err == [
        "me/folk-ledger: the Hub did not take it (429: slow down; too many requests; push again later)"
    ]


@pytest.mark.parametrize(
    ("status", "told"), [(403, "403: no room; the token may not write there"), (0, "disconnected")]
)
def test_a_large_file_that_is_not_taken_is_one_line_and_the_others_are_pushed(
    push, hub, study, monkeypatch, status, told
):
    monkeypatch.setattr(time, "sleep", lambda _: None)  # the client tries a connection that is cut six times
    hub.fail(LARGE, status, "no room", times=6)
    ended = push("ledger", "report", study, "--repository", "me/folk")
    assert (ended.code, ended.out) == (2, [f"{hub.url}/spaces/me/folk-report"])
    (problem,) = ended.err
    assert problem.startswith("me/folk-ledger: the Hub did not take it (")
    assert told in problem


def test_somebody_at_a_terminal_sees_what_is_sent_and_how_far_it_is(push, study, monkeypatch):
    enable_progress_bars()  # which an earlier test, that nobody watched, has done without
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    announced, *bars = push("ledger", study, "--repository", "me/folk").err
    assert re.fullmatch(r"dataset me/folk-ledger: 2 files, [\d,]+ bytes", announced)
    assert any("runs.parquet: 100%" in bar for bar in bars)


def test_a_damaged_run_does_not_lose_the_others(push, hub, study):
    runs = [study / "runs" / row["run_id"] for row in finished_rows(study / "runs.jsonl")]
    weights = runs[0] / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    (runs[1] / "model" / "model.safetensors").rename(runs[1] / "model" / "pytorch_model.bin")
    (runs[2] / "model" / "generation_config.json").write_text("[]")
    pushed = push("models", "best", study, "--repository", "me/folk")
    assert pushed.code == 2
    assert pushed.out == [f"{hub.url}/me/folk"]
    assert len(pushed.err) == 3
    for run, told in zip(runs, ("damaged", "holds no safetensors", "expected an object"), strict=True):
        assert any(str(run) in line and told in line for line in pushed.err)


def test_of_a_kept_folder_the_ledger_goes_and_what_was_left_out_is_named(push, hub, study, tmp_path):
    kept = tmp_path / "kept"
    keep(study, kept)
    what = ("dataset", "tokenizer", "ledger", "models", "best", "report")
    ended = push(*what, kept, "--repository", "me/folk")
    assert (ended.code, ended.out) == (2, [f"{hub.url}/datasets/me/folk-ledger"])
    runs = [row["run_id"] for row in finished_rows(study / "runs.jsonl")]
    missing = ["dataset", "tokenizer/tokenizer.json", "report.html"]
    missing += [f"runs/{run}/model/config.json" for run in (*runs, f"best-{read_json(study / 'best.json')['run_id']}")]
    assert sorted(line.partition(": ")[0] for line in ended.err) == sorted(str(kept / name) for name in missing)
    assert all(line.endswith("study, not one of `hf-scaling keep`") for line in ended.err)
    whole = push("ledger", study, "--repository", "me/whole")
    assert whole.code == 0
    ledgers = [hub.repositories[f"datasets/me/{name}-ledger"].files for name in ("folk", "whole")]
    assert ledgers[0]["data/runs.parquet"] == ledgers[1]["data/runs.parquet"]


def test_a_page_without_models_is_neither_pushed_nor_served(push, hub, study, commands):
    rows = finished_rows(study / "runs.jsonl")
    for row in rows:
        shutil.rmtree(study / "runs" / row["run_id"] / "model")
    shutil.rmtree(next((study / "runs").glob("best-*")))
    told = f"{study}: holds no model to show; expected the folder of a finished study"
    served = commands.run("hf-scaling", "demo", study)
    assert (served.code, len(served.problems)) == (2, 1)
    assert served.problems[0].startswith(f"hf-scaling: {told}")
    (study / "best.json").unlink()
    write_jsonl(study / "runs.jsonl", [row | {"status": "failed", "error": "no"} for row in rows])
    (problem,) = push("space", study, "--repository", "me/folk").err
    assert problem.startswith(told)
    assert hub.repositories == {}


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        ("fits.json", {"fits": [{}]}, "fits.json: family: got None"),
        ("best.json", [], "best.json: got list, expected an object"),
        ("best.json", {"run_id": 3}, "best.json: n_params: got None"),
        ("dataset/statistics.json", {"splits": 3}, "statistics.json: splits: got 3"),
        ("dataset/leak_report.json", {"split_threshold": "x"}, "leak_report.json: split_threshold: got 'x'"),
        ("samples/samples.jsonl", {"index": "../../x"}, "samples.jsonl: index: got '../../x'"),
    ],
)
def test_damage_is_named(push, hub, study, name, damage, told):
    (study / name).write_text(json.dumps(damage) + "\n")
    ended = push("best", study, "--repository", "me/folk")
    assert ended.code == 2
    (problem,) = ended.err
    assert told in problem
    assert hub.requests == []


def test_fits_that_cannot_be_drawn_are_named(push, figured):
    fits = json.loads((figured / "fits.json").read_text())
    del fits["fits"][0]["points"][0]["n"]
    (figured / "fits.json").write_text(json.dumps(fits))
    (problem,) = push("best", figured, "--repository", "me/folk").err
    assert "fits.json: damaged (KeyError('n')); delete it" in problem


def test_private_means_private(push, hub, open_study):
    arguments = ("tokenizer", open_study, "--repository", "me/folk")
    push(*arguments, "--private", "--collection", "Mine")
    assert hub.repositories["models/me/folk-tokenizer"].private
    assert [collection["private"] for collection in hub.collections.values()] == [True]
    hub.repositories["models/me/folk-tokenizer"].private = False
    before = list(hub.repositories["models/me/folk-tokenizer"].versions)
    refused = push(*arguments, "--private")
    assert refused.code == 2
    assert "is public already, and --private was asked for" in refused.err[0]
    assert list(hub.repositories["models/me/folk-tokenizer"].versions) == before


def test_a_revision_is_a_branch_of_its_own(push, hub, open_study):
    for said in ("", " (unchanged)"):
        pushed = push("tokenizer", open_study, "--repository", "me/folk", "--revision", "v1")
        assert pushed.out == [f"{hub.url}/me/folk-tokenizer{said}"]
    repository = hub.repositories["models/me/folk-tokenizer"]
    assert repository.files.keys() == {".gitattributes"}
    card = repository.versions[repository.names["v1"]]["README.md"].decode()
    assert 'from_pretrained("me/folk-tokenizer", revision="v1")' in card


def test_samples_that_are_no_more_are_taken_away_and_what_others_added_stays(push, hub, study):
    push("best", study, "--repository", "me/folk")
    repository = hub.repositories["models/me/folk"]
    repository.commit(repository.files | {"NOTES.md": b"by hand"}, "by hand")
    samples = study / "samples" / "samples.jsonl"
    samples.write_text("".join(samples.read_text().splitlines(keepends=True)[:4]))
    push("best", study, "--repository", "me/folk")
    kept = {path for path in repository.files if path.startswith("samples/")}
    assert kept == {f"samples/00{n}.{kind}" for n in range(1, 5) for kind in ("abc", "mid", "svg", "opus")}
    assert repository.files["NOTES.md"] == b"by hand"


@pytest.mark.parametrize(
    ("arguments", "repository"),
    [(["--repository", "folk"], "models/tester/folk-tokenizer"),
     (["--repository", "folk", "--org", "club"], "models/club/folk-tokenizer")],
)  # fmt: skip
def test_a_name_without_an_owner_is_the_organisations_or_ones_own(push, hub, open_study, arguments, repository):
    assert push("tokenizer", open_study, *arguments).code == 0
    assert hub.repositories.keys() == {repository}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["weights", "STUDY", "--repository", "me/folk"], "argument what: invalid choice: 'weights'"),
        (["models", "STUDY", "--repository", "me/folk", "--org", "club"], "--org: got 'club' beside"),
        (["models", "nowhere", "--repository", "me/folk"], "nowhere: not a study folder; expected a folder with"),
        (["models", "STUDY", "--repository", "../../etc/folk"], "../../etc/folk"),
    ],
)
def test_what_makes_no_sense_is_one_line(push, hub, open_study, arguments, told):
    ended = push(*[str(open_study) if word == "STUDY" else word for word in arguments])
    assert ended.code == 2
    assert all(told in line for line in ended.err)
    assert ended.err
    assert hub.repositories == {}


def test_a_dry_run_leaves_the_study_folder_by_no_name(push, study):
    assert push("tokenizer", study, "--repository", "../../../out", "--dry-run").code == 2
    assert not (study / "hub").exists()


@pytest.mark.parametrize("run_id", ["../../elsewhere", 'x"); import os; os.system("true', "a b", ""])
def test_a_run_id_that_is_no_name_is_refused(push, hub, study, run_id):
    ledger = study / "runs.jsonl"
    row = json.loads(ledger.read_text().splitlines()[0]) | {"run_id": run_id}
    ledger.write_text(json.dumps(row) + "\n")
    ended = push("models", study, "--repository", "me/folk")
    assert ended.code == 2
    assert "expected letters, digits" in ended.err[0]


def test_code_of_others_is_not_passed_on(push, hub, study):
    """A model folder may name code of another repository, which `trust_remote_code` would fetch and run."""
    for family in ("gpt2", "folk_lstm"):
        model = next((study / "runs").glob(f"{family}-a-*")) / "model"
        for name in ("config.json", "tokenizer_config.json"):
            settings = json.loads((model / name).read_text()) | {"auto_map": {"AutoModelForCausalLM": "evil/x--m.Y"}}
            (model / name).write_text(json.dumps(settings))
        (model / "modeling_folk_lstm.py").write_text("raise SystemExit('owned')")
        (model / "pytorch_model.bin").write_bytes(b"a pickle")
    push("models", study, "--repository", "me/folk")
    for held in models(hub).values():
        assert b"evil" not in held["config.json"] + held["tokenizer_config.json"]
        assert b"owned" not in held.get("modeling_folk_lstm.py", b"")
        assert "pytorch_model.bin" not in held


def test_as_a_command_it_loads_no_torch_and_says_who_is_missing(hub, study, tmp_path):
    code = "import runpy, sys; main = runpy.run_path('push_to_hub.py')['main']; code = main(sys.argv[1:]);"
    code += "assert not {'torch', 'transformers', 'datasets', 'gradio'} & sys.modules.keys(); sys.exit(code)"
    arguments = ["tokenizer", "best", "ledger", "report", "space", str(study), "--repository", "me/folk"]
    environment = os.environ | hub.environment(tmp_path)
    ended = subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    del environment["HF_TOKEN"]
    ended = subprocess.run(
        [sys.executable, "push_to_hub.py", "tokenizer", str(study), "--repository", "folk"],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.count("\n") == 1
    assert ended.stderr.startswith("push_to_hub.py: --repository without a user: the Hub did not take it")
