"""`hf-scaling check`, `repair`, `transpose` and `midi`: tune books in ABC notation."""

import argparse
import io
import json
import re
import signal
import sys
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from hf_scaling.cli.command import Command
from hf_scaling.cli.tune_files import Tune, read_tunes, write_book
from hf_scaling.notation import Diagnostic, Unrepairable, Verdict, header, judge, read, repair, transpose
from hf_scaling.notation.transpose import MAX_SEMITONES

_SHOWN = 5  # problems of one tune; --json has them all
_BOOK = "a tune book in ABC notation; - is standard input"


def _files_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", metavar="FILE", help=_BOOK)


def _open_output() -> None:
    """Standard output may be cut off, as by `| head`, and may lack letters that a tune has."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _plural(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


# check


def _check_options(parser: argparse.ArgumentParser) -> None:
    _files_option(parser)
    parser.add_argument("--json", action="store_true", help="one JSON object a tune and line, with all that is wrong")


def _check(options: argparse.Namespace) -> int:
    _open_output()
    counts: Counter[str] = Counter()
    for tune in read_tunes(options.files):
        if not tune.number:
            continue
        machine = read(tune.text)
        verdict = judge(machine, tune.text)
        title = next((field.value for field in machine.fields if field.letter == "T"), "")
        found = [diagnostic._replace(line=tune.line(diagnostic.line)) for diagnostic in verdict.diagnostics]
        counts.update({"tunes": 1, "parse": verdict.parses, "strict": verdict.strict, "playable": verdict.playable})
        if options.json:
            print(_as_json(tune, title, verdict, found))
        elif found:
            print(_described(tune, title, verdict, found))
    if not options.json:
        print(
            f"{_plural(counts['tunes'], 'tune')}: {counts['parse']:,} parse, {counts['strict']:,} strictly valid, "
            f"{counts['playable']:,} playable"
        )
    return 0 if counts["strict"] == counts["tunes"] else 1


def _as_json(tune: Tune, title: str, verdict: Verdict, found: list[Diagnostic]) -> str:
    return json.dumps(
        {
            "file": tune.file,
            "number": tune.number,
            "title": title,
            "parses": verdict.parses,
            "strict": verdict.strict,
            "playable": verdict.playable,
            "diagnostics": [diagnostic._asdict() for diagnostic in found],
        }
    )


def _described(tune: Tune, title: str, verdict: Verdict, found: list[Diagnostic]) -> str:
    tiers = {"does not parse": verdict.parses, "not strictly valid": verdict.strict, "not playable": verdict.playable}
    missed = ", ".join(tier for tier, reached in tiers.items() if not reached)
    lines = [f"{tune.file}: tune {tune.number}{f' ({_shown(title)})' if title else ''}: {missed or 'strictly valid'}"]
    lines += [f"  {tune.file}:{line}:{column}: {code}: {message}" for code, line, column, message in found[:_SHOWN]]
    if len(found) > _SHOWN:
        lines.append(f"  and {len(found) - _SHOWN:,} more (--json has them all)")
    return "\n".join(lines)


def _shown(text: str, longest: int = 60) -> str:
    """Text of a stranger, safe for a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text[:longest])


# repair


def _repair_options(parser: argparse.ArgumentParser) -> None:
    _files_option(parser)
    parser.add_argument("-o", "--output", metavar="OUT", help="write the books here, one after the other (default: -)")


def _repair(options: argparse.Namespace) -> int:
    _open_output()
    counts: Counter[str] = Counter()
    pieces: list[str] = []
    for tune in read_tunes(options.files):
        if tune.start == 1 and pieces and not pieces[-1].endswith("\n\n"):
            pieces.append("\n")  # between two books
        pieces.append(_mended(tune, counts) if tune.number else tune.raw)
    write_book("".join(pieces), options.output, options.files)
    _tell(
        f"{_plural(counts.total(), 'tune')}: {counts['right']:,} needed nothing, {counts['mended']:,} repaired, "
        f"{counts['lost']:,} beyond repair"
    )
    return 1 if counts["lost"] else 0


