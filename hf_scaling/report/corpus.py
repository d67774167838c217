"""What the page says of the data: leaks between splits, and compressors beside the best model."""

from hf_scaling.report import formats
from hf_scaling.report.reading import Study
from hf_scaling.report.shapes import Record

_PAIRS = {
    "validation_in_train": "validation in train",
    "test_in_train": "test in train",
    "test_in_validation": "test in validation",
    "random_split_test_in_train": "a random split’s test in train",
}


def leak_rows(leaks: Record) -> list[Record]:
    """One row a pair of splits: tunes, and twins at each threshold; the random split stands last."""
    return [{"name": label, "random": "random" in key, **leaks[key]} for key, label in _PAIRS.items() if key in leaks]


def _best_error(best: Record) -> float | None:
    """Standard error of the best model's bits per character on the test split."""
    loss, error, bpc = (formats.finite(best.get(name)) for name in ("test_loss", "test_loss_stderr", "test_bpc"))
    return bpc * error / loss if loss and error is not None and bpc is not None else None


def baseline_rows(study: Study) -> list[Record]:
    """The baselines and the best model, where there is one, best on the test split first.

    `share` is the length of a bar, 1 for the longest.
    """
    rows = [{**model, "error": None, "best": False} for model in (study.baselines or {"models": []})["models"]]
    if rows and study.best:
        name = f"best model: {formats.family(study.best['family'])} {study.best['size']}"
        scores = {"test": study.best["test_bpc"], "validation": study.best["val_bpc"], "error": _best_error(study.best)}
        rows.append({"name": name, "best": True, **scores})
    rows = [row | {"shown": formats.plus_minus(row["test"], row["error"])} for row in rows]  # refuses what is no number
    longest = max((row["test"] for row in rows), default=0)
    shares = [min(max(row["test"] / longest, 0), 1) if longest > 0 else 0 for row in rows]
    rows = [row | {"share": share} for row, share in zip(rows, shares, strict=True)]
    return sorted(rows, key=lambda row: row["test"])


def best_passes(study: Study) -> float | None:
    """How often the best model read its text, with the run that it goes on from; None where not known."""
    best = study.best or {}
    run = next((run for run in study.finished if run["run_id"] == best.get("from_run_id")), None)
    if run is None or not best.get("n_unique_tokens"):
        return None
    return float((run["n_tokens"] + best["n_tokens"]) / best["n_unique_tokens"])


def against_compressor(study: Study) -> str | None:
    """Whether the best model needs fewer bits for the test tunes than PPMd, or None where either is missing."""
    clause = compressor_clause(study)
    return clause and f"{clause[0].upper()}{clause[1:]}."


def compressor_clause(study: Study) -> str | None:
    """The same without a full stop, to stand within a sentence."""
    rows = baseline_rows(study)
    ppm = next((row for row in rows if row["name"].startswith("PPMd")), None)
    best = next((row for row in rows if row["best"]), None)
    if ppm is None or best is None:
        return None
    gap = ppm["test"] - best["test"]
    verdict = "beats the compressor by" if gap > 0 else "does not beat the compressor, which is better by"
    close = ", less than two standard errors of the evaluation" if abs(gap) < 2 * (best["error"] or 0) else ""
    return (
        f"on the test tunes the best model needs {best['shown']} bits per character and {ppm['name']} needs "
        f"{ppm['shown']}: the model {verdict} {formats.fixed(abs(gap))}{close}"
    )
