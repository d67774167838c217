"""Muon for the hidden matrices, AdamW for everything else, in one optimizer.

Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/. The same update as `torch.optim.Muon`, of which it
differs in three ways that a ladder of small models needs: a matrix that stores several (GPT-2's queries, keys and
values, an LSTM's four gates) is taken apart first; all matrices of one shape go through Newton-Schulz in one batched
product; and on a CPU in float32, where torch's bfloat16 has no fast kernel on many machines.
"""

from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel

from hf_scaling.models import MatrixLayout, hidden_matrices

MOMENTUM = 0.95
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic, as Jordan et al. tuned it: five steps suffice
_STEPS = 5
_EPSILON = 1e-7


def orthogonalize(matrices: torch.Tensor) -> torch.Tensor:
    """Bring the singular values of each matrix near 1 (0.7 to 1.2), its singular vectors unchanged.

    Args:
        matrices: (n, rows, columns) with no more rows than columns, which makes the products small.
    """
    a, b, c = _COEFFICIENTS
    x = matrices.to(torch.bfloat16 if matrices.is_cuda else torch.float32)
    x = x / x.norm(dim=(1, 2), keepdim=True).clamp(min=_EPSILON)
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.to(matrices.dtype)


class Muon(torch.optim.AdamW):
    """AdamW that leaves the parameter group with `layouts` to Muon.

    A block of `rows` outputs and `columns` inputs moves by learning rate * sqrt(max(1, rows / columns)): the rate that
    suits one width then suits the next (Bernstein & Newhouse 2024).
    """

    def __init__(
        self, model: PreTrainedModel, learning_rate: float, rest_rate_ratio: float, weight_decay: float, **adamw: Any
    ):
        self._layouts: dict[torch.nn.Parameter, MatrixLayout] = {}
        hidden = hidden_matrices(model)
        matrices: list[torch.nn.Parameter] = []
        vectors: list[torch.nn.Parameter] = []
        for name, parameter in model.named_parameters():
            if name in hidden:
                self._layouts[parameter] = hidden[name]
            else:
                (matrices if parameter.ndim > 1 else vectors).append(parameter)
        rest = learning_rate * rest_rate_ratio
        groups = [
            {"params": list(self._layouts), "lr": learning_rate, "weight_decay": weight_decay},
            {"params": matrices, "lr": rest, "weight_decay": weight_decay},
            {"params": vectors, "lr": rest, "weight_decay": 0.0},
        ]
        super().__init__(groups, fused=True, **adamw)
        # fused AdamW would skip an overflowed fp16 update by itself, and Muon's part would not: GradScaler must do it
        self._step_supports_amp_scaling = False

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update. The gradients of the hidden matrices are used up by it."""
        self._step_hidden()
        for parameter in self._layouts:
            parameter.grad = None  # which AdamW takes for nothing to do
        super().step()

    def _step_hidden(self) -> None:
        group = self.param_groups[0]
        parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
        gradients = [parameter.grad for parameter in parameters]
        for parameter in parameters:
            if not self.state[parameter]:
                # AdamW looks for a step in every state that it loads
                self.state[parameter] = {"step": torch.tensor(0.0), "momentum": torch.zeros_like(parameter)}
        momenta = [self.state[parameter]["momentum"] for parameter in parameters]
        if not parameters:
            return
        torch._foreach_lerp_(momenta, gradients, 1 - MOMENTUM)
        torch._foreach_lerp_(gradients, momenta, MOMENTUM)  # Nesterov
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        by_shape: dict[tuple[int, ...], list[tuple[torch.Tensor, torch.Tensor]]] = {}
        for parameter, gradient in zip(parameters, gradients, strict=True):
            layout = self._layouts[parameter]
            target, update = layout.blocks(parameter), layout.blocks(gradient)
            by_shape.setdefault(tuple(sorted(target.shape[1:])), []).append((target, update))
        for members in by_shape.values():
            wide = [update if update.shape[1] <= update.shape[2] else update.mT for _, update in members]
            steps = orthogonalize(torch.cat(wide)).split([len(update) for update in wide])
            for (target, _), step in zip(members, steps, strict=True):
                rows, columns = target.shape[1:]
                step = step if rows <= columns else step.mT
                target.add_(step, alpha=-group["lr"] * max(1.0, rows / columns) ** 0.5)
