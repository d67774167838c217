"""Tunes by a model: drawn with the grammar and without, checked, played, engraved, made audible and written down."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_scaling.generation import Generation, build_prompt, generate_tunes
from hf_scaling.music.audio import AudioError, audio_is_missing, midi_to_audio
from hf_scaling.music.cross_check import cross_check
from hf_scaling.music.midi import MidiError, tunes_to_midi
from hf_scaling.music.score import tunes_to_svg
from hf_scaling.notation import Repaired, Unrepairable, Verdict, check, header, repair
from hf_scaling.records import UserError, atomic_dir, write_jsonl, write_text

# the ten of every study: five unconditional, five prompted by key, metre, rhythm, title, and all of them
STUDY_PROMPTS = [
    *[""] * 5,
    build_prompt(key="Ador"),
    build_prompt(meter="3/4", key="G"),
    build_prompt(rhythm="Slip Jig", key="Em"),
    build_prompt(title="The Power Law"),
    build_prompt(title="Ten to the Sixth", rhythm="Jig", meter="6/8", key="D"),
]
_MOST_DRAWS = 20
_CHILD_SECONDS = 60.0
_BETWEEN_DRAWS = 1_000  # seeds of sample i are seed + i, and this much further on for each redraw


class _Sample:
    """One of the ten on its way: the draws so far and, once it plays, what is delivered."""

    def __init__(self, index: int, prompt: str):
        self.index, self.prompt, self.redraws = index, prompt, 0
        self.raw: Generation  # by the model alone
        self.written: Generation  # under the constraint
        self.repaired: Repaired | None = None

    @property
    def stem(self) -> str:
        return f"{self.index:03d}"

    def take(self, raw: Generation, written: Generation) -> bool:
        """Keep a draw if it can be delivered, repaired where it must be; say whether."""
        self.raw, self.written, self.repaired = raw, written, _repaired(written.text)
        return self.repaired is not None

    def row(self, midi: dict[str, Any], score: str | None, constrain: str) -> dict[str, Any]:
        """What `samples.jsonl` says of it."""
        assert self.repaired is not None
        mended = _repaired(self.raw.text)
        return {
            "index": self.index,
            "kind": "prompted" if self.prompt else "unconditional",
            "prompt": self.prompt,
            "seed": self.written.seed,
            "redraws": self.redraws,
            "complete": self.raw.complete,
            "constrain": constrain,
            "raw": self.raw.text,
            "written": self.written.text,
            "abc": self.repaired.text,
            "title": header(self.repaired.text).title,
            "raw_verdict": _verdict(check(self.raw.text)),
            "raw_repaired_verdict": mended and _verdict(check(mended.text)),
            "written_verdict": _verdict(check(self.written.text)),
            "verdict": _verdict(check(self.repaired.text)),
            "repairs": [change._asdict() for change in self.repaired.repairs],
            "midi": midi,
            "score": score,
        }


def _repaired(text: str) -> Repaired | None:
    """The text repaired, None if it is beyond that."""
    try:
        return repair(text)
    except Unrepairable:
        return None


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "parses": verdict.parses,
        "strict": verdict.strict,
        "playable": verdict.playable,
        "diagnostics": [diagnostic._asdict() for diagnostic in verdict.diagnostics],
    }


def _describe(row: dict[str, Any]) -> str:
    """A sample's entry in `generated_samples.txt`."""

    def tiers(verdict: dict[str, Any]) -> str:
        return ", ".join(f"{tier} {'yes' if verdict[tier] else 'no'}" for tier in ("parses", "strict", "playable"))

    repairs = [f"    line {change['line']}: {change['message']}" for change in row["repairs"]]
    constrained = row["constrain"] != "none"
    lines = [
        f"=== {row['index']:03d}  {row['kind']}, seed {row['seed']}, redraws {row['redraws']}",
        f"prompt: {row['prompt']!r}",
        f"as written: {tiers(row['raw_verdict'])}" + ("" if row["complete"] else "; cut off before its end"),
        *([f"constrained ({row['constrain']}): {tiers(row['written_verdict'])}"] if constrained else []),
        f"delivered: {tiers(row['verdict'])}; {row['midi']['notes']} notes, {row['midi']['seconds']:.1f} s of MIDI",
        f"second reading: {row['midi']['cross_check']['message']}",
        *(["repairs:", *repairs] if repairs else ["repairs: none"]),
        "",
        row["written"].rstrip("\n"),
        *(["", "--- after repair:", row["abc"].rstrip("\n")] if repairs else []),
        *(["", "--- as written without the constraint:", row["raw"].rstrip("\n")] if constrained else []),
        "",
    ]
    return "\n".join(lines) + "\n"


