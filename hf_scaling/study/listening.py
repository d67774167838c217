"""A page on which people say which of two tunes they like better, without knowing who wrote which.

The page is one file with everything in it. Who wrote what stands in a second file, `<page>.key.json`, which listeners
are not given; `read_answers` puts the two together again.
"""

import base64
import random
import sys
from collections.abc import Callable, Iterator, Sequence
from importlib.resources import files
from itertools import combinations, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from datasets import load_from_disk
from jinja2 import Environment
from tqdm import tqdm

from hf_scaling.music.audio import AudioError, audio_is_missing, midi_to_audio
from hf_scaling.music.midi import MidiError, tunes_to_midi
from hf_scaling.music.preferences import Answer
from hf_scaling.music.score import tunes_to_svg
from hf_scaling.notation import Field, Unrepairable, check, plain, read, repair
from hf_scaling.records import UserError, content_hash, read_json, read_jsonl, write_json, write_text
from hf_scaling.study.worth_trends import RECORD, TUNES

REAL = "real tunes"
_FEWEST_NOTES = 16  # less is over before one has listened
_MUSICAL = frozenset("XMLKV")  # a title or a composer would tell who wrote it
_CHOICES = {"A": 1.0, "B": 0.0, "neither": 0.5}


class _Tune(NamedTuple):
    """A tune ready for the page: data URIs of its audio and its score (None where it cannot be engraved)."""

    audio: str
    score: str | None


def write_page(study: Path, page: Path, names: Sequence[str], n_pairs: int, seed: int) -> Path:
    """Write the page and its key; return the path of the key.

    names: run ids whose tunes `evaluate_music` has kept; none: the largest of each family, and the best model, as far
    as any of their tunes can be played. Real tunes of the test split are always among the kinds. Pairs of kinds come
    round in turn.

    Raises:
        UserError: the packages for audio are missing, a name is unknown, or a kind has too few tunes.
    """
    if missing := audio_is_missing():
        raise UserError(f"listen: {missing}")
    if not 1 <= n_pairs <= 200:
        raise UserError(f"--pairs: got {n_pairs}, expected 1 to 200")
    texts = {name: _generated(study, name) for name in _chosen(study, names)} | {REAL: _real(study, seed)}
    with tqdm(total=2 * n_pairs, desc="tunes", unit=" tunes") as bar:
        supplies = {kind: _Supply(found, bar.update) for kind, found in texts.items()}
        while True:
            pairs = _draw_pairs(list(supplies), n_pairs, seed)
            needed = {kind: sum(pair.count(kind) for pair in pairs) for kind in supplies}
            short = next((kind for kind, supply in supplies.items() if not supply.has(needed[kind])), None)
            if short is None:
                break
            counted = f"{short}: {len(supplies[short].ready)} of {needed[short]} tunes can be played"
            if names or short == REAL or len(supplies) == 2:
                raise UserError(f"listen: {counted}; ask for fewer --pairs")
            bar.write(f"{counted}; left out", file=sys.stderr)
            del supplies[short]
    tunes = {kind: iter(supply.ready) for kind, supply in supplies.items()}
    shown = [[next(tunes[kind]) for kind in pair] for pair in pairs]
    identity = content_hash([pairs, seed, [tune.audio for pair in shown for tune in pair]])[:16]
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("hf_scaling.study").joinpath("listening.html").read_text(encoding="utf-8"))
    write_text(page, template.render(pairs=shown, page=identity))
    key = page.with_name(f"{page.stem}.key.json")
    write_json(key, {"page": identity, "study": study.resolve().name, "pairs": pairs})
    return key


def _chosen(study: Path, names: Sequence[str]) -> list[str]:
    if not (study / RECORD).exists():
        raise UserError(f"{study}: holds no {RECORD}; draw tunes first: python recipes/evaluate_music.py {study}")
    models = read_json(study / RECORD)["models"]
    known = [model["run_id"] for model in models]
    for name in names:
        if name not in known:
            raise UserError(f"--models: got {name!r}, expected some of {', '.join(known)}")
    if names:
        return list(dict.fromkeys(names))
    largest = {model["family"]: model["run_id"] for model in models if not model["best"]}  # smallest first, so the last
    return [*largest.values(), *(model["run_id"] for model in models if model["best"])]


