"""Downloads: whole and checked or not at all, whatever the server does. And The Session's tunes by way of them."""

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from huggingface_hub import constants

from hf_scaling.data.sources import SOURCES, SourceOptions, download, the_session
from hf_scaling.records import UserError

DATA = bytes(range(256)) * 4000  # some chunks long
BLOB = download.git_blob(io.BytesIO(DATA), len(DATA))


class Server(ThreadingHTTPServer):
    """Serves `data` at every path. What it does wrong, one behaviour a request: cut, error, no-range, wrong."""

    daemon_threads = True

    def __init__(self, data=DATA):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.behaviours, self.seen = data, [], []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        server = self.server
        behaviour = server.behaviours.pop(0) if server.behaviours else ""
        asked = self.headers.get("Range")
        server.seen.append((self.path, asked))
        if behaviour.isdigit():
            self.send_error(int(behaviour))
            return
        start = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and behaviour != "no-range" else 0
        if start >= len(server.data):
            self.send_error(416)
            return
        body = server.data[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(server.data) - 1}/{len(server.data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if behaviour == "cut":
            body = body[: len(body) // 2]
        self.wfile.write(body[::-1] if behaviour == "wrong" else body)
        # the connection closes here, which is before the end if it was cut


@pytest.fixture
def server(serving, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(download, "_PAUSE", 0.001)
    with serving(Server()) as server:
        yield server


@pytest.fixture
def fetch(server, tmp_path):
    """Download from the server, which behaves so, request by request; the path of the file."""

    def fetch(*behaviours, blob=BLOB):
        server.behaviours = list(behaviours)
        download.download(f"{server.url}/file", tmp_path / "cache" / "file", blob, "a_field")
        return tmp_path / "cache" / "file"

    return fetch


def left_in(path):
    return {entry.name for entry in path.parent.iterdir()} - {f"{path.name}.lock"}


def test_a_file_arrives_whole_and_is_not_asked_for_again(fetch, server):
    path = fetch()
    assert path.read_bytes() == DATA
    assert left_in(path) == {"file"}
    fetch()
    assert len(server.seen) == 1


def test_a_cut_connection_is_gone_on_with_where_it_stopped(fetch, server):
    assert fetch("cut", "cut").read_bytes() == DATA
    starts = [asked for _, asked in server.seen]
    assert starts[0] is None
    assert all(start.startswith("bytes=") for start in starts[1:])
    assert len(starts) == 3


def test_another_run_goes_on_where_an_interrupted_one_stopped(fetch, server, tmp_path):
    partial = tmp_path / "cache" / "file.incomplete"
    with pytest.raises(UserError, match=r"a_field: .*could not be downloaded \(.*the same command goes on"):
        fetch("cut", "500", "500", "500", "500")
    size = partial.stat().st_size
    assert 0 < size < len(DATA)
    server.seen.clear()
    assert fetch().read_bytes() == DATA
    assert server.seen == [("/file", f"bytes={size}-")]


def test_a_server_that_ignores_the_range_starts_the_file_anew(fetch, server):
    assert fetch("cut", "no-range").read_bytes() == DATA
    assert server.seen[1][1]


@pytest.mark.parametrize("rest", [b"", b"too much"])
def test_what_was_complete_or_too_long_already_is_checked(fetch, tmp_path, rest):
    partial = tmp_path / "cache" / "file.incomplete"
    partial.parent.mkdir()
    partial.write_bytes(DATA + rest)
    if rest:
        with pytest.raises(UserError, match="gave git blob"):
            fetch()
    assert fetch().read_bytes() == DATA


@pytest.mark.parametrize("first", ["500", "503", "429", "408"])
def test_what_may_pass_is_tried_again(fetch, server, first):
    assert fetch(first).read_bytes() == DATA
    assert len(server.seen) == 2


@pytest.mark.parametrize("status", ["404", "403", "410"])
def test_what_will_not_pass_is_an_error_at_once(fetch, server, status, tmp_path):
    with pytest.raises(UserError, match=rf"^a_field: http://.*could not be downloaded \(HTTP {status}\); name a local"):
        fetch(status)
    assert len(server.seen) == 1
    assert not (tmp_path / "cache" / "file").exists()


def test_a_server_that_fails_for_good_is_given_up(fetch, server):
    with pytest.raises(UserError, match=r"\(HTTP 500\)"):
        fetch(*["500"] * 9)
    assert len(server.seen) == 5


@pytest.mark.parametrize("behaviours", [["wrong"], ["cut", "wrong"]])
def test_wrong_content_never_takes_the_files_place_and_does_not_stay(fetch, tmp_path, behaviours):
    with pytest.raises(UserError, match=rf"gave git blob [0-9a-f]{{40}}, expected {BLOB}"):
        fetch(*behaviours)
    assert left_in(tmp_path / "cache" / "file") == set()
    assert fetch().read_bytes() == DATA


def test_a_cached_file_that_was_damaged_is_fetched_anew(fetch):
    fetch().write_bytes(b"damaged")
    assert fetch().read_bytes() == DATA


def test_a_server_without_end_is_stopped(fetch, monkeypatch, tmp_path):
    monkeypatch.setattr(download, "_MOST_BYTES", len(DATA) // 2)
    with pytest.raises(UserError, match="sends more than 512,000 bytes"):
        fetch()
    assert left_in(tmp_path / "cache" / "file") == set()


def test_a_server_that_is_not_there_is_one_line_of_error(server, tmp_path):
    server.server_close()
    with pytest.raises(UserError, match="could not be downloaded") as caught:
        download.download(f"{server.url}/file", tmp_path / "file", BLOB, "a_field")
    assert "\n" not in str(caught.value)


def test_two_at_once_fetch_it_once(fetch, server):
    threads = [threading.Thread(target=fetch) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.seen) == 1


@pytest.fixture
def session(server, monkeypatch, tmp_path):
    """The Session from the server, into a cache of its own."""
    rows = [
        {"tune_id": "1", "setting_id": "2", "name": "A", "type": "jig", "meter": "6/8", "mode": "Gmajor", "abc": "GAB|",
         "date": "2025-10-05 08:00:00", "username": "somebody", "composer": ""}
    ]  # fmt: skip
    server.data = json.dumps(rows).encode()
    monkeypatch.setitem(the_session.BLOBS, "tunes.json", download.git_blob(io.BytesIO(server.data), len(server.data)))
    monkeypatch.setenv("HF_SCALING_THE_SESSION_URL", server.url)
    monkeypatch.setattr(constants, "HF_HOME", str(tmp_path / "hf home"))
    return SourceOptions(accept_licence="odbl-1.0")


def test_the_session_is_downloaded_once_at_the_pinned_revision_into_the_cache(session, server, tmp_path, monkeypatch):
    (tune,) = SOURCES["the_session"].read(session)
    assert (tune.group, tune.setting, tune.file) == ("1", "2", "tunes.json")
    assert server.seen == [(f"/{the_session.REVISION}/json/tunes.json", None)]
    assert [path.name for path in tmp_path.iterdir()] == ["hf home"]
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert list(SOURCES["the_session"].read(session)) == [tune]
    assert len(server.seen) == 1


def test_nothing_is_downloaded_before_the_licence_is_accepted(session, server):
    with pytest.raises(UserError, match="accept_licence"):
        list(SOURCES["the_session"].read(SourceOptions()))
    with pytest.raises(UserError, match="the_session_revision: got '2c07104'"):
        list(SOURCES["the_session"].read(SourceOptions(accept_licence="odbl-1.0", the_session_revision="2c07104")))
    assert server.seen == []


def test_offline_and_not_cached_is_one_line_of_error(session, server, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        UserError, match=r"the_session_path: not set, and HF_HUB_OFFLINE forbids http://.*; name a local"
    ):
        list(SOURCES["the_session"].read(session))
    assert server.seen == []
