"""`evaluate.load("hf_scaling/music/evaluate/abc_validity")`."""
