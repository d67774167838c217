"""The last stages of a study: from the runs in the ledger to laws, figures, the best model, its music, the report."""

import shutil
from typing import Any

from hf_scaling.records import LEDGER, read_json, read_ledger, write_json
from hf_scaling.report import write_report
from hf_scaling.study.best import best_spec, train_best
from hf_scaling.study.data_stages import Prepared
from hf_scaling.study.evidence import evidence_stages
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.lint import lint
from hf_scaling.study.patterns import RECORD as PATTERNS
from hf_scaling.study.patterns import find_patterns
from hf_scaling.study.samples import STUDY_PROMPTS, write_samples
from hf_scaling.training.checkpoints import discard_checkpoints
from hf_scaling.training.model_folder import load_model
from hf_scaling.training.spec import RunSpec


def finish_training(folder: StudyFolder, prepared: Prepared, runs: list[RunSpec], rows: list[dict[str, Any]]) -> str:
    """Stage 5: the best model, the last that a GPU is needed for; the key of the stage."""
    config, path = folder.config, folder.path
    shutil.rmtree(path / "trunks", ignore_errors=True)  # every run that could go on from them has ended
    spec = best_spec(config, runs, rows, prepared.tokens)
    parent = next(run for run in runs if run.run_id == spec.parent)
    best_key = folder.stage(
        "best",
        [spec.run_id],
        ["best.json", f"runs/best-{spec.run_id}/model"],
        lambda: train_best(config, parent, spec, path, prepared.tokenizer, prepared.unique_tokens),
    )
    discard_checkpoints(path / "runs" / f"best-{spec.run_id}")
    return best_key


def conclude(folder: StudyFolder, prepared: Prepared, rows: list[dict[str, Any]], best_key: str) -> None:
    """Stages 6 to 8: the fits and figures, the samples, what the linter says, the report."""
    config, path, ledger = folder.config, folder.path, folder.path / LEDGER
    fit_key, figures_key = evidence_stages(path, rows, config.families, config.level, config.seed, folder.stage)

    def sample() -> None:
        model = load_model(path / read_json(path / "best.json")["model_path"])
        write_samples(model, prepared.tokenizer, STUDY_PROMPTS, config.seed, config.sampling, path / "samples")

    samples_key = folder.stage("samples", [best_key, config.sampling, config.seed, "strict"], ["samples"], sample)
    patterns_key = folder.stage(
        "patterns", [samples_key, prepared.key], [PATTERNS], lambda: write_json(path / PATTERNS, find_patterns(path))
    )
    lint_key = folder.stage(
        "lint", [fit_key, best_key, prepared.key], ["lint.json"], lambda: write_json(path / "lint.json", lint(path))
    )
    failures = [[row["run_id"], row["error"]] for row in read_ledger(ledger)[0] if row["status"] == "failed"]
    inputs = [prepared.key, figures_key, best_key, patterns_key, lint_key, failures]
    folder.stage("report", inputs, ["report.html"], lambda: write_report(path))
