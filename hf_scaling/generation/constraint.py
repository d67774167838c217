"""The notation grammar over a batch of tunes: tables of its states, which rows look up together."""

import gc
import json
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

import numpy as np
import torch
from transformers import LogitsProcessor, PreTrainedTokenizerBase

from hf_scaling.notation import Grammar, State
from hf_scaling.notation.steer import NEVER
from hf_scaling.records import UserError

ENDED = 0
"""The number of the state behind the end of a tune: what a row holds there is of no concern, so all may follow."""

_UNKNOWN = -1  # not asked for yet
_Groups = dict[int, tuple[str, int | np.ndarray]]  # of each token that may follow: its group, and the tokens in that
_FIRST_STATES, _MOST_STATES = 65_536, 200_000  # at 2 to 3 kB each; room in a table costs nothing until it is used


@contextmanager
def no_collection() -> Iterator[None]:
    """Without garbage collection: the states that are found stay, so that looking through them is in vain."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


class Constraint:
    """What may follow in each row of a batch, for the characters of a tokenizer.

    Grammar states are numbered as they come. `_need[state, token]` is how many tokens a tune needs behind that token
    (NEVER: it may not follow) and `_next[state, token]` the state behind it. Both fill as they are asked for and stay:
    what one batch finds out serves the next.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, bars: str) -> None:
        """bars: "strict" or "any", see `notation.Grammar`."""
        vocabulary = tokenizer.get_vocab()
        self._ids = {token: index for token, index in vocabulary.items() if len(token) == 1}
        self._eos, size = tokenizer.eos_token_id, max(vocabulary.values()) + 1
        self._grammar = Grammar("".join(sorted(self._ids)), bars)
        self._numbers: dict[State, int] = {}
        self._states: list[State | None] = [None]  # number ENDED
        self._fresh: dict[tuple[str, ...], tuple[np.ndarray, _Groups]] = {}  # of a state with such groups of characters
        self._need = np.zeros((_FIRST_STATES, size), dtype=np.int16)
        self._next = np.zeros((_FIRST_STATES, size), dtype=np.int32)  # ENDED where nothing else is known
        self._lock = Lock()  # the tables are filled for all who decode in this process, threads too

    @property
    def size(self) -> int:
        """How many states have been looked at."""
        return len(self._states)

    def start(self, text: str, room: int) -> int:
        """The state behind a prompt that leaves room for so many tokens, the end of the tune included.

        Raises:
            UserError: no legal tune begins like this, or none so short.
        """
        with self._lock, no_collection():
            state = self._grammar.read(text)
            if state is None:
                raise UserError(f"prompt: {text[-60:]!r} is not how a legal tune goes on; mend it, or do not constrain")
            need = self._grammar.need(state)
            if need > room:
                much = f"{need} more tokens and the model may write {room}"
                raise UserError(f"prompt: a legal tune takes {much}; shorten it")
            return self._number(state)

    def mask(self, states: np.ndarray, room: int) -> np.ndarray:
        """Which tokens may follow where there is room for so many, this one included: bool, (rows, tokens)."""
        with self._lock, no_collection():
            for state in set(states.tolist()):
                for token in np.flatnonzero(self._need[state] == _UNKNOWN).tolist():
                    self._ask(state, token)
            return self._need[states] < min(room, NEVER)

    def choose(self, states: np.ndarray, scores: np.ndarray, room: int) -> tuple[np.ndarray, np.ndarray]:
        """Of each row's tokens that may follow the one with the highest score, and the states behind them.

        scores: (rows, tokens). No more tokens are looked at than it takes, mostly one.
        """
        room = min(room, NEVER)
        with self._lock, no_collection():
            scores = np.where(self._need[states] < room, scores, -np.inf)  # what is unknown stays in
            tokens = scores.argmax(axis=1)
            for row in np.flatnonzero(self._need[states, tokens] == _UNKNOWN).tolist():
                state, token, of_row = int(states[row]), int(tokens[row]), scores[row]
                while self._ask(state, token) >= room:
                    of_row[self._need[state] >= room] = -np.inf  # its whole group
                    token = int(of_row.argmax())
                    if of_row[token] == -np.inf:
                        raise RuntimeError("nothing may follow here, though there was said to be a way")
                tokens[row] = token
            return tokens, self._next[states, tokens]

    def after(self, state: int, token: int) -> int:
        """The state behind a token that may follow."""
        with self._lock, no_collection():
            self._ask(state, token)
            return int(self._next[state, token])

    def _ask(self, state: int, token: int) -> int:
        """The need behind a token; what is unknown is found out for all characters that lead to the same state."""
        need = int(self._need[state, token])
        if need != _UNKNOWN:
            return need
        before = self._states[state]
        assert before is not None
        if token == self._eos:
            need = self._need[state, token] = 0 if self._grammar.may_end(before) else NEVER
            return need
        _, groups = self._known(self._grammar.groups(before))
        group, tokens = groups[token]
        after = self._grammar.move(before, group)
        number = self._number(after) if after else ENDED  # in a line of its own, for the tables may grow and move
        need = self._grammar.need(after) if after else NEVER
        self._need[state, tokens], self._next[state, tokens] = need, number
        return need

    def _number(self, state: State) -> int:
        number = self._numbers.get(state)
        if number is None:
            number = self._numbers[state] = len(self._states)
            self._states.append(state)
            if number == len(self._need):
                self._need, self._next = (
                    np.concatenate([table, np.zeros_like(table)]) for table in (self._need, self._next)
                )
            self._need[number], _ = self._known(self._grammar.groups(state))
        return number

    def _known(self, groups: tuple[str, ...]) -> tuple[np.ndarray, _Groups]:
        """Of a state with such groups of characters, what its need is before any was asked for, and the groups."""
        if groups not in self._fresh:
            need = np.full(self._need.shape[1], NEVER, dtype=self._need.dtype)
            need[self._eos] = _UNKNOWN
            of_token: _Groups = {}
            for group in groups:
                tokens = [self._ids[character] for character in group]
                need[tokens] = _UNKNOWN
                of_token |= dict.fromkeys(tokens, (group, tokens[0] if len(tokens) == 1 else np.array(tokens)))
            self._fresh[groups] = need, of_token
        return self._fresh[groups]


