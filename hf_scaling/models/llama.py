"""The family `llama`: transformers' LLaMA, at each size as wide and deep as the GPT-2 and with as many parameters."""

from transformers import LlamaConfig

from hf_scaling.models import gpt2
from hf_scaling.models.size import Size
from hf_scaling.models.vocabulary import Vocabulary

CAN_COMPILE = True
CONTEXTS_TO_GENERATE = 1  # rotations beyond the context were never trained
LABEL = "LLaMA"
MATRICES = {"_proj.weight": (False, 1)}  # queries, keys, values, output, and the three of the gated feed-forward


def config(size: Size, vocabulary: Vocabulary, context_length: int, dropout: float) -> LlamaConfig:
    """The configuration whose feed-forward width brings the total closest to GPT-2's of the same size and context.

    Width, depth and heads are the size's; every head has keys of its own.

    Raises:
        ValueError: heads of odd width, which rotary positions cannot turn, or no room for a feed-forward.
    """
    d, layers = size.d_model, size.n_layers
    if d // size.n_heads % 2:
        raise ValueError(
            f"ladder: size {size.name} has heads of {d // size.n_heads} units; llama's rotary positions need an even "
            "number, choose another n_heads"
        )
    target = gpt2.parameters(size, vocabulary.vocab_size, context_length)
    others = vocabulary.vocab_size * d + layers * (4 * d * d + 2 * d) + d
    return LlamaConfig(
        hidden_size=d,
        num_hidden_layers=layers,
        num_attention_heads=size.n_heads,
        num_key_value_heads=size.n_heads,
        intermediate_size=max(1, round((target - others) / (3 * d * layers))),
        max_position_embeddings=context_length,
        initializer_range=gpt2.initial_std(d),
        attention_dropout=dropout,  # the only one that LLaMA has
        tie_word_embeddings=True,
        **vocabulary.as_config(),
    )


def matmul_parameters(config: LlamaConfig) -> int:
    """Weights that multiply an activation at every token: the blocks' matrices and the tied output matrix."""
    d = config.hidden_size
    return config.num_hidden_layers * (4 * d * d + 3 * d * config.intermediate_size) + config.vocab_size * d


def attention_flops_per_token(config: LlamaConfig) -> int:
    """Forward and backward FLOPs of scores and weighted sums at full context, 12·s·d·L a token."""
    return 12 * config.max_position_embeddings * config.hidden_size * config.num_hidden_layers
