"""Configuration of the LSTM language model. This file travels to the Hub as it is."""

from transformers import PreTrainedConfig


class FolkLSTMConfig(PreTrainedConfig):
    """Sizes of a stacked LSTM whose embedding width equals its state width, so that both ends share one matrix.

    `max_position_embeddings` limits nothing in a recurrent model; it records the block length of training, which
    generation takes as its default limit.
    """

    model_type = "folk_lstm"
    keys_to_ignore_at_inference = ["cache_params"]

    vocab_size: int = 128
    hidden_size: int = 256
    num_hidden_layers: int = 2
    dropout: float = 0.0
    initializer_range: float = 0.02
    max_position_embeddings: int | None = None
    use_cache: bool = True
    tie_word_embeddings: bool = True
    bos_token_id: int | None = None
    eos_token_id: int | None = None
    pad_token_id: int | None = None


FolkLSTMConfig.register_for_auto_class()
