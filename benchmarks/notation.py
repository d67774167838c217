"""How fast tunes are read: our check and melody against music21's parse, and abcnotes's where it is installed.

    python benchmarks/notation.py
    python benchmarks/notation.py --tunes 40      # quicker

The tunes are music21's own, spread evenly over all its collections. Every reader reads the same ten tunes before the
next ten come, and a different one begins each time: what else the machine does meanwhile falls on all alike.
"""

import argparse
import time
from collections.abc import Callable
from importlib.util import find_spec

from common import bundled_tunes, write_result
from music21 import converter

from hf_scaling.notation import check, melody

_BLOCK = 10


def readers() -> dict[str, Callable[[str], object]]:
    """What reads a tune, by name."""
    found: dict[str, Callable[[str], object]] = {
        "check": check,
        "melody": melody,
        "music21 parse": lambda text: converter.parse(text, format="abc"),
    }
    if find_spec("abcnotes"):
        from abcnotes import Tune

        found["abcnotes parse"] = lambda text: Tune(text, strict=False)
    return found


def bundled(number: int) -> list[str]:
    """So many of music21's tunes, spread evenly."""
    tunes = bundled_tunes()
    return [tunes[place * len(tunes) // number] for place in range(number)]


def measure(tunes: list[str], reading: dict[str, Callable[[str], object]]) -> dict[str, float]:
    """Seconds that each reader takes for all tunes."""
    seconds = dict.fromkeys(reading, 0.0)
    order = list(reading)
    for read in reading.values():  # the first parse of all loads what a reader needs
        read(tunes[0])
    for start in range(0, len(tunes), _BLOCK):
        order.append(order.pop(0))
        for name in order:
            began = time.perf_counter()
            for text in tunes[start : start + _BLOCK]:
                reading[name](text)
            seconds[name] += time.perf_counter() - began
    return seconds


def main() -> None:
    """Measure, print a table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tunes", type=int, default=300, help="how many tunes each reads (default 300)")
    tunes = bundled(parser.parse_args().tunes)
    seconds = measure(tunes, readers())
    rows = [
        {"reader": name, "tunes": len(tunes), "seconds": taken, "tunes_per_second": len(tunes) / taken}
        for name, taken in seconds.items()
    ]
    for name, taken in seconds.items():
        print(f"{name:16}{len(tunes):7} tunes{taken:9.3f} s{len(tunes) / taken:11,.0f} a second")
    ratios = {
        f"{ours} against {theirs}": seconds[theirs] / seconds[ours]
        for ours in ("check", "melody")
        for theirs in seconds
        if theirs.endswith("parse")
    }
    write_result("notation", rows, ratios, {"check against music21 parse": 20.0})


if __name__ == "__main__":
    main()
