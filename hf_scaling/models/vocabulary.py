"""What a model must know of its tokenizer."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Vocabulary:
    """The number of ids, and those that models and generation treat specially."""

    vocab_size: int
    pad_token_id: int
    bos_token_id: int
    eos_token_id: int

    def as_config(self) -> dict[str, Any]:
        """The keyword arguments of a transformers configuration."""
        return asdict(self)
