"""Causal attention in bfloat16 on a processor: matrix products over blocks of queries, each with the keys it may see.

torch's fused attention computes in float32 there, whatever it is given, and its backward pass costs more than the
products of a small model's weights together.
"""

from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

ATTENTION = "causal_blocks"
_ROWS = 128  # queries of a block; fewer leave out more keys that are to come, and make smaller products


def mean_keys(length: int) -> int:
    """Keys that a query of a sequence of `length` is multiplied with, on average."""
    return (length + min(length, _ROWS)) // 2


def _causal_blocks(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """What `sdpa_attention_forward` gives; which is asked itself for all but whole sequences in bfloat16 on a CPU.

    Args:
        query, key, value: shape (batch, heads, length, width).

    Returns:
        Shape (batch, length, heads, width), and no weights.
    """
    batch, heads, length, width = query.shape
    fast = query.device.type == "cpu" and value.dtype == torch.bfloat16
    plain = attention_mask is None and key.shape == query.shape and kwargs.get("position_bias") is None
    if not fast or not plain or dropout or kwargs.get("is_causal") is False:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **kwargs)
    query, key, value = (  # rotated positions leave the first two in float32
        part.to(value.dtype).reshape(batch * heads, length, width) for part in (query, key, value)
    )
    scale = width**-0.5 if scaling is None else scaling
    rows = []
    for start in range(0, length, _ROWS):
        seen = min(start + _ROWS, length)
        future = torch.full((seen - start, seen), -torch.inf, dtype=query.dtype).triu(start + 1)
        scores = torch.baddbmm(future, query[:, start:seen], key[:, :seen].mT, alpha=scale)
        rows.append(torch.bmm(torch.softmax(scores, -1), value[:, :seen]))
    return torch.cat(rows, 1).view(batch, heads, length, width).transpose(1, 2), None


def _mask(q_length: int, kv_length: int, attention_mask: torch.Tensor | None, **others: Any) -> torch.Tensor | None:
    """transformers' own mask, or none for whole sequences without padding where a model is compiled.

    It would else always have one there, in case several sequences were packed into one: it cannot look at the
    positions, and fused kernels do without their causal shortcut, on a GPU without flash attention.
    """
    if attention_mask is None and q_length == kv_length and torch.compiler.is_compiling():
        return None
    return sdpa_mask(q_length=q_length, kv_length=kv_length, attention_mask=attention_mask, **others)


AttentionInterface.register(ATTENTION, _causal_blocks)
AttentionMaskInterface.register(ATTENTION, _mask)
