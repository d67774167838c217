"""The family `folk_lstm`: at each size, the LSTM whose total parameter count comes closest to the transformer's."""

from hf_scaling.models import gpt2
from hf_scaling.models.folk_lstm import FolkLSTMConfig
from hf_scaling.models.size import Size
from hf_scaling.models.vocabulary import Vocabulary

CAN_COMPILE = False  # torch.compile breaks the graph at nn.LSTM and gains nothing
CONTEXTS_TO_GENERATE = 4  # a recurrent state has no last position; this only stops a tune that never ends
LABEL = "LSTM"
MATRICES = {"lstm.weight_ih_l": (False, 4), "lstm.weight_hh_l": (False, 4)}  # four gates, one below the other
N_LAYERS = 2  # every size alike, so that width alone makes the ladder
# tensor cores want widths in eights: taken where that pays, and moves N by no more than this
_TILE, _TILED_FROM, _TILED_WITHIN = 8, 256, 0.01
_INIT_STD = 3.0  # of the embedding, over sqrt(hidden_size): smaller ones starve the gates and cost hundreds of updates


def parameters(hidden_size: int, n_layers: int, vocab_size: int) -> int:
    """Total parameters: tied embedding, and in each layer four gates with two matrices and two biases."""
    return vocab_size * hidden_size + n_layers * (8 * hidden_size**2 + 8 * hidden_size)


def config(size: Size, vocabulary: Vocabulary, context_length: int, dropout: float) -> FolkLSTMConfig:
    """The configuration whose total is closest to the transformer's of the same size and context, or nearly."""
    target = gpt2.parameters(size, vocabulary.vocab_size, context_length)

    def off(hidden: int) -> float:
        return abs(parameters(hidden, N_LAYERS, vocabulary.vocab_size) / target - 1)

    hidden = 1
    while parameters(hidden + 1, N_LAYERS, vocabulary.vocab_size) <= target:
        hidden += 1
    hidden = min((hidden, hidden + 1), key=off)
    below = hidden // _TILE * _TILE
    tiled = min((below, below + _TILE), key=off)
    if tiled >= _TILED_FROM and off(tiled) <= _TILED_WITHIN:
        hidden = tiled
    return FolkLSTMConfig(
        hidden_size=hidden,
        initializer_range=_INIT_STD / hidden**0.5,
        num_hidden_layers=N_LAYERS,
        dropout=dropout,
        max_position_embeddings=context_length,
        **vocabulary.as_config(),
    )


def matmul_parameters(config: FolkLSTMConfig) -> int:
    """Weights that multiply an activation at every token: the gates' matrices and the tied output matrix."""
    return config.num_hidden_layers * 8 * config.hidden_size**2 + config.vocab_size * config.hidden_size


def attention_flops_per_token(config: FolkLSTMConfig) -> int:
    """None: an LSTM does not attend."""
    return 0
