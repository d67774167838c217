"""How often the 90 % intervals hold the true exponent: simulated studies of five sizes and one seed, and of eight sizes
and three seeds, at several truths.

    python benchmarks/coverage.py
    python benchmarks/coverage.py --studies 100      # quicker
    python benchmarks/coverage.py --general          # also the search that all forms share, an hour

`power` is what a study's `fits.json` and `hf-scaling fit` show: least squares on the loss, in closed form. `general` is
the search that all other forms share, here with L(N) too, by either objective: slower, and so at one truth only.
"""

import argparse
from collections import defaultdict
from collections.abc import Callable
from itertools import product

import numpy as np
from common import write_result
from numpy.typing import NDArray
from tqdm import tqdm

from hf_scaling.laws import Interval, fit_power
from hf_scaling.laws.fit import HUBER_DELTA, fit
from hf_scaling.laws.forms import POWER, Runs

Array = NDArray[np.float64]
Estimate = Callable[[Array, Array], Interval]
Truths = tuple[tuple[float, float, float], ...]

OBJECTIVES = {"squares": np.inf, "huber": HUBER_DELTA}
LEVEL, TOLERANCE = 0.9, 0.03
DESIGNS = {"5x1": (5, 1), "8x3": (8, 3)}  # sizes from 1M to 100M, seeds of each
# alpha, c, and the noise of a run in nats; the loss falls by a nat from a 1M model to an infinite one
TRUTHS: Truths = (
    (0.1, 1.0, 0.005),
    (0.2, 1.0, 0.005),
    (0.35, 1.0, 0.005),
    (0.5, 1.0, 0.005),
    (0.2, 0.5, 0.02),
    (0.2, 1.0, 0.001),
)


def closed_form(n: Array, loss: Array) -> Interval:
    """The interval of alpha that `hf-scaling fit` shows."""
    return fit_power(n, loss, level=LEVEL).alpha_interval


def general(delta: float) -> Estimate:
    """That of the search that all forms share."""
    return lambda n, loss: fit(POWER, Runs.of(n), loss, delta=delta, level=LEVEL).intervals_of(["alpha"])["alpha"]


def coverage(
    estimate: Estimate, design: tuple[int, int], truth: tuple[float, float, float], studies: int, seed: int = 0
) -> dict[str, float]:
    """The share of studies whose interval holds alpha, the share of closed ones, and the median width."""
    (sizes, seeds), (alpha, c, noise) = design, truth
    n = np.repeat(np.geomspace(1e6, 1e8, sizes), seeds)
    rng = np.random.default_rng(seed)
    inside, widths = 0, []
    for _ in range(studies):
        low, high = estimate(n, (n / 1e6) ** -alpha + c + rng.normal(0, noise, len(n)))
        inside += (low is None or low <= alpha) and (high is None or alpha <= high)
        widths.append(np.inf if low is None or high is None else high - low)
    width = float(np.median(widths))
    found = {"coverage": inside / studies, "closed": float(np.mean(np.isfinite(widths)))}
    return found | ({"median_width": width} if np.isfinite(width) else {})


def main() -> None:
    """Simulate, print a table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=1000, help="for each design and truth (default 1000)")
    parser.add_argument("--general", action="store_true", help="also the search that all other forms share")
    options = parser.parse_args()
    studies = options.studies
    ways: list[tuple[str, Estimate, Truths]] = [("power", closed_form, TRUTHS)]
    if options.general:
        ways += [(f"general, {name}", general(delta), TRUTHS[1:2]) for name, delta in OBJECTIVES.items()]
    rows, shares = [], defaultdict[tuple[str, str], list[float]](list)
    for (way, estimate, truths), (design, shape) in tqdm(list(product(ways, DESIGNS.items()))):
        for truth in truths:
            found = coverage(estimate, shape, truth, studies)
            named = dict(zip(("alpha", "c", "noise_nats"), truth, strict=True))
            shares[way, design].append(found["coverage"])
            rows.append({"interval": way, "design": design, **named, "studies": studies, **found})
            print(
                *(f"{name} {value:.4g}" if isinstance(value, float) else str(value) for name, value in rows[-1].items())
            )
    ratios = {}
    for way, *_ in ways:
        for design in DESIGNS:
            off = [abs(share - LEVEL) for share in shares[way, design]]
            ratios[f"{TOLERANCE} against how far {way}, {design} is off {LEVEL} at worst"] = TOLERANCE / max(
                max(off), 1e-9
            )
    write_result("coverage", rows, ratios, dict.fromkeys(ratios, 1.0))


if __name__ == "__main__":
    main()
