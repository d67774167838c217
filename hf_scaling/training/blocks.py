"""Token streams on disk, and the blocks of a run: the same for every model of a study."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from hf_scaling.records import UserError, atomic_dir, file_sha256
from hf_scaling.tokenization import CorpusEncoder


def write_streams(texts: dict[str, list[str]], encoder: CorpusEncoder, folder: Path) -> None:
    """Encode each split into `folder/<split>.npy`: uint16 ids, `<|bos|>` before each tune and one after the last."""
    with atomic_dir(folder) as temporary:
        for split, tunes in texts.items():
            stream = np.append(encoder.encode_corpus(tunes), np.uint16(encoder.bos))
            np.save(temporary / f"{split}.npy", stream, allow_pickle=False)


def read_stream(folder: Path, split: str) -> np.ndarray:
    """The memory-mapped ids of one split."""
    return np.load(folder / f"{split}.npy", mmap_mode="r", allow_pickle=False)


def streams_hash(folder: Path, splits: Sequence[str]) -> str:
    """One hash of the token streams of `splits`: what the runs of a study have in common."""
    return "".join(file_sha256(folder / f"{split}.npy")[:16] for split in splits)


class TokenBlocks(Dataset):
    """`n_blocks` blocks of `context_length` tokens, epoch after epoch, each epoch in an order of its own.

    The order is a function of the seed alone, so every model of a study sees the same tokens in the same order.

    Raises:
        UserError: the stream is shorter than one block.
    """

    def __init__(self, stream: np.ndarray, context_length: int, n_blocks: int, seed: int):
        self.blocks_per_epoch = (len(stream) - 1) // context_length  # the last token is a target only
        if not self.blocks_per_epoch:
            raise UserError(
                f"context_length: got {context_length}, but the training split has only {len(stream)} tokens; "
                "use a shorter context or more tunes"
            )
        self._stream, self._context_length, self._n_blocks, self._seed = stream, context_length, n_blocks, seed
        self._orders: dict[int, np.ndarray] = {}

    def __len__(self) -> int:
        return self._n_blocks

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        epoch, position = divmod(index, self.blocks_per_epoch)
        if epoch not in self._orders:
            self._orders[epoch] = np.random.default_rng([self._seed, epoch]).permutation(self.blocks_per_epoch)
        start = int(self._orders[epoch][position]) * self._context_length
        ids = torch.from_numpy(self._stream[start : start + self._context_length + 1].astype(np.int64))
        # shifted here, since models that shift by themselves leave the last position of a block untrained
        return {"input_ids": ids[:-1], "labels": ids[1:], "shift_labels": ids[1:]}
