"""Kill studies at random moments until they have ended all the same; are they what they would have been?

    pip install -e ".[test]"
    python benchmarks/crash_matrix.py                      # 100 kills, some ten minutes on two cores
    python benchmarks/crash_matrix.py --kills 1            # quicker
    python benchmarks/crash_matrix.py --folder /tmp/matrix # keep what was found so far, and go on from there

An uninterrupted study, which has every stage there is, tells how long each of them takes. Others are killed (SIGKILL)
once in every stage, at a moment drawn evenly from its length, and at a few moments more in the long ones; each time the
same command starts again in the same folder. Every second study is shared by two sweeps of which chance says who is
killed. This goes on until there were enough kills, and some in every stage. At its end the ledger, metrics, weights,
fits and samples of a study must be those of the one that nobody interrupted, to the bit, with no row twice or missing
and no temporary file left.
"""

import argparse
import json
import os
import random
import runpy
import shutil
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from common import write_result

_TESTS = Path(__file__).parents[1] / "tests"
_WAYS = {"alone": 1, "two sweeps": 2}  # at once
STAGES = ("dataset", "tokenizer", "tokens", "corpus picture", "baselines", "learning rates", "plan", "runs", "best")
STAGES += ("fits", "comparison", "joint laws", "scores", "figures", "samples", "patterns", "lint", "report")
# what the tests' tiny study leaves out: trials of learning rates, and several horizons
_MORE = {"tune_sizes": ["a", "b", "c"], "tune_factors": [0.5, 1, 2], "tune_tokens": 2048, "horizons": [0.5, 1]}
_AGAIN = 5  # kills in the long stages, beside the one in each
_SHORT = 0.2  # seconds of a stage that would often be over before a kill could reach it
_STEP = 0.001
_WAITING = ("another process is at work there", "waiting for the runs that other processes train")
_REFUSED = "another process trains there; start again when it has ended"
differences = runpy.run_path(str(_TESTS / "sameness.py"))["differences"]

Start = Callable[[Path], Any]
Aim = tuple[str, float, bool]  # a stage, seconds from its beginning, and whether to go there in steps


def stage_of(sweep: Any, folder: Path) -> str:
    """Where a sweep stands by what it has said: a stage, or before, between or behind them."""
    record = folder / "stages.json"
    for line in reversed(sweep.shown.splitlines()):
        if any(words in line for words in _WAITING):
            return "waiting"
        if "runs, predicted to train for" in line:
            return "runs"
        stage = line.removesuffix(" ...").removesuffix(": complete, nothing to do")
        if stage in STAGES:
            begun = line == f"{stage} ..."
            if begun and not (record.exists() and stage in json.loads(record.read_text(encoding="utf-8"))):
                return stage
            return "plan" if stage in ("baselines", "learning rates") else "between"
    return "opening"


def lengths(start: Start, folder: Path) -> dict[str, float]:
    """Run a study to its end; the seconds that each of its stages takes."""
    sweep, seconds, last = start(folder), Counter[str](), time.monotonic()
    while not _has_ended(sweep):
        time.sleep(0.001)
        now = time.monotonic()
        seconds[stage_of(sweep, folder)] += now - last
        last = now
    made = {*json.loads((folder / "stages.json").read_text(encoding="utf-8")), "plan", "runs"}
    if sweep.wait().code or made != {*STAGES}:
        raise RuntimeError(f"{sweep.wait()}: it had the stages {', '.join(made)}, expected {', '.join(STAGES)}")
    return {stage: seconds[stage] for stage in STAGES}


def live(start: Start, folder: Path, way: str, aims: Sequence[Aim], draw: random.Random) -> list[str]:
    """Run a study to its end, killing a sweep of it at each of `aims`; the stages at which they then stood.

    way: one of `_WAYS`.
    """
    running = [start(folder) for _ in range(_WAYS[way])]
    killed: list[str] = []
    for stage, seconds, creeping in aims:
        step = _creep if creeping else lambda sweeps: time.sleep(_STEP)
        while not (any(_has_reached(sweep, folder, stage) for sweep in running) or all(map(_has_ended, running))):
            step(running)
            running = [_tended(sweep, start, folder) for sweep in running]
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            step(running)
        number = draw.randrange(len(running))
        if not _has_ended(running[number]):
            running[number].kill_when(lambda: True)
            killed.append(stage_of(running[number], folder))
            running[number] = start(folder)
        for sweep in running:
            _send(sweep, signal.SIGCONT)
    while not all(map(_has_ended, running)):
        running = [_tended(sweep, start, folder) for sweep in running]
        time.sleep(0.01)
    return killed


