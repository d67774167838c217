"""One run: token blocks in, a trained and evaluated model and its ledger row out."""
