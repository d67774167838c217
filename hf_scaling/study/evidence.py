"""What follows from the ledger alone: laws, scores, figures. A study's last stages make them; anyone can again."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from hf_scaling.records import LEDGER, UserError, finished_rows, read_json, write_json
from hf_scaling.study.compare import compare_pairs
from hf_scaling.study.figures import draw_figures
from hf_scaling.study.fits import fit_points
from hf_scaling.study.forecasts import score
from hf_scaling.study.joint import joint_laws
from hf_scaling.study.points import read_points
from hf_scaling.study.worth_trends import RECORD as WORTH
from hf_scaling.study.worth_trends import write_worth

Row = dict[str, Any]
# name, what it follows from, what it writes below the study, how it is made -> its key
Stage = Callable[[str, Any, list[str], Callable[[], None]], str]


def longest(rows: Sequence[Row], families: Sequence[str]) -> list[Row]:
    """Runs of the longest horizon, those that L(N) is fitted to; by size, whatever a failed run did to their order."""
    horizon = max(row["n_tokens"] for row in rows)
    return sorted(
        (row for row in rows if row["n_tokens"] == horizon),
        key=lambda row: (families.index(row["family"]), row["n_params"], row["seed"]),
    )


def has_horizons(rows: Sequence[Row]) -> bool:
    """Whether L(N, D) can be asked for."""
    return len({row["n_tokens"] for row in rows}) > 1


def write_fits(study: Path, rows: Sequence[Row], families: Sequence[str], level: float) -> None:
    """Write `fits.json`: the power form is L(N) at one horizon, that of the longest runs."""
    horizon = longest(rows, families)[0]["n_tokens"]
    points = [point for point in read_points(study / LEDGER) if point.d == horizon]
    points.sort(key=lambda point: (families.index(point.family), point.n["total"], point.loss))
    write_json(study / "fits.json", fit_points(points, level))


def write_comparison(study: Path, rows: Sequence[Row], families: Sequence[str], level: float, seed: int) -> None:
    """Write `comparison.json`, of the families that have runs of the longest horizon."""
    able = list(dict.fromkeys(row["family"] for row in longest(rows, families)))
    write_json(study / "comparison.json", compare_pairs(study, able, level, seed))


def write_joint(study: Path, families: Sequence[str], level: float) -> None:
    """Write `joint.json`: L(N, D) of each family, and the frontier it implies."""
    points = read_points(study / LEDGER)
    points.sort(key=lambda point: (families.index(point.family), point.n["total"], point.d, point.loss))
    write_json(study / "joint.json", joint_laws(points, level))


def write_figures(study: Path, rows: Sequence[Row], families: Sequence[str]) -> None:
    """Write `figures/`."""
    draw_figures(study, longest(rows, families))


def evidence_stages(
    study: Path, rows: Sequence[Row], families: Sequence[str], level: float, seed: int, stage: Stage
) -> tuple[str, str]:
    """All of these in their order, each made through `stage`; return the keys of the laws and of the figures."""
    fits = stage(
        "fits",
        # the last word: what earlier versions of this package left out, and readers of the file expect
        [sorted([row["run_id"], row["val_loss"]] for row in rows), level, "misfits"],
        ["fits.json"],
        lambda: write_fits(study, rows, families, level),
    )
    comparison = stage(
        "comparison",
        [fits, seed, "misfits"],
        ["comparison.json"],
        lambda: write_comparison(study, rows, families, level, seed),
    )
    joint = None
    if has_horizons(rows):
        joint = stage("joint laws", [fits], ["joint.json"], lambda: write_joint(study, families, level))
    scored = score(study)
    scores = stage("scores", scored, ["scores.json"], lambda: write_json(study / "scores.json", scored))
    drawn = [comparison, joint, scores]
    return fits, stage("figures", drawn, ["figures"], lambda: write_figures(study, rows, families))


def _at_once(_name: str, _inputs: Any, _outputs: list[str], make: Callable[[], None]) -> str:
    """A stage that is made whatever is there."""
    make()
    return ""


def read_settings(study: Path) -> tuple[list[str], float, int]:
    """What the configuration of a study says of its families, in their order, of the level and of the seed.

    Raises:
        UserError: it is no study folder, or its configuration is damaged.
    """
    record = study / "study.yaml"
    try:
        config = yaml.safe_load(record.read_text(encoding="utf-8"))
        return list(config["families"]), float(config["level"]), int(config["seed"])
    except FileNotFoundError:
        raise UserError(f"{study}: holds no study.yaml; expected a study folder, such as outputs/laptop") from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        raise UserError(f"{record}: damaged; it must hold families, level and seed") from None


def derive(study: Path) -> None:
    """All of these anew, for a study folder or for what was kept of one; equal ledgers give equal files.

    Raises:
        UserError: it is no study folder, or a file in it is damaged.
    """
    families, level, seed = read_settings(study)
    rows = finished_rows(study / LEDGER)
    if not rows:
        raise UserError(f"{study / LEDGER}: no finished run in it")
    evidence_stages(study, rows, families, level, seed, _at_once)
    if (study / WORTH).exists():  # what was measured of tunes stays, and what follows from it is made
        write_worth(read_json(study / WORTH), study)
