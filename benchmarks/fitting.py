"""How long fits take: the Chinchilla form on 240 points with 1,000 bootstraps, `hf-scaling fit` on ten rows, and a
ledger of 100,000 rows; and the same done naively with SciPy.

    HF_SCALING_REFERENCE_DATA=FOLDER python benchmarks/fitting.py     # on the points of Hoffmann et al.'s figure 4
    python benchmarks/fitting.py --repeats 1                          # on simulated ones; quicker

Naively, a fit is SciPy's BFGS from Hoffmann et al.'s grid of 4,500 starts, and a bootstrap is that fit again; of either
a share is measured and scaled up, and the result says so. For ten rows it is a process that imports SciPy, reads the
table and calls `curve_fit`, which gives no profile interval. Each pair is measured in turn, `--repeats` times, and its
median stands: what else the machine does meanwhile falls on both alike.
"""

import argparse
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from common import write_result
from numpy.typing import NDArray
from scipy.optimize import minimize
from tqdm import tqdm

from hf_scaling.laws.fit import HUBER_DELTA, fit
from hf_scaling.laws.forms import CHINCHILLA, Runs, to_theta

Array = NDArray[np.float64]

POINTS, RESAMPLES, ROWS, NAIVE_STARTS = 240, 1000, 100_000, 24
MANY_SECONDS = 30  # for a ledger of 100,000 rows, by both ways of counting N
# Besiroglu et al. 2024, arXiv:2404.10102; Hoffmann et al. 2022, appendix D.2
PUBLISHED = {"A": 477.84, "B": 2143.86, "E": 1.81724, "alpha": 0.34731, "beta": 0.36718}
GRID = list(
    product(range(0, 30, 5), range(0, 30, 5), np.arange(-1, 1.5, 0.5), np.arange(0, 2.5, 0.5), np.arange(0, 2.5, 0.5))
)
NAIVE_FIT = """
import csv, sys
import numpy as np
from scipy.optimize import curve_fit
rows = list(csv.DictReader(open(sys.argv[1])))
n, loss = (np.array([float(row[name]) for row in rows]) for name in ("N", "loss"))
found, covariance = curve_fit(lambda n, a, alpha, c: a * (n / 1e6) ** -alpha + c, n, loss, (1.0, 0.3, 1.0))
print(found, np.sqrt(np.diag(covariance)))
"""


def points() -> tuple[Runs, Array, str]:
    """N, D and loss of 240 runs, and where they are from."""
    folder = os.environ.get("HF_SCALING_REFERENCE_DATA")
    if folder:
        with open(Path(folder) / "chinchilla_epoch_245.csv", encoding="utf-8") as file:
            rows = [
                [float(row[name]) for name in ("Model Size", "Training FLOP", "loss")] for row in csv.DictReader(file)
            ]
        n, c, loss = np.array(sorted(rows, key=lambda row: row[2])[:POINTS]).T
        return Runs.of(n, c / (6 * n)), loss, "read off figure 4 of Hoffmann et al."
    runs, log_loss = simulated(POINTS)
    return runs, np.exp(log_loss), "simulated from the published parameters"


def simulated(count: int) -> tuple[Runs, Array]:
    """Runs that obey the published law, and their log-losses."""
    rng = np.random.default_rng(0)
    n, d = np.exp(rng.uniform(np.log([[6e7], [1e9]]), np.log([[1.6e10], [3e11]]), (2, count)))
    theta = to_theta(CHINCHILLA.parameters, PUBLISHED)
    return Runs.of(n, d), CHINCHILLA.evaluate(theta[None], Runs.of(n, d))[0][0] + rng.normal(0, 0.004, count)


def ours(runs: Runs, loss: Array) -> None:
    """A fit, and a bootstrap in steps of a progress bar, as `hf-scaling fit --bootstrap` takes them."""
    made, rng = fit(CHINCHILLA, runs, loss), np.random.default_rng(0)
    for _ in tqdm(range(0, RESAMPLES, 50), desc="bootstrap", unit="50 resamples", leave=False):
        made.bootstrap(50, rng)


