"""The folder of a study's data set for the Hub, if every source in it may be redistributed."""

from pathlib import Path
from shutil import copy
from typing import Any

from datasets import DatasetDict
from huggingface_hub import DatasetCard

from hf_scaling.data.corpus import parse_sources
from hf_scaling.data.dataset import load_splits
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.records import UserError, read_json, read_jsonl, write_json, write_jsonl

_BESIDE = ("leak_report.json", "baselines.json", "corpus.png")
_PLACES = ("the_session_path", "abc_files", "midi_files")  # of this machine, and nobody else's business


def _redistributable(dataset: Path) -> tuple[dict[str, Any], DatasetDict]:
    """The statistics and the splits of a data set; UserError naming every source that may not be redistributed.

    The terms are those that this program knows of each source; of the user's own files, those that the user states.
    """
    try:
        statistics, splits = read_json(dataset / "statistics.json"), load_splits(dataset)
        options = statistics["options"]
        named = set(parse_sources(options["sources"]))
        source_options = SourceOptions(**options["source_options"])
        present = set().union(*(split.unique("source") for split in splits.values()))
    except (KeyError, TypeError, AttributeError, FileNotFoundError):
        raise UserError(f"{dataset}: damaged; expected the data set of a prepared study") from None
    if unknown := present - named:
        raise UserError(f"{dataset}: holds tunes of {', '.join(sorted(unknown))}, which its statistics do not name")
    licences = {name: SOURCES[name].licence(source_options) for name in sorted(named)}
    if closed := [name for name, licence in licences.items() if not licence.redistributable]:
        reasons = " ".join(licences[name].notice for name in closed)
        raise UserError(
            f"{dataset}: may not be pushed, since {', '.join(closed)} may not be redistributed: {reasons} "
            "Push the models instead, or prepare a study from other sources"
        )
    return statistics, splits


def stage_dataset(dataset: Path, address: str, folder: Path) -> None:
    """Write the splits as Parquet with the card, the leak report, the statistics, the rejects and the picture.

    address: of the page where the card will be read.

    Raises:
        UserError: a source forbids that the data set is passed on, or there is no data set in `dataset`.
    """
    if not (dataset / "dataset_dict.json").is_file():
        raise UserError(
            f"{dataset}: holds no data set; expected the data set of a prepared study, not one of `hf-scaling keep`"
        )
    statistics, splits = _redistributable(dataset)
    card = DatasetCard((dataset / "README.md").read_text(encoding="utf-8"))
    if card.data["license"] == "other":
        card.data["license_link"] = f"{address}#licences"
    card.data["configs"] = [{"config_name": "default", "data_files": []}]
    for split, rows in splits.items():
        rows.to_parquet(folder / "data" / f"{split}.parquet")
        card.data["configs"][0]["data_files"].append({"split": split, "path": f"data/{split}.parquet"})
    card.save(folder / "README.md")
    statistics["options"]["source_options"] |= dict.fromkeys(_PLACES)
    write_json(folder / "statistics.json", statistics)
    # openings are as the source has them, with the personal fields that cleaning leaves out
    rejects = read_jsonl(dataset / "rejects.jsonl")
    write_jsonl(folder / "rejects.jsonl", [row | {"opening": ""} for row in rejects])
    for beside in _BESIDE:
        if (dataset / beside).exists():
            copy(dataset / beside, folder)
