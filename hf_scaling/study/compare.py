"""Is one family of a study better than another? All that its ledger and evaluations can say of it.

Compared are runs of one horizon: the longest at which both families have finished runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from hf_scaling.laws import N_PARAMETERS, PowerFit, compare_exponents, fit_power
from hf_scaling.laws.context import context_bins, context_sentence
from hf_scaling.laws.multiplier import multiplier
from hf_scaling.laws.paired import PairedDifference, SeedSpread, bootstrap_differences, paired_difference
from hf_scaling.records import LEDGER, UserError, read_ledger
from hf_scaling.study.cautions import cautions
from hf_scaling.study.evaluations import Evaluation, read_evaluation

Row = dict[str, Any]

_RESAMPLES = 5000
_CONVENTIONS = {"total": "n_params", "non_embedding": "n_params_non_embedding"}
# field of the ledger -> what it is in a sentence
COSTS = {
    "n_params": "parameters",
    "n_params_non_embedding": "non-embedding parameters",
    "flops": "training FLOPs",
    "flops_causal": "training FLOPs (causal attention)",
    "wall_seconds": "seconds of training",
}


@dataclass(frozen=True)
class Families:
    """The runs of two families at one horizon.

    Attributes:
        runs: of each family by size, sizes in ascending order of N.
        evaluations: by run id.
        others: horizons of these families that are not compared.
    """

    names: tuple[str, str]
    n_tokens: int
    runs: tuple[Mapping[str, list[Row]], Mapping[str, list[Row]]]
    evaluations: Mapping[str, Evaluation]
    others: list[int]

    @property
    def common(self) -> list[str]:
        """Sizes that both have."""
        return [size for size in self.runs[0] if size in self.runs[1]]

    def rows(self, family: int) -> list[Row]:
        """All runs of one of the two."""
        return [row for rows in self.runs[family].values() for row in rows]

    def mean(self, family: int, size: str, part: str) -> np.ndarray:
        """A part of the evaluations, averaged over the seeds of a size."""
        return np.mean([getattr(self.evaluations[row["run_id"]], part) for row in self.runs[family][size]], axis=0)


def compare(study: Path, first: str, second: str, level: float = 0.9, seed: int = 0) -> dict[str, Any]:
    """The content of `comparison.json`: every difference is of the first family less, or over, the second.

    `exponents` by convention of N; `multipliers` by what is spent; `sizes`, and `mean` over them, with losses on the
    same tunes; `context` at the largest common size; `cautions`. Each part has a `sentence` and, but for the last two,
    a `verdict`. Null stands for what is not known and for open ends.

    Args:
        level: of the intervals, between 0 and 1.
        seed: of the bootstrap over tunes.

    Raises:
        UserError: it is no study folder, a family has no runs, or an evaluation is missing or damaged.
    """
    families = _read(study, first, second)
    return {
        "families": [first, second],
        "level": level,
        "seed": seed,
        "n_tokens": families.n_tokens,
        "exponents": {name: _exponents(families, column, level) for name, column in _CONVENTIONS.items()},
        "multipliers": {column: _multiplier(families, column, level) for column in COSTS},
        **_paired(families, level, np.random.default_rng(seed)),
        "context": _context(families),
        "cautions": cautions(study, families.names, (families.rows(0), families.rows(1)), families.others),
    }


def compare_pairs(study: Path, names: Sequence[str], level: float, seed: int) -> list[dict[str, Any]]:
    """`compare` for each pair of families, in their order; none for a single family."""
    return [compare(study, first, second, level, seed) for first, second in combinations(names, 2)]


def _read(study: Path, first: str, second: str) -> Families:
    if not (study / LEDGER).is_file():
        raise UserError(f"{study}: holds no {LEDGER}; expected a study folder, such as outputs/laptop")
    rows = [row for row in read_ledger(study / LEDGER)[0] if row["status"] == "finished"]
    known = list(dict.fromkeys(row["family"] for row in rows))
    if len(known) < 2:
        raise UserError(
            f"{study}: has finished runs of {known[0] if known else 'no family'} only, a comparison needs two"
        )
    for name in (first, second):
        if name not in known:
            raise UserError(f"family: got {name!r}, expected two of {', '.join(known)}")
    if first == second:
        raise UserError(f"family: got {first} twice, expected two of {', '.join(known)}")
    horizons = [{row["n_tokens"] for row in rows if row["family"] == name} for name in (first, second)]
    if not (shared := horizons[0] & horizons[1]):
        raise UserError(f"{study}: {first} and {second} have no finished runs at the same number of training tokens")
    n_tokens = max(shared)
    kept = sorted((row for row in rows if row["n_tokens"] == n_tokens), key=lambda row: row["n_params"])
    by_size: tuple[dict[str, list[Row]], dict[str, list[Row]]] = ({}, {})
    for runs, name in zip(by_size, (first, second), strict=True):
        for row in kept:
            if row["family"] == name:
                runs.setdefault(row["size"], []).append(row)
    evaluations = {row["run_id"]: read_evaluation(study, row) for row in kept if row["family"] in (first, second)}
    _check_same_text(study, evaluations)
    return Families((first, second), n_tokens, by_size, evaluations, sorted((horizons[0] | horizons[1]) - {n_tokens}))


def _check_same_text(study: Path, evaluations: Mapping[str, Evaluation]) -> None:
    (one, reference), *others = evaluations.items()
    for run_id, found in others:
        same = np.array_equal(found.tune_tokens, reference.tune_tokens)
        if not same or len(found.position_loss) != len(reference.position_loss):
            raise UserError(f"{study}: runs {one} and {run_id} were evaluated on different tunes or blocks")


def _fits(families: Families, column: str, level: float) -> tuple[PowerFit, PowerFit] | str:
    """A power law in a column of the ledger for each family, or the reason why there is none."""
    made = []
    for index, name in enumerate(families.names):
        rows = families.rows(index)
        if (sizes := len(families.runs[index])) < N_PARAMETERS:  # replicates differ in seconds, but are no sizes
            return f"{name} has runs of {sizes} size{'s' * (sizes > 1)}, a power law needs at least {N_PARAMETERS}"
        if any(row.get(column) is None for row in rows):
            return f"{name} has runs without {column}"
        errors = [float(row.get("val_loss_stderr") or 0) for row in rows]
        # seconds are noisy, and a fit takes x as exact: those of a size's replicates are averaged
        means = {size: fmean(row[column] for row in runs) for size, runs in families.runs[index].items()}
        x, loss = [means[row["size"]] for row in rows], [row["val_loss"] for row in rows]
        try:
            made.append(fit_power(x, loss, errors if all(errors) else None, level))
        except ValueError as error:
            return f"{name} cannot be fitted, {error}"
    return made[0], made[1]


def _exponents(families: Families, column: str, level: float) -> dict[str, Any]:
    fits = _fits(families, column, level)
    if isinstance(fits, str):
        nothing: dict[str, Any] = {"difference": None, "interval": [None, None], "alphas": [None, None]}
        return nothing | {"verdict": "not resolved", "sentence": f"not resolved: {fits}"}
    found = compare_exponents(*fits, families.names)
    return {
        "difference": found.difference,
        "interval": list(found.interval),
        "alphas": [fit.alpha for fit in fits],
        "verdict": found.verdict,
        "sentence": found.sentence,
    }


def _multiplier(families: Families, column: str, level: float) -> dict[str, Any]:
    fits = _fits(families, column, level)
    if isinstance(fits, str):
        nothing: dict[str, Any] = {"at": [], "behind": None, "beyond": None}
        return nothing | {"verdict": "not resolved", "sentence": f"not resolved: {fits}"}
    found = multiplier(*fits, families.names, COSTS[column])
    return {
        "at": [asdict(at) | {"verdict": at.verdict, "reason": found.reason(at)} for at in found.at],
        "behind": found.behind,
        "beyond": found.beyond,
        "verdict": found.verdict,
        "sentence": found.sentence,
    }


def _paired(families: Families, level: float, rng: np.random.Generator) -> dict[str, Any]:
    """Differences on the same tunes: at each common size, and on average over these."""
    if not (sizes := families.common):
        return {"sizes": [], "mean": None}
    nats = [np.array([families.mean(index, size, "tune_nats") for size in sizes]) for index in (0, 1)]
    tokens = next(iter(families.evaluations.values())).tune_tokens
    losses = [part.sum(axis=1) / tokens.sum() for part in nats]
    differences = losses[0] - losses[1]
    resampled = bootstrap_differences(nats[0], nats[1], tokens, _RESAMPLES, rng)
    spreads = [
        SeedSpread.of([[row["val_loss"] for row in rows] for rows in families.runs[index].values()]) for index in (0, 1)
    ]
    seeds = np.array([[len(families.runs[index][size]) for size in sizes] for index in (0, 1)])

    def paired(difference: float, draws: np.ndarray, runs: Sequence[float]) -> dict[str, Any]:
        reaches = [spread.reach(count, level) for spread, count in zip(spreads, runs, strict=True)]
        return _record(paired_difference(float(difference), draws, (reaches[0], reaches[1]), families.names, level))

    records = [
        {
            "size": size,
            "n": [families.runs[index][size][0]["n_params"] for index in (0, 1)],
            "losses": [float(losses[0][k]), float(losses[1][k])],
            "seeds": seeds[:, k].tolist(),
            **paired(differences[k], resampled[:, k], seeds[:, k].tolist()),
        }
        for k, size in enumerate(sizes)
    ]
    if len(sizes) == 1:
        return {"sizes": records, "mean": None}
    # a mean over sizes of means over seeds varies like a mean over this many seeds
    worth = len(sizes) ** 2 / (1 / seeds).sum(axis=1)
    return {"sizes": records, "mean": paired(differences.mean(), resampled.mean(axis=1), worth.tolist())}


def _record(found: PairedDifference) -> dict[str, Any]:
    return {
        "difference": found.difference,
        "interval": list(found.interval),
        "with_seeds": found.with_seeds,
        "verdict": found.verdict,
        "sentence": found.sentence,
    }


def _context(families: Families) -> dict[str, Any] | None:
    if not families.common:
        return None
    size = families.common[-1]
    first, second = (families.mean(index, size, "position_loss") for index in (0, 1))
    bins = context_bins(first, second)
    return {
        "size": size,
        "losses": [first.tolist(), second.tolist()],
        "bins": [asdict(one) | {"difference": one.difference} for one in bins],
        "sentence": context_sentence(bins, families.names),
    }
