"""Much of everything: a ledger of 100,000 runs, a book of a million tunes, ten thousand samples checked and converted.

    python benchmarks/load.py                               # an hour of one core
    python benchmarks/load.py --book 40000 --samples 400    # quicker

Each kind of work is done at a quarter of its size and at the whole, in a process of its own. Linear means that an item
takes no longer where there are four times as many (CPU seconds, since other processes may share the machine); bounded,
that streaming four times as much takes no more memory. A ledger is held in memory, so its memory is linear too.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from common import bundled_tunes, write_result

_ROW = {
    "study": "load", "family": "gpt2", "size": "1M", "status": "finished", "n_params": 1_000_000, "flops": 1e12,
    "n_params_non_embedding": 900_000, "n_tokens": 1_000_000, "flops_causal": 1e12, "val_loss": 1.5, "error": None,
    "versions": {"torch": "0", "python": "0"}, "started_at": "2026-01-01T00:00:00Z", "git_commit": "0" * 40,
}  # fmt: skip


def ledger(items: int, folder: Path) -> Callable[[], object]:
    """Read and validate every row, with its checksum."""
    from hf_scaling.records import content_hash, read_ledger

    with open(folder / "runs.jsonl", "w", encoding="utf-8") as file:
        for number in range(items):
            row = _ROW | {"run_id": f"gpt2-1M-{number:08x}"}
            file.write(json.dumps(row | {"checksum": content_hash(row)}) + "\n")
    return lambda: len(read_ledger(folder / "runs.jsonl")[0])


def book(items: int, folder: Path) -> Callable[[], object]:
    """Stream and clean every tune of one book."""
    from hf_scaling.data.clean import CleanOptions, CleanTune, clean
    from hf_scaling.data.sources import SourceOptions, abc_files
    from hf_scaling.data.sources.tune import RawTune

    with open(folder / "book.abc", "w", encoding="utf-8") as file:
        for number in range(items):
            music = f"{number:06o}".translate(str.maketrans("01234567", "ABcdefga"))
            file.write(f"X:{number}\nT:Number {number}\nM:4/4\nL:1/8\nK:D\n|:DFAd fdAF|GBdB AFED|{music}de:|\n\n")

    options = CleanOptions(min_chars=20, max_chars=4000)

    def stream() -> int:
        tunes = abc_files.read(SourceOptions(abc_files=str(folder / "book.abc")))
        texts = (clean(tune.text, options) for tune in tunes if isinstance(tune, RawTune))
        return sum(isinstance(tune, CleanTune) for tune in texts)

    return stream


def samples(items: int, folder: Path) -> Callable[[], object]:
    """Check tunes, repair them and turn them into MIDI."""
    from hf_scaling.music.midi import Midi, tunes_to_midi
    from hf_scaling.notation import check, repair

    tunes = bundled_tunes()[:200]

    def convert() -> int:
        texts = (tunes[number % len(tunes)] for number in range(items))
        jobs = ((repair(text).text, folder / "sample.mid") for text in texts if check(text).parses)
        return sum(isinstance(midi, Midi) for midi in tunes_to_midi(jobs))

    return convert


_WORK = {"ledger": (100_000, ledger), "book": (1_000_000, book), "samples": (10_000, samples)}


def child(name: str, items: int) -> None:
    """Do one piece of work in this process and print what it took."""
    with tempfile.TemporaryDirectory() as folder:
        work = _WORK[name][1](items, Path(folder))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began, wall = time.process_time(), time.perf_counter()
        done = work()
        took, wall = time.process_time() - began, time.perf_counter() - wall
    took += resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime  # converters are processes of their own
    memory = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"done": done, "cpu_seconds": took, "wall_seconds": wall, "further_megabytes": memory}))


def measure(name: str, items: int) -> dict[str, float | str]:
    """A row: one piece of work, done by a process of its own."""
    ended = subprocess.run([sys.executable, __file__, "--child", name, str(items)], stdout=subprocess.PIPE, check=True)
    row = {"work": name, "items": items} | json.loads(ended.stdout.splitlines()[-1])
    return row | {"items_per_cpu_second": items / row["cpu_seconds"]}


def main() -> None:
    """Measure each kind of work at a quarter and at the whole, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, (whole, work) in _WORK.items():
        parser.add_argument(f"--{name}", type=int, default=whole, help=f"{work.__doc__} (default {whole:,})")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.child:
        child(asked.child[0], int(asked.child[1]))
        return
    rows, ratios, goals = [], {}, {}
    for name, (whole, _) in _WORK.items():
        items = getattr(asked, name)
        small, large = measure(name, items // 4), measure(name, items)
        rows += [small, large]
        print(small, large, sep="\n", flush=True)
        linear = f"{name}: items a second at four times the size, over those at one"
        ratios[linear] = float(large["items_per_cpu_second"]) / float(small["items_per_cpu_second"])
        goals[linear] = 0.8
        share = f"{name}: items, as a share of {whole:,}"
        ratios[share], goals[share] = items / whole, 1.0
        steady = f"{name}: further memory at one size, over that at four times the size"
        if name != "ledger" and large["further_megabytes"]:
            ratios[steady] = float(small["further_megabytes"]) / float(large["further_megabytes"])
            goals[steady] = 0.8
    write_result("load", rows, ratios, goals)


if __name__ == "__main__":
    main()
