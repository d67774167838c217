"""The figures of a study, from its fits and the metrics of its runs."""

from pathlib import Path
from typing import Any

from hf_scaling.laws.plots import save_figure, scaling_figure, scaling_table, training_figure, training_table
from hf_scaling.laws.plots.comparison import comparison_figure, comparison_table
from hf_scaling.models import FAMILIES
from hf_scaling.records import atomic_dir, read_json, read_jsonl

_CURVES = ("tokens_seen", "flops", "loss")


def draw_figures(study: Path, rows: list[dict[str, Any]]) -> None:
    """Write `figures/`: `scaling`, `training_curves` and `comparison`, each as PNG, SVG and the CSV behind it.

    With more than two families, comparisons after the first have the families in their names.

    Args:
        rows: the finished rows of the ledger.
    """
    fits = [fit | {"family": FAMILIES[fit["family"]].LABEL} for fit in read_json(study / "fits.json")["fits"]]
    curves = []
    for row in rows:
        metrics = read_jsonl(study / "runs" / row["run_id"] / "metrics.jsonl")
        curves.append(
            {"family": FAMILIES[row["family"]].LABEL, "size": row["size"], "n_params": row["n_params"]}
            | {name: [metric[name] for metric in metrics] for name in _CURVES}
        )
    with atomic_dir(study / "figures") as folder:
        save_figure(scaling_figure(fits), scaling_table(fits), folder, "scaling")
        save_figure(training_figure(curves), training_table(curves), folder, "training_curves")
        for number, result in enumerate(map(_labelled, read_json(study / "comparison.json"))):
            name = "_".join(["comparison", *(result["families"] if number else [])])
            save_figure(comparison_figure(result), comparison_table(result), folder, name)


def _labelled(result: dict[str, Any]) -> dict[str, Any]:
    """A comparison with the families as people call them."""
    labels = {name: FAMILIES[name].LABEL for name in result["families"]}
    costs = {cost: found | {"behind": labels.get(found["behind"])} for cost, found in result["multipliers"].items()}
    return result | {"families": list(labels.values()), "multipliers": costs}
