"""A folder of MIDI files, each made ABC by midi2abc (from symusic's wheel) in a child process that may not run away."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from hf_scaling.data.encoding import decode
from hf_scaling.data.sources.books import LONGEST_TUNE
from hf_scaling.data.sources.files import Found, files_identity, find_files, label, open_file, why
from hf_scaling.data.sources.licences import files_licence
from hf_scaling.data.sources.tune import Licence, RawTune, SourceOptions, Unread
from hf_scaling.records import UserError

TIMEOUT = 10.0  # seconds for one file
_SOURCE = "midi_files"
_EXPECTED = "a folder with .mid or .midi files in it"


class _FailedError(Exception):
    """A conversion that came to nothing: one of the reasons for Unread, and what exactly was wrong."""


def licence(options: SourceOptions) -> Licence:
    """What the user says that the terms are."""
    return files_licence(options)


def identity(options: SourceOptions) -> str | None:
    """The converter, by size, and a hash over names, sizes and times of the files; None where either is missing."""
    try:
        found, converter = _locate(options), _converter()
    except (UserError, OSError):
        return None
    return files_identity([("midi2abc", converter), *found.files])


def read(options: SourceOptions) -> Iterator[RawTune | Unread]:
    """Stream one tune for each file that can be converted, in the order of their names.

    A file's collection is the topmost folder that it lies in, below the one given.

    Raises:
        UserError: there is no such folder or no MIDI file in it, or symusic is not installed.
    """
    found, converter = _locate(options), str(_converter())
    if not found.files:
        shut = f" ({', '.join(found.shut[0])})" if found.shut else ""
        raise UserError(
            f"midi_files: got {options.midi_files!r}, without a single MIDI file{shut}; expected {_EXPECTED}"
        )
    for name, reason in found.shut:
        yield Unread("unreadable file", _SOURCE, _collection(options, name), name, 1, reason)
    for name, path in found.files:
        collection = _collection(options, name)
        try:
            with open_file(path):  # only to tell what is no file, which the converter would wait for
                pass
            yield RawTune(_tune(_run(converter, path), PurePosixPath(name).stem), _SOURCE, collection, name, 1)
        except OSError as error:
            yield Unread("unreadable file", _SOURCE, collection, name, 1, why(error))
        except _FailedError as failure:
            yield Unread(failure.args[0], _SOURCE, collection, name, 1, failure.args[1])


def _locate(options: SourceOptions) -> Found:
    if not options.midi_files or not Path(options.midi_files).is_dir():
        raise UserError(f"midi_files: got {options.midi_files!r}, expected {_EXPECTED}")
    return find_files(Path(options.midi_files), (".mid", ".midi"))


def _collection(options: SourceOptions, name: str) -> str:
    folder, inside, _ = name.partition("/")
    return folder if inside else label(Path(str(options.midi_files)).resolve().name)


def _converter() -> Path:
    spec = find_spec("symusic")  # finds it without importing it
    for folder in (spec and spec.submodule_search_locations) or ():
        if (path := Path(folder, "bin", "midi2abc")).is_file():
            return path
    raise UserError("sources: 'midi_files' needs midi2abc of the package symusic; pip install 'hf_scaling[midi]'")


def _run(converter: str, path: Path) -> str:
    """What the converter writes for a file; it and whatever it starts are gone when this returns."""
    child = subprocess.Popen(
        [converter, "-f", str(path.resolve())],  # an absolute path begins with no hyphen
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdout
    with child.stdout as pipe:
        try:
            output = _bounded(pipe.fileno(), time.monotonic() + TIMEOUT)
            code = child.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            raise _FailedError("conversion timed out", f"{TIMEOUT:g} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    if code:
        raise _FailedError("conversion failed", f"exit code {code}")
    return "\n".join(decode(line) for line in output.splitlines())


def _bounded(pipe: int, until: float) -> bytes:
    output = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(max(until - time.monotonic(), 0)):
                raise _FailedError("conversion timed out", f"{TIMEOUT:g} s")
            part = os.read(pipe, 2**16)
            output += part
            if not part:
                return output
            if len(output) > LONGEST_TUNE:
                raise _FailedError("conversion ran away", f"more than {LONGEST_TUNE:,} bytes")


def _tune(output: str, title: str) -> str:
    """The tune in the converter's output, titled after its file and without the name of an only voice.

    midi2abc writes the file's whole path as a title, and a V: field even where there is one voice.
    """
    _, start, tune = f"\n{output}".partition("\nX:")
    lines = tune.split("\n")
    voices = {line.strip() for line in lines if line.startswith("V:")}
    kept = [line for line in lines if not line.startswith("T: from ") and not (len(voices) == 1 and line in voices)]
    if not start:
        raise _FailedError("conversion failed", "no tune in the output")
    return "\n".join([f"X:{kept[0]}", f"T:{' '.join(title.split())}", *kept[1:]])