def _real(study: Path, seed: int) -> list[str]:
    return list(load_from_disk(str(study / "dataset"))["test"].shuffle(seed=seed)["text"])


def _generated(study: Path, name: str) -> list[str]:
    return [row["text"] for row in read_jsonl(study / TUNES / f"{name}.jsonl")]


def _draw_pairs(kinds: Sequence[str], n_pairs: int, seed: int) -> list[list[str]]:
    """Pairs of kinds in turn, shuffled."""
    draw = random.Random(seed)
    turns = list(combinations(kinds, 2))
    draw.shuffle(turns)
    pairs = [draw.sample(turns[number % len(turns)], 2) for number in range(n_pairs)]
    draw.shuffle(pairs)
    return pairs


class _Supply:
    """The tunes of one kind that can be played, made ready as they are needed."""

    def __init__(self, texts: Sequence[str], advance: Callable[[int], object]) -> None:
        self.ready: list[_Tune] = []
        self._candidates, self._advance = _playable(texts), advance

    def has(self, needed: int) -> bool:
        """Whether so many are ready now."""
        while len(self.ready) < needed:
            batch = list(islice(self._candidates, needed - len(self.ready)))
            if not batch:
                return False
            made = _rendered(batch)
            self.ready += made
            self._advance(len(made))
        return True


def _playable(texts: Sequence[str]) -> Iterator[str]:
    """Repaired tunes of some length, without whatever tells who wrote them."""
    for text in texts:
        try:
            anonymous = _anonymous(repair(text).text)
        except Unrepairable:
            continue
        verdict = check(anonymous)
        if verdict.playable and verdict.n_notes >= _FEWEST_NOTES:
            yield anonymous


def _anonymous(text: str) -> str:
    """Metre, unit length, key and notes, and nothing else."""
    told = {event.offset for event in read(text).events if isinstance(event, Field) and event.letter not in _MUSICAL}
    kept, at = [], 0
    for line in text.split("\n"):
        if at not in told:
            kept.append(line)
        at += len(line) + 1
    return plain("\n".join(kept))


def _rendered(texts: Sequence[str]) -> list[_Tune]:
    with TemporaryDirectory() as name:
        paths = [Path(name, str(number)) for number in range(len(texts))]
        midi = tunes_to_midi([(text, path.with_suffix(".mid")) for text, path in zip(texts, paths, strict=True)])
        playing = [number for number, one in enumerate(midi) if not isinstance(one, MidiError)]
        audio = midi_to_audio([(paths[i].with_suffix(".mid"), paths[i].with_suffix(".opus")) for i in playing])
        tunes_to_svg([(texts[i], paths[i].with_suffix(".svg")) for i in playing])
        return [
            _Tune(
                _data_uri(paths[i].with_suffix(".opus"), "audio/ogg"),
                _data_uri(score, "image/svg+xml") if (score := paths[i].with_suffix(".svg")).exists() else None,
            )
            for i, one in zip(playing, audio, strict=True)
            if not isinstance(one, AudioError)
        ]


def _data_uri(path: Path, media_type: str) -> str:
    return f"data:{media_type};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def read_answers(key: Path, files: Sequence[Path]) -> list[Answer]:
    """The answers in the files that listeners saved, with the kinds that the pairs were of; each file is a listener.

    Raises:
        UserError: a file is no such thing, or belongs to another page.
    """
    page = read_json(key)
    if not isinstance(page, dict) or not isinstance(page.get("pairs"), list):
        raise UserError(f"{key}: not the key of a listening page")
    return [answer for number, path in enumerate(files) for answer in _answers(page, path, f"{number}")]


def _answers(page: dict[str, Any], path: Path, listener: str) -> Iterator[Answer]:
    saved = read_json(path)
    if not isinstance(saved, dict) or not isinstance(saved.get("answers"), dict):
        raise UserError(f"{path}: not the answers of a listener")
    if saved.get("page") != page["page"]:
        raise UserError(f"{path}: answers to page {saved.get('page')!r}, expected {page['page']!r}")
    for number, choice in saved["answers"].items():
        if choice not in _CHOICES or not number.isdecimal() or not 1 <= int(number) <= len(page["pairs"]):
            raise UserError(f"{path}: answer {number!r}: got {choice!r}, expected one of {', '.join(_CHOICES)}")
        first, second = page["pairs"][int(number) - 1]
        yield Answer(listener, first, second, _CHOICES[choice])
