"""What a data set holds, as JSON: for its card, its pictures and the report."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from hf_scaling.data.sources import Licence

_MOST = 30  # values listed of a column
_PERCENTILES = (5, 25, 50, 75, 95, 99, 100)
_BINS = 40


def dataset_statistics(
    tables: Mapping[str, Mapping[str, Sequence[Any]]], rejected: Mapping[str, int], licences: Mapping[str, Licence]
) -> dict[str, Any]:
    """Counts of a data set. Transposed copies are counted as such and nowhere else: they are no tunes of their own.

    Args:
        tables: split -> column of `dataset.FEATURES` -> values, transposed copies behind the tunes.
        rejected: reason -> how many.
        licences: source -> its terms.
    """
    copies = {split: int(np.count_nonzero(table["transposed"])) for split, table in tables.items()}
    tunes = {
        split: {column: values[: len(values) - copies[split]] for column, values in table.items()}
        for split, table in tables.items()
    }
    lengths = {split: np.array(table["n_chars"]) for split, table in tunes.items()}
    every = np.concatenate(list(lengths.values()))
    edges = np.linspace(every.min(), np.percentile(every, 99.5) + 1, _BINS + 1).round()

    def most(column: str) -> dict[str, int]:
        return dict(Counter(value for split in tunes.values() for value in split[column]).most_common(_MOST))

    characters: Counter[str] = Counter()
    for split in tunes.values():
        for text in split["text"]:
            characters.update(text)
    families = Counter(family for split in tunes.values() for family in split["family_id"])
    return {
        "splits": {
            split: {
                "tunes": len(tunes[split]["text"]),
                "characters": int(lengths[split].sum()),
                "tune_families": len(set(tunes[split]["family_id"])),
                "transposed_copies": copies[split],
                # a token is a character, or the mark before a tune
                "unique_tokens": int((lengths[split] + 1)[np.array(tunes[split]["copies"]) > 0].sum()),
                "tokens_per_epoch": int(np.dot(np.array(table["n_chars"]) + 1, table["copies"])),
            }
            for split, table in tables.items()
        },
        "rejected": dict(rejected),
        "licences": [{"source": source, **asdict(licence)} for source, licence in licences.items()],
        "tune_length_percentiles": {str(p): int(np.percentile(every, p)) for p in _PERCENTILES},
        "tune_length_histogram": {
            "edges": edges.tolist(),
            "counts": {
                split: np.histogram(np.minimum(lengths[split], edges[-1]), edges)[0].tolist() for split in tables
            },
        },
        "sources": most("source"),
        "collections": most("collection"),
        "keys": most("key"),
        "meters": most("meter"),
        "rhythms": most("rhythm"),
        "characters": dict(characters.most_common()),
        "family_sizes": {str(size): count for size, count in sorted(Counter(families.values()).items())},
    }
