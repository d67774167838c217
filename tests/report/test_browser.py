"""The report in a real browser, offline: it renders, and nothing that a title says runs."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hf_scaling.report import write_report

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


@pytest.fixture(scope="module")
def browser() -> str:
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None:
        message = f"no browser found: install one of {', '.join(_NAMES)}"
        if os.environ.get("HF_SCALING_REQUIRE_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    return found


def test_page_renders_offline_and_hostile_titles_do_not_run(browser: str, study: Path, tmp_path: Path) -> None:
    attack = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    samples = study / "samples" / "samples.jsonl"
    samples.write_text(samples.read_text(encoding="utf-8").replace('"title": "', '"title": ' + _quoted(attack), 1))
    page = write_report(study)
    dom = subprocess.run(
        [browser, *_OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert "</html>" in dom
    assert "&lt;script&gt;document.title" in dom
    assert "<title>owned</title>" not in dom
    assert dom.count("<img") == page.read_text(encoding="utf-8").count("<img")


def _quoted(text: str) -> str:
    """`text` as JSON up to its closing quote."""
    return json.dumps(text)[:-1]
