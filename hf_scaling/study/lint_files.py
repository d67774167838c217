"""What the files of a study folder say of its runs: findings that no table of runs can give.

Each function returns findings, and None where the folder does not have what the check needs.
"""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_scaling.laws.lint import Finding
from hf_scaling.records import UserError, read_json, read_jsonl, read_object

Row = Mapping[str, Any]

_MOST_SHARED = 0.01  # of the tunes of a split: 50 characters are alike by chance now and then
_ODD_ERRORS, _ODD_NATS = 4.0, 0.05  # how far the test loss may lie off the validation loss


def leaks(study: Path) -> list[Finding] | None:
    """Near-duplicates of held-out tunes in the training split, by `leak_report.json`."""
    report = _object(study, "dataset/leak_report.json", "leak_report.json")
    if report is None:
        return None
    path, content = report
    found = []
    for pair in ("validation_in_train", "test_in_train"):
        split = pair.partition("_")[0]
        tunes = _number(path, content.get(pair, {}), "tunes")
        twins = _number(path, content[pair].get("twins", {}), f"{content.get('split_threshold'):g}")
        shared = _number(path, content[pair], "share_50_characters")
        if twins:
            found.append(
                Finding("leakage", "data", f"{twins:g} of {tunes:g} {split} tunes have a near-duplicate in train")
            )
        if shared > max(_MOST_SHARED * tunes, 1):
            what = f"{shared:g} of {tunes:g} {split} tunes share 50 characters with a tune in train"
            found.append(Finding("leakage", "data", what))
    return found


def rates(study: Path, families: Sequence[str]) -> list[Finding]:
    """Rates that were not tuned, or whose best lies on the edge of its grid, by `learning_rates.json`."""
    record = _object(study, "learning_rates.json")
    path, content = record if record else (study, {"families": {}})
    tuned = content.get("families")
    if not isinstance(tuned, dict):
        raise UserError(f"{path}: families: got {tuned!r}, expected an object; delete the file to have it rebuilt")
    found = []
    for name in families:
        if name not in tuned:
            found.append(Finding("single-learning-rate", name, "learning rates were not tuned in this study"))
            continue
        warnings = tuned[name].get("warnings") if isinstance(tuned[name], dict) else None
        if not isinstance(warnings, list):
            raise UserError(f"{path}: {name}: expected warnings; delete the file to have it rebuilt")
        found += [Finding("optimum-on-edge", name, f"learning rate: {warning}") for warning in warnings]
    return found


def copies(study: Path, rows: Sequence[Row]) -> list[Finding] | None:
    """Runs that count transposed copies as unique tokens, by `statistics.json`."""
    record = _object(study, "dataset/statistics.json", "statistics.json")
    if record is None:
        return None
    path, content = record
    train = content.get("splits", {}).get("train", {})
    if "unique_tokens" not in train:  # of a data set that was built before they were counted
        return None
    unique = _number(path, train, "unique_tokens")
    claimed = max((row["n_unique_tokens"] for row in rows if row.get("n_unique_tokens")), default=0)
    if claimed <= unique:
        return []
    what = f"runs count {claimed:,} unique tokens, the training split has {unique:,.0f} without its transposed copies"
    return [Finding("repeated-data", "data", what)]


def test_loss(study: Path) -> list[Finding] | None:
    """A test loss far from the validation loss of the same model, by `best.json`."""
    record = _object(study, "best.json")
    if record is None:
        return None
    path, content = record
    test, validation = (_number(path, content, f"{split}_loss") for split in ("test", "val"))
    error = math.hypot(*(_number(path, content, f"{split}_loss_stderr") for split in ("test", "val")))
    found = []
    if abs(test - validation) > max(_ODD_ERRORS * error, _ODD_NATS):
        what = (
            f"test loss {test:.3f} and validation loss {validation:.3f} differ by {abs(test - validation) / error:.1f} "
        )
        found.append(Finding("perplexity-at-odds", "best model", f"{what}standard errors"))
    if content.get("perplexity") and abs(content["perplexity"] / math.exp(validation) - 1) > 0.01:
        what = f"perplexity {content['perplexity']:.4g}, but exp(validation loss) is {math.exp(validation):.4g}"
        found.append(Finding("perplexity-at-odds", "best model", what))
    return found


def schedules(study: Path, rows: Sequence[Row]) -> tuple[list[float], list[float]] | None:
    """Of each run the share of its updates that warm up, and its last learning rate over its highest."""
    warm_up, last = [], []
    for row in rows:
        folder = study / "runs" / row["run_id"]
        if not (folder / "config.json").is_file() or not (folder / "metrics.jsonl").is_file():
            return None
        updates = _number(folder / "config.json", read_json(folder / "config.json"), "warmup_updates")
        logged = [line.get("learning_rate") for line in read_jsonl(folder / "metrics.jsonl")]
        known = [rate for rate in logged if isinstance(rate, int | float) and math.isfinite(rate)]
        if not row.get("updates") or not known or max(known) <= 0:
            return None
        warm_up.append(updates / row["updates"])
        last.append(known[-1] / max(known))
    return warm_up, last


def _object(study: Path, *names: str) -> tuple[Path, dict[str, Any]] | None:
    """The first of some files that is there, and the object in it."""
    for path in (study / name for name in names):
        if path.is_file():
            return path, read_object(path)
    return None


def _number(path: Path, content: Any, name: str) -> float:
    value = content.get(name) if isinstance(content, dict) else None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UserError(f"{path}: {name}: got {value!r}, expected a number; delete the file to have it rebuilt")
    return float(value)
