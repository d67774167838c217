"""The last stages of a study: from the runs in the ledger to laws, figures, the best model, its music, the report."""

import shutil
from typing import Any

from hf_scaling.records import LEDGER, read_json, read_ledger, write_json
from hf_scaling.report import write_report
from hf_scaling.study.best import best_spec, train_best
from hf_scaling.study.compare import compare_pairs
from hf_scaling.study.data_stages import Prepared
from hf_scaling.study.figures import draw_figures
from hf_scaling.study.fits import fit_points
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.forecasts import score
from hf_scaling.study.joint import joint_laws
from hf_scaling.study.lint import lint
from hf_scaling.study.points import Point, read_points
from hf_scaling.study.samples import STUDY_PROMPTS, write_samples
from hf_scaling.training.checkpoints import discard_checkpoints
from hf_scaling.training.model_folder import load_model
from hf_scaling.training.spec import RunSpec


def conclude(folder: StudyFolder, prepared: Prepared, runs: list[RunSpec], rows: list[dict[str, Any]]) -> None:
    """Stages 5 to 8: the fits and figures, the best model, its samples, what the linter says, the report."""
    config, path, ledger = folder.config, folder.path, folder.path / LEDGER
    shutil.rmtree(path / "trunks", ignore_errors=True)  # every run that could go on from them has ended

    longest = [row for row in rows if row["n_tokens"] == max(row["n_tokens"] for row in rows)]

    def points() -> list[Point]:
        # the power form is L(N) at one horizon: that of the longest runs; in the order of the plan, whatever a failed
        # run did to that of the ledger
        points = [point for point in read_points(ledger) if point.d == longest[0]["n_tokens"]]
        return sorted(points, key=lambda point: (config.families.index(point.family), point.n["total"]))

    fit_key = folder.stage(
        "fits",
        [sorted([row["run_id"], row["val_loss"]] for row in rows), config.level],
        ["fits.json"],
        lambda: write_json(path / "fits.json", fit_points(points(), config.level)),
    )
    able = [name for name in config.families if any(row["family"] == name for row in longest)]
    comparison_key = folder.stage(
        "comparison",
        [fit_key, config.seed],
        ["comparison.json"],
        lambda: write_json(path / "comparison.json", compare_pairs(path, able, config.level, config.seed)),
    )
    joint_key = None
    if len({row["n_tokens"] for row in rows}) > 1:
        joint_key = folder.stage(
            "joint laws",
            [fit_key],
            ["joint.json"],
            lambda: write_json(path / "joint.json", joint_laws(read_points(ledger), config.level)),
        )
    drawn = [comparison_key, joint_key, score(path)]
    figures_key = folder.stage("figures", drawn, ["figures"], lambda: draw_figures(path, longest))
    spec = best_spec(config, runs, rows, prepared.tokens)
    best_key = folder.stage(
        "best",
        [spec.run_id],
        ["best.json", f"runs/best-{spec.run_id}/model"],
        lambda: train_best(config, spec, path, prepared.tokenizer, prepared.unique_tokens),
    )
    discard_checkpoints(path / "runs" / f"best-{spec.run_id}")

    def sample() -> None:
        model = load_model(path / read_json(path / "best.json")["model_path"])
        write_samples(model, prepared.tokenizer, STUDY_PROMPTS, config.seed, config.sampling, path / "samples")

    samples_key = folder.stage("samples", [best_key, config.sampling, config.seed, "strict"], ["samples"], sample)
    lint_key = folder.stage(
        "lint", [fit_key, best_key, prepared.key], ["lint.json"], lambda: write_json(path / "lint.json", lint(path))
    )
    failures = [[row["run_id"], row["error"]] for row in read_ledger(ledger)[0] if row["status"] == "failed"]
    inputs = [prepared.key, figures_key, best_key, samples_key, lint_key, failures]
    folder.stage("report", inputs, ["report.html"], lambda: write_report(path))
