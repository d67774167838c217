"""A synthetic study folder in the shapes that the stages write. No number in it was measured."""

import json
import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

from hf_scaling.music.patterns import compare_with_real
from hf_scaling.records import append_row, write_json, write_jsonl, write_text
from hf_scaling.study.compare import compare_pairs
from hf_scaling.study.fits import fit_points
from hf_scaling.study.joint import joint_laws
from hf_scaling.study.lint import lint
from hf_scaling.study.points import read_points

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><path d="M0 10h40" stroke="#000"/></svg>'
SIZES = {"30k": 31_000, "100k": 102_000, "300k": 297_000, "1M": 1_038_000, "3M": 3_120_000}
LOSSES = {"gpt2": (2.10, 1.90, 1.745, 1.62, 1.525), "folk_lstm": (2.15, 1.93, 1.80, 1.83, 1.70)}
DIAGNOSTIC = {"code": "bar-length", "line": 7, "column": 12, "message": "bar lasts 7/8, the metre is 6/8"}

LICENCE = {
    "source": "synthetic", "identifier": "other", "text": "none", "notice": "Nothing here was composed.",
    "commercial_use": False, "redistributable": True,
}  # fmt: skip
SCORE: dict[str, Any] = {
    "run_id": "gpt2-3M-00000000", "family": "gpt2", "size": "3M", "n_params": 3_120_000, "n_tokens": 4_194_304,
    "flops": 1e14, "sealed_at": "2030-01-01T00:00:00Z", "basis": ["a", "b"], "data_hash": "0" * 64,
    "persistence": 1.62, "loss": 1.53, "form": "power", "intervals": {"0.5": [1.52, 1.54], "0.9": [1.5, 1.56]},
    "rolling_errors": {"power": 0.01}, "outcome": 1.525, "persistence_error": 0.0623, "error": 0.0033,
    "inside": {"0.5": True, "0.9": True},
}  # fmt: skip
UNMADE = {
    name: SCORE[name] for name in ("size", "n_params", "n_tokens", "sealed_at", "basis", "persistence", "outcome")
}
UNMADE |= {"run_id": "folk_lstm-3M-00000000", "family": "folk_lstm", "loss": None, "reason": "too few runs"}
REAL = [
    f"X:1\nT:a\nM:4/4\nL:1/8\nK:D\n|:{bar}|{bar}|{bar}|d2d2d4:|\n" for bar in ("DFAd fdAF", "GBdB AFED", "d2d2d2e2")
]
BASELINES = {
    "unit": "bits per character", "convention": "Synthetic bits, counted by nobody.", "train_characters": 270_000,
    "models": [
        {"name": "PPMd order 16", "order": 16, "adaptive": True, "validation": 2.01, "test": 2.0},
        {"name": "2-gram Kneser-Ney", "order": 2, "adaptive": False, "validation": 4.1, "test": 4.0},
    ],
    "versions": {"pyppmd": "0.0-synthetic"},
}  # fmt: skip


def ledger_row(family: str, size: str, loss: float, **changes: Any) -> dict[str, Any]:
    n = SIZES[size] + (0 if family == "gpt2" else 900)
    return {
        "run_id": f"{family}-{size}-00000000", "study": "synthetic", "family": family, "size": size, "n_params": n,
        "n_params_non_embedding": n - 9_000, "n_tokens": 4_194_304, "n_unique_tokens": 3_900_000,
        "flops": 6.0 * n * 4_194_304 * 1.3, "flops_causal": 6.0 * n * 4_194_304 * 1.15, "learning_rate": 0.004,
        "optimizer": "muon" if family == "gpt2" else "adamw", "schedule": "warmup_stable_decay",
        "batch_tokens": 8192, "seed": 17, "val_loss": loss, "val_loss_stderr": 0.008, "val_bpc": loss * 1.4427,
        "perplexity": 2.71828**loss, "updates": 512, "wall_seconds": n / 4000, "tokens_per_second": 4e9 / n,
        "peak_memory_bytes": 300_000_000 + 40 * n, "device": "synthetic CPU", "threads": 2, "compiled": False,
        "precision": "bf16" if family == "gpt2" else "fp32", "status": "finished", "error": None,
        "versions": {"torch": "0.0-synthetic", "python": "0.0-synthetic"}, "git_commit": "0" * 40,
        "config_hash": "0" * 64, **changes,
    }  # fmt: skip


