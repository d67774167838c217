"""The card of a data set: what it is, how it was split, what leaks, and on what terms it may be used."""

from typing import Any

from huggingface_hub import DatasetCardData

_TITLE = "Folk tunes in ABC notation, split by tune family"


def dataset_card(statistics: dict[str, Any], leaks: dict[str, Any]) -> str:
    """The card of the data set that `statistics` and its leak report describe, with the Hub's metadata."""
    licences = statistics["licences"]
    identifiers = {licence["identifier"] for licence in licences}
    alone = identifiers.pop() if len(identifiers) == 1 else "other"
    data = DatasetCardData(
        pretty_name=_TITLE,
        license=alone,
        license_name=None if alone != "other" else "see-below",
        task_categories=["text-generation"],
        tags=["music", "abc-notation", "folk-music", "symbolic-music"],
    )
    options = statistics["options"]
    splits = "\n".join(
        f"| {name} | {split['tunes']:,} | {split['characters']:,} | {split['tune_families']:,} |"
        for name, split in statistics["splits"].items()
    )
    copies = statistics["splits"]["train"]["transposed_copies"]
    augmented = (
        f"\nThe training split holds {copies:,} transposed copies besides (`transposed` is not 0).\n" if copies else ""
    )
    terms = "\n".join(
        f"| `{one['source']}` | {one['identifier']} | {yes(one['commercial_use'])} | {yes(one['redistributable'])} "
        f"| {one['text']} |"
        for one in licences
    )
    notices = "\n".join(f"- `{one['source']}`: {one['notice']}" for one in licences)
    rejected = ", ".join(f"{reason} ({count:,})" for reason, count in statistics["rejected"].items()) or "none"
    test, naive = leaks["test_in_train"], leaks["random_split_test_in_train"]
    limit = f"{leaks['split_threshold']:g}"
    return f"""---
{data.to_yaml()}
---
# {_TITLE}

Cleaned tunes in ABC notation. Near-duplicates (Jaccard similarity of diatonic-interval 6-grams ≥ {limit}) share a
tune family, and a family is never cut by a split. Seed {options["seed"]}.

![Lengths, keys, metres, rhythms, characters, tune families and rejects](corpus.png)

| split | tunes | characters | tune families |
|---|---|---|---|
{splits}
{augmented}
`tune_id` says where a tune comes from, `family_id` which tunes are near-duplicates, `copies` how often a tune stands in
an epoch of training (0 where its source is weighted below 1), `transposed` by how many semitones it was moved.

Leaks: {test["twins"][limit]} of {test["tunes"]:,} test tunes have a near-duplicate in train; a random split of the same
tunes has {naive["twins"][limit]}. `leak_report.json` has every threshold, `statistics.json` all counts,
`rejects.jsonl` every tune that was left out: {rejected}.

## Licences

| source | licence | commercial use | redistribution | text |
|---|---|---|---|---|
{terms}

{notices}
"""


def yes(allowed: bool) -> str:
    """What a permission reads as."""
    return "yes" if allowed else "no"
