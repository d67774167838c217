"""Run risky libraries in a child process that may hang, die or be killed.

music21 takes seconds to import and some tunes hold it for minutes; verovio can take its process down. So one child
serves many jobs, one JSON line each way, and is replaced when a job outlives its time or the child dies.

The child's side is `python -m hf_scaling.music.child NAME`, with NAME one of `_WORKS`.
"""

import contextlib
import importlib
import json
import os
import selectors
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_START = 180.0  # seconds to import music21, on a slow and busy machine
_HERE = str(Path(__file__).parents[2])  # where this package lies, installed or not
_WORKS = {  # name -> a module of which `work(source, path)` does one job
    "audio": "hf_scaling.music.audio_child",
    "midi": "hf_scaling.music.midi_child",
    "score": "hf_scaling.music.score_child",
    "second reading": "hf_scaling.music.cross_check_child",
}

Reply = dict[str, Any]


class _Child:
    def __init__(self, name: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "hf_scaling.music.child", name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={
                **os.environ,
                "PYTHONHASHSEED": "0",  # the same bytes for the same tune
                "PYTHONPATH": os.pathsep.join(filter(None, (_HERE, os.environ.get("PYTHONPATH")))),
            },
        )
        assert self._process.stdin
        assert self._process.stdout
        self._stdin, self._stdout = self._process.stdin, self._process.stdout
        self._unread = b""

    def ask(self, job: Reply | None, timeout: float) -> Reply:
        """Send a job (None: only wait for the greeting) and return the reply; `{"error": ...}` if none comes."""
        try:
            if job is not None:
                self._stdin.write(json.dumps(job).encode() + b"\n")
                self._stdin.flush()
        except BrokenPipeError:
            return self._dead()
        until = time.monotonic() + timeout
        with selectors.DefaultSelector() as selector:
            selector.register(self._stdout, selectors.EVENT_READ)
            while b"\n" not in self._unread:
                if not selector.select(max(until - time.monotonic(), 0)):
                    self.kill()
                    return {"error": f"took longer than {timeout:g} s"}
                read = os.read(self._stdout.fileno(), 1 << 16)
                if not read:
                    return self._dead()
                self._unread += read
        line, _, self._unread = self._unread.partition(b"\n")
        reply: Reply = json.loads(line)
        return reply

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def _dead(self) -> Reply:
        self.kill()
        return {"error": f"the converter died (exit status {self._process.returncode})"}

    def kill(self) -> None:
        if self.alive:
            self._process.kill()
        self._process.wait()
        self._stdout.close()
        with contextlib.suppress(BrokenPipeError):  # a job that was never read
            self._stdin.close()


class Worker:
    """Does jobs of one kind, in a child that is started with the first of them and replaced where it died.

    Use it in a `with` block: the child ends with it.
    """

    def __init__(self, name: str) -> None:
        """`name` is one of `_WORKS`."""
        self._name = name
        self._child: _Child | None = None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        if self._child is not None:
            self._child.kill()

    def ask(self, source: str, path: Path, timeout: float) -> Reply:
        """What the child made of a job, or `{"error": reason}`; `timeout` in seconds."""
        if self._child is None or not self._child.alive:
            self._child = _Child(self._name)
            greeting = self._child.ask(None, _START)
            if "error" in greeting:
                return greeting
        return self._child.ask({"source": source, "path": str(path)}, timeout)


def convert(name: str, jobs: Iterable[tuple[str, Path]], timeout: float) -> list[Reply]:
    """Have `name` make a file of each (ABC text or path of a file, path of the result); `timeout` in seconds for each.

    One reply per job, in order: what the child returned, or `{"error": reason}`. A result appears under its path
    whole or not at all, and nothing else is left behind.
    """
    replies: list[Reply] = []
    with Worker(name) as worker:
        for source, path in jobs:
            partial = path.with_name(f".{path.name}.{os.getpid()}.part")
            try:
                reply = worker.ask(source, partial, timeout)
                if "error" not in reply:
                    os.replace(partial, path)
            finally:
                partial.unlink(missing_ok=True)
            replies.append(reply)
    return replies


def _serve(name: str) -> None:
    """The child's side: one reply line per job line, until the parent closes the pipe."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print must not get between the replies

    def answer(reply: Reply) -> None:
        replies.write(json.dumps(reply) + "\n")
        replies.flush()

    try:
        module = importlib.import_module(_WORKS[name])
    except ImportError as error:
        answer({"error": f"the package {error.name} is not installed: pip install {error.name}"})
        return
    answer({})
    for line in sys.stdin:
        job = json.loads(line)
        try:
            answer(module.work(job["source"], Path(job["path"])))
        except Exception as error:  # whatever the libraries raise is an answer; only this process knows their kinds
            answer({"error": f"{type(error).__name__}: {error}"[:300]})


if __name__ == "__main__":
    _serve(sys.argv[1])
