"""What to be wary of when two families of a study are compared."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from hf_scaling.study.lint import seeds
from hf_scaling.study.lint_files import rates

Row = dict[str, Any]

_SAME_SIZE = 0.1  # relative difference of N up to which two sizes of one name are a fair pair
_CONDITIONS = ("device", "threads", "n_processes")


def cautions(
    study: Path, names: tuple[str, str], rows: tuple[list[Row], list[Row]], others: Sequence[int]
) -> list[str]:
    """Sentences on the runs of two families, each on what it does to the comparison.

    Args:
        rows: of the ledger, of each family; the runs that are compared.
        others: horizons that are not compared.

    Raises:
        UserError: `learning_rates.json` is damaged.
    """
    return [
        *(found.sentence for found in rates(study, names)),
        *(found.sentence for name, members in zip(names, rows, strict=True) for found in seeds(name, members)),
        *_sizes(rows),
        *_horizons(rows, others),
        *_seconds([*rows[0], *rows[1]]),
    ]


def _sizes(rows: tuple[list[Row], list[Row]]) -> list[str]:
    first, second = ({row["size"]: row["n_params"] for row in members} for members in rows)
    if not first.keys() & second.keys():
        return ["the families have no size in common: nothing is compared at equal N"]
    found = [
        f"size {size}: N = {first[size]:,} against {second[size]:,}, the larger has an advantage"
        for size in first
        if size in second and max(first[size], second[size]) > (1 + _SAME_SIZE) * min(first[size], second[size])
    ]
    alone = [size for size in {**first, **second} if (size in first) != (size in second)]
    if alone:
        found.append(f"size {', '.join(alone)}: one family has no finished run of it, so it is in one fit only")
    return found


def _horizons(rows: tuple[list[Row], list[Row]], others: Sequence[int]) -> list[str]:
    here = rows[0][0]["n_tokens"]
    if not others:
        return [
            f"all runs saw {here:,} tokens: with more or fewer, or at the best N for each budget, it may be otherwise"
        ]
    listed = ", ".join(f"{tokens:,}" for tokens in others)
    longer = f", {max(others):,} for lack of runs of both families" if max(others) > here else ""
    return [f"runs of {here:,} tokens are compared; those of {listed} are not{longer}"]


def _seconds(rows: list[Row]) -> list[str]:
    found = []
    for name in _CONDITIONS:
        if len(values := dict.fromkeys(str(row.get(name)) for row in rows)) > 1:
            found.append(f"seconds: the runs differ in {name} ({', '.join(values)}), so that times do not compare")
    spans = sorted(
        (row["started_at"], row["finished_at"]) for row in rows if row.get("started_at") and row.get("finished_at")
    )
    if any(later[0] < earlier[1] for earlier, later in pairwise(spans)):
        found.append("seconds: runs were trained side by side and slowed each other down")
    return found
