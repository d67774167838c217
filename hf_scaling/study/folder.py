"""One study's claim on its folder, and which of its stages are complete."""

import fcntl
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

import yaml

from hf_scaling.records import (
    UserError,
    checksums,
    content_hash,
    first_damaged,
    read_json,
    set_aside,
    sweep_partials,
    write_json,
    write_text,
)
from hf_scaling.study.config import NOT_HASHED, StudyConfig

LOCKS = ".locks"  # one for each run at work
_NOT_OF_TRAINING = ("study.yaml", "stages.json", "dataset", "tokenizer", "tokens")


class StudyFolder:
    """The folder of a study, held while this object lives.

    Whoever prepares, plans or concludes holds it alone; those who train share it. A second process waits while the
    first prepares, and then trains with it what is left.

    Raises:
        UserError: the folder cannot be written, or it belongs to another configuration.
    """

    def __init__(self, config: StudyConfig, overwrite: bool = False):
        self.config, self.path = config, config.folder
        self._lock = self._hold()
        self.resolved: dict[str, Any]
        try:
            self.resolved = self._claim()
        except UserError:
            if not overwrite or not (self.path / "study.yaml").exists():
                raise
            print(f"{self.path}: the earlier study was moved to {set_aside(self.path.absolute())}")
            self._lock = self._hold()
            self.resolved = self._claim()
        if self.alone:  # else what looks left over may be somebody's work
            sweep_partials(self.path)

    def _hold(self) -> IO[str]:
        if self.path.exists() and not self.path.is_dir():
            raise UserError(f"output_dir: {self.path} is a file, expected a folder")
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = open(self.path / ".lock", "w")  # noqa: SIM115 - held for the life of the study
        except OSError as error:
            raise UserError(f"output_dir: {self.path} cannot be written ({error.strerror})") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self.alone = True
        except BlockingIOError:
            print(f"{self.path}: another process is at work there; joining it as soon as it trains", flush=True)
            fcntl.flock(lock, fcntl.LOCK_SH)
            self.alone = self._is_last(lock)
        return lock

    def _is_last(self, lock: IO[str]) -> bool:
        """Whether whoever was waited for is gone, before it came to train; then the folder is held alone."""
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(lock, fcntl.LOCK_SH)  # the attempt let go of it
            return False
        return True

    def share(self) -> None:
        """Let other processes train too."""
        fcntl.flock(self._lock, fcntl.LOCK_SH)
        self.alone = False

    def hold_alone(self) -> None:
        """Wait until nobody else trains."""
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{self.path}: waiting for the runs that other processes train", flush=True)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
        self.alone = True
        shutil.rmtree(self.path / LOCKS, ignore_errors=True)  # of runs; nobody trains now
        sweep_partials(self.path)  # of whoever was killed meanwhile

    def _claim(self) -> dict[str, Any]:
        """Check that the folder is empty or this study's own; return what earlier starts resolved."""
        record = self.path / "study.yaml"
        if not record.exists():
            if others := [path.name for path in self.path.iterdir() if not path.name.startswith(".")]:
                raise UserError(
                    f"output_dir: {self.path} holds other files ({min(others)}); expected a new or empty folder"
                )
            self._write({})
            return {}
        try:
            earlier = yaml.safe_load(record.read_text(encoding="utf-8"))
            hash_then, resolved = earlier.pop("config_hash"), dict(earlier.pop("resolved"))
        except (yaml.YAMLError, UnicodeDecodeError, AttributeError, KeyError, TypeError):
            raise UserError(f"{record}: damaged; use --overwrite to start anew, or another --output_dir") from None
        now = asdict(self.config)
        keys = [k for k in {**earlier, **now} if k not in NOT_HASHED and earlier.get(k) != now.get(k)]
        if hash_then != self.config.config_hash:
            if all(path.name == "study.yaml" or path.name.startswith(".") for path in self.path.iterdir()):
                self._write({})  # nothing was made yet: a corrected configuration may go on here
                return {}
            if keys:
                raise UserError(
                    f"output_dir: {self.path} belongs to a study with other values of {', '.join(keys)}; "
                    "use --overwrite to set it aside, or another --output_dir"
                )
        if keys or hash_then != self.config.config_hash:
            self._write(resolved)  # a value or the hash was damaged, and the other still says whose folder this is
        return resolved

    def _write(self, resolved: dict[str, Any]) -> None:
        content = asdict(self.config) | {"config_hash": self.config.config_hash, "resolved": resolved}
        write_text(self.path / "study.yaml", yaml.safe_dump(content, sort_keys=False, allow_unicode=True))

    def resolve(self, resolved: dict[str, Any]) -> None:
        """Store what was found out about the machine, for every later start."""
        if resolved != self.resolved:
            self._need_alone("plan")
            self._write(resolved)
            self.resolved = resolved

    def stage(self, name: str, inputs: Any, outputs: Sequence[str], work: Callable[[], object]) -> str:
        """Do a stage, unless its outputs stand there unharmed, from the same inputs; return their key.

        Args:
            inputs: whatever decides the outcome, as JSON; keys of earlier stages among them.
            outputs: files and folders in the study folder, each written atomically by `work`.
        """
        record = self.path / "stages.json"
        stages = read_json(record) if record.exists() else {}
        if not isinstance(stages, dict) or not all(isinstance(done, dict) for done in stages.values()):
            raise UserError(f"{record}: not a record of stages; delete it to have it rebuilt")
        key = content_hash([name, inputs])
        done = stages.get(name, {})
        if done.get("key") == key and all((self.path / output).exists() for output in outputs):
            damaged = first_damaged(self.path, done.get("files", {}))
            if damaged is None:
                print(f"{name}: complete, nothing to do")
                return key
            print(f"{name}: {self.path / damaged} is damaged, or was changed by somebody else; made again")
            self._need_alone(name)
            (self.path / damaged).unlink(missing_ok=True)  # what is made may not rest on it
        self._need_alone(name)
        print(f"{name} ...", flush=True)
        start = time.perf_counter()
        work()
        seconds = round(time.perf_counter() - start, 2)
        stages[name] = {"key": key, "seconds": seconds, "files": checksums(self.path, outputs)}
        write_json(record, stages)
        return key

    def _need_alone(self, stage: str) -> None:
        if not self.alone:
            raise UserError(
                f"output_dir: the stage {stage!r} of {self.path} is not complete, but another process trains there; "
                "start again when it has ended"
            )

    def set_results_aside(self) -> Path:
        """Move all that training made, and what was made of it, out of the way; return where it lies now."""
        self._need_alone("set aside")
        earlier = self.path / "earlier"
        if earlier.exists():  # of a start that was killed while it did this
            set_aside(earlier)
        earlier.mkdir()
        for path in self.path.iterdir():
            if not path.name.startswith((".", "earlier")) and path.name not in _NOT_OF_TRAINING:
                path.rename(earlier / path.name)
        return set_aside(earlier)
