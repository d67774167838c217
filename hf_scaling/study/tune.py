"""The tune stage: short runs at several sizes find the rate that each wants, and a rule for the others."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from hf_scaling.laws import best_rate, fit_rate_rule
from hf_scaling.records import UserError
from hf_scaling.study.plan import REFERENCE_N, RateRule


def tune(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The content of `learning_rates.json`: by family, the rule, the best rate of each size, and warnings.

    Args:
        rows: of the trials, as in a ledger.

    Raises:
        UserError: too few trials of a size have finished.
    """
    families = {}
    for family in dict.fromkeys(row["family"] for row in rows):
        members = sorted((row for row in rows if row["family"] == family), key=lambda row: row["n_params"])
        sizes, warnings = [], []
        for size, trials in ((size, list(part)) for size, part in groupby(members, lambda row: row["size"])):
            tried = [(row["learning_rate"], row.get("val_loss", float("inf"))) for row in trials]
            try:
                best = best_rate(*zip(*tried, strict=True))
            except ValueError as error:
                raise UserError(
                    f"tune_factors: {family}-{size}: {error}; try lower ones, in another --output_dir"
                ) from None
            if best.on_edge:
                warnings.append(
                    f"{family}-{size}: the best rate, {best.rate:.3g}, is the {best.on_edge} that was tried; "
                    "better ones may lie beyond, widen tune_factors"
                )
            sizes.append({"size": size, "n_params": trials[0]["n_params"], "rate": best.rate, "on_edge": best.on_edge})
        rate, exponent = fit_rate_rule(
            [size["n_params"] for size in sizes], [size["rate"] for size in sizes], REFERENCE_N
        )
        families[family] = {"rate": rate, "exponent": exponent, "sizes": sizes, "warnings": warnings}
    return {"reference_n": REFERENCE_N, "families": families}


def tuned_rules(tuned: Mapping[str, Any]) -> dict[str, RateRule]:
    """The rules in `learning_rates.json`."""
    return {family: RateRule(found["rate"], found["exponent"]) for family, found in tuned["families"].items()}
