"""From sources to a `DatasetDict` whose splits share no tune family."""

from hf_scaling.data.dataset import build_dataset, corpus_versions, load_splits

__all__ = ["build_dataset", "corpus_versions", "load_splits"]
