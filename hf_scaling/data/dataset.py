"""The stage from sources to `dataset/`: a `DatasetDict` on disk with its card, leak report, statistics and rejects."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, Features, Value, disable_progress_bars, load_from_disk

from hf_scaling.data.augment import transposed_copies
from hf_scaling.data.card import dataset_card
from hf_scaling.data.clean import CleanOptions, body_of
from hf_scaling.data.corpus import Corpus, parse_sources, read_corpus
from hf_scaling.data.leaks import THRESHOLDS, leak_report
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.data.splits import SPLITS, Split, draw, first_members, split_by_family
from hf_scaling.data.statistics import dataset_statistics
from hf_scaling.records import UserError, atomic_dir, write_json, write_jsonl, write_text

disable_progress_bars()  # their bars are gone before they can be read

FEATURES = Features(
    {
        "text": Value("string"),
        "tune_id": Value("string"),
        "family_id": Value("string"),
        "source": Value("string"),
        "collection": Value("string"),
        "file": Value("string"),
        "number": Value("int32"),
        "setting": Value("string"),
        "title": Value("string"),
        "rhythm": Value("string"),
        "meter": Value("string"),
        "key": Value("string"),
        "n_chars": Value("int32"),
        "transposed": Value("int8"),  # semitones; other than 0 in the training split alone
        "copies": Value("int16"),  # how often the tune stands in an epoch, by its source's weight
    }
)


@dataclass(frozen=True)
class DataOptions:
    """What defines a data set: the same options and tunes give the same splits.

    sources: NAME or NAME=WEIGHT; transpositions: semitones of the training split's further copies.
    """

    sources: tuple[str, ...]
    source_options: SourceOptions
    clean_options: CleanOptions
    validation_fraction: float
    test_fraction: float
    family_threshold: float
    seed: int
    transpositions: tuple[int, ...] = ()


def build_dataset(options: DataOptions, folder: Path, identity: Mapping[str, str | None]) -> None:
    """Build `folder` (a DatasetDict, README.md, leak_report.json, ...), whole or not at all.

    identity: of each source (`Source.identity`), written down with the data set.

    Raises:
        UserError: a source or a licence is wrong, no tune is left, a split is empty, or a near-duplicate crosses
            splits.
    """
    weights = parse_sources(options.sources)
    licences = {name: SOURCES[name].licence(options.source_options) for name in weights}
    corpus = read_corpus(weights, options.source_options, options.clean_options)
    split = _split(corpus, options)
    copies = _copies(corpus, weights, options.seed)
    if not copies[split.splits == 0].any():
        raise UserError(
            f"sources: got {list(options.sources)}, which leaves no tune to train on; expected larger weights"
        )
    transposed = _transposed(corpus, split, options.transpositions)
    leaks = _leaks(corpus, split, [body_of(text) for _, _, text, _ in transposed], options, folder)
    tables = _tables(corpus, split, copies, transposed)
    statistics = {
        "options": asdict(options),
        "identity": identity,
        **dataset_statistics(tables, corpus.rejected, licences),
    }
    rejects = corpus.rejects
    del corpus, split, transposed  # what is written is in the tables, and Arrow will hold it once more
    with atomic_dir(folder) as temporary:
        rows = {name: Dataset.from_dict(table, features=FEATURES) for name, table in tables.items()}
        DatasetDict(rows).save_to_disk(str(temporary))
        write_json(temporary / "leak_report.json", leaks)
        write_json(temporary / "statistics.json", statistics)
        write_jsonl(temporary / "rejects.jsonl", rejects)
        write_text(temporary / "README.md", dataset_card(statistics, leaks))


def _split(corpus: Corpus, options: DataOptions) -> Split:
    """The split; UserError if a part of it is empty."""
    split = split_by_family(
        corpus.grams,
        corpus.groups,
        corpus.keys,
        options.family_threshold,
        min(THRESHOLDS),
        options.validation_fraction,
        options.test_fraction,
        options.seed,
    )
    if empty := [name for number, name in enumerate(SPLITS) if not (split.splits == number).any()]:
        raise UserError(
            f"{empty[0]}: no tune family fell into this split of {len(split.splits)} tunes; "
            "use more tunes or larger validation_fraction and test_fraction"
        )
    return split


def _transposed(corpus: Corpus, split: Split, transpositions: Sequence[int]) -> list[tuple[int, int, str, str]]:
    """The `transposed_copies` of the training split."""
    train = [corpus.tunes[index].text for index in np.flatnonzero(split.splits == 0).tolist()]
    return list(transposed_copies(train, transpositions))


def _leaks(
    corpus: Corpus, split: Split, transposed: Sequence[str], options: DataOptions, folder: Path
) -> dict[str, Any]:
    """The leak report; UserError if there is a leak."""
    leaks = leak_report(
        split.crossing,
        corpus.grams,
        split.splits,
        lambda index: corpus.tunes[index].body,
        transposed,
        options.family_threshold,
        options.seed,
    )
    if leaks["leaks"]:
        report = folder.with_name("leak_report.json")  # the data set is not written, but what is wrong with it is
        write_json(report, leaks)
        raise UserError(
            f"leak report: {leaks['leaks']} tunes have a near-duplicate in another split, expected none; see {report}"
        )
    return leaks


def _copies(corpus: Corpus, weights: dict[str, float], seed: int) -> np.ndarray:
    """How often each tune stands in an epoch of the training split: its source's weight, rounded by a hash."""
    return np.array(
        [
            int(weights[raw.source] + draw(seed, f"copies:{content}"))
            for raw, (_, content) in zip(corpus.raws, corpus.keys, strict=True)
        ],
        dtype=np.int16,
    )


