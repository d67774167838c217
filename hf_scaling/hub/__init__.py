"""A study on the Hub: the folders that are pushed, their cards, and the pushing. No training code, no torch."""
