"""Tunes of a data set on the Hugging Face Hub, any with a column of ABC text; streamed, never downloaded whole."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from datasets import IterableDataset, load_dataset
from datasets.exceptions import DatasetsError
from huggingface_hub import HfApi
from huggingface_hub.errors import HFValidationError, HTTPError, RepositoryNotFoundError, RevisionNotFoundError

from hf_scaling.data.sources.books import LONGEST_TUNE
from hf_scaling.data.sources.tune import Licence, RawTune, SourceOptions, Unread
from hf_scaling.records import UserError, check_https

_IRISHMAN = "sander-wood/irishman"
LICENCE = Licence(
    identifier="mit",
    text=f"https://huggingface.co/datasets/{_IRISHMAN}",
    notice=(
        f"Contains tunes of IrishMAN ({_IRISHMAN}), under MIT as stated by its author. Caution: they are derived from "
        "thesession.org and abcnotation.com; whether those who contributed there agreed to these terms is not known."
    ),
    commercial_use=True,
    redistributable=True,
)
_COLUMNS = {_IRISHMAN: "abc notation"}
_COMMIT = re.compile(r"[0-9a-f]{40}")
_TIMEOUT = 20.0  # seconds for the Hub to say which commit a name stands for
# of the Hub's client and of `datasets`, from which a StopIteration escapes where a JSON file is empty
_FAILURES = (DatasetsError, HTTPError, HFValidationError, OSError, ValueError, StopIteration)


def licence(options: SourceOptions) -> Licence:
    """IrishMAN's terms, or for any other data set none that are known here."""
    name = _name(options)
    if name == _IRISHMAN:
        return LICENCE
    return Licence(
        identifier="unknown",
        text=f"https://huggingface.co/datasets/{name}",
        notice=f"Contains tunes of the data set {name} of the Hugging Face Hub, on the terms that its card states.",
        commercial_use=False,
        redistributable=False,
    )


def identity(options: SourceOptions) -> str | None:
    """The data set and the commit that would be read; None where the Hub is out of reach and no commit is given."""
    try:
        return f"{_name(options)}@{_commit(options)}"
    except UserError:
        return None


def read(options: SourceOptions) -> Iterator[RawTune | Unread]:
    """Stream the rows of one split; a tune without X: gets one. `number` is the number of the row.

    Raises:
        UserError: the Hub is out of reach, or the data set, revision, split or column does not exist.
    """
    name, split = _name(options), options.hub_split
    check_https(HfApi().endpoint, "HF_ENDPOINT")
    try:
        rows = load_dataset(name, split=split, revision=_commit(options), streaming=True)
        columns = rows.column_names or list(next(iter(rows), {}))
    except _FAILURES as error:
        raise _failed(options, error) from None
    column = _column(options, columns)
    for number, text in enumerate(_texts(options, rows, column), 1):
        if not isinstance(text, str) or not text.strip():
            yield Unread("no tune in file", "hub", name, split, number, f"no text in {column!r}")
        elif len(text) > LONGEST_TUNE:
            yield Unread("overlong tune", "hub", name, split, number, f"{len(text):,} characters")
        else:
            whole = text if re.search(r"^X:", text, re.MULTILINE) else f"X:1\n{text}"
            yield RawTune(whole, "hub", name, split, number)


def _name(options: SourceOptions) -> str:
    return options.hub_dataset or _IRISHMAN


def _commit(options: SourceOptions) -> str:
    """The commit that `hub_revision` names, of the newest on the main branch without one."""
    revision = options.hub_revision
    if revision and _COMMIT.fullmatch(revision):
        return revision
    try:
        return str(HfApi().dataset_info(_name(options), revision=revision, timeout=_TIMEOUT).sha)
    except _FAILURES as error:
        raise _failed(options, error) from None


def _column(options: SourceOptions, columns: Sequence[str]) -> str:
    wanted = options.hub_column or _COLUMNS.get(_name(options))
    likely = [wanted] if wanted else [column for column in columns if "abc" in column.lower()]
    if len(likely) == 1 and likely[0] in columns:
        return likely[0]
    listed = ", ".join(map(repr, columns)) or "none, for it has no rows"
    raise UserError(f"hub_column: got {wanted!r}, expected the column of {_name(options)} with ABC, one of: {listed}")


def _texts(options: SourceOptions, rows: IterableDataset, column: str) -> Iterable[Any]:
    try:
        for row in rows.select_columns([column]):
            yield row[column]
    except _FAILURES as error:
        raise _failed(options, error) from None


def _failed(options: SourceOptions, error: Exception) -> UserError:
    """The failure in one line, naming the field that it is about."""
    name, revision = _name(options), options.hub_revision
    match error:
        case UserError():
            return error
        case RevisionNotFoundError():
            return UserError(f"hub_revision: got {revision!r}, expected a branch, tag or commit of {name}")
        case RepositoryNotFoundError() | HFValidationError():
            return UserError(f"hub_dataset: got {name!r}, expected USER/NAME of a data set that you have access to")
        case _:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            return UserError(f"hub_dataset: {name}, split {options.hub_split!r}, cannot be read ({reason})")
