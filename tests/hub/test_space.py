"""The pushed Space, from its own folder and where this package is not installed, in a real browser, offline."""

import base64
import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import time
import venv
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import soundfile
import torch
from playwright.sync_api import TimeoutError, sync_playwright

from hf_scaling.hub.space.exhibit import Shown
from hf_scaling.hub.space.writing import Wish, Writing, parse_seed
from hf_scaling.records import UserError, finished_rows

OPTIONS = ["--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"]
ELSEWHERE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
SEEDS = range(12)  # one of these gives a tune that can be engraved and played
PATIENCE = 300_000  # milliseconds, on a slow and busy machine
WATCH = """() => {
    window.seen = [];
    setInterval(() => {
        const box = document.querySelector("#tune-1 textarea");
        if (box && box.value !== window.seen.at(-1)) window.seen.push(box.value);
    }, 10);
}"""
SMALL = "LSTM a"


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A Python that has the packages of this one, but not this package."""
    folder = tmp_path_factory.mktemp("stranger") / "venv"
    venv.create(folder, symlinks=True)
    (site,) = folder.glob("lib/*/site-packages")
    (site / "all.pth").write_text(sysconfig.get_path("purelib"))  # whose own .pth files are not followed
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def space(pushed, open_study, tiny_study, tmp_path_factory, push_to):
    """The Space as the Hub holds it, the scaling figure and all."""
    aside = tmp_path_factory.mktemp("space")
    study = Path(shutil.copytree(open_study, aside / "study"))
    shutil.copy(tiny_study.folder / "fits.json", study)
    assert push_to(pushed, "space", study, "--repository", "me/folk") == 0
    for name, data in pushed.repositories["spaces/me/folk"].files.items():
        path = aside / "folk" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return aside / "folk"


@pytest.fixture(scope="module")
def address(space, stranger, pushed, tmp_path_factory):
    """Where the Space is served."""
    home = tmp_path_factory.mktemp("home")
    environment = ELSEWHERE | pushed.environment(home) | {"GRADIO_TEMP_DIR": str(home / "gradio")}
    said = home / "said"
    with said.open("w") as out:
        process = subprocess.Popen(
            [stranger, space / "app.py"], cwd=home, env=environment, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        until = time.monotonic() + PATIENCE / 1000
        while not (found := re.search(r"http://\S+", said.read_text())):
            assert process.poll() is None, said.read_text()
            assert time.monotonic() < until, said.read_text()
            time.sleep(0.1)
        yield found[0]
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def chromium(browser):
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=browser, args=OPTIONS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def visit(chromium, address):
    """The page, as it was loaded, and the answers to all its requests."""
    page = chromium.new_page()
    page.set_default_timeout(PATIENCE)
    answers = []
    page.on("response", lambda answer: answers.append(answer))
    page.goto(address)
    page.get_by_role("button", name="Write a tune").wait_for()
    return page, answers


def choose(page, label, value):
    box = page.get_by_label(label, exact=True)
    for _ in range(10):  # a list is narrowed to what was typed a moment later; before that, Enter takes its first
        box.fill(value)
        page.wait_for_timeout(200)
        box.press("Enter")
        page.wait_for_timeout(200)
        if box.input_value() == value:
            return
    pytest.fail(f"{label}: {value!r} cannot be chosen")


def write(page, seed):
    """Have tunes written; wait for what is said of both."""
    page.get_by_label("Seed").fill(str(seed))
    page.get_by_role("button", name="Write a tune").click()
    for number in (1, 2):
        page.locator(f'#tune-{number} .said:has-text("seed {seed}") span').first.wait_for()


@pytest.fixture(scope="module")
def written(visit):
    """The page with two tunes of which the first could be engraved; what its box showed, seed by seed."""
    page, _ = visit
    best = page.get_by_label("Model", exact=True).input_value()
    wish = {"Model": SMALL, "Beside it": best, "Rhythm": "Jig", "Metre": "6/8", "Key": "D"}
    for label, value in wish.items():
        choose(page, label, value)
    page.evaluate(WATCH)
    shown = []
    for seed in SEEDS:
        page.evaluate("window.seen = []")
        write(page, seed)
        shown.append(page.evaluate("window.seen"))
        midi = page.locator("#tune-1").get_by_text("Download .mid")
        if page.locator("#tune-1 img.score").count() and midi.is_visible():
            return page, shown
    pytest.fail("no seed gave a tune that can be played")


def test_this_package_is_not_there_and_the_space_is_whole(stranger, space, tmp_path):
    ended = subprocess.run(
        [stranger, "-c", "import hf_scaling"], cwd=tmp_path, env=ELSEWHERE, capture_output=True, check=False
    )
    assert b"No module named 'hf_scaling'" in ended.stderr
    assert {path.name for path in space.iterdir()} - {".gitattributes"} == {
        "LICENSE", "README.md", "app.py", "hf_scaling", "requirements.txt", "scaling.png", "space.json"
    }  # fmt: skip
    assert not list(space.rglob("*.pyc"))


def test_the_tune_is_streamed(written):
    _, shown = written
    opening = "X:1\nT:Untitled\nR:Jig\nM:6/8\nL:1/8\nK:D\n"
    growing = []
    for values in shown:
        steps = [value for value in values if value.startswith(opening)]
        while len(steps) > 1 and not steps[-1].startswith(steps[-2]):
            steps.pop()  # what was repaired
        growing.append(len(steps))
    assert max(growing) >= 3, shown


def test_the_notes_are_drawn_and_nothing_in_them_can_run(written):
    page, _ = written
    score = page.locator("#tune-1 img.score")
    assert score.evaluate("image => image.complete && image.naturalWidth") > 100
    kind, _, data = score.get_attribute("src").partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert base64.b64decode(data).count(b'class="notehead"') > 1


def test_the_sound_is_not_silence(written, visit):
    _, answers = visit
    sounds = [answer for answer in answers if urlsplit(answer.url).path.endswith(".opus")]
    assert sounds
    for sound in sounds:
        wave, _ = soundfile.read(io.BytesIO(sound.body()))
        assert abs(wave).max() > 0.5


def test_abc_and_midi_are_downloaded(written):
    page, _ = written
    for kind in ("abc", "mid"):
        with page.expect_download() as waited:
            page.locator("#tune-1").get_by_text(f"Download .{kind}").click()
        assert re.fullmatch(rf"tune-\d+\.{kind}", waited.value.suggested_filename)
        data = Path(waited.value.path()).read_bytes()
        if kind == "mid":
            assert data.startswith(b"MThd")
        else:
            assert data.decode() == page.locator("#tune-1 textarea").input_value()


def test_two_sizes_stand_beside_each_other(written):
    page, _ = written
    boxes = [page.locator(f"#tune-{number}").bounding_box() for number in (1, 2)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] + boxes[0]["width"] <= boxes[1]["x"]
    labels = [page.locator(f"#tune-{number} .said b").inner_text() for number in (1, 2)]
    assert labels[0] == SMALL
    assert labels[1].endswith(", trained longer")


def test_the_scaling_figure_and_the_sizes_are_shown(visit, open_study):
    page, _ = visit
    assert page.locator("img.figure").evaluate("image => image.naturalWidth") > 500
    cells = page.locator(".sizes td").all_inner_texts()
    for run in finished_rows(open_study / "runs.jsonl"):
        assert f"{run['n_params']:,}" in cells


@pytest.mark.parametrize(
    ("label", "value", "told"),
    [
        ("Seed", "-3", "seed: got '-3', expected a whole number"),
        ("Key", "H", "key: got 'H', expected such as D, Bm, Ador or Gmix"),
        ("Metre", "<b>6</b>", "metre: got '<b>6</b>', expected such as"),
        ("Title", "<img src=x onerror=\"document.title='owned'\">☂", "the model has never seen these characters"),
    ],
)
def test_a_bad_wish_gets_a_message_and_nothing_in_it_runs(written, label, value, told):
    page, _ = written
    before = page.get_by_label(label, exact=True).input_value()
    choose(page, label, value)
    page.get_by_role("button", name="Write a tune").click()
    page.locator('#tune-1 [role="alert"]', has_text=told).wait_for()
    assert page.locator("#tune-1 img.score").count() == 0
    assert page.title() != "owned"
    choose(page, label, before)


def test_a_phone_shows_it_whole_and_a_stop_stops_both_tunes(chromium, address):
    page = chromium.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(PATIENCE)
    page.goto(address)
    start = page.get_by_role("button", name="Write a tune")
    start.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("img.figure").bounding_box()["width"] >= 600  # to be moved under a finger, not shrunk
    for table in page.locator(".sizes table").all():
        assert table.bounding_box()["width"] <= page.locator(".sizes").bounding_box()["width"]
    seeds = set()
    for _ in range(5):  # at any moment of two tunes: what is told of one must not be lost to a last update of it
        said = page.locator("#tune-2 .said", has_text="seed")  # at work, or done already
        for _ in range(300):
            start.click()  # gradio hears none for a moment after a stop, nor a second one while it is at work
            with suppress(TimeoutError):
                said.wait_for(timeout=PATIENCE / 300)
                break
        seeds.add(re.search(r"seed (\d+)", said.inner_text())[1])
        page.get_by_role("button", name="Stop").click()
        page.wait_for_function("!document.querySelector('.work')")  # neither goes on, nor seems to
    assert len(seeds) > 1  # an empty box is a new seed each time
    page.close()


def test_nobody_else_was_asked_for_anything(written, visit):
    hosts = {urlsplit(answer.url).hostname for answer in visit[1] if answer.url.startswith("http")}
    assert hosts == {"127.0.0.1"}


def test_a_tune_that_nobody_waits_for_ends(open_study, tmp_path):
    run = next(row for row in finished_rows(open_study / "runs.jsonl") if row["family"] == "folk_lstm")
    shown = Shown("LSTM", str(open_study / "runs" / run["run_id"] / "model"), None, 1, 1, 1.0)
    with ThreadPoolExecutor(1) as pool:
        writing = Writing(pool, shown, Wish({"key": "G"}, 1.5, "none", 0), tmp_path / "tune")
        writing.stop()
        assert writing.future.exception() is not None
    assert writing.text.endswith("K:G\n")
    assert not (tmp_path / "tune").exists()


@pytest.mark.parametrize("seed", ["-1", "1.5", "1e3", "", "٣", "1" * 19])
def test_a_seed_that_no_generator_takes_is_told(seed):
    with pytest.raises(UserError, match=f"seed: got {seed!r}, expected a whole number of at most 18 digits"):
        parse_seed(seed)


def test_a_seed_is_read():
    assert parse_seed(" 42 ") == 42
    assert torch.manual_seed(parse_seed("9" * 18))


def test_an_exhibit_that_is_none_is_one_line(space, tmp_path):
    shutil.copytree(space, tmp_path / "space")
    (tmp_path / "space" / "space.json").write_text('{"title": "x"}')
    ended = subprocess.run([sys.executable, tmp_path / "space" / "app.py"], capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert re.fullmatch(r"app\.py: .*space\.json: damaged \('models'\); push the Space again\n", ended.stderr)
