"""A Hugging Face Hub on loopback: repositories in memory, with as much of the Hub's HTTP interface as clients need.

Point a process at it with `HubServer.environment`; what it holds is in `HubServer.repositories` and `collections`.
Uploads of parquet and safetensors files go the way of large files (LFS), all others are part of the commit, Xet is not
offered. `HubServer.fail` has it refuse requests, or hang up in their middle.
"""

import base64
import hashlib
import json
import re
import socket
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

_KINDS = ("models", "datasets", "spaces")
_TIME = "2025-01-01T00:00:00.000Z"
_LARGE = (".parquet", ".safetensors")


@dataclass
class Repository:
    """Versions of a repository by commit, each path -> content; branches and tags name commits; a Space has an SDK."""

    private: bool = False
    sdk: str | None = None
    versions: dict[str, dict[str, bytes]] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    messages: list[str] = field(default_factory=list)

    @property
    def files(self) -> dict[str, bytes]:
        """What `main` holds."""
        return self.versions[self.names["main"]]

    def commit(self, files: dict[str, bytes], message: str, branch: str = "main") -> str:
        """Make `files` the newest version; its commit."""
        digest = hashlib.sha1(f"{len(self.versions)} {message}".encode())
        for name, content in sorted(files.items()):
            digest.update(name.encode() + b"\0" + content)
        sha = digest.hexdigest()
        self.versions[sha], self.names[branch] = files, sha
        self.messages.append(message)
        return sha

    def resolve(self, revision: str) -> str | None:
        """The commit that a branch, a tag or a commit names."""
        return revision if revision in self.versions else self.names.get(revision)


@dataclass
class Fault:
    """An answer to `times` requests whose METHOD PATH matches `pattern`; status 0 is a connection that is cut."""

    pattern: str
    status: int
    message: str
    headers: dict[str, str]
    times: int


