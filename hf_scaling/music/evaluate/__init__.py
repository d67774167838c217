"""Metrics for the library `evaluate`, each a folder that `evaluate.load(path)` takes, offline."""
