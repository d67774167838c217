"""The report in a real browser, offline: it renders, prints, fits a phone, and nothing that a title says runs."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from hf_scaling.records import read_json, write_json
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


_PATIENCE = 300_000  # milliseconds, on a slow and busy machine


def run(browser: str, profile: Path, *arguments: str) -> str:
    command = [browser, *_OPTIONS, f"--user-data-dir={profile}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE / 1000, check=True).stdout


@pytest.fixture(scope="module")
def chromium(browser: str) -> Iterator[Any]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=list(_OPTIONS[1:]))
        yield started
        started.close()


def opened(chromium: Any, study: Path, **options: Any) -> Any:
    tab = chromium.new_page(**options)
    tab.set_default_timeout(_PATIENCE)
    tab.goto(write_report(study).as_uri())
    return tab


def test_page_renders_offline_and_hostile_titles_do_not_run(browser: str, study: Path, tmp_path: Path) -> None:
    attack = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
    samples = study / "samples" / "samples.jsonl"
    samples.write_text(samples.read_text(encoding="utf-8").replace('"title": "', '"title": ' + _quoted(attack), 1))
    page = write_report(study)
    dom = run(browser, tmp_path / "profile", "--dump-dom", page.as_uri())
    assert "</html>" in dom
    assert "&lt;script&gt;document.title" in dom
    assert "<title>owned</title>" not in dom
    assert dom.count("<img") == page.read_text(encoding="utf-8").count("<img")


def _quoted(text: str) -> str:
    """`text` as JSON up to its closing quote."""
    return json.dumps(text)[:-1]


def test_it_prints_with_every_chapter_on_a_sane_number_of_pages(browser: str, study: Path, tmp_path: Path) -> None:
    page, printed = write_report(study), tmp_path / "report.pdf"
    run(
        browser,
        tmp_path / "profile",
        "--no-pdf-header-footer",
        "--generate-pdf-document-outline",
        f"--print-to-pdf={printed}",
        page.as_uri(),
    )
    content = printed.read_bytes()
    heads = re.findall(r"<h2[^>]*>(.*?)</h2>", page.read_text(encoding="utf-8"))
    assert set(heads) <= set(_outline(content))
    assert 8 <= len(re.findall(rb"/Type /Page\b", content)) <= 30


def _outline(pdf: bytes) -> list[str]:
    """The headings that Chromium gives a PDF as its outline: Latin text in brackets, other text as UTF-16 in hex."""
    latin = [text.decode("latin-1").replace("\\", "") for text in re.findall(rb"/Title \((.*?)(?<!\\)\)", pdf)]
    return latin + [bytes.fromhex(text.decode()).decode("utf-16") for text in re.findall(rb"/Title <(\w+)>", pdf)]


def test_what_makes_no_sense_on_paper_is_not_printed(chromium: Any, study: Path) -> None:
    tab = opened(chromium, study)
    tab.emulate_media(media="print", color_scheme="dark")
    kinds = ("nav", ".unrounded", ".screen", "article details")
    assert [tab.locator(kind).first.is_visible() for kind in kinds] == [False] * 4
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


_KEPT = Path(__file__).parents[2] / "results"


@pytest.mark.parametrize("kept", ["cpu_scaling", "laptop"])
def test_a_kept_study_fits_a_phone_and_its_pictures_open_at_full_size(chromium: Any, kept: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(_KEPT / kept, tmp_path / kept))
    tab = opened(chromium, copy, viewport={"width": 320, "height": 844})
    for width in (320, 390):
        tab.set_viewport_size({"width": width, "height": 844})
        assert tab.evaluate("document.documentElement.scrollWidth") == width
        wide = "pictures => pictures.filter(one => one.scrollWidth > one.clientWidth).length"
        assert tab.locator(".plate").evaluate_all(wide) == 0
    tab.locator(".zoom input").first.check()
    assert tab.locator(".plate").evaluate_all(wide) == 1
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    tables = tab.locator("table")
    assert tables.evaluate_all("tables => tables.every(one => one.caption?.textContent)")
    assert (copy / "report.html").stat().st_size < 15e6


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_fits_a_phone_in_both_themes_and_a_point_tells_its_run(chromium: Any, study: Path, theme: str) -> None:
    tab = opened(chromium, study, viewport={"width": 390, "height": 844}, color_scheme=theme)
    assert tab.evaluate("document.documentElement.scrollWidth") == 390
    ink = "getComputedStyle(document.body).color"
    assert (int(re.findall(r"\d+", tab.evaluate(ink))[0]) > 128) == (theme == "dark")
    mark = tab.locator(".mark").first
    tip = mark.locator(".tip text").first
    assert not tip.is_visible()
    mark.locator(".reach").hover()
    assert tip.is_visible()
    assert "N = 31.0k" in tip.text_content()


def test_no_column_is_out_of_sight_on_a_desk(chromium: Any, several: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(several, tmp_path / "several"))
    joint = read_json(copy / "joint.json")
    for point in joint["fits"][0]["points"]:
        point["fitted"] *= 1.5
    another_seed = [point | {"loss": 1.001 * point["loss"]} for point in joint["fits"][0]["points"]]
    joint["fits"][0]["points"] += another_seed  # the widest verdict: no fit
    write_json(copy / "joint.json", joint)
    tab = opened(chromium, copy, viewport={"width": 1200, "height": 844})
    boxes = tab.locator(".scroll:not(.plate)").evaluate_all(
        "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth)"
        ".map(box => box.querySelector('caption').textContent)"
    )
    assert tab.get_by_text("the form does not fit").count() > 0
    assert boxes == ["Seed, hash and time of each run"] * boxes.count("Seed, hash and time of each run")
