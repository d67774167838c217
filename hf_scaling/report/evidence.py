"""The files that say what the runs are evidence of: laws, comparisons, forecasts, lint; each held to what is shown."""

from pathlib import Path

from hf_scaling.laws.diagnostics import NO_FIT
from hf_scaling.records import check_fields, read_optional
from hf_scaling.report.shapes import (
    KNOWN,
    NUMBER,
    Record,
    check_ends,
    check_numbers,
    check_positive,
    check_words,
    read_list,
)

_FIT = {
    "family": str,
    "n_convention": str,
    "n_points": int,
    "params": dict,
    "intervals": dict,
    "verdict": str,
    "warnings": list,
    "local_exponents": list,
}
_COMPARED: Record = {"families": list, "difference": NUMBER, "interval": list, "level": NUMBER, "verdict": str}
_COMPARISON: Record = {"families": list, "level": NUMBER, "n_tokens": int, "exponents": dict, "multipliers": dict}
_COMPARISON |= {"sizes": list, "cautions": list}
_AT_SIZE: Record = {"size": str, "n": list, "losses": list, "seeds": list, "difference": NUMBER}
_AT_SIZE |= {"verdict": str, "sentence": str}
_AT_LOSS: Record = {"loss": NUMBER, "multiplier": KNOWN, "verdict": str}
_JOINT = {"fits": list, "frontiers": list, "left_out": dict, "level": NUMBER}
_JOINT_FIT: Record = {"family": str, "n_convention": str, "n_points": int, "params": dict, "intervals": dict}
_JOINT_FIT |= {"verdict": str, "points": list}
_JOINT_POINT = {"n": NUMBER, "d": NUMBER, "loss": NUMBER, "fitted": NUMBER}
_FRONTIER: Record = {"family": str, "n_convention": str, "flops_convention": str, "optima": list, "exponent": NUMBER}
_FRONTIER |= {"iso_flop": list, "iso_flop_exponent": KNOWN, "flops_exponent": NUMBER}
_OPTIMUM = {"budget": NUMBER, "n": NUMBER, "d": NUMBER, "loss": NUMBER, "extrapolated": NUMBER}
_SCORE: Record = {"run_id": str, "family": str, "size": str, "n_params": int, "n_tokens": int, "basis": list}
_SCORE |= {"sealed_at": str, "loss": KNOWN, "outcome": KNOWN, "persistence": KNOWN}
_FINDING = {"code": str, "where": str, "what": str, "effect": str, "cure": str}


def read_fits(path: Path) -> Record | None:
    """`fits.json`: a fit for each family and convention of N; the verdict says so where runs contradict it."""
    fits = read_optional(path, {"fits": list})
    if fits is not None:
        for fit in fits["fits"]:
            check_fields(path, fit, _FIT)
            check_words(path, "warnings", fit["warnings"])
            if fit.get("lack_of_fit") is not None:
                check_fields(path, fit, {"lack_of_fit": dict})
                check_fields(path, fit["lack_of_fit"], {"off": NUMBER, "apart": NUMBER, "certain": bool})
                if fit["lack_of_fit"]["certain"]:
                    fit["verdict"] = NO_FIT
            for name in ("alpha", "c"):
                check_ends(path, name, fit["intervals"].get(name))
            for step in fit["local_exponents"]:
                check_fields(path, step, {"from": NUMBER, "to": NUMBER, "exponent": NUMBER})
            if fit.get("curve") is not None:
                _check_curve(path, fit["curve"])
        for comparison in (fits.get("comparison") or {}).values():
            check_fields(path, comparison, _COMPARED)
            check_words(path, "families", comparison["families"], 2)
            check_ends(path, "interval", comparison["interval"])
    return fits


def _check_curve(path: Path, curve: Record) -> None:
    check_fields(path, curve, {"n": list, "loss": list})
    for name in ("n", "loss", "lower", "upper"):
        if curve.get(name) is not None:
            check_numbers(path, name, curve[name], len(curve["n"]))


def read_comparisons(path: Path) -> list[Record] | None:
    """`comparison.json`: a record for each pair of families."""
    found = read_list(path)
    for pair in found or []:
        check_fields(path, pair, _COMPARISON)
        check_words(path, "families", pair["families"], 2)
        check_words(path, "cautions", pair["cautions"])
        for size in pair["sizes"]:
            check_fields(path, size, _AT_SIZE)
            check_numbers(path, "n", size["n"], 2)
            check_numbers(path, "losses", size["losses"], 2)
            check_ends(path, "interval", size.get("interval"))
        for part in (*pair["exponents"].values(), *pair["multipliers"].values()):
            check_fields(path, part, {"verdict": str, "sentence": str})
        for cost in pair["multipliers"].values():
            check_fields(path, cost, {"at": list})
            check_fields(path, {"beyond": None} | cost, {"beyond": KNOWN})
            for at in cost["at"]:
                check_fields(path, at, _AT_LOSS)
                check_ends(path, "interval", at.get("interval"))
        if pair.get("mean") is not None:
            check_fields(path, pair["mean"], {"verdict": str, "sentence": str})
        if pair.get("context") is not None:
            _check_context(path, pair["context"])
    return found


def _check_context(path: Path, context: Record) -> None:
    check_fields(path, context, {"size": str, "bins": list, "sentence": str})
    for octave in context["bins"]:
        check_fields(path, octave, {"least": int, "most": int, "difference": NUMBER})
        check_numbers(path, "losses", octave.get("losses"), 2)


def read_joint(path: Path) -> Record | None:
    """`joint.json`: L(N, D) of each family and its frontier."""
    joint = read_optional(path, _JOINT)
    if joint is not None:
        for fit in joint["fits"]:
            check_fields(path, fit, _JOINT_FIT)
            for name in fit["params"]:
                check_ends(path, name, fit["intervals"].get(name))
            for point in fit["points"]:
                check_fields(path, point, _JOINT_POINT)
                check_positive(path, point, ("loss", "fitted"))
        for one in joint["frontiers"]:
            check_fields(path, one, _FRONTIER)
            check_ends(path, "exponent_interval", one.get("exponent_interval"))
            for profile in one["iso_flop"]:
                check_fields(path, profile, {"best_n": KNOWN})
            for optimum in one["optima"]:
                check_fields(path, optimum, _OPTIMUM)
                check_ends(path, "n_interval", optimum.get("n_interval"))
    return joint


def read_scores(path: Path) -> list[Record] | None:
    """`scores.json`: each sealed forecast beside its outcome."""
    found = read_list(path)
    for one in found or []:
        check_fields(path, one, _SCORE)
        if one["loss"] is None:
            check_fields(path, one, {"reason": str})
            continue
        check_fields(path, one, {"intervals": dict, "form": str})
        check_ends(path, "intervals", one["intervals"].get("0.9"))
        if one["outcome"] is not None:
            check_fields(path, one, {"error": NUMBER, "inside": dict})
    return found


def read_lint(path: Path) -> Record | None:
    """`lint.json`."""
    lint = read_optional(path, {"findings": list, "checked": list, "unchecked": list})
    if lint is not None:
        for found in lint["findings"]:
            check_fields(path, found, _FINDING)
        check_words(path, "unchecked", lint["unchecked"])
    return lint
