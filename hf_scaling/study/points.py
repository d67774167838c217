"""The runs of a study, or of anybody's table, as points of a law; what cannot be fitted is refused by name."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hf_scaling.laws.forms import RANGE
from hf_scaling.records import UserError
from hf_scaling.study.tables import Row, listed, read_table, shown

# the first name is the one that messages ask for; the ledger's own names are among them, so one rule reads both
_ALIASES = {
    "n": ("N", "n_params"),
    "d": ("D", "n_tokens"),
    "c": ("C", "flops"),
    "u": ("U", "n_unique_tokens"),
    "loss": ("loss", "val_loss"),
    "group": ("family", "group"),
    "stderr": ("stderr", "val_loss_stderr"),
}
D_ASSUMED = "no column D: D is C/(6N)"
_NON_EMBEDDING, _CAUSAL = "n_params_non_embedding", "flops_causal"


@dataclass(frozen=True)
class Columns:
    """Names of columns where they are not the usual ones."""

    n: str | None = None
    d: str | None = None
    c: str | None = None
    u: str | None = None
    loss: str | None = None
    group: str | None = None
    stderr: str | None = field(default=None, init=False)


@dataclass(frozen=True)
class Point:
    """One finished run.

    Attributes:
        n: N by convention: `total` and `non_embedding`, or `given` for a bare column.
        d, c, u: training tokens, training FLOPs, unique training tokens; None where the table does not tell.
        c_causal: training FLOPs with only the causal half of the attention, as a ledger has them.
        d_assumed: whether d is C/(6N), for want of a column.
        loss, stderr: nats per token.
    """

    family: str
    size: str
    n: Mapping[str, float]
    d: float | None
    loss: float
    stderr: float | None
    c: float | None = None
    u: float | None = None
    d_assumed: bool = False
    c_causal: float | None = None


def read_points(path: Path, columns: Columns = Columns()) -> list[Point]:
    """Read runs from whatever `read_table` reads.

    Columns are found by name (`N` or `n_params`, `D` or `n_tokens`, `loss` or `val_loss`, optionally `C` or `flops`,
    `U` or `n_unique_tokens`, `family` or `group`, `stderr` or `val_loss_stderr`; case does not matter) unless they are
    named here. Loss is in nats per token. With `n_params_non_embedding` beside `n_params`, both conventions of N are
    kept. Where there is no D but a C, D is C/(6N).

    Raises:
        UserError: the table cannot be read, a column is missing or ambiguous, or a value is not a positive number.
    """
    return points_of(path, read_table(path), columns)


def points_of(path: Path, rows: Sequence[Row], columns: Columns = Columns()) -> list[Point]:
    """The points of a table that has been read, one a row; see `read_points`."""
    names = list(rows[0][1])
    found = {role: _find_column(path, names, role, getattr(columns, role)) for role in _ALIASES}
    for role in ("n", "loss"):
        if found[role] is None:
            expected = " or ".join(_ALIASES[role])
            raise UserError(f"{path}: no column {expected}; found {listed(names)}; name yours with --{role}-column")
    return [_point(where, row, found) for where, row in rows]


def without_highest(points: Sequence[Point], drop: int) -> list[Point]:
    """The points but for the `drop` of highest loss."""
    highest = set(sorted(range(len(points)), key=lambda index: -points[index].loss)[:drop])
    return [point for index, point in enumerate(points) if index not in highest]


def by_family(points: Sequence[Point]) -> dict[str, list[Point]]:
    """The points of each family, in the order in which families first appear."""
    found: dict[str, list[Point]] = {}
    for point in points:
        found.setdefault(point.family, []).append(point)
    return found


def dropped_warning(drop: int) -> list[str]:
    """What a reader must know of a fit without some of its runs."""
    return [f"the {drop} runs of highest loss were left out, as asked"] if drop else []


def _find_column(path: Path, names: Sequence[str], role: str, chosen: str | None) -> str | None:
    """The one column for a role, or None where there is none."""
    if chosen is not None:
        if chosen not in names:
            raise UserError(
                f"--{role}-column: got {shown(chosen)}, expected one of the columns of {path}: {listed(names)}"
            )
        return chosen
    aliases = {alias.lower() for alias in _ALIASES[role]}
    found = [name for name in names if name.lower() in aliases]
    if len(found) > 1:
        hint = "" if role == "stderr" else f", or name one with --{role}-column"
        raise UserError(f"{path}: columns {listed(found)} mean the same; keep one{hint}")
    return found[0] if found else None


def _point(where: str, row: Mapping[str, Any], columns: Mapping[str, str | None]) -> Point:
    n_column, loss_column = columns["n"], columns["loss"]
    assert n_column is not None
    assert loss_column is not None
    given = cell(where, row, n_column)
    if n_column == "n_params" and row.get(_NON_EMBEDDING) is not None:
        n = {"total": given, "non_embedding": cell(where, row, _NON_EMBEDDING)}
    else:
        n = {"given": given}
    group = "all" if columns["group"] is None else row[columns["group"]]
    family = str(group) if isinstance(group, str | int | float) else ""
    if not family or not family.isprintable():  # a control character would reach the terminal
        raise UserError(f"{where}: {columns['group']}: got {shown(group)}, expected a name")
    optional = {role: None if (name := columns[role]) is None else cell(where, row, name) for role in "dcu"}
    assumed = optional["d"] is None and optional["c"] is not None
    if assumed:
        d = float(optional["c"] or 0) / (6 * given)
        optional["d"] = _in_range(f"{where}: D = C/(6N)", d, d)
    stderr = None if columns["stderr"] is None else row[columns["stderr"]]
    return Point(
        family=family,
        size=str(row.get("size") or f"{given:.4g}"),
        n=n,
        loss=cell(where, row, loss_column),
        # a run without standard error is legitimate: its family is then fitted unweighted, with a warning
        stderr=None if stderr in (None, "") else cell(where, row, str(columns["stderr"])),
        d_assumed=assumed,
        c_causal=None if row.get(_CAUSAL) in (None, "") else cell(where, row, _CAUSAL),
        **optional,
    )


def cell(where: str, row: Mapping[str, Any], column: str) -> float:
    """A positive number in a row.

    Raises:
        UserError: it is not one; `where` names the row.
    """
    given = row[column]
    try:
        value = math.nan if isinstance(given, bool) else float(given)
    except OverflowError:  # a whole number beyond floats
        value = math.inf
    except (TypeError, ValueError):
        value = math.nan
    return _in_range(f"{where}: {column}", value, given)


def _in_range(what: str, value: float, given: Any) -> float:
    if not value > 0:
        raise UserError(f"{what}: got {shown(given)}, expected a positive number")
    low, high = RANGE
    if not low <= value <= high:
        raise UserError(f"{what}: got {shown(given)}, expected a number between {low:g} and {high:g}")
    return value
