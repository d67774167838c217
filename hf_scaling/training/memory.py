"""What a run needs of memory, estimated without building it, and what there is."""

import math
from pathlib import Path

import torch

from hf_scaling.models import build_model, count_parameters, mean_keys
from hf_scaling.training.spec import RunSpec

# bytes a parameter: float32 weight, gradient, and AdamW's two moments; Muon keeps one
_STATE = {"adamw": 16, "muon": 12}
# bytes a token, layer and unit of width that wait for the backward pass, in 16 bits: Korthikanti et al. 2022,
# section 4, without the attention matrix, which fused attention never stores; what a CPU does in bf16 stores it
_ACTIVATIONS = 34
_LOGIT_BYTES = 12  # a token and vocabulary entry: logits, their float32 copy and their gradient


def training_bytes(spec: RunSpec) -> int:
    """Estimated peak memory of training on one device: weights, gradients, optimizer state and activations.

    An estimate for planning, from formulas for transformers; the LSTM keeps about as much. What the libraries
    themselves take comes on top.
    """
    config = spec.model_config()
    with torch.device("meta"):
        n_params = count_parameters(build_model(config, spec.seed)).total
    tokens = spec.batch_size * spec.context_length
    width_bytes = 1 if spec.precision in ("bf16", "fp16") else 2
    width = config.hidden_size * _ACTIVATIONS * width_bytes
    if spec.precision == "bf16" and not spec.dropout and not torch.cuda.is_available():
        width += getattr(config, "num_attention_heads", 0) * mean_keys(spec.context_length) * 2
    activations = tokens * config.num_hidden_layers * width
    return n_params * _STATE[spec.optimizer] + activations + tokens * config.vocab_size * _LOGIT_BYTES


def available_bytes() -> float:
    """Memory that a run could have here, of the GPU where there is one; infinite where the system does not tell."""
    if torch.cuda.is_available():
        return torch.cuda.mem_get_info()[0] + torch.cuda.memory_reserved() - torch.cuda.memory_allocated()
    try:
        lines = Path("/proc/meminfo").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):
        return math.inf
