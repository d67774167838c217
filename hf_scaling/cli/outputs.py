"""Where a result goes: `--json` and `--figure`, which never take the place of what was read."""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hf_scaling.records import LEDGER, UserError, atomic_file, write_json

_PICTURES = (".png", ".svg")
_ROWS = ".csv"
_PRINTED = "-"

Drawing = tuple[Any, Sequence[Mapping[str, Any]]]  # a figure of matplotlib, and the rows behind it


def add_outputs(parser: argparse.ArgumentParser, figure: bool = True) -> None:
    """`--json`, and `--figure` where there is something to draw."""
    parser.add_argument("--json", metavar="OUT", help="write the result as JSON; - prints it instead of the text")
    if figure:
        parser.add_argument(
            "--figure",
            type=_picture,
            action="append",
            metavar="OUT",
            help="draw it; OUT ends in .png or .svg, or in .csv for the rows behind the picture; may be repeated",
        )


def _picture(text: str) -> Path:
    if Path(text).suffix not in (*_PICTURES, _ROWS):
        raise argparse.ArgumentTypeError(
            f"got {text!r}, expected a name that ends in .png or .svg, or in .csv for the rows behind the picture"
        )
    return Path(text)


def check_outputs(source: Path, json_out: str | None, figures: Sequence[Path] | None = None) -> None:
    """Raise UserError where an output is the table that was named, or the ledger of the study that was."""
    outs = [*(figures or []), *([Path(json_out)] if json_out not in (None, _PRINTED) else [])]
    for out in outs:
        if any(out.exists() and read.exists() and out.samefile(read) for read in (source, source / LEDGER)):
            raise UserError(f"{out}: is the input; name another file for the result")


def write_outputs(
    result: Mapping[str, Any],
    text: str,
    json_out: str | None,
    figures: Sequence[Path] | None = None,
    draw: Callable[[], Drawing] | None = None,
) -> None:
    """Write what was asked for, and print the text or the JSON."""
    if json_out not in (None, _PRINTED):
        write_json(Path(str(json_out)), result)
    if figures and draw:
        from hf_scaling.laws.plots import write_figure, write_table

        figure, rows = draw()
        for path in figures:
            with atomic_file(path) as temporary:
                if path.suffix == _ROWS:
                    write_table(rows, temporary)
                else:
                    write_figure(figure, temporary)
    print(json.dumps(result, indent=2, allow_nan=False) if json_out == _PRINTED else text)
