"""Coverage-guided fuzzing of the notation engine: any text in, and no exception comes out but ours.

    pip install atheris
    python benchmarks/fuzz_notation.py                   # five minutes, one core
    python benchmarks/fuzz_notation.py --seconds 30      # quicker

libFuzzer mutates tunes and keeps what reaches new code. A text is checked and repaired, or transposed, or cut up and
rewritten, and what must hold of the result is tried. One that breaks it, or takes ten seconds, ends the run and is kept
beside the result. libFuzzer ends its process without a word to Python, so it has one of its own.
"""

import argparse
import importlib.metadata
import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from common import bundled_tunes, write_result

_CHILD = "--child"
_LONGEST, _SLOW = 250, 10  # characters, seconds
_SEEDS = 60
_WORDS = (
    *("X:1\n", "K:D\n", "M:6/8\n", "L:1/8\n", "\nV:2\n", "\nw:", "\nP:A\n", "[K:G]", "[M:3/4]", "\n\n", "%%", "T:"),
    *("|:", ":|", "::", "|]", "||", "|1 ", ":|2 ", "[1,3 ", "(3", "(5:4:6", "{/", "}", "[CEG]2", "^^", "__", "//"),
    *(">>", "<", '"Am"', "!trill!", "+f+", "z4", "Z2", "y", "&", "-", "\\\n", "U:k=!f!\n", "9999", "3/2"),
)


def mend(text: str) -> None:
    """Whatever is repaired can be played, and needs no more repair."""
    from hf_scaling import notation

    verdict = notation.check(text)
    try:
        repaired = notation.repair(text)
    except notation.Unrepairable as error:  # for want of something to play, not for want of an end to the repairs
        if str(error).partition(":")[0] in notation.CODES:
            return
        raise
    assert notation.check(repaired.text).playable
    assert notation.repair(repaired.text) == (repaired.text, [])
    assert verdict.playable or repaired.repairs


def move(text: str) -> None:
    """A tune in another key sounds as moved."""
    from hf_scaling import notation

    assert notation.pitches(notation.transpose(text, 3)) == [pitch + 3 for pitch in notation.pitches(text)]


def rewrite(text: str) -> None:
    """Cutting up a book loses no line, and writing out repeats no note."""
    from hf_scaling import notation

    machine = notation.read(text)
    assert notation.header(text).fields == [(field.letter, field.value) for field in machine.fields]
    assert notation.read(notation.canonical_repeats(text)).n_notes == machine.n_notes
    assert sum(part.text.count("\n") for part in notation.parts(text.split("\n"))) == text.count("\n") + 1


_PROPERTIES = (mend, mend, move, rewrite)


def hold(data: bytes) -> None:
    """Try one property of a text; the first byte says which, so that each text is read a few times and not twenty."""
    _PROPERTIES[data[0] % len(_PROPERTIES) if data else 0](data[1:].decode("utf-8", "replace"))


def child() -> None:
    """Fuzz until libFuzzer has had enough."""
    import atheris

    # the lexer is a table and one loop over characters: to trace that costs half of all time and tells nothing
    with atheris.instrument_imports(include=["hf_scaling.notation"], exclude=["hf_scaling.notation.lexer"]):
        import hf_scaling.notation  # noqa: F401  (it must be imported here to be instrumented)
    atheris.Setup([sys.argv[0], *sys.argv[2:]], hold)
    atheris.Fuzz()


def fuzz(seconds: int, folder: Path) -> tuple[str, float]:
    """What libFuzzer said, and the seconds that it took; a text that failed stays in `folder`."""
    corpus, words = folder / "corpus", folder / "words"
    corpus.mkdir()
    tunes = bundled_tunes()
    for number in range(_SEEDS):
        seed = tunes[number * len(tunes) // _SEEDS][:_LONGEST]
        (corpus / str(number)).write_bytes(bytes([number % len(_PROPERTIES)]) + seed.encode())
    in_hex = ("".join(f"\\x{byte:02x}" for byte in word.encode()) for word in _WORDS)
    words.write_text("".join(f'"{word}"\n' for word in in_hex), encoding="ascii")
    command = [sys.executable, __file__, _CHILD, f"-max_total_time={seconds}", f"-max_len={_LONGEST}"]
    command += [f"-timeout={_SLOW}", f"-dict={words}", f"-artifact_prefix={folder}/", "-print_final_stats=1"]
    command += ["-seed=1", "-verbosity=1", str(corpus)]
    began = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    return ended.stderr + ended.stdout, time.perf_counter() - began


def main() -> None:
    """Fuzz, print what was found, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=300, help="how long (default 300)")
    seconds = parser.parse_args().seconds
    if find_spec("atheris") is None:
        sys.exit("fuzz_notation.py: needs atheris, which is not installed; pip install atheris")
    with tempfile.TemporaryDirectory() as name:
        said, took = fuzz(seconds, Path(name))
        failed = [path for path in Path(name).iterdir() if path.name.startswith(("crash-", "timeout-", "oom-"))]
        for path in failed:
            (Path(__file__).parent / "results" / f"fuzz_notation-{path.name}").write_bytes(path.read_bytes())
    texts = re.search(r"stat::number_of_executed_units:\s*(\d+)", said)
    reached = re.findall(r"cov: (\d+) ft: (\d+) corp: (\d+)", said)
    if not texts or not reached:
        sys.exit(f"fuzz_notation.py: libFuzzer did not run to its end:\n{said[-2000:]}")
    first, last = ([int(number) for number in line] for line in (reached[0], reached[-1]))
    row = {
        "fuzzer": f"atheris {importlib.metadata.version('atheris')}",
        "seconds": took,
        "texts": int(texts[1]),
        "texts_per_second": int(texts[1]) / took,
        "branches_reached_by_seeds": first[0],
        "branches_reached": last[0],
        "features_reached": last[1],
        "texts_kept_for_new_features": last[2],
        "failures": [path.name for path in failed],
    }
    print(row)
    if failed:
        print(said[-3000:])
    right = "share of texts for which everything holds"
    write_result("fuzz_notation", [row], {right: 1 - len(failed) / int(texts[1])}, {right: 1.0})


if __name__ == "__main__":
    child() if sys.argv[1:2] == [_CHILD] else main()
