"""The families by name, and building a model of one."""

from types import ModuleType

import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from hf_scaling.models import gpt2, llama, lstm
from hf_scaling.models.attention import ATTENTION
from hf_scaling.models.folk_lstm import FolkLSTMConfig, FolkLSTMForCausalLM
from hf_scaling.models.size import Size
from hf_scaling.models.vocabulary import Vocabulary

# A family is one module: `config(size, vocabulary, context_length, dropout)`, `matmul_parameters(config)`,
# `attention_flops_per_token(config)`, LABEL, MATRICES, CAN_COMPILE and CONTEXTS_TO_GENERATE. A new one is
# that and a line here.
FAMILIES: dict[str, ModuleType] = {"gpt2": gpt2, "folk_lstm": lstm, "llama": llama}

AutoConfig.register("folk_lstm", FolkLSTMConfig, exist_ok=True)
AutoModelForCausalLM.register(FolkLSTMConfig, FolkLSTMForCausalLM, exist_ok=True)


def build_config(
    family: str, size: Size, vocabulary: Vocabulary, context_length: int, dropout: float = 0.0
) -> PreTrainedConfig:
    """The transformers configuration of one size of one family.

    Raises:
        ValueError: there is no such family.
    """
    if family not in FAMILIES:
        raise ValueError(f"families: got {family!r}, expected one of {', '.join(FAMILIES)}")
    return FAMILIES[family].config(size, vocabulary, context_length, dropout)


def build_model(config: PreTrainedConfig, seed: int) -> PreTrainedModel:
    """A freshly initialised model in float32; the same seed gives the same weights."""
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config, attn_implementation=ATTENTION)


def generation_limit(config: PreTrainedConfig) -> int:
    """The most tokens that a model of this configuration may write, prompt included."""
    family = FAMILIES.get(config.model_type)
    return config.max_position_embeddings * (family.CONTEXTS_TO_GENERATE if family else 1)


def to_device(model: PreTrainedModel) -> PreTrainedModel:
    """The model on the GPU where there is one."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return model.to(device)  # type: ignore[arg-type]  # transformers wraps the method and loses its signature
