"""Many runs: the configuration of a study, its stages and their conductor."""
