"""The figures of a scaling study, each with the table behind it; matplotlib is imported only when one is drawn."""

from hf_scaling.laws.plots.evidence import forecast_figure, forecast_table, profile_figure, profile_table
from hf_scaling.laws.plots.joint import (
    frontier_figure,
    frontier_table,
    iso_flop_figure,
    iso_flop_table,
    residual_figure,
    residual_table,
    with_profiles,
)
from hf_scaling.laws.plots.scaling import scaling_figure, scaling_table
from hf_scaling.laws.plots.style import COLOURS, STYLE, save_figure, write_figure, write_table
from hf_scaling.laws.plots.training import smooth, training_figure, training_table

__all__ = [
    "COLOURS",
    "STYLE",
    "forecast_figure",
    "forecast_table",
    "frontier_figure",
    "frontier_table",
    "iso_flop_figure",
    "iso_flop_table",
    "profile_figure",
    "profile_table",
    "residual_figure",
    "residual_table",
    "save_figure",
    "scaling_figure",
    "scaling_table",
    "smooth",
    "training_figure",
    "training_table",
    "with_profiles",
    "write_figure",
    "write_table",
]
