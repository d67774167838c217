"""The first stages of a study: data set, tokenizer, token streams, and what compressors make of the same tunes."""

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from hf_scaling.data.baselines import baselines
from hf_scaling.data.dataset import build_dataset, epoch_texts, load_splits, unique_texts
from hf_scaling.data.pictures import draw_corpus
from hf_scaling.data.sources import SOURCES
from hf_scaling.data.splits import SPLITS
from hf_scaling.records import atomic_dir, read_json, write_json
from hf_scaling.study.config import StudyConfig
from hf_scaling.study.folder import StudyFolder
from hf_scaling.tokenization import CorpusEncoder, build_tokenizer, load_tokenizer
from hf_scaling.training.blocks import write_streams


@dataclass(frozen=True)
class Prepared:
    """What every run of a study needs: `key` stands for the data set, `unique_tokens` are the training split's
    without its copies.
    """

    key: str
    tokenizer: PreTrainedTokenizerBase
    tokens: Path
    unique_tokens: int


def prepare(folder: StudyFolder) -> Prepared:
    """Stages 1 and 2: the data set, the tokenizer, the token streams."""
    config, path = folder.config, folder.path
    dataset, tokenizer, tokens = path / "dataset", path / "tokenizer", path / "tokens"

    def write_tokenizer() -> None:
        with atomic_dir(tokenizer) as temporary:
            # the alphabet is the training split's: a character that only the test has must stay unknown
            texts = load_splits(dataset)["train"]["text"][:]
            build_tokenizer(texts, config.context_length).save_pretrained(temporary)

    def write_tokens() -> None:
        texts = {split: epoch_texts(rows) for split, rows in load_splits(dataset).items()}
        write_streams(texts, CorpusEncoder(load_tokenizer(tokenizer)), tokens)

    identity = _identity(config, dataset)
    data_key = folder.stage(
        "dataset",
        [config.hashed_data(), identity],
        ["dataset"],
        lambda: build_dataset(config.data_options(), dataset, identity),
    )
    tokenizer_key = folder.stage("tokenizer", [data_key, config.context_length], ["tokenizer"], write_tokenizer)
    folder.stage("tokens", tokenizer_key, ["tokens"], write_tokens)

    statistics = read_json(dataset / "statistics.json")
    for licence in statistics["licences"]:
        print(f"{licence['source']} ({licence['identifier']}): {licence['notice']}")
    return Prepared(data_key, load_tokenizer(tokenizer), tokens, statistics["splits"]["train"]["unique_tokens"])


def survey(folder: StudyFolder, prepared: Prepared) -> None:
    """What a reader wants beside the data: its picture, and what compressors make of the same tunes."""
    dataset = folder.path / "dataset"

    def write_baselines() -> None:
        splits = load_splits(dataset)
        held_out = {split: splits[split]["text"][:] for split in SPLITS[1:]}
        write_json(dataset / "baselines.json", baselines(unique_texts(splits["train"]), held_out))

    folder.stage(
        "corpus picture",
        prepared.key,
        ["dataset/corpus.png", "dataset/corpus.svg"],
        lambda: draw_corpus(read_json(dataset / "statistics.json"), dataset / "corpus"),
    )
    folder.stage("baselines", prepared.key, ["dataset/baselines.json"], write_baselines)


def _identity(config: StudyConfig, dataset: Path) -> dict[str, str | None]:
    """What the sources hold; of one that is not on this machine, what it held where the data set was built."""
    now = {name: SOURCES[name].identity(config.source_options()) for name in config.source_weights}
    record = dataset / "statistics.json"
    if all(now.values()) or not record.exists():
        return now
    then = read_json(record).get("identity", {})
    return {name: found or then.get(name) for name, found in now.items()}
