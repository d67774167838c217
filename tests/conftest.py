"""For all tests: no network, the real commands cheaply, and two studies that are run once.

A recipe spends seconds on imports, so `commands` forks each from a process that has done them already. What runs is
the recipe itself as `__main__`, in a process of its own, with its own standard streams and exit code.
"""

import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.server import HTTPServer
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from filelock import FileLock
from hypothesis import settings

Server = TypeVar("Server", bound=HTTPServer)

ROOT = Path(__file__).parents[1]
_HOME = tempfile.TemporaryDirectory(prefix="hf-home-")  # no cache, no token, no accelerate configuration of this user
# before any test module imports the libraries, which read them once; threads gain nothing on tensors as small as these
os.environ |= {"HF_HUB_OFFLINE": "1", "HF_HOME": _HOME.name, "OMP_NUM_THREADS": "1"}

settings.register_profile("hermetic", deadline=None, derandomize=True)  # neither the load nor chance decides a test
settings.load_profile("hermetic")

# seconds for a whole study; the model is just good enough to write tunes that can be repaired
TINY = {
    "name": "tiny",
    "collections": ["miscFolk"],
    "validation_fraction": 0.1,
    "test_fraction": 0.1,
    "ladder": ["a=8x1x1x16", "b=16x1x2x32", "c=24x1x2x96"],
    "context_length": 64,
    "tokens_per_run": 10240,
    "batch_size": 8,
    "learning_rates": ["gpt2=2e-2", "folk_lstm=4e-2"],
    "precision": "fp32",
    "threads": 1,
    "best_epochs": 6,
    "best_tokens": 20480,
}

_SERVER = """
import atexit, gc, json, os, runpy, signal, sys, traceback
import hf_scaling.study.options, hf_scaling.study.stages, hf_scaling.study.summary
import accelerate, jinja2, matplotlib.backends.backend_agg, matplotlib.backends.backend_svg, scipy.special

gc.collect()
gc.freeze()
print("ready", flush=True)
for line in sys.stdin:
    job = json.loads(line)
    if "wait" in job:
        print(os.waitpid(job["wait"], 0)[1], flush=True)
        continue
    pid = os.fork()
    if pid:
        print(pid, flush=True)
        continue
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started the tests with it ignored
    os.chdir(job["cwd"])
    os.environ.update(job["environment"])
    for number, name in enumerate(["/dev/null", job["stdout"], job["stderr"]]):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o644), number)
    sys.argv = job["argv"]
    code = 0
    try:
        if sys.argv[0] == "hf-scaling":
            runpy.run_module("hf_scaling.cli", run_name="__main__", alter_sys=True)
        else:
            sys.path[0] = os.path.dirname(sys.argv[0])
            runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as stop:
        code = stop.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    # what an interpreter does at its end, but for taking down the libraries piece by piece
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
"""


@dataclass(frozen=True)
class Finished:
    """A command that has ended; `code` is negative for a signal, as in subprocess."""

    code: int
    stdout: str
    stderr: str

    @property
    def problems(self) -> list[str]:
        """What standard error shows when the command has ended, without the bars that were wiped away."""
        shown = [line.rpartition("\r")[2].strip() for line in self.stderr.split("\n")]
        return [line for line in shown if line and not line.startswith("[transformers]")]


class Running:
    """A command at work."""

    def __init__(self, ask: Callable[[dict[str, Any]], str], job: dict[str, Any], folder: Path):
        self._ask, self._out, self._err = ask, folder / "stdout", folder / "stderr"
        for path in (self._out, self._err):
            path.touch()  # it may be killed before it comes to open them
        job |= {"stdout": str(self._out), "stderr": str(self._err)}
        self.pid = int(ask(job))
        self._status: int | None = None

    @property
    def shown(self) -> str:
        """Standard output so far."""
        return self._out.read_text(encoding="utf-8") if self._out.exists() else ""

    def wait(self) -> Finished:
        """Wait for its end."""
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(int(self._ask({"wait": self.pid})))
        # decoded as it stands, for carriage returns tell what was wiped away
        return Finished(self._status, self._out.read_bytes().decode(), self._err.read_bytes().decode())

    def kill_when(self, condition: Callable[[], bool], sent: signal.Signals = signal.SIGKILL) -> Finished:
        """Send a signal as soon as the condition holds."""
        until = time.monotonic() + 120
        while not condition():
            assert time.monotonic() < until, "the moment to kill never came"
            time.sleep(0.002)
        os.kill(self.pid, sent)
        return self.wait()


