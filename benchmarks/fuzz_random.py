"""A million random texts through the notation engine: any text in, and no exception comes out but ours.

    python benchmarks/fuzz_random.py                     # 1,000,000 texts, about ten minutes of one core
    python benchmarks/fuzz_random.py --texts 20000       # quicker

`fuzz_notation.py` watches which branches a text reaches, and pays for it with nine tenths of its speed. Here nothing
watches: texts are short, and a third each are words of the notation in any order, real tunes with pieces torn out and
put in, and characters from all of Unicode. A seed makes each text, so that a failure can be had again by its number.
Ctrl-C ends it early, with what was found.
"""

import argparse
import multiprocessing
import random
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any

from common import bundled_tunes, write_result
from fuzz_notation import _PROPERTIES, _SLOW, _WORDS

_HEADER = "X:1\nT:Random\nM:{}\nL:1/8\nK:{}\n"
_NOTES = (
    "A",
    "B2",
    "c",
    "d'",
    "E,",
    "^F",
    "_G/",
    "=a3/2",
    "z",
    "x2",
    "|",
    " ",
    "\n",
    "[ce]",
    "A>B",
    "(",
    ")",
    ":|",
    "|:",
)
_AVERAGE = 8  # pieces of a text
_AT_ONCE = 5_000  # texts
_LEAVE_ALONE = (signal.SIGINT, signal.SIG_IGN)  # Ctrl-C, to the main process
_ODD = "\x00\x7f\x85\u2028\ufeff\ud800\U0001d11e%\\\r\t"


def words(draw: random.Random, tunes: Sequence[str]) -> str:
    """Words of the notation in any order, under a header or under none."""
    pieces = draw.choices((*_NOTES, *_WORDS), k=min(100, int(draw.expovariate(1 / _AVERAGE)) + 1))
    metre, key = draw.choice(["C", "6/8", "4/4", "none", "3/0", "9999/1"]), draw.choice(["D", "Ador", "Hp", "?"])
    header = _HEADER.format(metre, key)
    return (header if draw.random() < 0.6 else "") + "".join(pieces)


def torn(draw: random.Random, tunes: Sequence[str]) -> str:
    """The beginning of a real tune, with pieces torn out and put in."""
    text = draw.choice(tunes)[: draw.randint(10, 80)]
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(text) + 1)
        piece = draw.choice(_WORDS) if draw.random() < 0.7 else draw.choice(_ODD)
        text = text[:at] + piece + text[at + draw.choice([0, 0, 1, 8]) :]
    return text


def characters(draw: random.Random, tunes: Sequence[str]) -> str:
    """Any characters, those of the notation more often than others."""
    anywhere = (chr(draw.randrange(32, 127)), chr(draw.randrange(0x110000)), draw.choice(_ODD))
    return "".join(draw.choice(anywhere) for _ in range(draw.randint(0, 40)))


_KINDS: tuple[Callable[[random.Random, Sequence[str]], str], ...] = (words, torn, characters)


def make(number: int, seed: int, tunes: Sequence[str]) -> tuple[str, str]:
    """Text `number` of a seed, and its kind."""
    draw = random.Random(seed * 1_000_000_007 + number)
    kind = _KINDS[number % len(_KINDS)]
    return kind(draw, tunes), kind.__name__


def _give_up(*_: Any) -> None:
    raise TimeoutError(f"took longer than {_SLOW} s of CPU time")


def try_texts(first: int, last: int, seed: int) -> dict[str, Any]:
    """Try the texts `first` to `last` - 1: how many of each kind there were, what they took, and those that failed."""
    signal.signal(signal.SIGPROF, _give_up)
    tunes = _tunes()
    found: dict[str, Any] = dict.fromkeys([kind.__name__ for kind in _KINDS], 0)
    found |= {"letters": 0, "slowest_seconds": 0.0, "failures": []}
    began = time.process_time()
    for number in range(first, last):
        text, kind = make(number, seed, tunes)
        found[kind] += 1
        found["letters"] += len(text)
        signal.setitimer(signal.ITIMER_PROF, _SLOW)  # of CPU time: other programs slow no text
        start = time.process_time()
        try:
            _PROPERTIES[number // len(_KINDS) % len(_PROPERTIES)](text)
        except Exception as error:  # whatever comes out is what is looked for
            failure = {"number": number, "text": ascii(text), "error": f"{type(error).__name__}: {error}"[:300]}
            found["failures"].append(failure)
            print(failure, flush=True)
        signal.setitimer(signal.ITIMER_PROF, 0)
        found["slowest_seconds"] = max(found["slowest_seconds"], time.process_time() - start)
    return found | {"cpu_seconds": time.process_time() - began}


@cache
def _tunes() -> list[str]:
    return bundled_tunes()


def main() -> None:
    """Try every text, print what was found, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=1_000_000, help="how many (default 1,000,000)")
    parser.add_argument("--seed", type=int, default=0, help="of all of them (default 0)")
    parser.add_argument("--processes", type=int, default=1, help="at work at once (default 1)")
    asked = parser.parse_args()
    starts = range(0, asked.texts, _AT_ONCE)
    ends = [min(start + _AT_ONCE, asked.texts) for start in starts]
    _tunes()  # once, and not in each process
    row: dict[str, Any] = {"seed": asked.seed, "texts": 0}
    fork = multiprocessing.get_context("fork")
    with suppress(KeyboardInterrupt), ProcessPoolExecutor(asked.processes, fork, signal.signal, _LEAVE_ALONE) as pool:
        for end, found in zip(ends, pool.map(try_texts, starts, ends, [asked.seed] * len(starts)), strict=True):
            slowest = max(row.get("slowest_seconds", 0.0), found["slowest_seconds"])
            row |= {name: row.get(name, type(value)()) + value for name, value in found.items()}
            row |= {"texts": end, "slowest_seconds": slowest}
            print(f"{end:,} texts, {len(row['failures'])} failures, {row['cpu_seconds']:.0f} CPU seconds", flush=True)
    if not row["texts"]:
        return
    row["texts_per_cpu_second"] = row["texts"] / row["cpu_seconds"]
    right = "share of texts for which everything holds"
    ratios = {right: 1 - len(row["failures"]) / row["texts"], "texts": float(row["texts"])}
    write_result("fuzz_random", [row], ratios, {right: 1.0, "texts": 1e6})


if __name__ == "__main__":
    main()
