"""Fits as text for a terminal; imports neither torch nor a study, so that `hf-scaling fit` answers at once."""

from collections.abc import Sequence
from typing import Any

from hf_scaling.laws.interval import format_interval


def describe_fits(result: dict[str, Any]) -> str:
    """The fits as text: a table, then a sentence on each, then what to be wary of."""
    lines = [*_fit_table(result["fits"], result["level"]), f"units: N in parameters, D in tokens, {_units(result)}", ""]
    lines += [f"{_name(fit)}: {fit['sentence']}" for fit in result["fits"]]
    for convention, found in (result["comparison"] or {}).items():
        lines.append(f"comparison, N {convention}: {found['sentence']}")
    lines += [f"warning: {_name(fit)}: {warning}" for fit in result["fits"] for warning in fit["warnings"]]
    return "\n".join(lines)


def _units(result: dict[str, Any]) -> str:
    """Of the loss and of the parameters that have one."""
    units = {name: unit for fit in result["fits"] for name, unit in fit["units"].items() if unit}
    return "loss in nats per token, " + ", ".join(f"{name} in {unit}" for name, unit in units.items())


def _name(fit: dict[str, Any]) -> str:
    return fit["family"] if fit["n_convention"] == "given" else f"{fit['family']}, N {fit['n_convention']}"


def _fit_table(fits: list[dict[str, Any]], level: float) -> list[str]:
    def cell(fit: dict[str, Any], name: str) -> str:
        value = fit["params"][name]
        return "-" if value is None else f"{value:.3f} {format_interval(tuple(fit['intervals'][name]))}"

    interval = f"[{100 * level:g} % interval]"
    rows = [["family", "N", "n", f"alpha {interval}", f"c {interval}", "verdict", "R2"]]
    for fit in fits:
        r_squared = "-" if fit["r_squared"] is None else f"{fit['r_squared']:.4f}"
        rows.append(
            [fit["family"], fit["n_convention"], str(fit["n_points"]), cell(fit, "alpha"), cell(fit, "c")]
            + [fit["verdict"], r_squared]
        )
    return align(rows)


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of cells as lines of columns."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def describe_forms(result: dict[str, Any]) -> str:
    """Fits of any form as text: for each group its parameters, then a sentence and what to be wary of."""
    lines = []
    for fit in result["fits"]:
        explained = "" if fit["r_squared"] is None else f", R2 {fit['r_squared']:.4f}"
        lines.append(
            f"{_name(fit)}: {fit['form']} ({fit['paper']}), {fit['n_points']} runs, "
            f"{fit['loss_function']} {fit['objective']:.6g}{explained}"
        )
        bootstrap = fit["bootstrap"]
        percent = f"{100 * result['level']:g} %"
        rows = [["", "estimate", f"profile {percent}"]]
        if bootstrap:
            rows[0].append(f"bootstrap {percent}, {bootstrap['resamples']} resamples")
        for name, value in fit["params"].items():
            rows.append([f"  {name}", f"{value:.5g}", _ends(fit["intervals"][name])])
            if bootstrap:
                rows[-1].append(_ends(bootstrap["intervals"][name]))
        lines += align(rows)
        lines += [f"{_name(fit)}: {fit['sentence']}", *(f"warning: {_name(fit)}: {text}" for text in fit["warnings"])]
    return "\n".join([*lines, f"units: {_units(result)}"])


def _ends(interval: Sequence[float | None]) -> str:
    """An interval of a parameter of any magnitude."""
    return "[" + ", ".join("open" if end is None else f"{end:.5g}" for end in interval) + "]"
