"""The family `gpt2`: transformers' GPT-2 at the shape that a size gives."""

from transformers import GPT2Config

from hf_scaling.models.size import Size
from hf_scaling.models.vocabulary import Vocabulary

CAN_COMPILE = True
CONTEXTS_TO_GENERATE = 1  # a position beyond the context has no embedding
_INIT_STD, _INIT_WIDTH = 0.02, 768  # of GPT-2 small
LABEL = "GPT-2"
# part of a parameter's name -> (stored as inputs x outputs, matrices stored as one)
MATRICES = {".c_attn.weight": (True, 3), ".c_proj.weight": (True, 1), ".c_fc.weight": (True, 1)}


def parameters(size: Size, vocab_size: int, context_length: int) -> int:
    """Total parameters at a size: the count that other families match."""
    d, ff = size.d_model, size.d_ff
    block = 4 * d * d + 4 * d + 2 * d * ff + d + ff + 4 * d
    return (vocab_size + context_length) * d + size.n_layers * block + 2 * d


def initial_std(d_model: int) -> float:
    """Standard deviation of initial weights, with 1/sqrt(d_model): GPT-2's 0.02 at GPT-2's own width.

    With 0.02 at widths below 100, hundreds of updates pass before a model learns more than the frequencies of
    characters.
    """
    return _INIT_STD * (_INIT_WIDTH / d_model) ** 0.5


def config(size: Size, vocabulary: Vocabulary, context_length: int, dropout: float) -> GPT2Config:
    """The configuration of `size`. The activation is GPT-2's, by torch's fused kernel."""
    return GPT2Config(
        n_positions=context_length,
        n_embd=size.d_model,
        n_layer=size.n_layers,
        n_head=size.n_heads,
        n_inner=size.d_ff,
        initializer_range=initial_std(size.d_model),
        activation_function="gelu_pytorch_tanh",
        resid_pdrop=dropout,
        embd_pdrop=dropout,
        attn_pdrop=dropout,
        **vocabulary.as_config(),
    )


def matmul_parameters(config: GPT2Config) -> int:
    """Weights that multiply an activation at every token: the blocks' matrices and the tied output matrix."""
    d, ff = config.n_embd, config.n_inner or 4 * config.n_embd
    return config.n_layer * (4 * d * d + 2 * d * ff) + config.vocab_size * d


def attention_flops_per_token(config: GPT2Config) -> int:
    """Forward and backward FLOPs of scores and weighted sums at full context, 12·s·d·L a token."""
    return 12 * config.n_positions * config.n_embd * config.n_layer