def sample(index: int, **changes: Any) -> dict[str, Any]:
    good = {"parses": True, "strict": True, "playable": True, "diagnostics": []}
    text = f"X:{index}\nT:Synthetic Reel {index}\nM:4/4\nK:D\n|:DFAd fdAF|GBdB AFED:|\n"
    return {
        "index": index, "kind": "unconditional", "prompt": "", "seed": index, "redraws": 0, "complete": True,
        "raw": text, "abc": text,
        "title": f"Synthetic Reel {index}", "raw_verdict": good, "verdict": good, "repairs": [],
        "midi": {"file": f"{index:03}.mid", "seconds": 31.5, "notes": 64}, "score": f"{index:03}.svg",
        "score_error": None, **changes,
    }  # fmt: skip


def repaired(index: int, **changes: Any) -> dict[str, Any]:
    bad = {"parses": True, "strict": False, "playable": True, "diagnostics": [DIAGNOSTIC]}
    repair = {"code": "bar-length", "line": 7, "message": "shortened the last note to fill the bar"}
    return sample(
        index, raw_verdict=bad, repairs=[repair], redraws=1, kind="prompted", prompt="M:6/8\nK:G\n", **changes
    )


def write_config(folder: Path) -> None:
    config = {"ladder": [f"{name}=1x1x1x1" for name in SIZES], "seed": 17, "config_hash": "0" * 64}
    config |= {
        "resolved": {"threads": 2, "precision": {"gpt2": "bf16", "folk_lstm": "fp32"}, "command": "synthetic run"}
    }
    write_text(folder / "study.yaml", yaml.safe_dump(config, sort_keys=False))


def write_data(folder: Path) -> None:
    splits = {"train": (900, 700), "validation": (50, 40), "test": (50, 42)}
    statistics = {
        "splits": {n: {"tunes": t, "characters": 300 * t, "tune_families": f} for n, (t, f) in splits.items()},
        "rejected": {"no key": 12, "same music as another tune": 34},
        "sources": {"synthetic": 1000},
        "licences": [LICENCE],
    }
    none, some = {"0.3": 0, "0.5": 0, "0.8": 0}, {"0.3": 11, "0.5": 7, "0.8": 4}
    pair = {"tunes": 50, "twins": none, "share_50_characters": 3}
    leaks = {"split_threshold": 0.3, "thresholds": [0.3, 0.5, 0.8], "leaks": 0}
    leaks |= {f"{name}": pair for name in ("validation_in_train", "test_in_train", "test_in_validation")}
    leaks["random_split_test_in_train"] = {"tunes": 50, "twins": some}
    write_json(folder / "dataset/statistics.json", statistics)
    write_json(folder / "dataset/leak_report.json", leaks)
    write_json(folder / "dataset/baselines.json", BASELINES)
    write_json(folder / "dataset/dataset_dict.json", {"splits": list(splits)})
    write_text(folder / "dataset/corpus.svg", SVG)
    write_text(folder / "dataset/README.md", "# Synthetic\n\n## Licences\n\n- `synthetic`: no rights, no tunes.\n")


def write_runs(folder: Path, shares: Sequence[float] = (1.0,)) -> None:
    """Runs at these shares of the horizon; a shorter one costs 0.1 nats for each halving."""
    for share, (family, losses) in product(shares, LOSSES.items()):
        for size, longest in zip(SIZES, losses, strict=True):
            row = ledger_row(family, size, longest - 0.1 * math.log2(share))
            row |= {"n_tokens": int(row["n_tokens"] * share), "flops": row["flops"] * share}
            row |= {"flops_causal": row["flops_causal"] * share}
            row |= {"run_id": row["run_id"] if share == 1 else f"{row['run_id']}-{share}"}
            append_row(folder / "runs.jsonl", row)
            tokens = [100 + 10 * place for place in range(20)]
            nats = [row["val_loss"] * number for number in tokens]
            evaluation = {"tune_nats": nats, "tune_tokens": tokens, "position_loss": [row["val_loss"]] * 32}
            write_json(folder / f"runs/{row['run_id']}/validation.json", evaluation)


