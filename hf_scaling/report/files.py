"""The other JSON files of a study folder that the report rests on, each held to the fields that the page shows."""

from pathlib import Path

from hf_scaling.records import check_fields, read_jsonl, read_optional
from hf_scaling.report.shapes import KNOWN, NUMBER, Record, check_ends, check_numbers

_BEST = {"family": str, "size": str, "n_params": int, "n_tokens": int, "val_loss": NUMBER, "val_bpc": NUMBER}
_BEST |= {"test_loss": NUMBER, "test_bpc": NUMBER}
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
_LEAKS = {"split_threshold": NUMBER, "thresholds": list}
_TWINS = {"tunes": int, "twins": dict}
_BASELINES = {"convention": str, "train_characters": int, "models": list}
_BASELINE = {"name": str, "adaptive": bool, "validation": NUMBER, "test": NUMBER}
_LICENCE = {"source": str, "identifier": str, "notice": str, "commercial_use": bool, "redistributable": bool}
_WORTH = {"drawing": dict, "level": NUMBER, "metrics": dict, "real": dict, "models": list, "trends": list}
_WORTH |= {"n_real": int, "n_reference": int, "longest_human": int}
_MODEL = {"family": str, "n_params": int, "best": bool, "metrics": dict}
_TREND = {"family": str, "metric": str, "verdict": str}
_ESTIMATE = {"value": NUMBER, "low": NUMBER, "high": NUMBER}
_PATTERNS = {"patterns": dict, "n_real": int, "level": NUMBER, "tunes": list, "contrasts": dict}
_TUNE = {"index": int, "form": str, "figure": str, "values": dict}
_CONTRAST = {"samples": NUMBER, "real": NUMBER, "n": int, "p": NUMBER, "verdict": str}


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
            check_numbers(path, "twins", list(pair["twins"].values()))
    return leaks


def read_baselines(path: Path) -> Record | None:
    """`dataset/baselines.json`."""
    baselines = read_optional(path, _BASELINES)
    if baselines is not None:
        for model in baselines["models"]:
            check_fields(path, model, _BASELINE)
    return baselines


def read_stages(path: Path) -> Record:
    """`stages.json`: of each stage the wall seconds and the SHA-256 of its files."""
    stages = read_optional(path, {}) or {}
    for stage in stages.values():
        check_fields(path, stage, {"seconds": NUMBER, "files": dict})
    return stages


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
            check_numbers(path, "values", list(tune["values"].values()))
        for name, contrast in patterns["contrasts"].items():
            check_fields(path, contrast, _CONTRAST)
            check_fields(path, patterns["patterns"].get(name), {"label": str, "about": str, "share": bool})
    return patterns


def read_worth(path: Path) -> Record | None:
    """`music.json`: metrics of tunes of every model, beside real ones."""
    worth = read_optional(path, _WORTH)
    if worth is not None:
        check_fields(path, worth["drawing"], {"n_tunes": int, "temperature": NUMBER, "top_p": NUMBER})
        for model in worth["models"]:
            check_fields(path, model, _MODEL)
            check_fields(path, {"complete": None} | model, {"complete": KNOWN})
        for trend in worth["trends"]:
            check_fields(path, trend, _TREND)
            for ends in ("interval", "alpha_interval"):
                if trend.get(ends) is not None:
                    check_ends(path, ends, trend[ends])
        for metric in worth["metrics"].values():
            check_fields(path, metric, {"label": str, "about": str})
        for measured in (worth["real"], *(model["metrics"] for model in worth["models"])):
            for estimate in measured.values():
                check_fields(path, estimate, _ESTIMATE)
    return worth