_kept: dict[tuple[str, str], Constraint] = {}


def constraint_for(tokenizer: PreTrainedTokenizerBase, bars: str) -> Constraint:
    """The constraint of a tokenizer, the same as last time unless it has grown too large."""
    key = bars, json.dumps([tokenizer.get_vocab(), tokenizer.eos_token_id], sort_keys=True)
    if key not in _kept or _kept[key].size > _MOST_STATES:
        _kept[key] = Constraint(tokenizer, bars)
    return _kept[key]


class AbcLogitsProcessor(LogitsProcessor):
    """Lets a model write nothing but legal ABC, for transformers' `generate`, with sampling or with beams.

        model.generate(..., logits_processor=LogitsProcessorList([AbcLogitsProcessor(tokenizer, max_length=256)]))

    Every tune ends legally within `max_length` tokens, prompt included, which `generate` must be told, too. It belongs
    before any warper that takes tokens away for good, such as top-p: of the tokens that may follow some must be left.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase, max_length: int, bars: str = "strict") -> None:
        """bars: "strict" for tunes that are strictly valid, "any" to leave the lengths of bars free."""
        self._constraint = constraint_for(tokenizer, bars)
        self._tokenizer, self._max_length = tokenizer, max_length
        self._states: dict[bytes, int] = {}  # of the rows of the last step

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """`scores` (rows, vocab_size), minus infinity where a token may not follow `input_ids` (rows, tokens)."""
        rows = input_ids.cpu().numpy()
        states = [self._state(row) for row in rows]
        self._states = {row.tobytes(): state for row, state in zip(rows, states, strict=True)}
        allowed = self._constraint.mask(np.array(states), self._max_length - rows.shape[1])
        return scores.masked_fill(~torch.from_numpy(allowed).to(scores.device), -torch.inf)

    def _state(self, row: np.ndarray) -> int:
        """The state behind the tokens of a row."""
        before = self._states.get(row[:-1].tobytes())
        if before is not None:
            return self._constraint.after(before, int(row[-1]))
        tokens = row[np.argmax(row != self._tokenizer.pad_token_id) :].tolist()  # the padding before it left out
        bos, *written = tokens
        if bos != self._tokenizer.bos_token_id:
            raise ValueError(f"the prompt must begin with the token {self._tokenizer.bos_token}")
        if self._tokenizer.eos_token_id in written:
            return ENDED
        return self._constraint.start(str(self._tokenizer.decode(written)), self._max_length - len(row))