def write_fits(folder: Path) -> None:
    longest = [point for point in read_points(folder) if point.d == 4_194_304]
    write_json(folder / "fits.json", fit_points(longest))
    write_json(folder / "comparison.json", compare_pairs(folder, list(LOSSES), 0.9, 0))
    write_json(folder / "scores.json", [SCORE, UNMADE])
    for name in ("scaling", "profile", "training_curves", "comparison", "forecasts"):
        write_text(folder / f"figures/{name}.svg", SVG)
        write_text(folder / f"figures/{name}.csv", "x,y\n1,2\n")


def write_best(folder: Path) -> None:
    best = {
        "run_id": "gpt2-3M-best", "from_run_id": "gpt2-3M-00000000", "family": "gpt2", "size": "3M",
        "n_params": 3_120_000, "epochs": 3, "n_tokens": 12_582_912, "val_loss": 1.31, "val_loss_stderr": 0.008,
        "val_bpc": 1.89, "test_loss": 1.32, "test_loss_stderr": 0.009, "test_bpc": 1.904, "wall_seconds": 4210.0,
    }  # fmt: skip
    write_json(folder / "best.json", best)


def write_samples(folder: Path, samples: list[dict[str, Any]]) -> None:
    write_jsonl(folder / "samples/samples.jsonl", samples)
    numbered = [(one["index"], one["abc"]) for one in samples]
    write_json(folder / "patterns.json", compare_with_real(numbered, REAL))
    for index in range(1, len(samples) + 1):
        write_text(folder / f"samples/{index:03}.svg", SVG)
        (folder / f"samples/{index:03}.mid").write_bytes(b"MThd synthetic")


def build_study(folder: Path) -> Path:
    write_config(folder)
    write_data(folder)
    write_runs(folder)
    write_fits(folder)
    write_json(folder / "lint.json", lint(folder))
    write_best(folder)
    write_samples(folder, [sample(i) if i in (1, 4, 5) else repaired(i) for i in range(1, 11)])
    seconds = {"dataset": 31.0, "tokenizer": 0.1, "tokens": 0.1, "fits": 0.4, "report": 0.2}
    made = {"tokenizer": {"tokenizer/tokenizer.json": "a" * 64}, "tokens": {"tokens/train.npy": "b" * 64}}
    stages = {name: {"key": "0" * 64, "seconds": took, "files": made.get(name, {})} for name, took in seconds.items()}
    write_json(folder / "stages.json", stages)
    return folder


@pytest.fixture(scope="session")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study of three horizons, not to be changed."""
    folder = tmp_path_factory.mktemp("several")
    write_config(folder)
    write_runs(folder, (1.0, 0.5, 0.25))
    write_fits(folder)
    points = [point for point in read_points(folder) if point.family == "gpt2"]  # profiles take seconds a family
    alone = [replace(point, n={"total": point.n["total"]}) for point in points]
    left_out = {"folk_lstm": "15 runs of no interest here"}
    write_json(folder / "joint.json", joint_laws(alone, 0.9) | {"left_out": left_out})
    write_text(folder / "figures/frontier.svg", SVG)
    return folder


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_study(tmp_path_factory.mktemp("built"))


@pytest.fixture
def study(built: Path, tmp_path: Path) -> Path:
    """A whole study."""
    return Path(shutil.copytree(built, tmp_path / "synthetic"))


@pytest.fixture
def started(tmp_path: Path) -> Path:
    """A study of which nothing has run."""
    write_config(tmp_path / "started")
    return tmp_path / "started"


@pytest.fixture
def change(study: Path) -> Callable[[str, Callable[[Any], None]], None]:
    """Alter one JSON file of the whole study."""

    def apply(name: str, alter: Callable[[Any], None]) -> None:
        value = json.loads((study / name).read_text(encoding="utf-8"))
        alter(value)
        write_json(study / name, value)

    return apply
