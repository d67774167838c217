"""The stage from sources to `dataset/`: a `DatasetDict` on disk with its card, leak report and statistics."""

import importlib.metadata
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict, Features, Value, disable_progress_bars, load_from_disk
from tqdm import tqdm

from hf_scaling.data.clean import CleanTune, Reject, clean
from hf_scaling.data.families import find_families, fingerprint
from hf_scaling.data.leaks import leak_report
from hf_scaling.data.sources import SOURCES, RawTune, SourceOptions
from hf_scaling.data.splits import SPLITS, assign_splits
from hf_scaling.records import UserError, atomic_dir, content_hash, write_json, write_text

disable_progress_bars()  # their bars are gone before they can be read

FEATURES = Features(
    {
        "text": Value("string"),
        "tune_id": Value("string"),
        "family_id": Value("string"),
        "source": Value("string"),
        "collection": Value("string"),
        "title": Value("string"),
        "rhythm": Value("string"),
        "meter": Value("string"),
        "key": Value("string"),
        "n_chars": Value("int32"),
    }
)


@dataclass(frozen=True)
class DataOptions:
    """What defines a data set: the same options and tunes give the same splits."""

    sources: tuple[str, ...]
    source_options: SourceOptions
    min_chars: int
    max_chars: int
    validation_fraction: float
    test_fraction: float
    family_threshold: float
    seed: int


def check_sources(names: Iterable[str]) -> None:
    """Raise UserError if a source does not exist."""
    for name in names:
        if name not in SOURCES:
            raise UserError(f"sources: got {name!r}, expected some of {', '.join(SOURCES)}")


def corpus_versions(names: Iterable[str]) -> dict[str, str]:
    """Releases of the packages whose files are a source: another release may hold other tunes."""
    return {name: importlib.metadata.version(name) for name in names if name == "music21"}


def _read(options: DataOptions) -> Iterable[RawTune]:
    check_sources(options.sources)
    for name in options.sources:
        yield from SOURCES[name].read(options.source_options)


def _clean_all(options: DataOptions) -> tuple[list[RawTune], list[CleanTune], Counter[str]]:
    """The tunes kept, raw beside clean, in order of content; and how many were rejected for which reason."""
    kept: dict[str, tuple[RawTune, CleanTune]] = {}
    rejects: Counter[str] = Counter()
    for raw in tqdm(_read(options), desc="reading tunes", unit=" tunes", leave=False):
        result = clean(raw.text, options.min_chars, options.max_chars)
        if isinstance(result, Reject):
            rejects[result.reason] += 1
        elif result.body in kept:
            rejects["same music as another tune"] += 1
        else:
            kept[result.body] = (raw, result)
    pairs = sorted(kept.values(), key=lambda pair: content_hash(pair[1].text))
    return [raw for raw, _ in pairs], [tune for _, tune in pairs], rejects


def _statistics(rows: DatasetDict, rejects: Counter[str]) -> dict[str, Any]:
    def most(column: str) -> dict[str, int]:
        return dict(Counter(value for split in SPLITS for value in rows[split][column]).most_common(30))

    lengths = np.array([n for split in SPLITS for n in rows[split]["n_chars"]])
    return {
        "splits": {
            split: {
                "tunes": len(rows[split]),
                "characters": sum(rows[split]["n_chars"]),
                "tune_families": len(set(rows[split]["family_id"])),
            }
            for split in SPLITS
        },
        "rejected": dict(sorted(rejects.items())),
        "tune_length_percentiles": {str(p): int(np.percentile(lengths, p)) for p in (5, 25, 50, 75, 95, 99, 100)},
        "collections": most("collection"),
        "keys": most("key"),
        "meters": most("meter"),
        "rhythms": most("rhythm"),
    }