def _tables(
    corpus: Corpus, split: Split, copies: np.ndarray, transposed: Sequence[tuple[int, int, str, str]]
) -> dict[str, dict[str, list[Any]]]:
    """Split -> column of FEATURES -> values, in the order of the corpus; `transposed_copies` come last."""
    names = {family: content[:16] for family, (_, content) in first_members(corpus.keys, split.families).items()}

    tables = {}
    for number, name in enumerate(SPLITS):
        members = np.flatnonzero(split.splits == number).tolist()
        tables[name] = _columns(corpus, members)
        tables[name]["family_id"] = [names[split.families[index]] for index in members]
        tables[name]["copies"] = copies[members].tolist() if name == "train" else [1] * len(members)
    train = tables["train"]
    for index, semitones, text, key in transposed:
        changed = {"text": text, "n_chars": len(text), "key": key, "transposed": semitones}
        for name, column in train.items():
            column.append(changed.get(name, column[index]))
    return tables


def _columns(corpus: Corpus, members: list[int]) -> dict[str, list[Any]]:
    raws, tunes = [corpus.raws[index] for index in members], [corpus.tunes[index] for index in members]
    return {
        "text": [tune.text for tune in tunes],
        "tune_id": [f"{raw.source}/{raw.collection}/{raw.file}/{raw.number}" for raw in raws],
        "source": [raw.source for raw in raws],
        "collection": [raw.collection for raw in raws],
        "file": [raw.file for raw in raws],
        "number": [raw.number for raw in raws],
        "setting": [raw.setting for raw in raws],
        "title": [tune.title for tune in tunes],
        "rhythm": [tune.rhythm for tune in tunes],
        "meter": [tune.meter for tune in tunes],
        "key": [tune.key for tune in tunes],
        "n_chars": [len(tune.text) for tune in tunes],
        "transposed": [0] * len(tunes),
    }


def epoch_texts(split: Dataset) -> list[str]:
    """The texts of one epoch: every tune once, then transposed copies, then what stands in it more often."""
    copies = np.array(split["copies"][:])
    texts = split["text"][:]
    return [texts[index] for turn in range(copies.max()) for index in np.flatnonzero(copies > turn)]


def unique_texts(split: Dataset) -> list[str]:
    """The texts of an epoch's different tunes: neither repeated nor transposed."""
    columns = zip(*(split[name][:] for name in ("text", "copies", "transposed")), strict=True)
    return [text for text, copies, transposed in columns if copies and not transposed]


def load_splits(folder: Path) -> DatasetDict:
    """The DatasetDict that `build_dataset` wrote."""
    return load_from_disk(str(folder))
