"""The hidden weight matrices of a model, oriented and taken apart: what an optimizer like Muon works on.

Libraries store them as suits their kernels: GPT-2's are (inputs, outputs), its queries, keys and values are one matrix,
and so are the four gates of an LSTM.
"""

from dataclasses import dataclass

import torch
from transformers import PreTrainedModel

from hf_scaling.models.families import FAMILIES


@dataclass(frozen=True)
class MatrixLayout:
    """How a parameter stores its matrices.

    Attributes:
        transposed: stored as (inputs, outputs).
        n_blocks: matrices that stand one below the other along the outputs.
    """

    transposed: bool = False
    n_blocks: int = 1

    def blocks(self, stored: torch.Tensor) -> torch.Tensor:
        """A view (n_blocks, outputs, inputs) of a parameter or its gradient: changing it changes that."""
        oriented = stored.mT if self.transposed else stored
        return oriented.unflatten(0, (self.n_blocks, -1))


def hidden_matrices(model: PreTrainedModel) -> dict[str, MatrixLayout]:
    """Parameter name -> layout of every matrix between the embedding and the output.

    A family's MATRICES maps the last parts of parameter names to their layouts.
    """
    layouts = {part: MatrixLayout(*layout) for part, layout in FAMILIES[model.config.model_type].MATRICES.items()}
    return {
        name: layout
        for name, parameter in model.named_parameters()
        for part, layout in layouts.items()
        if parameter.ndim == 2 and part in name
    }