class Commands:
    """Starts recipes, by file name (`sweep.py`), `push_to_hub.py` and `hf-scaling`."""

    def __init__(self, folder: Path):
        self._folder, self._count = folder, 0
        self._server = subprocess.Popen(
            [sys.executable, "-c", _SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._ready = False

    def _ask(self, job: dict[str, Any]) -> str:
        assert self._server.stdin
        assert self._server.stdout
        if not self._ready:
            assert self._server.stdout.readline() == "ready\n"
            self._ready = True
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        return self._server.stdout.readline()

    def start(
        self, name: str | Path, *arguments: object, cwd: Path = ROOT, environment: dict[str, str] | None = None
    ) -> Running:
        """Start a command, or a script by its path, and return at once; `environment` goes beside the tests' own."""
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        program = name if name == "hf-scaling" else str(ROOT / ("" if name == "push_to_hub.py" else "recipes") / name)
        job = {"argv": [program, *map(str, arguments)], "cwd": str(cwd), "environment": environment or {}}
        return Running(self._ask, job, folder)

    def start_two(self, name: str | Path, *arguments: object, **environment: str) -> list[Running]:
        """Start two processes of one run as a launcher would, but that they are forked, and nobody ends them."""
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = str(free.getsockname()[1])
        shared = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "ACCELERATE_USE_CPU": "true"}
        ranks = [{"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(2)]
        return [self.start(name, *arguments, environment=shared | environment | rank) for rank in ranks]

    def run(self, name: str, *arguments: object, cwd: Path = ROOT) -> Finished:
        """Run a command to its end."""
        return self.start(name, *arguments, cwd=cwd).wait()

    def stop(self) -> None:
        """End the process that commands are forked from."""
        self._server.communicate()


@dataclass(frozen=True)
class Study:
    """A completed study and what its command printed."""

    folder: Path
    stdout: str
    stderr: str


@contextmanager
def _serving(server: Server) -> Iterator[Server]:
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def serving() -> Callable[[Server], AbstractContextManager[Server]]:
    """Have a server answer, in a thread, while a `with` block runs."""
    return _serving


@pytest.fixture(scope="session")
def hub_server() -> Iterator[Any]:
    """A `HubServer` of tests/hub_server.py, for all tests: give repositories names of their own."""
    with _serving(runpy.run_path(str(ROOT / "tests" / "hub_server.py"))["HubServer"]()) as server:
        yield server


@pytest.fixture(scope="session")
def browser() -> str:
    """Path of a Chromium."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        message = f"no browser found: install one of {', '.join(names)}"
        if os.environ.get("HF_SCALING_REQUIRE_ALL"):
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="session")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Commands]:
    started = Commands(tmp_path_factory.mktemp("commands"))
    yield started
    started.stop()


def for_two_on_a_cpu(name: str, folder: Path) -> Path:
    """One of accelerate_configs/ that is for GPUs, for two processes on a CPU."""
    config = yaml.safe_load((ROOT / "accelerate_configs" / f"{name}.yaml").read_text(encoding="utf-8"))
    config.pop("gpu_ids", None)
    path = folder / f"{name}_cpu.yaml"
    path.write_text(yaml.safe_dump(config | {"use_cpu": True, "num_processes": 2}), encoding="utf-8")
    return path


def _made_once(tmp_path_factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Finished]) -> Study:
    """A study in a folder that all of pytest's processes share: the first that asks for it makes it."""
    base = tmp_path_factory.getbasetemp()
    base = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"a stüdy {name}"
    folder, printed = base / f"{name} ünïcode", base / "printed.json"
    base.mkdir(exist_ok=True)
    with FileLock(base / "lock"):
        if not printed.exists():
            ended = make(folder)
            assert ended.code == 0, ended.stderr
            printed.write_text(json.dumps([ended.stdout, ended.stderr]))
    return Study(folder, *json.loads(printed.read_text()))


@pytest.fixture(scope="session")
def quick_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The README's command for those in a hurry, into a folder with a space and letters beyond ASCII in its name."""

    def make(folder: Path) -> Finished:
        accelerate = Path(sys.executable).with_name("accelerate")
        command = [accelerate, "launch", "recipes/sweep.py", "--config", "recipes/studies/quick.yaml"]
        environment = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        ended = subprocess.run(
            [*command, "--output_dir", folder], capture_output=True, text=True, cwd=ROOT, env=environment, check=False
        )
        return Finished(ended.returncode, ended.stdout, ended.stderr)

    return _made_once(tmp_path_factory, "quick", make)


@pytest.fixture(scope="session")
def tiny_yaml(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("configuration") / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_study(tmp_path_factory: pytest.TempPathFactory, commands: Commands, tiny_yaml: Path) -> Study:
    """The tiny study, never interrupted; a copy of this process's own, for some tests lock it."""
    made = _made_once(
        tmp_path_factory, "tiny", lambda folder: commands.run("sweep.py", "--config", tiny_yaml, "--output_dir", folder)
    )
    folder = tmp_path_factory.mktemp("tiny") / "study"
    shutil.copytree(made.folder, folder)
    return Study(folder, made.stdout, made.stderr)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hand out the files that take minutes first; what only needs the quick study comes when it has been made."""
    needs: dict[Path, set[str]] = {}
    for item in items:
        needs.setdefault(item.path, set()).update(getattr(item, "fixturenames", ()))

    def turn(path: Path) -> int:
        if "quick_study" in needs[path]:
            return 0 if path.stem == "test_quick_study" else 2
        return 1 if "tiny_study" in needs[path] or path.parent.name in ("study", "robustness") else 3

    items.sort(key=lambda item: turn(item.path))
