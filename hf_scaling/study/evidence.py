"""What follows from the ledger alone: laws, scores, figures. A study's last stages make them; anyone can again."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from hf_scaling.records import LEDGER, UserError, finished_rows, write_json
from hf_scaling.study.compare import compare_pairs
from hf_scaling.study.figures import draw_figures
from hf_scaling.study.fits import fit_points
from hf_scaling.study.forecasts import score
from hf_scaling.study.joint import joint_laws
from hf_scaling.study.points import read_points

Row = dict[str, Any]


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
    points = sorted(read_points(study / LEDGER), key=lambda point: families.index(point.family))
    write_json(study / "joint.json", joint_laws(points, level))


def write_figures(study: Path, rows: Sequence[Row], families: Sequence[str]) -> None:
    """Write `figures/`."""
    draw_figures(study, longest(rows, families))


def derive(study: Path) -> None:
    """All of these, for a study folder or for what was kept of one; equal ledgers give equal files.

    Raises:
        UserError: it is no study folder, or a file in it is damaged.
    """
    record = study / "study.yaml"
    try:
        config = yaml.safe_load(record.read_text(encoding="utf-8"))
        families, level, seed = config["families"], float(config["level"]), int(config["seed"])
    except FileNotFoundError:
        raise UserError(f"{study}: holds no study.yaml; expected a study folder, such as outputs/laptop") from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError):
        raise UserError(f"{record}: damaged; it must hold families, level and seed") from None
    rows = finished_rows(study / LEDGER)
    if not rows:
        raise UserError(f"{study / LEDGER}: no finished run in it")
    write_fits(study, rows, families, level)
    write_comparison(study, rows, families, level, seed)
    if has_horizons(rows):
        write_joint(study, families, level)
    write_json(study / "scores.json", score(study))
    write_figures(study, rows, families)
