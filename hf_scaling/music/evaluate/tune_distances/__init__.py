"""`evaluate.load("hf_scaling/music/evaluate/tune_distances")`."""
