"""Kill studies at random moments until they have ended all the same; are they what they would have been?

    pip install -e ".[test]"
    python benchmarks/crash_matrix.py                      # 100 kills, about half an hour on one core
    python benchmarks/crash_matrix.py --kills 10           # quicker
    python benchmarks/crash_matrix.py --folder /tmp/matrix # keep what was found so far, and go on from there

A study of about 15 seconds is started and killed (SIGKILL, at a moment drawn evenly from a third of its length), and
again in the same folder, until it comes to its end. Every second study is shared by two sweeps, of which either may be
killed. At its end its ledger, metrics, weights, fits and samples must be those of a study that nobody interrupted, to
the bit, with no row twice or missing and no temporary file left.
"""

import argparse
import json
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
_STAGES = ("dataset", "tokenizer", "tokens", "corpus picture", "baselines", "plan", "runs", "fits", "comparison")
_STAGES += ("figures", "best", "samples", "report")
differences = runpy.run_path(str(_TESTS / "sameness.py"))["differences"]

Start = Callable[[Path], Any]


def stage_at(folder: Path) -> str:
    """The stage at which a study stands."""
    try:
        done = json.loads((folder / "stages.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return _STAGES[0]
    if "baselines" in done and "fits" not in done:
        return "runs" if (folder / "plan.json").exists() else "plan"
    return next((stage for stage in _STAGES if stage not in done and stage not in ("plan", "runs")), "behind the end")


def live(start: Start, folder: Path, way: str, longest: float, draw: random.Random, most: int = 1000) -> list[str]:
    """Run a study to its end, killing it as often as it takes up to `most` times; the stages at which it was killed.

    Args:
        start: starts a sweep in a folder.
        way: one of `_WAYS`.
        longest: seconds; kills come evenly spread from 0 to here after the start before.
    """
    sweeps = _WAYS[way]
    running = [start(folder) for _ in range(sweeps)]
    killed: list[str] = []
    ended: set[Any] = set()
    while len(ended) < sweeps:
        until = time.monotonic() + (draw.uniform(0, longest) if len(killed) < most else 1e6)
        while time.monotonic() < until and not all(_has_ended(sweep) for sweep in running):
            time.sleep(0.005)
        victim = draw.randrange(sweeps)
        if not _has_ended(running[victim]) and len(killed) < most:
            killed.append(stage_at(folder))
            running[victim].kill_when(lambda: True)
            running[victim] = start(folder)
        ended = {sweep.pid for sweep in running if _has_ended(sweep)}
        for sweep in running:
            if sweep.pid in ended and sweep.wait().code not in (0, -signal.SIGKILL):
                raise RuntimeError(f"a sweep of {folder} ended with {sweep.wait()}")
    return killed


def _has_ended(sweep: Any) -> bool:
    """Whether a process is no more, or waits to be buried."""
    try:
        return Path(f"/proc/{sweep.pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def main(argv: Sequence[str] | None = None) -> None:
    """Kill, compare, print what was found, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how many at least (default 100)")
    parser.add_argument("--folder", type=Path, help="where to work, and to go on from")
    arguments = parser.parse_args(argv)
    tests = runpy.run_path(str(_TESTS / "conftest.py"))
    with tempfile.TemporaryDirectory() as aside:
        place = arguments.folder or Path(aside)
        place.mkdir(parents=True, exist_ok=True)
        configuration = place / "tiny.yaml"
        configuration.write_text(yaml.safe_dump(tests["TINY"]), encoding="utf-8")
        commands = tests["Commands"](Path(tempfile.mkdtemp(dir=aside)))

        def start(folder: Path) -> Any:
            return commands.start("sweep.py", "--config", configuration, "--output_dir", folder)

        rows = matrix(start, place, arguments.kills)
        commands.stop()
    print(json.dumps(rows[-1]))
    same = "share of interrupted studies that end as the uninterrupted one"
    kills = {stage: sum(row["kills"].get(stage, 0) for row in rows) for stage in _STAGES}
    print(", ".join(f"{stage}: {count}" for stage, count in kills.items()))
    ratios = {
        same: sum(not row["differences"] for row in rows) / len(rows),
        "kills": float(sum(sum(row["kills"].values()) for row in rows)),
        "stages killed in": float(sum(count > 0 for count in kills.values())),
    }
    write_result("crash_matrix", rows, ratios, {same: 1.0, "kills": 100.0, "stages killed in": len(_STAGES)})


def matrix(start: Start, place: Path, kills: int) -> list[dict[str, Any]]:
    """A row for each study: how it was run, its kills by stage, and how it differs from the uninterrupted one."""
    reference, found = place / "reference", place / "found.jsonl"
    if not (reference / "report.html").exists():
        shutil.rmtree(reference, ignore_errors=True)
        live(start, reference, "alone", 1, random.Random(), most=0)
    rows = [json.loads(line) for line in found.read_text(encoding="utf-8").splitlines()] if found.exists() else []
    began = time.perf_counter()
    live(start, place / "timed", "alone", 1, random.Random(), most=0)
    longest = (time.perf_counter() - began) / 3  # several kills a study
    shutil.rmtree(place / "timed")
    while sum(sum(row["kills"].values()) for row in rows) < kills:
        number = len(rows)
        folder, way = place / f"study-{number}", list(_WAYS)[number % len(_WAYS)]
        shutil.rmtree(folder, ignore_errors=True)
        killed = live(start, folder, way, longest, random.Random(number))
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
