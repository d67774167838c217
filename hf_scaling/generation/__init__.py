"""Tunes by a model: prompts, sampling in batches, and decoding constrained by the notation grammar.

- `build_prompt`: the opening of a tune from its fields (`prompts.py`);
- `generate_tunes`: batches of tunes, each a function of its prompt and its seed (`decoding.py`);
- `load_model_and_tokenizer`: from a folder or the Hub (`loading.py`);
- `AbcLogitsProcessor`: the constraint for transformers' own `generate` (`constraint.py`).
"""

from hf_scaling.generation.constraint import AbcLogitsProcessor
from hf_scaling.generation.decoding import CONSTRAINTS, Generation, generate_tunes
from hf_scaling.generation.loading import load_model_and_tokenizer
from hf_scaling.generation.prompts import HEADER_FIELDS, build_prompt

__all__ = [
    "CONSTRAINTS",
    "HEADER_FIELDS",
    "AbcLogitsProcessor",
    "Generation",
    "build_prompt",
    "generate_tunes",
    "load_model_and_tokenizer",
]