def _mended(tune: Tune, counts: Counter[str]) -> str:
    """The tune when repaired, or as it stands where it needs nothing or cannot be; tells each repair and counts."""
    try:
        text, repairs = repair(tune.text)
    except Unrepairable as error:
        _tell(f"{tune.file}:{tune.start}: tune {tune.number} stays as it is: {error}")
        counts["lost"] += 1
        return tune.raw
    counts["mended" if repairs else "right"] += 1
    for code, line, message in repairs:
        _tell(f"{tune.file}:{tune.line(line)}: {code}: {message}")
    return text if repairs else tune.raw


def _tell(message: str) -> None:
    print(message, file=sys.stderr)


# transpose


def _semitones(text: str) -> int:
    try:
        semitones = int(text)
    except ValueError:
        semitones = MAX_SEMITONES + 1
    if abs(semitones) > MAX_SEMITONES:
        raise argparse.ArgumentTypeError(f"got {text!r}, expected {-MAX_SEMITONES} to {MAX_SEMITONES}")
    return semitones


def _transpose_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help=_BOOK)
    parser.add_argument("--semitones", type=_semitones, required=True, metavar="K", help="up, or down if negative")
    parser.add_argument("-o", "--output", metavar="OUT", help="write the book here (default: standard output)")


def _transpose(options: argparse.Namespace) -> None:
    _open_output()
    pieces: list[str] = []
    for tune in read_tunes([options.file]):
        if tune.number and not judge(read(tune.text), tune.text).parses:
            _tell(f"{tune.file}:{tune.start}: tune {tune.number} does not parse; what is no note to us stays as it is")
        pieces.append(transpose(tune.raw, options.semitones) if tune.number else tune.raw)
    write_book("".join(pieces), options.output, [options.file])


# midi


def _midi_options(parser: argparse.ArgumentParser) -> None:
    _files_option(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="for a .mid file of each tune")


def _midi(options: argparse.Namespace) -> int:
    from tqdm import tqdm

    from hf_scaling.music.midi import MidiError, tunes_to_midi

    named = _named([tune for tune in read_tunes(options.files) if tune.number], options.output)
    wanted = [(tune, path) for tune, path in named if not path.exists()]
    options.output.mkdir(parents=True, exist_ok=True)
    asked: list[Tune] = []
    failed: list[tuple[Tune, str]] = []

    def playable() -> Iterator[tuple[str, Path]]:
        """Each tune when its turn comes, so that the bar moves with the work."""
        for tune, path in tqdm(wanted, desc="midi", unit=" tunes", leave=False):
            try:
                text = repair(tune.text).text
            except Unrepairable as error:
                failed.append((tune, str(error)))
                continue
            asked.append(tune)
            yield text, path

    results = tunes_to_midi(playable())
    failed += [
        (tune, str(result)) for tune, result in zip(asked, results, strict=True) if isinstance(result, MidiError)
    ]
    for tune, reason in failed:
        _tell(f"{tune.file}:{tune.start}: tune {tune.number}: no MIDI: {_shown(reason, 200)}")
    kept = len(named) - len(wanted)
    left = f", {_plural(kept, 'file')} left as found" if kept else ""
    print(f"{options.output}: {_plural(len(wanted) - len(failed), 'tune')} written, {len(failed):,} failed{left}")
    return 1 if failed else 0


def _named(tunes: list[Tune], folder: Path) -> list[tuple[Tune, Path]]:
    """Each tune with a path of its own: book, place in it and title, of letters that are safe everywhere."""
    taken: set[str] = set()
    named = []
    for tune in tunes:
        stem = "-".join(filter(None, (_safe(Path(tune.file).stem, 60), f"{tune.number:04d}", _safe(_title(tune), 40))))
        name, attempt = stem, 1
        while name in taken:  # books of one name from two folders
            name, attempt = f"{stem}-{attempt + 1}", attempt + 1
        taken.add(name)
        named.append((tune, folder / f"{name}.mid"))
    return named


def _title(tune: Tune) -> str:
    return header(tune.text).title


def _safe(text: str, longest: int) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^A-Za-z0-9]+", "-", plain)[:longest].strip("-").lower()


COMMANDS = {
    "check": Command("say what is wrong with tunes, and whether they can be played", _check_options, _check),
    "midi": Command("turn tunes into MIDI files, repaired first where needed", _midi_options, _midi),
    "repair": Command("mend tunes so that they can be played", _repair_options, _repair),
    "transpose": Command("write tunes in another key", _transpose_options, _transpose),
}
