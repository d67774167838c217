"""Batched decoding of tunes: each sample a function of its prompt and its seed, whatever else is in the batch."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from tqdm import tqdm
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from hf_scaling.generation.cache import empty_cache
from hf_scaling.generation.constraint import Constraint, constraint_for, no_collection
from hf_scaling.generation.sampling import Sampler
from hf_scaling.models import generation_limit
from hf_scaling.records import UserError

CONSTRAINTS = {"none": "", "legal": "any", "strict": "strict"}
"""How decoding may be constrained, and what that says of bars: see `Constraint`."""

_SHRINK = 0.75  # a batch goes on without the rows that have ended once so few are left


@dataclass(frozen=True)
class Generation:
    """One tune as the model wrote it, prompt included; `complete` if the model ended it itself."""

    prompt: str
    seed: int
    text: str
    complete: bool


@torch.inference_mode()
def generate_tunes(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[str],
    seeds: Sequence[int],
    temperature: float = 1.0,
    top_p: float = 0.95,
    batch_size: int = 64,
    constrain: str = "none",
    progress: bool = False,
    watch: Callable[[torch.Tensor], None] | None = None,
) -> list[Generation]:
    """Continue each prompt until the model ends the tune or may write no more (`generation_limit`).

    constrain: "strict" for tunes that are strictly valid and end in time, whatever the model says; "legal" leaves the
    lengths of bars free; "none" lets it write anything. progress: show a bar. watch: is told the ids (rows,) that
    the batch at work has gained, at every step; whatever it raises ends the writing.

    Raises:
        UserError: a prompt leaves no room or cannot go on legally, or an option is out of range.
    """
    if not 0 < temperature < math.inf:
        raise UserError(f"temperature: got {temperature}, expected a number above 0")
    if not 0 < top_p <= 1:
        raise UserError(f"top_p: got {top_p}, expected a number above 0 and at most 1")
    if constrain not in CONSTRAINTS:
        raise UserError(f"constrain: got {constrain!r}, expected one of {', '.join(CONSTRAINTS)}")
    limit = generation_limit(model.config)
    encoded = [tokenizer(prompt, verbose=False)["input_ids"] for prompt in prompts]
    longest = max(map(len, encoded), default=0)
    if longest >= limit:
        raise UserError(f"prompt: got {longest} characters, the model writes at most {limit}; shorten it")
    constraint = None if constrain == "none" else constraint_for(tokenizer, CONSTRAINTS[constrain])
    if constraint:  # all prompts are looked at before anything is drawn
        for prompt, ids in zip(prompts, encoded, strict=True):
            constraint.start(prompt, limit - len(ids))
    model.eval()
    banned = [tokenizer.pad_token_id, tokenizer.unk_token_id]
    generations: dict[int, Generation] = {}
    with tqdm(total=len(prompts), desc="tunes", unit=" tunes", leave=False, disable=not progress) as bar:
        for chosen in _batches([len(ids) for ids in encoded], batch_size):
            ids = torch.tensor([encoded[index] for index in chosen])
            room = limit - ids.shape[1]
            choice = _Choice(
                Sampler([seeds[index] for index in chosen], temperature, top_p, banned),
                constraint,
                [constraint.start(prompts[index], room) for index in chosen] if constraint else [],
            )
            with no_collection():
                for place, written in _decode(model, ids, choice, room, tokenizer.eos_token_id, watch):
                    index, complete = chosen[place], written[-1] == tokenizer.eos_token_id
                    text = prompts[index] + str(tokenizer.decode(written[:-1] if complete else written))
                    generations[index] = Generation(prompts[index], seeds[index], text, complete)
                    bar.update()
    return [generations[index] for index in range(len(prompts))]


class _Choice:
    """Chooses the next token of every row: a sample, held to the constraint if there is one."""

    def __init__(self, sampler: Sampler, constraint: Constraint | None, states: Sequence[int]) -> None:
        self._sampler, self._constraint, self._states = sampler, constraint, np.array(states)

    def __call__(self, logits: torch.Tensor, room: int) -> torch.Tensor:
        """Tokens (rows,) from logits (rows, vocab_size), where `room` more tokens may be written."""
        scores = self._sampler(logits)
        if self._constraint is None:
            return scores.argmax(dim=-1)
        tokens, self._states = self._constraint.choose(self._states, scores.numpy(), room)
        return torch.from_numpy(tokens)

    def keep(self, rows: torch.Tensor) -> None:
        """Go on with these rows only."""
        self._sampler.keep(rows)
        self._states = self._states[rows.numpy()] if self._constraint else self._states  # a tensor of one is an index


def _decode(
    model: PreTrainedModel,
    ids: torch.Tensor,
    choice: _Choice,
    room: int,
    eos: int,
    watch: Callable[[torch.Tensor], None] | None,
) -> Iterator[tuple[int, list[int]]]:
    """Write up to `room` tokens behind `ids` (rows, tokens); yield rows as they end, with what they wrote.

    transformers' own loop spends most of the time of models this small on its book-keeping, and carries rows that have
    ended along to the end of the batch.
    """
    rows = torch.arange(len(ids))  # those still in the batch
    written = torch.empty(len(ids), room, dtype=torch.long)
    ended = torch.zeros(len(ids), dtype=torch.bool)  # of the rows in the batch
    cache = empty_cache(model)
    for step in range(room):
        output = model(input_ids=ids.to(model.device), use_cache=True, logits_to_keep=1, **cache)
        cache = {name: output[name] for name in ("past_key_values", "cache_params") if output.get(name) is not None}
        tokens = choice(output.logits[:, -1], room - step)
        written[rows, step] = tokens
        if watch:
            watch(tokens)
        now = ((tokens == eos) | (step + 1 == room)) & ~ended
        for row in rows[now].tolist():
            yield row, written[row, : step + 1].tolist()
        ended |= now
        if ended.all():
            return
        if int((~ended).sum()) <= _SHRINK * len(rows):
            going = (~ended).nonzero().squeeze(1)
            for kept in cache.values():
                kept.reorder_cache(going.to(model.device))
            choice.keep(going)
            rows, tokens, ended = rows[going], tokens[going], ended[going]
        ids = tokens.unsqueeze(1)


def _batches(lengths: Sequence[int], batch_size: int) -> Iterator[list[int]]:
    """Indices of prompts, batch by batch, each of one length: padding would take room from the shorter ones."""
    by_length = sorted(range(len(lengths)), key=lambda index: lengths[index])
    for _, same in groupby(by_length, key=lambda index: lengths[index]):
        rows = list(same)
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size]
