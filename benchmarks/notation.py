"""How fast tunes are read: our check and melody against music21's parse, and abcnotes's where it is installed; and for
how many of them abcnotes's verdicts are ours (why they differ: tests/notation/test_agreement.py).

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
_NO_VERDICT = ("missing tune title", "multi-voice tune")
_GOALS = {
    "check, in thousands of tunes a second": 1.0,
    "check against music21 parse": 20.0,
}


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


def agreement(tunes: list[str]) -> dict[str, float]:
    """The shares of tunes that we and abcnotes both find right, or both wrong: in form, and in bar lengths."""
    from abcnotes import validate

    same = {"form": 0, "bar lengths": 0}
    for text in tunes:
        ours = {found.code.startswith("bar-") for found in check(text).diagnostics}
        said = [issue.message for issue in validate(text) if not issue.message.startswith(_NO_VERDICT)]
        theirs = {" has length " in message for message in said}
        same["form"] += (False in ours) == (False in theirs)
        same["bar lengths"] += (True in ours) == (True in theirs)
    return {f"share with abcnotes's verdict on {name}": count / len(tunes) for name, count in same.items()}


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
    ratios["check, in thousands of tunes a second"] = len(tunes) / seconds["check"] / 1000
    if find_spec("abcnotes"):
        ratios |= agreement(tunes)
    write_result("notation", rows, ratios, _GOALS)


if __name__ == "__main__":
    main()
