"""The figures of a scaling study, each with the table behind it; matplotlib is imported only when one is drawn."""

from hf_scaling.laws.plots.joint import frontier_figure, iso_flop_figure, residual_figure
from hf_scaling.laws.plots.scaling import scaling_figure, scaling_table
from hf_scaling.laws.plots.style import COLOURS, STYLE, save_figure, write_figure
from hf_scaling.laws.plots.training import smooth, training_figure, training_table

__all__ = [
    "COLOURS",
    "STYLE",
    "frontier_figure",
    "iso_flop_figure",
    "residual_figure",
    "save_figure",
    "scaling_figure",
    "scaling_table",
    "smooth",
    "training_figure",
    "training_table",
    "write_figure",
]
