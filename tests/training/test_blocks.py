"""Token streams and the blocks that models learn from."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_scaling.records import UserError
from hf_scaling.tokenization import CorpusEncoder, build_tokenizer
from hf_scaling.training.blocks import TokenBlocks, read_stream, streams_hash, write_streams


def order(blocks):
    """The first token of each block; streams below are 0, 1, 2, ..."""
    return [int(blocks[index]["input_ids"][0]) // len(blocks[index]["input_ids"]) for index in range(len(blocks))]


@settings(max_examples=30)
@given(length=st.integers(9, 90), context=st.integers(1, 8), epochs=st.integers(1, 3), seed=st.integers(0, 2**31 - 1))
def test_every_block_is_seen_once_an_epoch_in_an_order_that_the_seed_decides(length, context, epochs, seed):
    stream = np.arange(length, dtype=np.uint16)
    per_epoch = (length - 1) // context
    seen = order(TokenBlocks(stream, context, epochs * per_epoch, seed))
    for epoch in range(epochs):
        assert sorted(seen[epoch * per_epoch : (epoch + 1) * per_epoch]) == list(range(per_epoch))
    assert seen == order(TokenBlocks(stream, context, epochs * per_epoch, seed))
    assert seen[: per_epoch // 2] == order(TokenBlocks(stream, context, per_epoch // 2, seed))  # no matter how long


def test_the_order_changes_with_the_seed_and_from_epoch_to_epoch():
    stream = np.arange(1000, dtype=np.uint16)
    seen = order(TokenBlocks(stream, 10, 198, 0))
    assert seen[:99] != seen[99:]
    assert seen[:99] != order(TokenBlocks(stream, 10, 99, 1))
    assert seen[:99] != sorted(seen[:99])


def test_blocks_are_read_in_any_order_with_the_same_result():
    stream = np.arange(1000, dtype=np.uint16)
    forwards, backwards = TokenBlocks(stream, 10, 250, 0), TokenBlocks(stream, 10, 250, 0)
    ids = [backwards[index]["input_ids"].tolist() for index in reversed(range(250))]
    assert ids[::-1] == [forwards[index]["input_ids"].tolist() for index in range(250)]


def test_a_block_is_a_piece_of_the_stream_and_its_labels_are_one_token_ahead():
    stream = np.arange(50, dtype=np.uint16)
    block = TokenBlocks(stream, 8, 6, 0)[3]
    start = int(block["input_ids"][0])
    assert block["input_ids"].tolist() == list(range(start, start + 8))
    assert block["labels"].tolist() == block["shift_labels"].tolist() == list(range(start + 1, start + 9))


def test_a_stream_shorter_than_a_block_is_refused():
    with pytest.raises(UserError, match="context_length: got 64, .* only 64 tokens"):
        TokenBlocks(np.arange(64, dtype=np.uint16), 64, 1, 0)


def test_packing_loses_nothing(tunes, tokenizer, tokens):
    for split, texts in tunes.items():
        stream = read_stream(tokens, split)
        assert stream.dtype == np.uint16
        starts = np.flatnonzero(stream == tokenizer.bos_token_id)
        assert starts[0] == 0
        assert starts[-1] == len(stream) - 1
        pieces = [stream[a + 1 : b].tolist() for a, b in zip(starts, starts[1:], strict=False)]
        assert [tokenizer.decode(piece) for piece in pieces] == texts


def test_a_character_that_training_never_had_is_unknown(tmp_path, tokenizer):
    write_streams({"train": ["A~B"], "validation": [], "test": []}, CorpusEncoder(tokenizer), tmp_path / "tokens")
    ids = read_stream(tmp_path / "tokens", "train").tolist()
    assert ids == [tokenizer.bos_token_id, *tokenizer("A~B").input_ids[1:], tokenizer.bos_token_id]
    assert ids[2] == tokenizer.unk_token_id


def test_the_hash_follows_every_split(tmp_path, tunes, tokenizer, tokens):
    splits = ("train", "validation", "test")
    hashes = {streams_hash(tokens, splits)}
    for split in splits:
        changed = tunes | {split: tunes[split][:-1]}
        write_streams(changed, CorpusEncoder(tokenizer), tmp_path / split)
        hashes.add(streams_hash(tmp_path / split, splits))
    assert len(hashes) == 4


def test_a_tokenizer_learns_the_training_split_only(tunes):
    assert "~" not in build_tokenizer(tunes["train"], 32).get_vocab()
