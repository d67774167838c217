"""What it costs to prepare data: from raw tunes to token blocks, cold, from the cache, and at 32 times the size.

    python benchmarks/data_preparation.py
    python benchmarks/data_preparation.py --largest 8      # quicker

Each preparation is a process of its own, timed without its imports. A corpus larger than the bundled one is made of
copies in which notes are changed at random, so that each copy is a new tune; transposed copies would all be one family.
Peak memory is the proportional set size of the process and its children, sampled. Every size is measured
between runs of the smallest, since the speed of a machine drifts: a ratio compares neighbours.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

from common import bundled_tunes, write_result

_CHANGED = 0.25  # of the notes: seven in a row, which make one gram, survive with a chance of 13 %
_MUSIC21_TUNES = 60
_NEIGHBOURS = 3


def copies(times: int, folder: Path) -> None:
    """Write the bundled tunes `times` times as tune books: first as they are, then with changed notes."""
    from hf_scaling.notation import read

    tunes = bundled_tunes()
    notes = [[(o, t) for kind, t, o in read(text).tokens if kind == "note"] for text in tunes]
    for number in range(times):
        draw = random.Random(number)
        with open(folder / f"{number:02}.abc", "w", encoding="utf-8") as book:
            for tune, places in zip(tunes, notes, strict=True):
                text = list(tune)
                for offset, token in places if number else ():
                    if draw.random() < _CHANGED:
                        at = offset + len(token) - len(token.lstrip("^_="))
                        text[at] = draw.choice("CDEFGABcdefgab")
                book.write("".join(text) + "\n")


def prepare_one(books: Path, study: Path) -> dict[str, Any]:
    """Prepare one corpus in this process; seconds of each stage, tunes, and peak memory in bytes."""
    from hf_scaling.study.config import StudyConfig
    from hf_scaling.study.data_stages import prepare
    from hf_scaling.study.folder import StudyFolder

    ladder = ["30k=28x2x2x112"]
    config = StudyConfig(sources=["abc_files"], abc_files=str(books), output_dir=str(study), ladder=ladder)
    with peak_memory() as peak:
        start = time.perf_counter()
        prepare(StudyFolder(config))
        seconds = time.perf_counter() - start
    statistics = json.loads((study / "dataset" / "statistics.json").read_text())
    kept = sum(split["tunes"] for split in statistics["splits"].values())
    return {
        "seconds": seconds,
        "tunes": kept + sum(statistics["rejected"].values()),
        "families": sum(split["tune_families"] for split in statistics["splits"].values()),
        "characters": sum(split["characters"] for split in statistics["splits"].values()),
        "peak_bytes": max(peak),
    }


class peak_memory:  # noqa: N801 - used as a context manager, like a function
    """Samples the memory of this process and its children; `peak` is the most seen, in bytes."""

    def __enter__(self) -> list[int]:
        self._peak, self._ended = [0], threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()
        return self._peak

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        ended = False
        while not ended:  # once at least, however soon it ends
            ended = self._ended.wait(0.25)
            self._peak[0] = max(self._peak[0], sum(proportional_set_size(pid) for pid in family(os.getpid())))


def family(pid: int) -> Iterator[int]:
    """A process and its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:  # ended meanwhile
            continue
        for child in children:
            yield from family(int(child))


def proportional_set_size(pid: int) -> int:
    """Memory of a process in bytes, where shared pages count as shares; 0 if it has ended."""
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return 1024 * int(next(line for line in rollup.splitlines() if line.startswith("Pss:")).split()[1])


def run_one(books: Path, study: Path) -> dict[str, Any]:
    """`prepare_one` in a process of its own."""
    command = [sys.executable, __file__, "--books", str(books), "--study", str(study)]
    ended = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(ended.stdout.splitlines()[-1])


def music21_seconds_per_tune() -> float:
    """Seconds that music21 takes to parse a bundled tune, over tunes spread evenly."""
    from music21 import converter

    tunes = bundled_tunes()
    sample = tunes[:: len(tunes) // _MUSIC21_TUNES][:_MUSIC21_TUNES]
    converter.parse(sample[0], format="abc")  # its first parse loads what it needs
    start = time.perf_counter()
    for text in sample:
        converter.parse(text, format="abc")
    return (time.perf_counter() - start) / len(sample)


def main() -> None:
    """Measure, print a table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--largest", type=int, default=32, help="times the bundled corpora (default 32)")
    parser.add_argument("--books", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--study", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.books:
        print(json.dumps(prepare_one(options.books, options.study)))
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = [size for size in (1, 4, 32) if size < options.largest] + [options.largest]
        for size in sizes:
            (folder / f"{size}").mkdir()
            copies(size, folder / f"{size}")
        parse, flat = [], {}
        for size in sizes:
            # the smallest takes seconds, which vary: several on either side of a larger one tell the machine's speed
            turn = [1] * _NEIGHBOURS + [size] + [1] * _NEIGHBOURS if size > 1 else [1]
            for place, times in enumerate(turn):
                row = run_one(folder / f"{times}", folder / f"study-{size}-{place}")
                rows.append({"what": "cold", "times": times, **row})
                print(rows[-1], flush=True)
            costs = [(row["times"], row["seconds"] / row["tunes"]) for row in rows[-len(turn) :]]
            if size > 1:
                flat[size] = fmean(cost for times, cost in costs if times == 1) / dict(costs)[size]
            parse.append(music21_seconds_per_tune())
            rows.append({"what": "music21 parse", "seconds_per_tune": parse[-1]})
            print(rows[-1], flush=True)
        rows.append({"what": "from the cache", "times": 1, **run_one(folder / "1", folder / "study-1-0")})
    cold = [row for row in rows if row["what"] == "cold"]
    small = [row["seconds"] / row["tunes"] for row in cold if row["times"] == 1]
    ratios = {
        "15 s against the bundled corpora, cold": 15
        / (sum(row["seconds"] for row in cold if row["times"] == 1) / len(small)),
        "1 s against the bundled corpora from the cache": 1 / rows[-1]["seconds"],
        "2 GB against the peak memory of the largest": 2e9 / max(row["peak_bytes"] for row in cold),
        "speed against music21's parse of the same tunes": (sum(parse) / len(parse)) / (sum(small) / len(small)),
    }
    for size, ratio in flat.items():
        ratios[f"tunes a second at {size} times the size against the bundled corpora"] = ratio
    goals = dict.fromkeys(ratios, 1.0)
    goals["speed against music21's parse of the same tunes"] = 20.0
    goals |= dict.fromkeys([label for label in ratios if label.startswith("tunes a second")], 1 / 1.15)
    write_result("data_preparation", rows, ratios, goals)


if __name__ == "__main__":
    main()
