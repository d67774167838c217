"""The best model of a study, trained on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from hf_scaling.records import UserError, read_json, write_json
from hf_scaling.study.config import StudyConfig
from hf_scaling.study.plan import best_pass
from hf_scaling.study.progress import run_bar
from hf_scaling.training.blocks import read_stream
from hf_scaling.training.checkpoints import discard_checkpoints
from hf_scaling.training.model_folder import load_model
from hf_scaling.training.precision import check_precision
from hf_scaling.training.row import describe
from hf_scaling.training.run import evaluate_split, train_run
from hf_scaling.training.spec import RunSpec


def best_spec(config: StudyConfig, runs: list[RunSpec], rows: list[dict[str, Any]], tokens: Path) -> RunSpec:
    """The run that takes the finished run of lowest validation loss through its further epochs.

    Raises:
        UserError: no run of the sizes in `best_sizes` has finished.
    """
    chosen = config.best_sizes or [size.name for size in config.sizes]
    candidates = [row for row in rows if row["size"] in chosen]
    if not candidates:
        raise UserError(f"best_sizes: no run of {', '.join(chosen)} has finished; see the errors in runs.jsonl")
    winner = min(candidates, key=lambda row: row["val_loss"])
    spec = next(spec for spec in runs if spec.run_id == winner["run_id"])
    per_pass = best_pass(config, len(read_stream(tokens, "train")))
    return replace(
        spec,
        parent=spec.run_id,
        n_tokens=config.best_epochs * per_pass,
        pool_tokens=per_pass,
        seed=config.seed + config.replicates,  # an order of blocks that no run had
    )


def _openings(record: Path, run_id: str) -> int:
    """How many models the test split has scored, this one included: a run that failed once may change the winner."""
    if not record.exists():
        return 1
    earlier = read_json(record)
    return int(earlier.get("test_openings", 1)) + (earlier["run_id"] != run_id)


def _weights(
    config: StudyConfig, spec: RunSpec, study: Path, tokenizer: PreTrainedTokenizerBase, unique_tokens: int
) -> Path:
    """The model folder of a finished run; trained again where only its ledger row is at hand, as in a fresh clone."""
    folder = study / "runs" / spec.run_id
    if not (folder / "model").exists():
        print(f"{spec.run_id}: finished, but its weights are not here; training it again", flush=True)
        with run_bar(spec.run_id, spec.updates) as advance:
            row = describe(spec, config.name, unique_tokens)
            train_run(spec, row, study / "tokens", tokenizer, folder, config.sampling, progress=advance)
        discard_checkpoints(folder)
    return folder / "model"


def train_best(
    config: StudyConfig,
    parent: RunSpec,
    spec: RunSpec,
    study: Path,
    tokenizer: PreTrainedTokenizerBase,
    unique_tokens: int,
) -> None:
    """Train the best model on, open the test split, and write `best.json`.

    Its row stands there and not in the ledger: it saw more tokens than the runs that the law is fitted to.

    Raises:
        UserError: training failed.
    """
    check_precision(spec.precision)  # the runs may have been trained on another machine
    tokens, folder = study / "tokens", study / "runs" / f"best-{spec.run_id}"
    row = describe(spec, config.name, unique_tokens)
    try:
        start_from = _weights(config, parent, study, tokenizer, unique_tokens)
        with run_bar(f"best-{spec.run_id}", spec.updates) as advance:
            row = train_run(spec, row, tokens, tokenizer, folder, config.sampling, start_from, progress=advance)
    except (RuntimeError, FloatingPointError, MemoryError) as error:
        raise UserError(f"best: {error}; the finished runs are kept, change best_sizes or best_tokens") from None
    test = evaluate_split(load_model(folder / "model"), spec, tokens, "test")
    outcome = {
        "from_run_id": spec.parent,
        "epochs": config.best_epochs,
        "candidates": config.best_sizes or [size.name for size in config.sizes],
        "test_openings": _openings(study / "best.json", spec.run_id),
        "test_loss": test.loss,
        "test_loss_stderr": test.loss_stderr,
        "test_bpc": test.bpc,
        "model_path": str((folder / "model").relative_to(study)),
    }
    write_json(study / "best.json", row | outcome)
