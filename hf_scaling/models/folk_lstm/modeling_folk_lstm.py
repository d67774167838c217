"""The LSTM language model. This file travels to the Hub as it is, so it imports torch and transformers only."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.cache_utils import Cache, LinearAttentionLayer
from transformers.utils import ModelOutput

from .configuration_folk_lstm import FolkLSTMConfig


class _StateLayer(LinearAttentionLayer):
    """State 0 is h, state 1 is c, each (batch, hidden_size)."""

    def __init__(self):
        super().__init__(number_of_states=2)

    def update_recurrent_state(self, recurrent_states: torch.Tensor, state_idx: int = 0, **kwargs) -> torch.Tensor:
        # The base class learns device, dtype and "there is a state" from a convolution, which an LSTM does not have.
        self.dtype, self.device = recurrent_states.dtype, recurrent_states.device
        self.has_previous_state[state_idx] = True
        return super().update_recurrent_state(recurrent_states, state_idx, **kwargs)


class FolkLSTMCache(Cache):
    """What an LSTM remembers: (h, c) of every layer. Its size does not grow with the tokens seen."""

    def __init__(self, num_hidden_layers: int):
        super().__init__(layers=[_StateLayer() for _ in range(num_hidden_layers)])

    def state(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        """(h, c) as `nn.LSTM` takes them, (num_hidden_layers, batch, hidden_size) each; None before the first token."""
        if not self.layers[0].has_previous_state[0]:
            return None
        h, c = (torch.stack([layer.recurrent_states[index] for layer in self.layers]) for index in (0, 1))
        return h, c

    def store(self, state: tuple[torch.Tensor, torch.Tensor]) -> None:
        """Take over (h, c) as `nn.LSTM` returns them, cut off from the graph."""
        for index, stacked in enumerate(state):
            for layer, value in zip(self.layers, stacked.detach(), strict=True):
                layer.update_recurrent_state(value, state_idx=index)


@dataclass
class FolkLSTMOutput(ModelOutput):
    """`loss` (), `logits` (batch, kept positions, vocab_size), `cache_params`, and `hidden_states` when asked for."""

    loss: torch.FloatTensor | None = None
    logits: torch.FloatTensor | None = None
    cache_params: FolkLSTMCache | None = None
    hidden_states: tuple[torch.FloatTensor, ...] | None = None


class FolkLSTMForCausalLM(PreTrainedModel, GenerationMixin):
    """Embedding, stacked LSTM, and the embedding again as output layer."""

    config: FolkLSTMConfig
    config_class = FolkLSTMConfig
    base_model_prefix = "model"
    _no_split_modules = ["LSTM"]
    _tied_weights_keys = {"lm_head.weight": "embed_tokens.weight"}
    _is_stateful = True  # assisted generation must refuse: a recurrent state cannot be rolled back

    def __init__(self, config: FolkLSTMConfig):
        super().__init__(config)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.dropout = nn.Dropout(config.dropout)
        self.lstm = nn.LSTM(
            config.hidden_size,
            config.hidden_size,
            num_layers=config.num_hidden_layers,
            dropout=config.dropout if config.num_hidden_layers > 1 else 0.0,  # torch warns about it with one layer
            batch_first=True,
        )
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.post_init()

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        self.embed_tokens = value

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if isinstance(module, nn.LSTM):
            # Open the forget gate (second of i, f, g, o), or early gradients die within a few steps:
            # Jozefowicz et al. 2015. transformers has just set every bias to zero.
            for layer in range(module.num_layers):
                bias = getattr(module, f"bias_ih_l{layer}")
                opened = torch.zeros_like(bias)
                opened[module.hidden_size : 2 * module.hidden_size] = 1.0
                init.copy_(bias, opened)

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # or `generate` builds a key-value cache, and beam search reorders that one instead of ours

    def prepare_inputs_for_generation(self, input_ids, cache_params=None, attention_mask=None, **kwargs):
        if cache_params is not None and cache_params.state() is not None:
            attention_mask = None  # the state has read the prompt; what follows it is one real token a row
        return super().prepare_inputs_for_generation(
            input_ids, cache_params=cache_params, attention_mask=attention_mask, **kwargs
        )

    def _recur(self, embeddings, attention_mask, state):
        """Run the LSTM over the real tokens only, wherever the padding stands: outputs and the state after the last."""
        if attention_mask is None or bool(attention_mask.all()):
            return self.lstm(embeddings, state)
        lengths = attention_mask.sum(dim=1)
        # a stable sort by "is padding" moves each row's real tokens to the front and keeps their order
        order = torch.argsort(1 - attention_mask.long(), dim=1, stable=True)
        index = order.unsqueeze(-1).expand_as(embeddings)
        packed = pack_padded_sequence(
            embeddings.gather(1, index), lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
        )
        packed_output, state = self.lstm(packed, state)
        output, _ = pad_packed_sequence(packed_output, batch_first=True, total_length=embeddings.shape[1])
        return torch.zeros_like(output).scatter(1, index, output), state

    def forward(
        self,
        input_ids: torch.LongTensor | None = None,
        attention_mask: torch.LongTensor | None = None,
        inputs_embeds: torch.FloatTensor | None = None,
        cache_params: FolkLSTMCache | None = None,
        labels: torch.LongTensor | None = None,
        use_cache: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        **kwargs,
    ) -> tuple | FolkLSTMOutput:
        """Next-token logits and, with `labels` (batch, length; shifted inside, -100 ignored), the loss in nats.

        `input_ids` and `attention_mask` are (batch, length); padding may stand on either side.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("forward takes either input_ids or inputs_embeds, and exactly one of them")
        use_cache = (self.config.use_cache and not self.training) if use_cache is None else use_cache
        embeddings = self.embed_tokens(input_ids) if inputs_embeds is None else inputs_embeds
        state = cache_params.state() if cache_params is not None else None

        hidden, state = self._recur(self.dropout(embeddings), attention_mask, state)
        if use_cache:
            cache_params = FolkLSTMCache(self.config.num_hidden_layers) if cache_params is None else cache_params
            cache_params.store(state)

        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(self.dropout(hidden[:, kept, :]))
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size, **kwargs)
        output = FolkLSTMOutput(
            loss=loss,
            logits=logits,
            cache_params=cache_params if use_cache else None,
            hidden_states=(embeddings, hidden) if output_hidden_states else None,
        )
        return_dict = self.config.return_dict if return_dict is None else return_dict
        return output if return_dict else output.to_tuple()


FolkLSTMForCausalLM.register_for_auto_class("AutoModelForCausalLM")