def _send(sweep: Any, sent: signal.Signals) -> None:
    if not _has_ended(sweep):
        os.kill(sweep.pid, sent)


def _creep(sweeps: Sequence[Any]) -> None:
    """Let sweeps go on for a step, and stop them again to see where they stand."""
    for sent in (signal.SIGCONT, signal.SIGSTOP):
        for sweep in sweeps:
            _send(sweep, sent)
        if sent == signal.SIGCONT:
            time.sleep(_STEP)


def _has_reached(sweep: Any, folder: Path, stage: str) -> bool:
    stands = stage_of(sweep, folder)
    return stands in STAGES and STAGES.index(stands) >= STAGES.index(stage)


def _has_ended(sweep: Any) -> bool:
    """Whether a process is no more, or waits to be buried."""
    try:
        return Path(f"/proc/{sweep.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def _tended(sweep: Any, start: Start, folder: Path) -> Any:
    """The sweep, or another in its place if it was told to come back later."""
    if not _has_ended(sweep) or sweep.wait().code == 0:
        return sweep
    if _REFUSED not in sweep.wait().stderr:
        raise RuntimeError(f"a sweep of {folder} ended with {sweep.wait()}")
    return start(folder)


def main(argv: Sequence[str] | None = None) -> None:
    """Kill, compare, print what was found, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how many at least (default 100)")
    parser.add_argument("--folder", type=Path, help="where to work, and to go on from")
    arguments = parser.parse_args(argv)
    tests = runpy.run_path(str(_TESTS / "conftest.py"))
    os.environ["PYTHONUNBUFFERED"] = "1"  # what a sweep says shows where it stands
    with tempfile.TemporaryDirectory() as aside:
        place = arguments.folder or Path(aside)
        place.mkdir(parents=True, exist_ok=True)
        configuration = place / "tiny.yaml"
        configuration.write_text(yaml.safe_dump(tests["TINY"] | _MORE), encoding="utf-8")
        commands = tests["Commands"](Path(tempfile.mkdtemp(dir=aside)))

        def start(folder: Path) -> Any:
            return commands.start("sweep.py", "--config", configuration, "--output_dir", folder)

        rows = matrix(start, place, arguments.kills)
        commands.stop()
    same = "share of interrupted studies that end as the uninterrupted one"
    kills = {stage: sum(row["kills"].get(stage, 0) for row in rows) for stage in STAGES}
    print(", ".join(f"{stage}: {count}" for stage, count in kills.items()))
    ratios = {
        same: sum(not row["differences"] for row in rows) / len(rows),
        "kills": float(sum(sum(row["kills"].values()) for row in rows)),
        "stages killed in": float(sum(count > 0 for count in kills.values())),
    }
    write_result("crash_matrix", rows, ratios, {same: 1.0, "kills": 100.0, "stages killed in": len(STAGES)})


def matrix(start: Start, place: Path, kills: int) -> list[dict[str, Any]]:
    """A row for each study: how it was run, its kills by stage, and how it differs from the uninterrupted one."""
    reference, timed, found = place / "reference", place / "lengths.json", place / "found.jsonl"
    if not timed.exists():
        shutil.rmtree(reference, ignore_errors=True)
        timed.write_text(json.dumps(lengths(start, reference)), encoding="utf-8")
    seconds = json.loads(timed.read_text(encoding="utf-8"))
    rows = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()] if found.exists() else []
    while sum(sum(row["kills"].values()) for row in rows) < kills or {*STAGES} - {
        s for row in rows for s in row["kills"]
    }:
        number = len(rows)
        folder, way, draw = place / f"study-{number}", list(_WAYS)[number % len(_WAYS)], random.Random(number)
        shutil.rmtree(folder, ignore_errors=True)
        aimed = [*STAGES, *draw.choices(STAGES, list(seconds.values()), k=_AGAIN)]
        aims = [
            (stage, draw.uniform(0, seconds[stage]), seconds[stage] < _SHORT)
            for stage in sorted(aimed, key=STAGES.index)
        ]
        killed = live(start, folder, way, aims, draw)
        row = {"study": number, "way": way, "kills": Counter(killed), "differences": differences(folder, reference)}
        if not row["differences"]:
            shutil.rmtree(folder)
        rows.append(row)
        with open(found, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
    return rows


if __name__ == "__main__":
    main()
