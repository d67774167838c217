"""A study of which everything may be pushed, a Hub of one's own, and `push_to_hub.py` without a process of its own."""

import contextlib
import random
import runpy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub.constants
import pytest

from hf_scaling.data.clean import CleanOptions
from hf_scaling.data.dataset import DataOptions, build_dataset
from hf_scaling.data.sources import SourceOptions
from hf_scaling.models import Size, Vocabulary, build_config, build_model
from hf_scaling.records import append_row, finished_rows, write_jsonl
from hf_scaling.tokenization import load_tokenizer
from hf_scaling.training.model_folder import save_model

ROOT = Path(__file__).parents[2]
TOKEN = "hf_loopback_secret"


class Pushed(NamedTuple):
    """How a push ended."""

    code: int
    out: list[str]
    err: list[str]


def open_dataset(folder: Path, aside: Path) -> None:
    """Thirty random tunes, given away."""
    draw = random.Random(1)
    bodies = ("|".join("".join(draw.choices("CDEFGABcdefg", k=8)) for _ in range(8)) for _ in range(30))
    (aside / "book.abc").write_text(
        "".join(f"X:{n}\nT:Tune {n}\nM:4/4\nL:1/8\nK:G\n{body}|\n\n" for n, body in enumerate(bodies))
    )
    source = SourceOptions(["miscFolk"], abc_files=str(aside / "book.abc"), files_licence="cc0-1.0")
    build_dataset(DataOptions(["abc_files"], source, CleanOptions(64, 2000), 0.2, 0.2, 0.3, seed=0), folder, {})


def add_llama(study: Path) -> None:
    """A LLaMA as it begins, beside the study's other models: what it has learnt is nothing to the Hub."""
    row = finished_rows(study / "runs.jsonl")[0]
    tokenizer = load_tokenizer(study / "tokenizer")
    ids = [getattr(tokenizer, f"{which}_token_id") for which in ("pad", "bos", "eos")]
    model = build_model(build_config("llama", Size("a", 8, 1, 1, 16), Vocabulary(len(tokenizer), *ids), 64), 0)
    run = study / "runs" / "llama-a-00000000"
    shutil.copytree(study / "runs" / row["run_id"], run, ignore=shutil.ignore_patterns("model", "checksums.json"))
    save_model(model, tokenizer, run / "model", {"temperature": 0.9, "top_p": 0.95})
    append_row(study / "runs.jsonl", row | {"run_id": run.name, "family": "llama"})


@pytest.fixture(scope="session")
def open_study(tiny_study: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny study's smallest models, as if its tunes were free, and a LLaMA.

    Without the fits, for the figure of each card takes longer than all else; see `figured`.
    """
    aside = tmp_path_factory.mktemp("open")
    without = shutil.ignore_patterns("fits.json")
    folder = Path(shutil.copytree(tiny_study.folder, aside / "study", ignore=without))
    write_jsonl(folder / "runs.jsonl", [row for row in finished_rows(folder / "runs.jsonl") if row["size"] == "a"])
    shutil.rmtree(folder / "dataset")
    open_dataset(folder / "dataset", aside)
    add_llama(folder)
    return folder


@pytest.fixture
def study(open_study: Path, tmp_path: Path) -> Path:
    """A study of one's own, to change."""
    return Path(shutil.copytree(open_study, tmp_path / "study"))


@pytest.fixture
def figured(tiny_study: Any, study: Path) -> Path:
    """A study of one's own whose cards have the scaling figure."""
    shutil.copy(tiny_study.folder / "fits.json", study)
    return study


@pytest.fixture
def hub(hub_server: Any, serving: Any) -> Iterator[Any]:
    """A Hub that nobody else uses."""
    with serving(type(hub_server)()) as server:
        yield server


@pytest.fixture(scope="session")
def pushed(hub_server: Any, open_study: Path, serving: Any) -> Iterator[Any]:
    """A Hub that holds everything."""
    with serving(type(hub_server)()) as server:
        assert push_with(server, "all", open_study, "--repository", "me/folk") == 0
        yield server


@pytest.fixture(scope="session")
def push_to() -> Callable[..., int]:
    """Run `push_to_hub.py` against a Hub; the exit code."""
    return push_with


def push_with(server: Any, *arguments: object) -> int:
    with as_client(server):
        return main_of_push()([str(argument) for argument in arguments])


@contextlib.contextmanager
def as_client(server: Any) -> Iterator[None]:
    """This process, for which the libraries were told that there is no Hub, as a client of `server`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(huggingface_hub.constants, "ENDPOINT", server.url)
        patch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
        patch.setattr(huggingface_hub.constants, "HF_HUB_DISABLE_XET", True)
        patch.setenv("HF_TOKEN", TOKEN)
        yield


def main_of_push() -> Callable[[list[str]], int]:
    """`push_to_hub.py`, to be run in this process."""
    found: Callable[[list[str]], int] = runpy.run_path(str(ROOT / "push_to_hub.py"))["main"]
    return found


@pytest.fixture
def push(hub: Any, capfd: pytest.CaptureFixture[str]) -> Callable[..., Pushed]:
    """Run `push_to_hub.py` against the Hub; nothing that it shows may hold the token."""
    main = main_of_push()

    def run(*arguments: object) -> Pushed:
        with as_client(hub):
            code = main([str(argument) for argument in arguments])
        shown = capfd.readouterr()
        assert TOKEN not in shown.out + shown.err
        return Pushed(code, shown.out.splitlines(), shown.err.splitlines())

    return run
