"""The JSON files of a study folder that the report rests on, each held to the fields that the page shows."""

from pathlib import Path
from typing import Any

from hf_scaling.records import UserError, check_fields, read_json, read_jsonl, read_optional

Record = dict[str, Any]

_NUMBER = (int, float)
_KNOWN = (int, float, type(None))
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
_COMPARED: Record = {"families": list, "difference": _NUMBER, "interval": list, "level": _NUMBER, "verdict": str}
_COMPARISON: Record = {"families": list, "level": _NUMBER, "n_tokens": int, "exponents": dict, "multipliers": dict}
_COMPARISON |= {"sizes": list, "cautions": list}
_AT_SIZE: Record = {"size": str, "n": list, "losses": list, "seeds": list, "interval": list, "difference": _NUMBER}
_AT_SIZE |= {"verdict": str, "sentence": str}
_AT_LOSS: Record = {"loss": _NUMBER, "multiplier": _KNOWN, "interval": list, "verdict": str}
_JOINT = {"fits": list, "frontiers": list, "left_out": dict}
_JOINT_FIT: Record = {
    "family": str,
    "n_convention": str,
    "n_points": int,
    "params": dict,
    "intervals": dict,
    "verdict": str,
}
_JOINT_FIT |= {"warnings": list, "sentence": str, "level": _NUMBER}
_FRONTIER: Record = {"family": str, "n_convention": str, "flops_convention": str, "optima": list, "exponent": _NUMBER}
_FRONTIER |= {"exponent_interval": list, "iso_flop": list, "iso_flop_exponent": _KNOWN, "flops_exponent": _NUMBER}
_OPTIMUM = {"budget": _NUMBER, "n": _NUMBER, "d": _NUMBER, "loss": _NUMBER, "n_interval": list, "extrapolated": _NUMBER}
_SCORE: Record = {
    "run_id": str,
    "family": str,
    "size": str,
    "n_params": int,
    "n_tokens": int,
    "basis": list,
    "sealed_at": str,
}
_SCORE |= {"loss": _KNOWN, "outcome": _KNOWN, "persistence": _KNOWN}
_BEST = {"family": str, "size": str, "n_params": int, "n_tokens": int, "val_loss": _NUMBER, "val_bpc": _NUMBER}
_BEST |= {"test_loss": _NUMBER, "test_bpc": _NUMBER}
_SAMPLE = {
    "index": int,
    "kind": str,
    "prompt": str,
    "redraws": int,
    "raw": str,
    "abc": str,
    "title": str,
    "raw_verdict": dict,
    "verdict": dict,
    "repairs": list,
}
_VERDICT = {"parses": bool, "strict": bool, "playable": bool}
_SPLIT = {"tunes": int, "tune_families": int, "characters": int}
_LEAKS = {"split_threshold": _NUMBER, "thresholds": list}
_TWINS = {"tunes": int, "twins": dict}
_BASELINES = {"convention": str, "train_characters": int, "models": list}
_BASELINE = {"name": str, "adaptive": bool, "validation": _NUMBER, "test": _NUMBER}
_LICENCE = {"source": str, "identifier": str, "notice": str, "commercial_use": bool, "redistributable": bool}
_WORTH = {"drawing": dict, "level": _NUMBER, "metrics": dict, "real": dict, "models": list, "trends": list}
_WORTH |= {"n_real": int, "n_reference": int, "longest_human": int}
_MODEL = {"family": str, "n_params": int, "best": bool, "metrics": dict}
_TREND = {"family": str, "metric": str, "verdict": str}
_ESTIMATE = {"value": _NUMBER, "low": _NUMBER, "high": _NUMBER}
_FINDING = {"code": str, "where": str, "what": str, "effect": str, "cure": str}
_PATTERNS = {"patterns": dict, "n_real": int, "level": _NUMBER, "tunes": list, "contrasts": dict}
_TUNE = {"index": int, "form": str, "figure": str, "values": dict}
_CONTRAST = {"samples": _NUMBER, "real": _NUMBER, "n": int, "p": _NUMBER, "verdict": str}


def read_fits(path: Path) -> Record | None:
    """`fits.json`: a fit for each family and convention of N."""
    fits = read_optional(path, {"fits": list})
    if fits is not None:
        for fit in fits["fits"]:
            check_fields(path, fit, _FIT)
        for comparison in (fits.get("comparison") or {}).values():
            check_fields(path, comparison, _COMPARED)
    return fits


def read_comparisons(path: Path) -> list[Record] | None:
    """`comparison.json`: a record for each pair of families."""
    found = _list(path)
    for pair in found or []:
        check_fields(path, pair, _COMPARISON)
        for size in pair["sizes"]:
            check_fields(path, size, _AT_SIZE)
        for part in (*pair["exponents"].values(), *pair["multipliers"].values()):
            check_fields(path, part, {"verdict": str, "sentence": str})
        for cost in pair["multipliers"].values():
            check_fields(path, cost, {"at": list})
            for at in cost["at"]:
                check_fields(path, at, _AT_LOSS)
        if pair.get("context") is not None:
            check_fields(path, pair["context"], {"size": str, "bins": list, "sentence": str})
            for octave in pair["context"]["bins"]:
                check_fields(path, octave, {"least": int, "most": int, "losses": list, "difference": _NUMBER})
    return found


