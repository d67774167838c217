"""The tokenizer: one id a character, exact there and back, and the corpus encoder its equal."""

import itertools
from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from hf_scaling.data.clean import CleanOptions, CleanTune, clean
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.tokenization import SPECIAL_TOKENS, CorpusEncoder, build_tokenizer, load_tokenizer

ALPHABET = "".join(map(chr, range(32, 127))) + "\n\r\t\x00\xa0áéíóúÁÉÍÓÚñçœ\u0301🎵"
OUTSIDE = "ß漢𝄞\u2028"
# pieces that tokenizers are known to tidy up, split or take for special tokens
PIECES = [*SPECIAL_TOKENS, "\r\n", "  ", " .", " n't", "\x00", "\xa0", "e\u0301", "\n\n", "<|", "|>", "T:", " ?"]
INSIDE = st.lists(st.sampled_from(PIECES) | st.text(st.sampled_from(ALPHABET), max_size=6), max_size=8).map("".join)
CHARACTER = st.sampled_from(ALPHABET + OUTSIDE) | st.characters(exclude_categories=["Cs"])
ANY = st.lists(st.sampled_from(PIECES) | st.text(CHARACTER, max_size=6), max_size=8).map("".join)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    """Built, saved and loaded as users load it."""
    folder = tmp_path_factory.mktemp("study") / "tokenizer"
    build_tokenizer([ALPHABET], 256).save_pretrained(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def encoder(tokenizer):
    return CorpusEncoder(tokenizer)


@pytest.fixture(scope="module")
def real_texts():
    """Tunes of the whole corpora, a few for every character that stands anywhere in them."""
    texts, tried = [], Counter()
    for raw in SOURCES["music21"].read(SourceOptions()):
        if any(tried[character] < 5 for character in set(raw.text)):
            tried.update(set(raw.text))
            if isinstance(tune := clean(raw.text, CleanOptions(64, 2000)), CleanTune):
                texts.append(tune.text)
    return texts


@settings(max_examples=200)
@given(INSIDE)
@example("X:1\r\nT:Caf\xe9 \u0301\x00\xa0 .\n")
@example("".join(SPECIAL_TOKENS))
@example("")
def test_what_is_encoded_comes_back_exactly(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    assert len(ids) == len(text) + 1
    assert tokenizer.decode(ids[1:]) == text
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


@settings(max_examples=200)
@given(ANY)
@example(OUTSIDE * 2)
@example("<|bos|>ß<|pad|>")
def test_the_corpus_encoder_gives_the_ids_of_the_tokenizer(tokenizer, encoder, text):
    ids = encoder.encode(text)
    assert ids.dtype == np.uint16
    assert ids.tolist() == tokenizer(text)["input_ids"]


def test_every_unknown_character_is_one_unk_also_beyond_the_basic_plane(tokenizer, encoder):
    text = "aß漢漢𝄞\U0010ffffb"
    expected = [tokenizer.bos_token_id, *tokenizer.convert_tokens_to_ids(["a", *["<|unk|>"] * 5, "b"])]
    assert tokenizer(text)["input_ids"] == expected
    assert encoder.encode(text).tolist() == expected
    assert tokenizer.decode(expected[1:]) == "a" + "<|unk|>" * 5 + "b"


def test_lone_surrogates_which_the_tokenizer_cannot_take_are_unknown_characters(tokenizer, encoder):
    assert encoder.encode("a\ud800b\udfff").tolist() == encoder.encode("aßbß").tolist()


def test_a_special_token_written_in_a_title_is_plain_characters(tokenizer, encoder):
    text = "T:The <|bos|> Reel<|pad|>\n"
    for ids in (tokenizer(text)["input_ids"], encoder.encode(text).tolist()):
        assert len(ids) == 1 + len(text)
        assert set(ids[1:]).isdisjoint(tokenizer.all_special_ids)


def test_special_tokens_stand_first_and_the_alphabet_in_code_point_order(tokenizer):
    vocab = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    assert [token for token, _ in vocab] == ["<|pad|>", "<|bos|>", "<|unk|>", *sorted(set(ALPHABET))]
    assert [index for _, index in vocab] == list(range(len(vocab)))
    assert len(tokenizer) == tokenizer.vocab_size == len(vocab)
    assert (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.unk_token_id) == (0, 1, 2)
    assert tokenizer.eos_token_id == tokenizer.bos_token_id  # what opens a tune ends the one before it


def test_bos_opens_every_text_and_padding_stands_on_the_left(tokenizer):
    assert tokenizer("")["input_ids"] == [1]
    assert tokenizer("ab", add_special_tokens=False)["input_ids"] == tokenizer("ab")["input_ids"][1:]
    batch = tokenizer(["abc", "a"], padding=True)
    a, b, c = tokenizer.convert_tokens_to_ids(["a", "b", "c"])
    assert batch["input_ids"] == [[1, a, b, c], [0, 0, 1, a]]
    assert batch["attention_mask"] == [[1, 1, 1, 1], [0, 0, 1, 1]]
    assert tokenizer.model_max_length == 256


def test_saving_and_loading_changes_no_id(tokenizer, tmp_path):
    fresh = build_tokenizer([ALPHABET], 256)
    fresh.save_pretrained(tmp_path / "tokenizer")
    loaded = load_tokenizer(tmp_path / "tokenizer")
    for one in (fresh, loaded):
        assert one.get_vocab() == tokenizer.get_vocab()
        assert one("T:<|bos|> ß .\r\n")["input_ids"] == tokenizer("T:<|bos|> ß .\r\n")["input_ids"]
        assert one.padding_side == "left"
        assert one.model_max_length == 256


def test_real_tunes_have_a_small_alphabet_and_come_back_exactly(real_texts):
    tokenizer = build_tokenizer(real_texts, 256)
    assert len(tokenizer) == 3 + len(set("".join(real_texts)))
    assert 100 <= len(tokenizer) <= 130
    encoder = CorpusEncoder(tokenizer)
    batch = tokenizer(real_texts)["input_ids"]
    stream = encoder.encode_corpus(real_texts)
    assert stream.dtype == np.uint16
    assert stream.tolist() == list(itertools.chain.from_iterable(batch))
    assert tokenizer.unk_token_id not in stream
    assert [tokenizer.decode(ids[1:]) for ids in batch] == real_texts


def test_an_empty_corpus_encodes_to_nothing_and_has_no_alphabet(encoder):
    assert encoder.encode_corpus([]).tolist() == []
    for texts in ([], ["", ""]):
        with pytest.raises(ValueError, match="tokenizer: the texts are empty"):
            build_tokenizer(texts, 256)
