"""Batched decoding of tunes: each sample a function of its prompt and its seed, whatever else is in the batch."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LogitsProcessor,
    LogitsProcessorList,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    TemperatureLogitsWarper,
    TopPLogitsWarper,
)
from transformers.generation import BaseStreamer

from hf_scaling.models import generation_limit, to_device
from hf_scaling.records import UserError

HEADER_FIELDS = {"title": "T", "rhythm": "R", "meter": "M", "length": "L", "key": "K"}
_METERS = {"jig": "6/8", "slip jig": "9/8", "slide": "12/8", "polka": "2/4", "waltz": "3/4", "mazurka": "3/4"}


@dataclass(frozen=True)
class Generation:
    """One tune as the model wrote it, prompt included; `complete` if the model ended it itself."""

    prompt: str
    seed: int
    text: str
    complete: bool


def build_prompt(**fields: str | None) -> str:
    """The opening of a tune: the empty string without fields, else its header in the order models were trained on.

    Takes title, rhythm, meter, length and key. A field left out is written with the usual value where the key is
    given, since the key comes last and closes the header; without a key the header ends at the last field given, and
    the model writes the rest.

    Raises:
        UserError: an unknown field, or a value with a line break, which would smuggle in another field.
    """
    for name, value in fields.items():
        if name not in HEADER_FIELDS:
            raise UserError(f"prompt: got the field {name!r}, expected some of {', '.join(HEADER_FIELDS)}")
        if value is not None and (not value.strip() or not value.isprintable()):
            raise UserError(f"{name}: got {value!r}, expected text on a single line")
    given = {name: value.strip() for name, value in fields.items() if value is not None}
    if not given:
        return ""
    given.setdefault("title", "Untitled")
    if "key" in given or "length" in given:
        given.setdefault("meter", _METERS.get(given.get("rhythm", "").lower(), "4/4"))
    if "key" in given:
        given.setdefault("length", "1/8")
    return "X:1\n" + "".join(f"{letter}:{given[name]}\n" for name, letter in HEADER_FIELDS.items() if name in given)


def load_model_and_tokenizer(name: str, revision: str | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model with its tokenizer, from a folder or the Hub. Code that comes with a model is not run.

    Raises:
        UserError: there is no such model, or it is damaged.
    """
    place: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    try:
        model = to_device(AutoModelForCausalLM.from_pretrained(name, use_safetensors=True, **place))
        tokenizer = AutoTokenizer.from_pretrained(name, **place)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"model: {name!r} cannot be loaded ({str(error).splitlines()[0]})") from None
    for token in ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id"):
        if getattr(tokenizer, token) is None:
            raise UserError(f"model: the tokenizer of {name!r} has no {token}; expected a model of this project")
    return model, tokenizer


class SeededSampling(LogitsProcessor):
    """Turns greedy search into sampling with one generator a row, by the Gumbel-max trick.

    The library draws a whole batch from one generator, so there a sample depends on its neighbours.
    """

    def __init__(self, seeds: Sequence[int]):
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`scores` (batch, vocab_size) plus independent Gumbel noise."""
        uniform = torch.stack([torch.rand(scores.shape[1], generator=generator) for generator in self._generators])
        gumbel = -torch.log(-torch.log(uniform.clamp(1e-9, 1 - 1e-7)))
        return scores + gumbel.to(scores)


@torch.inference_mode()
def generate_tunes(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    seeds: Sequence[int],
    temperature: float = 1.0,
    top_p: float = 0.95,
    batch_size: int = 16,
    streamer: BaseStreamer | None = None,
) -> list[Generation]:
    """Continue each prompt until the model ends the tune or may write no more (`generation_limit`).

    `streamer` is given the ids as they come; it takes one prompt.

    Raises:
        UserError: a prompt leaves no room, temperature is not above 0, or top_p is outside (0, 1].
    """
    if not 0 < temperature < math.inf:
        raise UserError(f"temperature: got {temperature}, expected a number above 0")
    if not 0 < top_p <= 1:
        raise UserError(f"top_p: got {top_p}, expected a number above 0 and at most 1")
    limit = generation_limit(model.config)
    encoded = [tokenizer(prompt, verbose=False)["input_ids"] for prompt in prompts]
    longest = max(map(len, encoded), default=0)
    if longest >= limit:
        raise UserError(f"prompt: got {longest} characters, the model writes at most {limit}; shorten it")
    model.eval()
    generations: dict[int, Generation] = {}
    for chosen in _batches([len(ids) for ids in encoded], batch_size):
        input_ids = torch.tensor([encoded[index] for index in chosen], device=model.device)
        length = input_ids.shape[1]
        output = model.generate(  # type: ignore[operator]  # generate comes with the model's class, not the base's
            input_ids=input_ids,
            attention_mask=torch.ones_like(input_ids),
            do_sample=False,
            temperature=None,
            top_p=None,
            max_length=None,
            max_new_tokens=limit - length,
            bad_words_ids=[[tokenizer.pad_token_id], [tokenizer.unk_token_id]],
            streamer=streamer,
            logits_processor=LogitsProcessorList(
                [
                    TemperatureLogitsWarper(float(temperature)),
                    TopPLogitsWarper(top_p),
                    SeededSampling([seeds[index] for index in chosen]),
                ]
            ),
        )
        for index, ids in zip(chosen, output[:, length:].tolist(), strict=True):
            complete = tokenizer.eos_token_id in ids
            written = ids[: ids.index(tokenizer.eos_token_id)] if complete else ids
            text = prompts[index] + str(tokenizer.decode(written))
            generations[index] = Generation(prompts[index], seeds[index], text, complete)
    return [generations[index] for index in range(len(prompts))]


def _batches(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Indices of prompts, batch by batch, each of one length: padding would take room from the shorter ones."""
    by_length = sorted(range(len(lengths)), key=lambda index: lengths[index])
    for _, same in groupby(by_length, key=lambda index: lengths[index]):
        rows = list(same)
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size]
