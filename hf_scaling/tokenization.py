"""The character-level tokenizer: one id per character, exact round trip, an equal and faster encoder for corpora."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer, decoders, models, processors
from transformers import PreTrainedTokenizerFast

PAD, BOS, UNK = SPECIAL_TOKENS = ("<|pad|>", "<|bos|>", "<|unk|>")


def build_tokenizer(texts: Iterable[str], model_max_length: int) -> PreTrainedTokenizerFast:
    """A tokenizer whose alphabet is the characters of `texts`, in code-point order behind the special tokens.

    `<|bos|>` opens every tune and so ends the one before it: it is the end-of-sequence token too, as in GPT-2.
    A character outside the alphabet becomes one `<|unk|>`. Special tokens written inside a text are plain
    characters, so no title can end a tune.

    The model is a BPE without merges: it needs no pre-tokenizer, and is several times as fast as a word-level model
    behind a splitter.

    Raises:
        ValueError: `texts` hold no character.
    """
    alphabet = sorted(set().union(*map(set, texts)))
    if not alphabet:
        raise ValueError("tokenizer: the texts are empty; at least one character is needed")
    vocab = {token: index for index, token in enumerate([*SPECIAL_TOKENS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token=UNK, fuse_unk=False, cache_capacity=0))
    tokenizer.decoder = decoders.Fuse()
    tokenizer.post_processor = processors.TemplateProcessing(single=f"{BOS} $A", special_tokens=[(BOS, vocab[BOS])])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=BOS,
        unk_token=UNK,
        padding_side="left",
        clean_up_tokenization_spaces=False,
        split_special_tokens=True,
        model_max_length=model_max_length,
    )


def load_tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    """The tokenizer that `save_pretrained` wrote to `folder`."""
    return PreTrainedTokenizerFast.from_pretrained(folder)


class CorpusEncoder:
    """Encodes tunes by table look-up: the same ids as the tokenizer, about ten times as fast."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast):
        vocab = tokenizer.get_vocab()
        characters = {token: index for token, index in vocab.items() if token not in SPECIAL_TOKENS}
        self.bos, self.unk = vocab[BOS], vocab[UNK]
        self._table = np.full(max(map(ord, characters)) + 2, self.unk, dtype=np.uint16)
        for character, index in characters.items():
            self._table[ord(character)] = index

    def encode(self, text: str) -> np.ndarray:
        """Ids of one tune behind its `<|bos|>`: uint16, shape (1 + characters,)."""
        # surrogates cannot be encoded strictly; they are not in any alphabet and must come out as <|unk|>
        points = np.frombuffer(text.encode("utf-32-le", errors="surrogatepass"), dtype=np.uint32)
        ids = np.empty(len(points) + 1, dtype=np.uint16)
        ids[0] = self.bos
        ids[1:] = self._table[np.minimum(points, len(self._table) - 1)]  # the last cell is <|unk|>
        return ids

    def encode_corpus(self, texts: Iterable[str]) -> np.ndarray:
        """All tunes in order as one stream of ids, uint16, `<|bos|>` before each."""
        parts = [self.encode(text) for text in texts]
        return np.concatenate(parts) if parts else np.empty(0, dtype=np.uint16)