class HubServer(ThreadingHTTPServer):
    """The server. `repositories`: KIND/USER/NAME, KIND in the plural; `requests`: (method, path) as they came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.repositories: dict[str, Repository] = {}
        self.large_files: dict[str, bytes] = {}
        self.requests: list[tuple[str, str]] = []
        self.collections: dict[str, dict[str, Any]] = {}
        self.faults: list[Fault] = []

    def fail(self, pattern: str, status: int, message: str = "", times: int = 1, **headers: str) -> None:
        """Answer the next `times` requests whose METHOD PATH holds a match of `pattern` in this way."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.faults.append(Fault(pattern, status, message or f"fault {status}", named, times))

    def add(self, name: str, files: dict[str, bytes | str], kind: str = "datasets") -> str:
        """Make a repository, or a further version of it, of exactly these files; its commit."""
        repository = self.repositories.setdefault(f"{kind}/{name}", Repository())
        contents = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        return repository.commit(contents, "added by a test")

    def environment(self, home: Path) -> dict[str, str]:
        """Environment variables of a process that shall take this server for the Hub, with its cache in `home`."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": "hf_loopback",
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "NO_PROXY": "127.0.0.1",
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HubServer

    def log_message(self, *arguments: Any) -> None:
        """Say nothing: the server keeps `requests`."""

    def do(self) -> None:
        path = unquote(urlsplit(self.path).path)
        body = self._body()
        self.server.requests.append((self.command, path))
        for fault in self.server.faults:
            if fault.times > 0 and re.search(fault.pattern, f"{self.command} {path}"):
                fault.times -= 1
                self._fail(fault)
                return
        for method, pattern, answer in _ROUTES:
            match = re.fullmatch(pattern, path)
            if match and self.command in method.split():
                answer(self, body, **match.groupdict())
                return
        self._refuse(HTTPStatus.NOT_IMPLEMENTED, "", f"no part of the loopback Hub: {self.command} {path}")

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do  # noqa: N815

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline(), 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(chunks)

    def _answer(self, body: Any, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None) -> None:
        headers = headers or {}
        if not isinstance(body, bytes):
            body, headers = json.dumps(body).encode(), headers | {"Content-Type": "application/json"}
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _refuse(self, status: HTTPStatus, code: str, message: str) -> None:
        self._answer({"error": message}, status, {"X-Error-Code": code, "X-Error-Message": message})

    def _fail(self, fault: Fault) -> None:
        if fault.status:
            self._answer({"errors": [{"message": fault.message}]}, fault.status, fault.headers)
            return
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def _find(self, kind: str, name: str, revision: str = "main") -> tuple[Repository, str, dict[str, bytes]] | None:
        """The repository, the commit and its files; None after the refusal has been sent."""
        repository = self.server.repositories.get(f"{kind}/{name}")
        if repository is None:
            self._refuse(HTTPStatus.NOT_FOUND, "RepoNotFound", "Repository not found")
            return None
        sha = repository.resolve(revision)
        if sha is None:
            self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return repository, sha, repository.versions[sha]

    def who_am_i(self, body: bytes) -> None:
        token = {"auth": {"accessToken": {"role": "write", "displayName": "loopback"}}}
        self._answer({"type": "user", "name": "tester", "fullname": "tester", "orgs": [], **token})

    def validate_yaml(self, body: bytes) -> None:
        self._answer({"errors": [], "warnings": []})

    def create(self, body: bytes) -> None:
        wanted = json.loads(body)
        name, kind = f"{wanted.get('organization') or 'tester'}/{wanted['name']}", f"{wanted.get('type', 'model')}s"
        address = {"url": f"{self.server.url}/{'' if kind == 'models' else kind + '/'}{name}", "name": name, "id": name}
        if f"{kind}/{name}" in self.server.repositories:
            self._answer({"error": "You already created this repo"} | address, HTTPStatus.CONFLICT)
            return
        if kind == "spaces" and wanted.get("sdk") not in ("gradio", "docker", "static"):
            self._refuse(HTTPStatus.BAD_REQUEST, "", "a Space needs an sdk")
            return
        self.server.add(name, {".gitattributes": "*.parquet filter=lfs diff=lfs merge=lfs -text\n"}, kind)
        private = wanted.get("visibility") == "private" or bool(wanted.get("private"))
        self.server.repositories[f"{kind}/{name}"].private = private
        self.server.repositories[f"{kind}/{name}"].sdk = wanted.get("sdk")
        self._answer(address)

    def info(self, body: bytes, kind: str, name: str, revision: str | None = None) -> None:
        if found := self._find(kind, name, revision or "main"):
            repository, sha, files = found
            facts = {"id": name, "sha": sha, "lastModified": _TIME, "private": repository.private}
            facts |= {"gated": False, "disabled": False}
            facts |= {"tags": [], "downloads": 0, "likes": 0, "siblings": [{"rfilename": path} for path in files]}
            self._answer(facts | ({"modelId": name} if kind == "models" else {}))

    def references(self, body: bytes, kind: str, name: str) -> None:
        if found := self._find(kind, name):
            names = found[0].names.items()
            branches = [{"name": branch, "ref": f"refs/heads/{branch}", "targetCommit": sha} for branch, sha in names]
            self._answer({"branches": branches, "converts": [], "tags": []})

    def branch(self, body: bytes, kind: str, name: str, branch: str) -> None:
        if found := self._find(kind, name):
            if branch in found[0].names:
                self._refuse(HTTPStatus.CONFLICT, "", f"Reference already exists: refs/heads/{branch}")
                return
            found[0].names[branch] = json.loads(body or b"{}").get("startingPoint") or found[1]
            self._answer({})

    def tree(self, body: bytes, kind: str, name: str, revision: str, folder: str | None = None) -> None:
        if found := self._find(kind, name, revision):
            inside = f"{folder}/" if folder else ""
            entries = _entries(found[2])
            below = [entry for path, entry in entries.items() if path.startswith(inside)]
            if folder and not below:
                self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound", f"{folder} does not exist")
                return
            deep = "recursive=true" in urlsplit(self.path).query.lower()
            self._answer([entry for entry in below if deep or "/" not in entry["path"].removeprefix(inside)])

    def paths_info(self, body: bytes, kind: str, name: str, revision: str) -> None:
        if found := self._find(kind, name, revision):
            asked = json.loads(body)["paths"]
            entries = _entries(found[2])
            self._answer([entries[path] for path in asked if path in entries])

    def preupload(self, body: bytes, kind: str, name: str, revision: str) -> None:
        if not (found := self._find(kind, name, revision)):
            return
        answers = []
        for path in (entry["path"] for entry in json.loads(body)["files"]):
            data = found[2].get(path)
            oid = None if data is None else hashlib.sha256(data).hexdigest() if path.endswith(_LARGE) else _blob(data)
            mode = "lfs" if path.endswith(_LARGE) else "regular"
            answers.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        self._answer({"files": answers})

    def commit(self, body: bytes, kind: str, name: str, revision: str) -> None:
        if not (found := self._find(kind, name, revision)):
            return
        repository, _, before = found
        files, message = dict(before), ""
        for operation in map(json.loads, body.splitlines()):
            value = operation["value"]
            match operation["key"]:
                case "header":
                    message = value["summary"]
                case "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                case "lfsFile":
                    files[value["path"]] = self.server.large_files[value["oid"]]
                case "deletedFile":
                    files.pop(value["path"], None)
                case "deletedFolder":
                    files = {path: data for path, data in files.items() if not path.startswith(value["path"])}
        sha = repository.commit(files, message, revision)
        url = f"{self.server.url}/{kind}/{name}/commit/{sha}"
        self._answer({"success": True, "commitOid": sha, "commitUrl": url, "hookOutput": ""})

    def large_file_batch(self, body: bytes) -> None:
        asked = json.loads(body)["objects"]
        objects: list[dict[str, Any]] = [{"oid": one["oid"], "size": one["size"]} for one in asked]
        for one in objects:
            if one["oid"] not in self.server.large_files:
                one["actions"] = {"upload": {"href": f"{self.server.url}/large-files/{one['oid']}"}}
        self._answer({"transfer": "basic", "objects": objects})

    def large_file(self, body: bytes, oid: str) -> None:
        self.server.large_files[oid] = body
        self._answer(b"")

    def new_collection(self, body: bytes) -> None:
        wanted = json.loads(body)
        for slug, collection in self.server.collections.items():
            if (collection["title"], collection["owner"]["name"]) == (wanted["title"], wanted["namespace"]):
                self._answer({"error": "This collection already exists", "slug": slug}, HTTPStatus.CONFLICT)
                return
        words = re.sub(r"\W+", "-", wanted["title"].lower())
        slug = f"{wanted['namespace']}/{words}-{len(self.server.collections):024x}"
        facts = {"slug": slug, "title": wanted["title"], "owner": {"name": wanted["namespace"]}, "items": []}
        facts |= {"lastUpdated": _TIME, "position": 0, "private": wanted["private"], "theme": "blue", "upvotes": 0}
        self.server.collections[slug] = facts
        self._answer(facts)

    def collection(self, body: bytes, slug: str) -> None:
        if slug in self.server.collections:
            self._answer(self.server.collections[slug])
        else:
            self._refuse(HTTPStatus.NOT_FOUND, "", "Collection not found")

    def collection_item(self, body: bytes, slug: str) -> None:
        item, items = json.loads(body)["item"], self.server.collections[slug]["items"]
        if f"{item['type']}s/{item['id']}" not in self.server.repositories:
            self._refuse(HTTPStatus.NOT_FOUND, "", f"{item['id']} not found")
            return
        items.append({"_id": f"{len(items):024x}", "position": len(items)} | item)
        self._answer(self.server.collections[slug])

    def content(self, body: bytes, name: str, revision: str, path: str, kind: str | None = None) -> None:
        if not (found := self._find(kind or "models", name, revision)):
            return
        _, sha, files = found
        if path not in files:
            self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound", f"{path} does not exist")
            return
        data = files[path]
        headers = {"X-Repo-Commit": sha, "ETag": f'"{_blob(data)}"', "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if not wanted:
            self._answer(data, headers=headers)
            return
        first, last = int(wanted[1]), min(int(wanted[2] or len(data)), len(data) - 1)
        headers["Content-Range"] = f"bytes {first}-{last}/{len(data)}"
        self._answer(data[first : last + 1], HTTPStatus.PARTIAL_CONTENT, headers)


def _blob(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def _entries(files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """Files and folders as the Hub lists them, by path."""
    entries: dict[str, dict[str, Any]] = {}
    for path, data in sorted(files.items()):
        for folder in [str(parent) for parent in Path(path).parents][:-1]:
            entries[folder] = {"type": "directory", "path": folder, "oid": hashlib.sha1(folder.encode()).hexdigest()}
        entries[path] = {"type": "file", "path": path, "size": len(data), "oid": _blob(data)}
        if path.endswith(_LARGE):
            entries[path]["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
    return entries


_API = rf"/api/(?P<kind>{'|'.join(_KINDS)})/(?P<name>[^/]+/[^/]+)"
_SLUG = r"(?P<slug>[^/]+/[^/]+)"
_REVISION = r"(?P<revision>[^/]+)"
_ROUTES: list[tuple[str, str, Any]] = [
    ("GET", "/api/whoami-v2", _Handler.who_am_i),
    ("POST", "/api/validate-yaml", _Handler.validate_yaml),
    ("POST", "/api/repos/create", _Handler.create),
    ("POST", "/api/collections", _Handler.new_collection),
    ("GET", f"/api/collections/{_SLUG}", _Handler.collection),
    ("POST", f"/api/collections/{_SLUG}/items", _Handler.collection_item),
    ("GET HEAD", _API, _Handler.info),
    ("GET HEAD", f"{_API}/revision/{_REVISION}", _Handler.info),
    ("GET", f"{_API}/refs", _Handler.references),
    ("POST", f"{_API}/branch/(?P<branch>.+)", _Handler.branch),
    ("GET", f"{_API}/tree/{_REVISION}(/(?P<folder>.+))?", _Handler.tree),
    ("POST", f"{_API}/paths-info/{_REVISION}", _Handler.paths_info),
    ("POST", f"{_API}/preupload/{_REVISION}", _Handler.preupload),
    ("POST", f"{_API}/commit/{_REVISION}", _Handler.commit),
    ("POST", r".*\.git/info/lfs/objects/batch", _Handler.large_file_batch),
    ("PUT", "/large-files/(?P<oid>[0-9a-f]+)", _Handler.large_file),
    (
        "GET HEAD",
        rf"/((?P<kind>datasets|spaces)/)?(?P<name>[^/]+/[^/]+)/resolve/{_REVISION}/(?P<path>.+)",
        _Handler.content,
    ),
]