def naive(runs: Runs, loss: Array) -> None:
    """Some of the starts of one fit by BFGS, without an analytic gradient."""
    assert runs.n is not None
    assert runs.d is not None
    log_n, log_d, log_loss = np.log(runs.n), np.log(runs.d), np.log(loss)

    def objective(theta: Array) -> float:
        a, b, e, alpha, beta = theta
        predicted = np.logaddexp(np.logaddexp(a - alpha * log_n, b - beta * log_d), e)
        size = np.abs(predicted - log_loss)
        inside = np.minimum(size, HUBER_DELTA)
        return float(np.sum(inside * (size - inside / 2)))

    for start in GRID[:: len(GRID) // NAIVE_STARTS][:NAIVE_STARTS]:
        minimize(objective, start, method="BFGS")


def process(*arguments: str) -> None:
    """A command in a process of its own."""
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)


def in_turn(repeats: int, works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each, measured one after the other and all of them again."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            began = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - began)
            print(f"{name:58}{seconds[name][-1]:9.3f} s", flush=True)
    return {name: median(found) for name, found in seconds.items()}


def write_table(path: Path) -> None:
    """Ten rows."""
    n = np.geomspace(1e6, 1e8, 10)
    loss = (n / 1e6) ** -0.2 + 1 + 0.003 * np.cos(np.arange(10) * 2)
    path.write_text("N,D,loss\n" + "".join(f"{a:.0f},1e9,{b:.5f}\n" for a, b in zip(n, loss, strict=True)))


def write_ledger(path: Path) -> None:
    """100,000 finished runs."""
    runs, log_loss = simulated(ROWS)
    assert runs.n is not None
    assert runs.d is not None
    with open(path, "w", encoding="utf-8") as file:
        for index, (n, d, loss) in enumerate(zip(runs.n, runs.d, np.exp(log_loss), strict=True)):
            counts = {"n_params": int(n), "n_params_non_embedding": int(0.9 * n), "n_tokens": int(d)}
            row = {"run_id": f"r{index}", "study": "s", "family": "gpt2", "size": f"{n:.0f}", "status": "finished"}
            row |= counts | {"flops": 6 * n * d, "flops_causal": 6 * n * d, "val_loss": loss}
            file.write(json.dumps(row) + "\n")


def main() -> None:
    """Measure, print a table, write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5, help="of each pair (default 5)")
    repeats = parser.parse_args().repeats
    runs, loss, source = points()
    joint = f"chinchilla, {POINTS} points, {RESAMPLES} bootstraps"
    share = f"BFGS from {NAIVE_STARTS} of {len(GRID)} starts, one fit of {RESAMPLES + 1}"
    ten, ten_naive = "hf-scaling fit, 10 rows", "curve_fit in a process, 10 rows"
    many = {form: f"hf-scaling fit --form {form}, {ROWS:,} rows" for form in ("power", "chinchilla")}
    with TemporaryDirectory() as folder:
        table, ledger = Path(folder) / "ten.csv", Path(folder) / "runs.jsonl"
        write_table(table)
        write_ledger(ledger)
        fit_command = partial(process, "-m", "hf_scaling.cli", "fit")
        seconds = in_turn(repeats, {joint: partial(ours, runs, loss), share: partial(naive, runs, loss)})
        seconds |= in_turn(
            2 * repeats + 1,
            {ten: partial(fit_command, str(table)), ten_naive: partial(process, "-c", NAIVE_FIT, str(table))},
        )
        seconds |= in_turn(1, {name: partial(fit_command, str(ledger), "--form", form) for form, name in many.items()})
    whole = seconds[share] * len(GRID) / NAIVE_STARTS
    rows = [{"what": name, "seconds": taken} for name, taken in seconds.items()]
    rows += [{"what": "one fit by BFGS from all starts, scaled up", "seconds": whole}, {"what": f"points: {source}"}]
    ratios = {
        f"10 s against {joint}": 10 / seconds[joint],
        f"1.5 s against {ten}": 1.5 / seconds[ten],
        f"a single naive fit by BFGS from the grid against {joint}": whole / seconds[joint],
        f"{RESAMPLES + 1} naive fits against {joint}": (RESAMPLES + 1) * whole / seconds[joint],
        f"{ten_naive} against {ten}": seconds[ten_naive] / seconds[ten],
        **{f"{MANY_SECONDS} s against {name}": MANY_SECONDS / seconds[name] for name in many.values()},
    }
    met_by = [
        f"10 s against {joint}",
        f"1.5 s against {ten}",
        *(f"{MANY_SECONDS} s against {m}" for m in many.values()),
    ]
    goals = dict.fromkeys(met_by, 1.0)
    write_result("fitting", rows, ratios, goals)


if __name__ == "__main__":
    main()