def _split_rows(
    raws: list[RawTune], tunes: list[CleanTune], families: np.ndarray, members: dict[str, list[int]]
) -> DatasetDict:
    rows = [
        {
            "text": tune.text,
            "tune_id": raw.tune_id,
            "family_id": f"family-{family}",
            "source": raw.source,
            "collection": raw.collection,
            "title": tune.title,
            "rhythm": tune.rhythm,
            "meter": tune.meter,
            "key": tune.key,
            "n_chars": len(tune.text),
        }
        for raw, tune, family in zip(raws, tunes, families.tolist(), strict=True)
    ]
    return DatasetDict(
        {name: Dataset.from_list([rows[i] for i in where], features=FEATURES) for name, where in members.items()}
    )


def _card(options: DataOptions, statistics: dict[str, Any], leaks: dict[str, Any]) -> str:
    licences = "\n".join(f"- `{name}`: {SOURCES[name].LICENCE.notice}" for name in options.sources)
    splits = "\n".join(
        f"| {name} | {split['tunes']:,} | {split['characters']:,} | {split['tune_families']:,} |"
        for name, split in statistics["splits"].items()
    )
    test, naive = leaks["test_in_train"], leaks["random_split_test_in_train"]
    limit = f"{leaks['split_threshold']:g}"
    return f"""---
pretty_name: Folk tunes in ABC notation, split by tune family
task_categories: [text-generation]
tags: [music, abc-notation, folk-music]
license: other
---
# Folk tunes in ABC notation, split by tune family

Cleaned tunes in ABC notation. Near-duplicates (Jaccard similarity of diatonic-interval 6-grams ≥ {limit}) share a
tune family, and a family is never cut by a split.

| split | tunes | characters | tune families |
|---|---|---|---|
{splits}

Leaks: {test["twins"][limit]} of {test["tunes"]:,} test tunes have a near-duplicate in train; a random split of the same
tunes has {naive["twins"][limit]}. `leak_report.json` has every threshold, `statistics.json` what was rejected and why.

## Licences

{licences}
"""


def build_dataset(options: DataOptions, folder: Path) -> dict[str, Any]:
    """Build `folder` (a DatasetDict, README.md, leak_report.json, statistics.json), whole or not at all.

    Returns:
        The statistics.

    Raises:
        UserError: a source or a licence is wrong, no tune is left, a split is empty, or a near-duplicate crosses
            splits.
    """
    raws, tunes, rejects = _clean_all(options)
    if not tunes:
        raise UserError(f"sources: {', '.join(options.sources)} gave no usable tune (rejected: {dict(rejects)})")
    texts = [tune.text for tune in tunes]
    prints = [fingerprint(text) for text in tqdm(texts, desc="fingerprints", unit=" tunes", leave=False)]
    families = find_families(prints, [raw.group for raw in raws], options.family_threshold)
    splits = assign_splits(texts, families, options.validation_fraction, options.test_fraction, options.seed)
    members = {name: np.flatnonzero(splits == index).tolist() for index, name in enumerate(SPLITS)}
    if empty := [name for name, where in members.items() if not where]:
        raise UserError(
            f"{empty[0]}: no tune family fell into this split of {len(tunes)} tunes; "
            "use more tunes or larger validation_fraction and test_fraction"
        )
    rows = _split_rows(raws, tunes, families, members)
    leaks = leak_report(
        {name: [prints[i] for i in where] for name, where in members.items()},
        {name: [tunes[i].body for i in where] for name, where in members.items()},
        options.family_threshold,
        options.seed,
    )
    if leaks["leaks"]:
        report = folder.with_name("leak_report.json")  # the data set is not written, but what is wrong with it is
        write_json(report, leaks)
        raise UserError(
            f"leak report: {leaks['leaks']} tunes have a near-duplicate in another split, expected none; see {report}"
        )
    statistics = {"options": asdict(options), **_statistics(rows, rejects)}
    with atomic_dir(folder) as temporary:
        rows.save_to_disk(str(temporary))
        write_json(temporary / "leak_report.json", leaks)
        write_json(temporary / "statistics.json", statistics)
        write_text(temporary / "README.md", _card(options, statistics, leaks))
    return statistics


def load_splits(folder: Path) -> DatasetDict:
    """The DatasetDict that `build_dataset` wrote."""
    return load_from_disk(str(folder))
