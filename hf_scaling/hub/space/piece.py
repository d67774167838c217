"""What becomes of a tune that a model wrote: checked, repaired where it must be, engraved, and made to sound."""

from pathlib import Path
from typing import NamedTuple

from hf_scaling.generation import Generation
from hf_scaling.music.audio import AudioError, midi_to_audio
from hf_scaling.music.midi import MidiError, tune_to_midi
from hf_scaling.music.score import tunes_to_svg
from hf_scaling.notation import Repaired, Unrepairable, Verdict, check, header, repair
from hf_scaling.records import UserError, write_text

_SECONDS = 60.0  # that a converter may take


class Piece(NamedTuple):
    """A tune and its files; those that could not be made are None, and `problems` say why.

    `verdict` is of the tune as the model wrote it, `complete` whether the model ended it itself.
    """

    title: str
    verdict: Verdict
    complete: bool
    repaired: Repaired
    abc: Path
    midi: Path | None
    score: Path | None
    audio: Path | None
    problems: list[str]


def finish(tune: Generation, folder: Path) -> Piece:
    """Make all that can be made of a tune, in `folder`, which is made too.

    Raises:
        UserError: it is beyond repair.
    """
    try:
        repaired = repair(tune.text)
    except Unrepairable as error:
        raise UserError(f"this tune is beyond repair ({error}): try another seed or a lower temperature") from None
    paths = {kind: folder / f"tune-{tune.seed}.{kind}" for kind in ("abc", "mid", "svg", "opus")}
    folder.mkdir()
    write_text(paths["abc"], repaired.text)
    (score,) = tunes_to_svg([(repaired.text, paths["svg"])], _SECONDS)
    problems = [f"no score: {score}"] if score else []
    try:
        tune_to_midi(repaired.text, paths["mid"], _SECONDS)
        (audio,) = midi_to_audio([(paths["mid"], paths["opus"])], _SECONDS)
        problems += [f"no sound: {audio}"] if isinstance(audio, AudioError) else []
    except MidiError as error:
        problems.append(f"no MIDI: {error}")
    there = {kind: path if path.is_file() else None for kind, path in paths.items()}
    return Piece(
        header(repaired.text).title,
        check(tune.text),
        tune.complete,
        repaired,
        paths["abc"],
        there["mid"],
        there["svg"],
        there["opus"],
        problems,
    )
