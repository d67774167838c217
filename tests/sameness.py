"""What of a study folder must not depend on when, how often and beside whom its study was stopped."""

import json
from pathlib import Path
from typing import Any

from hf_scaling.records import read_jsonl, read_ledger

CLOCKS = {"wall_seconds", "tokens_per_second", "peak_memory_bytes", "started_at", "finished_at"}


def timeless(row: dict[str, Any]) -> dict[str, Any]:
    """A row without its clocks."""
    return {name: value for name, value in row.items() if name not in CLOCKS}


def numbers(folder: Path) -> dict[str, Any]:
    """Ledgers, metrics, weights, best model, fits, samples."""
    rows, trials = (read_ledger(folder / name)[0] for name in ("runs.jsonl", "trials.jsonl"))
    runs = {path.parent.name: path for path in (folder / "runs").glob("*/metrics.jsonl")}
    weights = {path.parents[1].name: path for path in (folder / "runs").glob("*/model/model.safetensors")}
    return {
        "ledger": {row["run_id"]: timeless(row) for row in rows},
        "trials": sorted(map(timeless, trials), key=lambda row: row["run_id"]),
        "metrics": {name: [timeless(row) for row in read_jsonl(path)] for name, path in runs.items()},
        "weights": {name: path.read_bytes() for name, path in weights.items()},
        "best": timeless(json.loads((folder / "best.json").read_text())),
        "fits": json.loads((folder / "fits.json").read_text()),
        "samples": read_jsonl(folder / "samples" / "samples.jsonl"),
        "midi": {path.name: path.read_bytes() for path in (folder / "samples").glob("*.mid")},
    }


def leftovers(folder: Path) -> list[Path]:
    """What only an interrupted write, or a run that has not ended, leaves behind."""
    return [p for p in folder.rglob("*") if p.name.startswith(".partial-") or p.suffix == ".part"] + [
        *folder.glob("runs/*/checkpoints"),
        *folder.glob("trunks"),
    ]


def differences(folder: Path, reference: Path) -> list[str]:
    """In words, how a study that has ended differs from one that was never interrupted."""
    rows, notes = read_ledger(folder / "runs.jsonl")
    found = notes + [f"left behind: {path.relative_to(folder)}" for path in leftovers(folder)]
    there, expected = numbers(folder), numbers(reference)
    found += [f"{name} differ" for name in expected if there[name] != expected[name]]
    if len(rows) != len(expected["ledger"]):
        found.append(f"{len(rows)} rows instead of {len(expected['ledger'])}")
    return found
