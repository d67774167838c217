"""`hf-scaling lint`: what makes the conclusions of a study, or of a table of runs, wrong or fragile."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hf_scaling.laws.checks import Sample, form_misfit, missing_seeds
from hf_scaling.laws.forms import CHINCHILLA, FORMS, POWER, Array, Form
from hf_scaling.laws.lint import CHECKS, Finding, findings
from hf_scaling.records import LEDGER, UserError, finished_rows
from hf_scaling.study import lint_files
from hf_scaling.study.points import Columns, Point, cell, points_of
from hf_scaling.study.tables import Row, read_table

_USUAL = Columns()
_LABEL = 24  # characters of a run's name in a message


def lint(path: Path, columns: Columns = _USUAL, form: str | None = None) -> dict[str, Any]:
    """The content of `lint.json`: the findings, and the codes of the checks that were and were not made.

    Args:
        path: a study folder, or whatever `read_points` reads.
        columns: names of columns where they are not the usual ones.
        form: that conclusions rest on; of each family L(N, D) where its runs allow it, and else L(N), if None.

    Raises:
        UserError: the table or a file of the study cannot be read.
    """
    table = read_table(path)
    points = points_of(path, table, columns)
    rows = finished_rows(path / LEDGER) if path.is_dir() else []
    found: list[Finding] = []
    made = set[str]()
    groups: dict[str, list[int]] = {}
    for index, point in enumerate(points):
        groups.setdefault(point.family, []).append(index)
    families = list(groups)
    for family, members in groups.items():
        chosen = FORMS[form] if form else _form([points[index] for index in members])
        sample = _sample(path, chosen, [points[index] for index in members], [table[index] for index in members])
        of_family, codes = findings(sample, family)
        found += of_family
        made |= codes
        if form is None and chosen is CHINCHILLA:  # what is said of L(N) rests on the longest runs alone
            where = f"{family}, longest runs"
            found += [Finding("form-misfit", where, what) for what in form_misfit(_longest(sample))]
    if rows:
        more, codes = _of_files(path, families, rows)
        found = [one for one in found if one.code not in ("single-learning-rate", "optimum-on-edge")] + more
        made |= codes
    order = list(CHECKS)
    found.sort(key=lambda one: order.index(one.code))
    return {
        "findings": [one._asdict() | {"effect": one.effect, "cure": one.cure} for one in found],
        "checked": [code for code in order if code in made],
        "unchecked": [code for code in order if code not in made],
    }


def seeds(family: str, rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """Whether rows of a ledger, of one family, have no replicates."""
    n, d, loss = (np.array([row[name] for row in rows], dtype=float) for name in ("n_params", "n_tokens", "val_loss"))
    sample = Sample(POWER, [row["run_id"] for row in rows], n, loss, d)
    return [Finding("missing-seeds", family, what) for what in missing_seeds(sample)]


def _form(members: Sequence[Point]) -> Form:
    several = len({point.d for point in members}) > 1 and all(point.d is not None for point in members)
    return CHINCHILLA if several and len(members) > len(CHINCHILLA.parameters) else POWER


def _sample(path: Path, form: Form, members: Sequence[Point], table: Sequence[Row]) -> Sample:
    for name in form.columns:
        if name != "n" and any(getattr(point, name) is None for point in members):
            raise UserError(f"no column {name.upper()}, which the form {form.name} needs; name it with --{name}-column")
    rows = [row for _, row in table]
    # a ledger's runs have names; of another table the line tells more than a size that several rows share
    labels = [str(row.get("run_id") or where.removeprefix(f"{path}, "))[:_LABEL] for where, row in table]
    updates, batch = _column(table, "updates"), _column(table, "batch_tokens")
    schedules = lint_files.schedules(path, rows) if path.is_dir() else None
    warm_up, last_rate = (None, None) if schedules is None else map(np.array, schedules)
    return Sample(
        form=form,
        labels=labels,
        n=np.array([next(iter(point.n.values())) for point in members]),
        loss=np.array([point.loss for point in members]),
        d=_known([point.d for point in members]),
        u=_known([point.u for point in members]),
        seen=None if updates is None or batch is None else updates * batch,
        rate=_column(table, "learning_rate"),
        warm_up=warm_up,
        last_rate=last_rate,
        perplexity=_column(table, "perplexity"),
    )


def _longest(sample: Sample) -> Sample:
    """The runs of the longest horizon, read by L(N)."""
    assert sample.d is not None
    rows = np.flatnonzero(sample.d == sample.d.max())
    return Sample(
        POWER, [sample.labels[row] for row in rows.tolist()], sample.n[rows], sample.loss[rows], sample.d[rows]
    )


def _known(values: Sequence[float | None]) -> Array | None:
    return None if any(value is None for value in values) else np.array(values, dtype=float)


def _column(table: Sequence[Row], name: str) -> Array | None:
    """A column of positive numbers, or None where some row has none."""
    if any(row.get(name) in (None, "") for _, row in table):
        return None
    return np.array([cell(where, row, name) for where, row in table])


def _of_files(study: Path, families: Sequence[str], rows: Sequence[dict[str, Any]]) -> tuple[list[Finding], set[str]]:
    found = lint_files.rates(study, families)
    made = {"single-learning-rate", "optimum-on-edge"}
    for code, part in (
        ("leakage", lint_files.leaks(study)),
        ("repeated-data", lint_files.copies(study, rows)),
        ("perplexity-at-odds", lint_files.test_loss(study)),
    ):
        if part is not None:
            found += part
            made.add(code)
    return found, made


def describe_lint(result: dict[str, Any]) -> str:
    """The findings as text, with what each does to the conclusion and how to mend it."""
    lines = []
    for found in result["findings"]:
        lines.append(f"{found['code']}: {found['where']}: {found['what']}")
        lines += [f"    effect: {found['effect']}", f"    cure: {found['cure']}"]
    codes = dict.fromkeys(found["code"] for found in result["findings"])
    total = len(result["findings"])
    lines.append(
        f"{total} finding{'s' * (total != 1)} by {len(codes)} of {len(result['checked'])} checks"
        if total
        else f"nothing found by {len(result['checked'])} checks"
    )
    if result["unchecked"]:
        lines.append(f"not checked, for want of what they need: {', '.join(result['unchecked'])}")
    return "\n".join(lines)
