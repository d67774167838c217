"""What people ask about the data: which tunes were left out and why, and on what terms each source stands."""

import json
import textwrap
from collections import Counter
from pathlib import Path

from hf_scaling.data.card import yes
from hf_scaling.data.corpus import REASONS
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.records import UserError, check_fields, read_jsonl

_FIELDS = dict.fromkeys(("reason", "detail", "source", "collection", "file", "opening"), str) | {"number": int}
_LIMIT = 20


def describe_rejects(path: Path, reason: str | None, limit: int | None, as_json: bool) -> list[str]:
    """Lines about the rejects in `path`: a count of every reason, then tunes of one reason or of all.

    limit: how many tunes, 0 for all; None stands for 20, or for all as JSON, where nothing would say that some lack.

    Raises:
        UserError: a reason that does not exist, or a damaged file.
    """
    if reason is not None and reason not in REASONS:
        raise UserError(f"--reason: got {reason!r}, expected one of {', '.join(REASONS)}")
    rows = read_jsonl(path)
    for row in rows:
        check_fields(path, row, _FIELDS)
    chosen = [row for row in rows if reason in (None, row["reason"])]
    if as_json:
        return [json.dumps(row, ensure_ascii=False) for row in chosen[: limit or None]]
    shown = chosen[: (_LIMIT if limit is None else limit) or None]
    counts = Counter(row["reason"] for row in rows)
    lines = [f"{count:7,}  {name}: {REASONS.get(name, '')}" for name, count in counts.most_common()]
    lines.append(f"{len(rows):7,}  in all")
    for row in shown:
        place = f"{row['source']}/{row['collection']}/{row['file']}, tune {row['number']}"
        detail = f" ({row['detail']})" if row["detail"] else ""
        opening = "".join(c if c.isprintable() else " " for c in row["opening"]).strip()
        lines += ["", f"{place}: {row['reason']}{detail}", f"    {opening}"]
    if len(shown) < len(chosen):
        lines += ["", f"... and {len(chosen) - len(shown):,} more; --limit 0 lists all"]
    return lines


def describe_sources() -> str:
    """The licence register: the terms of each source as it is read by default."""
    blocks = []
    for name, source in SOURCES.items():
        licence = source.licence(SourceOptions())
        may = f"commercial use: {yes(licence.commercial_use)}; redistribution: {yes(licence.redistributable)}"
        notice = textwrap.indent(textwrap.fill(licence.notice, 100), "    ")
        blocks.append(f"{name}: {licence.identifier}\n    {may}\n    {licence.text}\n{notice}")
    return "\n\n".join(blocks)
