"""Model families: the sizes of a ladder, what they cost, and how they are built."""

from hf_scaling.models.attention import ATTENTION, mean_keys
from hf_scaling.models.counting import ParameterCount, count_parameters, training_flops_per_token
from hf_scaling.models.families import FAMILIES, build_config, build_model, generation_limit, to_device
from hf_scaling.models.matrices import MatrixLayout, hidden_matrices
from hf_scaling.models.size import Size, parse_ladder
from hf_scaling.models.vocabulary import Vocabulary

__all__ = [
    "ATTENTION",
    "FAMILIES",
    "MatrixLayout",
    "ParameterCount",
    "Size",
    "Vocabulary",
    "build_config",
    "build_model",
    "count_parameters",
    "generation_limit",
    "hidden_matrices",
    "mean_keys",
    "parse_ladder",
    "to_device",
    "training_flops_per_token",
]
