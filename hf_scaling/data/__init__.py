"""From sources to a `DatasetDict` whose splits share no tune family: a module a step, and `dataset.py` for them all."""
