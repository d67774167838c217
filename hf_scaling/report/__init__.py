"""The report of a study: one HTML file that needs nothing beside itself. Reads files, imports no training code."""

from hf_scaling.report.page import write_report

__all__ = ["write_report"]