def read_joint(path: Path) -> Record | None:
    """`joint.json`: L(N, D) of each family and its frontier."""
    joint = read_optional(path, _JOINT)
    if joint is not None:
        for fit in joint["fits"]:
            check_fields(path, fit, _JOINT_FIT)
        for one in joint["frontiers"]:
            check_fields(path, one, _FRONTIER)
            for optimum in one["optima"]:
                check_fields(path, optimum, _OPTIMUM)
    return joint


def read_scores(path: Path) -> list[Record] | None:
    """`scores.json`: each sealed forecast beside its outcome."""
    found = _list(path)
    for one in found or []:
        check_fields(path, one, _SCORE)
        made = {"intervals": dict, "form": str} if one["loss"] is not None else {"reason": str}
        check_fields(path, one, made)
        if one["loss"] is not None and one["outcome"] is not None:
            check_fields(path, one, {"error": _NUMBER, "inside": dict})
    return found


def _list(path: Path) -> list[Record] | None:
    if not path.exists():
        return None
    found = read_json(path)
    if not isinstance(found, list):
        raise UserError(f"{path}: got {type(found).__name__}, expected a list; delete the file to have it rebuilt")
    return found


def read_lint(path: Path) -> Record | None:
    """`lint.json`."""
    lint = read_optional(path, {"findings": list, "checked": list, "unchecked": list})
    for found in (lint or {"findings": []})["findings"]:
        check_fields(path, found, _FINDING)
    return lint


def read_best(path: Path) -> Record | None:
    """`best.json`."""
    return read_optional(path, _BEST)


def read_statistics(path: Path) -> Record | None:
    """`dataset/statistics.json`."""
    statistics = read_optional(path, {"splits": dict, "rejected": dict})
    if statistics is not None:
        for split in statistics["splits"].values():
            check_fields(path, split, _SPLIT)
            check_fields(path, {"transposed_copies": 0} | split, {"transposed_copies": int})
        check_fields(path, statistics["rejected"], dict.fromkeys(statistics["rejected"], int))
        check_fields(path, {"sources": {}, "licences": []} | statistics, {"sources": dict, "licences": list})
        for licence in statistics.get("licences", []):
            check_fields(path, licence, _LICENCE)
    return statistics


def read_leaks(path: Path) -> Record | None:
    """`dataset/leak_report.json`."""
    leaks = read_optional(path, _LEAKS)
    if leaks is not None:
        for pair in (value for name, value in leaks.items() if "_in_" in name):
            check_fields(path, pair, _TWINS)
    return leaks


def read_baselines(path: Path) -> Record | None:
    """`dataset/baselines.json`."""
    baselines = read_optional(path, _BASELINES)
    if baselines is not None:
        for model in baselines["models"]:
            check_fields(path, model, _BASELINE)
    return baselines


def read_stages(path: Path) -> Record:
    """Wall seconds of each stage, by `stages.json`."""
    stages = read_optional(path, {}) or {}
    for stage in stages.values():
        check_fields(path, stage, {"seconds": _NUMBER})
    return {name: stage["seconds"] for name, stage in stages.items()}


def read_samples(path: Path) -> list[Record]:
    """`samples/samples.jsonl`."""
    samples = read_jsonl(path) if path.exists() else []
    for sample in samples:
        check_fields(path, sample, _SAMPLE)
        for which in ("raw_verdict", "verdict"):
            check_fields(path, sample[which], _VERDICT)
    return samples


def read_patterns(path: Path) -> Record | None:
    """`patterns.json`: what the samples are like as music, beside real tunes."""
    patterns = read_optional(path, _PATTERNS)
    if patterns is not None:
        for tune in patterns["tunes"]:
            check_fields(path, tune, _TUNE)
        for name, contrast in patterns["contrasts"].items():
            check_fields(path, contrast, _CONTRAST)
            check_fields(path, patterns["patterns"].get(name), {"label": str, "about": str, "share": bool})
    return patterns


def read_worth(path: Path) -> Record | None:
    """`music.json`: metrics of tunes of every model, beside real ones."""
    worth = read_optional(path, _WORTH)
    if worth is not None:
        check_fields(path, worth["drawing"], {"n_tunes": int, "temperature": _NUMBER, "top_p": _NUMBER})
        for model in worth["models"]:
            check_fields(path, model, _MODEL)
        for trend in worth["trends"]:
            check_fields(path, trend, _TREND)
        for metric in worth["metrics"].values():
            check_fields(path, metric, {"label": str, "about": str})
        for measured in (worth["real"], *(model["metrics"] for model in worth["models"])):
            for estimate in measured.values():
                check_fields(path, estimate, _ESTIMATE)
    return worth