def _draw_until_all_play(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    seed: int,
    sampling: dict[str, float],
    folder: Path,
    constrain: str,
) -> dict[int, dict[str, Any]]:
    """Fill `folder` with the MIDI of one sample a prompt; return the rows by index."""
    waiting = [_Sample(index, prompt) for index, prompt in enumerate(prompts, 1)]
    rows: dict[int, dict[str, Any]] = {}
    for draw in range(_MOST_DRAWS):
        seeds = [seed + sample.index + draw * _BETWEEN_DRAWS for sample in waiting]
        draws = {
            how: generate_tunes(
                model,
                tokenizer,
                [sample.prompt for sample in waiting],
                seeds,
                sampling["temperature"],
                sampling["top_p"],
                constrain=how,
                progress=True,
            )
            for how in {"none", constrain}
        }
        drawn = zip(waiting, draws["none"], draws[constrain], strict=True)
        legal = [sample for sample, raw, written in drawn if sample.take(raw, written)]
        jobs = [(sample.repaired.text, folder / f"{sample.stem}.mid") for sample in legal if sample.repaired]
        for sample, midi in zip(legal, tunes_to_midi(jobs, _CHILD_SECONDS), strict=True):
            if not isinstance(midi, MidiError):
                file = {"file": f"{sample.stem}.mid", "seconds": midi.seconds, "notes": midi.notes}
                rows[sample.index] = sample.row(file, None, constrain)
        waiting = [sample for sample in waiting if sample.index not in rows]
        for sample in waiting:
            sample.redraws += 1
        if not waiting:
            return rows
    raise UserError(
        f"samples: {len(waiting)} of {len(prompts)} were beyond repair in {_MOST_DRAWS} draws each; "
        "the model needs more training, or a lower temperature"
    )


def write_samples(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    seed: int,
    sampling: dict[str, float],
    folder: Path,
    constrain: str = "strict",
) -> list[dict[str, Any]]:
    """Write one tune a prompt as `.abc`, `.mid`, `.svg` and `.opus`, with checks; return the rows of `samples.jsonl`.

    constrain: as in `generate_tunes`. What the model writes with the same seed and no constraint (`raw`) is judged, as
    it is and repaired, beside what it writes under the constraint (`written`) and what is delivered.
    Every delivered sample plays. A repaired one is never counted as valid; one beyond repair is drawn again with
    another seed, and counted. What another reader hears in it stands beside its MIDI file. A score that cannot be
    engraved is left out and said to be, and so is audio where the packages for it are not installed.

    Raises:
        UserError: the model writes nothing playable.
    """
    with atomic_dir(folder) as temporary:
        rows = _draw_until_all_play(model, tokenizer, prompts, seed, sampling, temporary, constrain)
        ordered = [rows[index] for index in sorted(rows)]
        for row in ordered:
            write_text(temporary / f"{row['index']:03d}.abc", row["abc"])
        _read_again(ordered, temporary)
        _engrave(ordered, temporary)
        _make_audible(ordered, temporary)
        write_jsonl(temporary / "samples.jsonl", ordered)
        write_text(temporary / "generated_samples.txt", "\n".join(map(_describe, ordered)))
    return ordered


def _read_again(rows: list[dict[str, Any]], folder: Path) -> None:
    """Say of each MIDI file whether a second reader of the text agrees with it."""
    readings = cross_check([(row["abc"], folder / row["midi"]["file"]) for row in rows], _CHILD_SECONDS)
    for row, reading in zip(rows, readings, strict=True):
        row["midi"]["cross_check"] = reading._asdict()
    _tell("MIDI that a second reader plays otherwise", rows, False)
    _tell("MIDI without a second reading", rows, None)


def _tell(what: str, rows: list[dict[str, Any]], agrees: bool | None) -> None:
    """One line on the samples of whose second reading this is true, if there are any."""
    checks = [(row["midi"]["file"], row["midi"]["cross_check"]) for row in rows]
    found = [f"{name} ({check['message']})" for name, check in checks if check["agrees"] is agrees]
    if found:
        print(f"samples: {what}: {len(found)} of {len(rows)}, such as {found[0]}")


def _engrave(rows: list[dict[str, Any]], folder: Path) -> None:
    scores = tunes_to_svg([(row["abc"], folder / f"{row['index']:03d}.svg") for row in rows], _CHILD_SECONDS)
    for row, problem in zip(rows, scores, strict=True):
        row["score"] = f"{row['index']:03d}.svg" if problem is None else None
        row["score_error"] = None if problem is None else str(problem)


def _make_audible(rows: list[dict[str, Any]], folder: Path) -> None:
    if missing := audio_is_missing():
        print(f"samples: no audio, {missing}")
    files = [(folder / row["midi"]["file"], folder / f"{row['index']:03d}.opus") for row in rows]
    for row, audio in zip(rows, midi_to_audio(files, _CHILD_SECONDS), strict=True):
        if isinstance(audio, AudioError):
            row["audio"], row["audio_error"] = None, str(audio)
        else:
            row["audio"], row["audio_error"] = {"file": f"{row['index']:03d}.opus", "seconds": audio.seconds}, None
