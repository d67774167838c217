"""Parameters by group and training FLOPs per token: the two axes of every scaling law."""

from dataclasses import dataclass

from transformers import PreTrainedConfig, PreTrainedModel

from hf_scaling.models.families import FAMILIES

# substrings of parameter names, the first that matches names the group
_GROUPS = {
    "token_embedding": ("wte.", "embed_tokens."),
    "position_embedding": ("wpe.",),
    "attention": (".attn.", ".self_attn."),
    "feed_forward": (".mlp.",),
    "recurrence": ("lstm.",),
    "normalization": ("ln_", "layernorm.", "model.norm."),
}


@dataclass(frozen=True)
class ParameterCount:
    """Parameters of a model, each shared matrix once: `groups` sum to `total`."""

    total: int
    non_embedding: int
    groups: dict[str, int]


def count_parameters(model: PreTrainedModel) -> ParameterCount:
    """Count a model's parameters, on any device, the meta device included.

    `non_embedding` leaves out token and position embeddings (Kaplan et al. 2020's N); a tied output matrix counts
    once, as the token embedding.
    """
    groups: dict[str, int] = {}
    for name, parameter in model.named_parameters():
        group = next((group for group, parts in _GROUPS.items() if any(part in name for part in parts)), None)
        if group is None:
            raise AssertionError(f"{name} belongs to no parameter group: name it in counting._GROUPS")
        groups[group] = groups.get(group, 0) + parameter.numel()
    total = model.num_parameters()
    assert sum(groups.values()) == total, f"the groups {groups} do not sum to {total}"
    embedding = groups.get("token_embedding", 0) + groups.get("position_embedding", 0)
    return ParameterCount(total, total - embedding, groups)


def training_flops_per_token(config: PreTrainedConfig) -> tuple[int, int]:
    """(attention as executed, causal half only): FLOPs of forward and backward, per token at full context.

    6 for every weight of a matrix product (2 forward, 4 backward; Kaplan et al. 2020) and, for a transformer,
    12·s·d·L for attention over the whole square or half of that for the triangle that causality leaves.
    """
    family = FAMILIES[config.model_type]
    matmul, attention = 6 * family.matmul_parameters(config), family.attention_flops_per_token(config)
    return matmul + attention, matmul + attention // 2
