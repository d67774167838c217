"""What makes a scaling study wrong or fragile: checks of its runs, each with what it does to the conclusion and a cure.

Those that need more than the runs, such as a leak report, are made by `study.lint_files` and bear the same codes.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from hf_scaling.laws.checks import (
    Sample,
    at_bound,
    collinear,
    few_points,
    form_misfit,
    horizon_mismatch,
    influential,
    long_warm_up,
    missing_seeds,
    not_cooled,
    perplexity_at_odds,
    rate_on_edge,
    repeated_data,
    rising_loss,
    single_rate,
)

_MOST_RUNS = 500  # for leaving each out in turn


class Finding(NamedTuple):
    """One thing that is wrong: `where`, such as a family, and `what` was found."""

    code: str
    where: str
    what: str

    @property
    def effect(self) -> str:
        """What it does to the conclusion."""
        return CHECKS[self.code].effect

    @property
    def cure(self) -> str:
        """How to mend it."""
        return CHECKS[self.code].cure

    @property
    def sentence(self) -> str:
        """Where, what, and what of it."""
        return f"{self.where}: {self.what}; {self.effect}"


class Check(NamedTuple):
    """A check of `Sample`, the columns that it needs, what a finding does to the conclusion, and how to mend it."""

    find: Callable[[Sample], Iterator[str]] | None
    needs: tuple[str, ...]
    effect: str
    cure: str


CHECKS = {
    "too-few-points": Check(
        few_points, (), "the noise is hardly known, and the form of the law is assumed rather than tested",
        "train more sizes, or several seeds of each (ladder, replicates)",
    ),
    "warm-up-share": Check(
        long_warm_up, ("warm_up",), "short runs are held back more than long ones, which bends exponents",
        "make the warm-up a smaller share of the shortest horizon (warmup_fraction)",
    ),
    "horizon-mismatch": Check(
        horizon_mismatch, ("d",), "size and training tokens are mixed, and the exponent belongs to neither",
        "compare runs of one D, or fit L(N, D) to a full grid of sizes and horizons",
    ),
    "un-cooled-endpoints": Check(
        not_cooled, ("last_rate",), "losses hold the noise of a high rate, and more of it in some runs than in others",
        "end every run by a decay to 0 (schedule, decay_fraction)",
    ),
    "single-learning-rate": Check(
        single_rate, ("rate",), "a size whose best rate lies elsewhere looks worse than it is, which bends exponents "
        "by as much as .07", "tune the rate at three sizes or more and use the rule through them (tune_sizes)",
    ),
    "optimum-on-edge": Check(
        rate_on_edge, ("rate",), "a better rate may lie beyond the grid, so that the size looks worse than it is",
        "widen the grid on that side (tune_factors)",
    ),
    "collinear-n-and-d": Check(
        collinear, ("d",), "what comes of N cannot be told from what comes of D",
        "vary N and D independently: every size at several horizons",
    ),
    "parameter-at-bound": Check(
        at_bound, (), "the other parameters are those of a simpler law, and their intervals are too narrow",
        "add larger models or longer horizons, or fit a form with fewer parameters",
    ),
    "form-misfit": Check(
        form_misfit, (), "the law is not that of these runs: its intervals hold only for a form that is right, and "
        "extrapolations miss by more than they say", "fit a range of sizes that the form does describe, or another "
        "form (--form), and look at the residuals",
    ),
    "influential-points": Check(
        influential, (), "the exponent is that of a few runs", "look at them; repeat them, or leave them out "
        "and say so (--drop-highest-loss)",
    ),
    "missing-seeds": Check(
        missing_seeds, (), "what another seed would change is not measured, and intervals rest on the form alone",
        "train two or three seeds of each size (replicates)",
    ),
    "loss-rising-with-size": Check(
        rising_loss, (), "a larger model that does worse is badly trained or unlucky, and no power law says so",
        "tune its learning rate, train it longer, or repeat it with other seeds",
    ),
    "leakage": Check(
        None, (), "losses on held-out tunes are too low, and the more so the larger the model",
        "split by tune family, at a lower family_threshold",
    ),
    "repeated-data": Check(
        repeated_data, ("d", "u"), "what is repeated teaches less, so that long runs look worse than fresh data would",
        "keep D below U, or fit --form data_constrained",
    ),
    "perplexity-at-odds": Check(
        perplexity_at_odds, ("perplexity",), "one of the two is of another model, split or unit, and the law may rest "
        "on the wrong one", "evaluate both again on the whole split, in nats per token",
    ),
}  # fmt: skip


def findings(sample: Sample, where: str) -> tuple[list[Finding], set[str]]:
    """What is wrong with the runs of `where`, and the codes of the checks that could be made."""
    found, made = [], set()
    for code, check in CHECKS.items():
        if check.find is None or any(getattr(sample, name) is None for name in check.needs):
            continue
        if code == "influential-points" and len(sample.n) > _MOST_RUNS:
            continue
        if code == "form-misfit" and not sample.has_replicates:
            continue
        made.add(code)
        found += [Finding(code, where, what) for what in check.find(sample)]
    return found, made
