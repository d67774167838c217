"""Scaling laws: forms, fits, intervals and comparisons. NumPy and SciPy only; figures live in `laws.plots`."""

from hf_scaling.laws.compare import ExponentDifference, compare_exponents
from hf_scaling.laws.diagnostics import local_exponents
from hf_scaling.laws.power import N_PARAMETERS, Interval, PowerFit, fit_power, format_interval

__all__ = [
    "N_PARAMETERS",
    "ExponentDifference",
    "Interval",
    "PowerFit",
    "compare_exponents",
    "fit_power",
    "format_interval",
    "local_exponents",
]
