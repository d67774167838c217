"""The figures of a study, from its fits and the metrics of its runs."""

from pathlib import Path
from typing import Any

from hf_scaling.laws.plots import (
    forecast_figure,
    forecast_table,
    frontier_figure,
    frontier_table,
    iso_flop_figure,
    iso_flop_table,
    profile_figure,
    profile_table,
    residual_figure,
    residual_table,
    save_figure,
    scaling_figure,
    scaling_table,
    training_figure,
    training_table,
    with_profiles,
)
from hf_scaling.laws.plots.comparison import comparison_figure, comparison_table
from hf_scaling.models import FAMILIES
from hf_scaling.records import atomic_dir, read_json, read_jsonl

_CURVES = ("tokens_seen", "flops", "loss")


def draw_figures(study: Path, rows: list[dict[str, Any]]) -> None:
    """Write `figures/`, each figure as PNG, SVG and the CSV behind it.

    Always `scaling`, `profile` and `training_curves`; `comparison` of two families (with more than two, those after the
    first have the families in their names); of a study with several horizons also `residuals` and `frontier`;
    `iso_flop` where budgets have profiles that tell something; `forecasts` where there are outcomes.

    Args:
        rows: the finished rows of the ledger.
    """
    fits = _with_labels(read_json(study / "fits.json")["fits"])
    joint = read_json(study / "joint.json") if (study / "joint.json").exists() else {"fits": [], "frontiers": []}
    joint_fits, frontiers = _with_labels(joint["fits"]), _with_labels(joint["frontiers"])
    scored = [found for found in read_json(study / "scores.json") if found["loss"] and found["outcome"]]
    curves = []
    for row in rows:
        metrics = read_jsonl(study / "runs" / row["run_id"] / "metrics.jsonl")
        curves.append(
            {"family": FAMILIES[row["family"]].LABEL, "size": row["size"], "n_params": row["n_params"]}
            | {name: [metric[name] for metric in metrics] for name in _CURVES}
        )
    with atomic_dir(study / "figures") as folder:
        save_figure(scaling_figure(fits), scaling_table(fits), folder, "scaling")
        save_figure(profile_figure(fits), profile_table(fits), folder, "profile")
        if joint_fits:
            save_figure(residual_figure(joint_fits), residual_table(joint_fits), folder, "residuals")
            save_figure(frontier_figure(frontiers), frontier_table(frontiers), folder, "frontier")
        if profiles := with_profiles(frontiers):
            save_figure(iso_flop_figure(profiles), iso_flop_table(profiles), folder, "iso_flop")
        if scored:
            save_figure(forecast_figure(_with_labels(scored)), forecast_table(scored), folder, "forecasts")
        save_figure(training_figure(curves), training_table(curves), folder, "training_curves")
        for number, result in enumerate(map(_labelled, read_json(study / "comparison.json"))):
            name = "_".join(["comparison", *(result["families"] if number else [])])
            save_figure(comparison_figure(result), comparison_table(result), folder, name)


def _with_labels(records: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Records with the families as people call them."""
    return [record | {"family": FAMILIES[record["family"]].LABEL} for record in records]


def _labelled(result: dict[str, Any]) -> dict[str, Any]:
    """A comparison with the families as people call them."""
    labels = {name: FAMILIES[name].LABEL for name in result["families"]}
    costs = {cost: found | {"behind": labels.get(found["behind"])} for cost, found in result["multipliers"].items()}
    return result | {"families": list(labels.values()), "multipliers": costs}
