"""The report in a real browser, offline: it renders, and nothing that a title says runs."""

import json
import subprocess
from pathlib import Path

from hf_scaling.report import write_report

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
