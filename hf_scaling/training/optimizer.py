"""The optimizer of a run, for whoever trains it and for whoever measures what an update costs."""

import torch
from transformers import PreTrainedModel

from hf_scaling.training.muon import Muon
from hf_scaling.training.spec import RunSpec

BETAS = (0.9, 0.95)
_EPSILON = 1e-8


def build_optimizer(spec: RunSpec, model: PreTrainedModel, learning_rate: float | None = None) -> torch.optim.Optimizer:
    """Muon or fused AdamW as the spec asks, at its own rate or at `learning_rate`.

    AdamW decays every parameter here; Trainer, which makes its own, spares biases and norms, which costs the same.
    """
    rate = spec.learning_rate if learning_rate is None else learning_rate
    if spec.optimizer == "muon":
        return Muon(model, rate, spec.rest_rate_ratio, spec.weight_decay, betas=BETAS, eps=_EPSILON)
    return torch.optim.AdamW(
        model.parameters(), rate, betas=BETAS, eps=_EPSILON, weight_decay=spec.weight_decay, fused=True
    )
