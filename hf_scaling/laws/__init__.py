"""Scaling laws: forms, fits, intervals and comparisons. NumPy and SciPy only; figures live in `laws.plots`."""

from hf_scaling.laws.compare import ExponentDifference, compare_exponents
from hf_scaling.laws.diagnostics import local_exponents
from hf_scaling.laws.interval import Interval, format_interval
from hf_scaling.laws.power import N_PARAMETERS, PowerFit, fit_power
from hf_scaling.laws.rates import best_rate, fit_rate_rule

__all__ = [
    "N_PARAMETERS",
    "ExponentDifference",
    "Interval",
    "PowerFit",
    "best_rate",
    "compare_exponents",
    "fit_power",
    "fit_rate_rule",
    "format_interval",
    "local_exponents",
]
