"""Tunes that attack: through data set, tokenizer, samples, report and cards, into a browser, where nothing runs."""

import os
import random
import shutil
import subprocess

import pytest
import yaml
from markdown_it import MarkdownIt

from hf_scaling.data.dataset import load_splits
from hf_scaling.records import read_jsonl, write_jsonl
from hf_scaling.report import write_report
from hf_scaling.tokenization import load_tokenizer

ATTACKS = [
    "<script>document.title='owned'</script>",
    "<img src=x onerror=\"document.title='owned'\">",
    "\"><svg onload=document.title='owned'>",
    "[x](javascript:document.title='owned')",
    "![x](http://example.org/leak.png)",
    "```\n</script>".replace("\n", " "),
    "../../../etc/passwd",
    "/etc/passwd; rm -rf $(HOME)",
    "!!python/object/apply:os.system ['touch owned']",
    "--- {{ 7*7 }} {% include '/etc/passwd' %}",
    "<|bos|><|pad|>",
    "con\u202eeman-\u0000\u2028end",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next((path for name in NAMES if (path := shutil.which(name))), None)
OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run"]
OPTIONS += ["--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND"]


@pytest.fixture(scope="module")
def prepared(commands, tiny_yaml, tmp_path_factory):
    """Data set, tokenizer and tokens of tunes every one of which has an attack for a title."""
    place = tmp_path_factory.mktemp("hostile")
    draw = random.Random(1)
    with open(place / "attacks.abc", "w", encoding="utf-8", newline="\n") as book:
        for number in range(240):
            music = "|".join("".join(draw.choices("ABcdefga", k=8)) for _ in range(8))
            title = ATTACKS[number % len(ATTACKS)]
            book.write(f"X:{number}\nT:{title}\nR:{title}\nC:{title}\nM:4/4\nL:1/8\nK:D\n{music}|]\n\n")
    config = yaml.safe_load(tiny_yaml.read_text()) | {
        "sources": ["abc_files=1"], "abc_files": str(place / "attacks.abc"), "files_licence": "cc0-1.0",
        "collections": [], "keep_fields": ["C"],
    }  # fmt: skip
    (place / "hostile.yaml").write_text(yaml.safe_dump(config))
    folder = place / "study"
    ended = commands.run("prepare_data.py", "--config", place / "hostile.yaml", "--output_dir", folder, cwd=place)
    assert ended.code == 0, ended.stderr
    assert not (place / "owned").exists()
    return folder


@pytest.fixture
def study(tiny_study, prepared, tmp_path):
    """The tiny study with that data set, and with an attack for the title of each sample: models may write anything."""
    folder = tmp_path / "study"
    shutil.copytree(tiny_study.folder, folder)
    shutil.rmtree(folder / "dataset")
    shutil.copytree(prepared / "dataset", folder / "dataset")
    rows = read_jsonl(folder / "samples" / "samples.jsonl")
    for row, attack in zip(rows, ATTACKS, strict=False):
        body = row["abc"].split("\n", 1)[1]
        row |= {"title": attack, "prompt": attack}
        row |= {"abc": f"X:1\nT:{attack}\n{body}", "raw": f"X:1\nT:{attack}\n```\n{body}"}
    write_jsonl(folder / "samples" / "samples.jsonl", rows)
    return folder


def test_special_tokens_in_titles_are_text(prepared):
    tokenizer = load_tokenizer(prepared / "tokenizer")
    texts = [text for rows in load_splits(prepared / "dataset").values() for text in rows["text"]]
    assert any("<|bos|>" in text for text in texts)
    for text in texts:
        ids = tokenizer(text)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id  # which opens every tune
        assert not set(ids[1:]) & {tokenizer.bos_token_id, tokenizer.pad_token_id}


def test_no_file_is_named_after_a_tune(prepared):
    names = {path.name for path in prepared.rglob("*")}
    assert not [name for name in names if any(mark in name for mark in "<>;\"'$\u202e|")]


def test_nothing_runs_in_a_browser(study, commands, tmp_path):
    if BROWSER is None:
        message = "no browser found: install chromium"
        if os.environ.get("HF_SCALING_REQUIRE_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    pages = [write_report(study)]
    ended = commands.run("push_to_hub.py", "all", study, "--repository", "me/x", "--dry-run")
    assert ended.code == 0, ended.stderr
    for number, card in enumerate(sorted((study / "hub").rglob("README.md"))):
        rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(card.read_text(encoding="utf-8"))
        page = tmp_path / f"card{number}.html"
        page.write_text(f"<!doctype html><meta charset=utf-8><title>card</title>{rendered}", encoding="utf-8")
        pages.append(page)
    assert len(pages) > 2
    for number, page in enumerate(pages):
        command = [BROWSER, *OPTIONS, f"--user-data-dir={tmp_path / f'profile{number}'}", "--dump-dom", page.as_uri()]
        shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
        assert "</html>" in shown
        assert "<title>owned" not in shown, page
        for danger in ("<svg onload", '<img src="x"', 'href="javascript', '<img src="http'):
            assert danger not in shown, (page, danger)
