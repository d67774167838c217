"""Tunes on their way: each is written in a thread of its own, so that it can be watched and stopped."""

import re
from collections.abc import Mapping
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from threading import Lock

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_scaling.generation import build_prompt, generate_tunes, load_model_and_tokenizer
from hf_scaling.hub.space.exhibit import Shown
from hf_scaling.hub.space.piece import Piece, finish
from hf_scaling.notation import parse_key, parse_meter
from hf_scaling.records import UserError

_KEPT = 4  # models in memory
_DIGITS = 18  # of a seed at most: torch takes any number of so few
_loading = Lock()  # transformers makes an empty model first, and two threads at it get in each other's way


def parse_seed(text: str) -> int:
    """The seed that a person typed.

    Raises:
        UserError: it is none that a generator takes.
    """
    if not re.fullmatch(rf"[0-9]{{1,{_DIGITS}}}", text.strip()):
        raise UserError(f"seed: got {text!r}, expected a whole number of at most {_DIGITS} digits")
    return int(text)


@dataclass(frozen=True)
class Wish:
    """What a tune shall be. `fields` are those of `build_prompt`; one that is None is left to the model.

    `temperature` and `constrain` are those of `generate_tunes`.
    """

    fields: Mapping[str, str | None]
    temperature: float
    constrain: str
    seed: int

    def prompt(self) -> str:
        """The opening that the model goes on from.

        Raises:
            UserError: a field is nothing that a header may hold.
        """
        meter, key = self.fields.get("meter"), self.fields.get("key")
        if meter is not None and parse_meter(meter) is None:
            raise UserError(f"metre: got {meter!r}, expected such as 4/4, 6/8 or C|")
        if key is not None and parse_key(key) is None:
            raise UserError(f"key: got {key!r}, expected such as D, Bm, Ador or Gmix")
        return build_prompt(**self.fields)


class _Stopped(Exception):  # noqa: N818  (no error: somebody asked for it)
    """Nobody waits for this tune any more."""


class Writing:
    """One tune on its way, with its files in `folder`.

    `text` is what there is of it, the opening included; `stage` says how far it is; `future` ends as the Piece.
    """

    def __init__(self, pool: Executor, model: Shown, wish: Wish, folder: Path):
        self.model, self.wish = model, wish
        self.text = wish.prompt()
        self.stage = "is loaded"
        self._folder = folder
        self._tokenizer: PreTrainedTokenizerBase
        self._stopped = False
        self.future: Future[Piece] = pool.submit(self._write)

    def stop(self) -> None:
        """Let it end with the character that it is at."""
        self._stopped = True

    def _watch(self, ids: torch.Tensor) -> None:
        if self._stopped:
            raise _Stopped
        self.text += str(self._tokenizer.decode(ids, skip_special_tokens=True))

    def _write(self) -> Piece:
        with _loading:
            model, self._tokenizer = _load(self.model.name, self.model.revision)
        known = self._tokenizer.get_vocab()
        if strange := "".join(dict.fromkeys(c for c in self.text if c not in known)):
            raise UserError(f"{strange!r}: the model has never seen these characters; leave them out")
        self.stage = "writes"
        wish = self.wish
        (tune,) = generate_tunes(
            model,
            self._tokenizer,
            [self.text],
            [wish.seed],
            wish.temperature,
            constrain=wish.constrain,
            watch=self._watch,
        )
        self.stage = "has written; the tune is engraved"
        return finish(tune, self._folder)


@lru_cache(_KEPT)
def _load(name: str, revision: str | None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    return load_model_and_tokenizer(name, revision)
