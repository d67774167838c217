"""Many runs: the configuration of a study, its stages and their conductor."""

import os

# Before torch is imported: by default its threads spin while they wait for each other, and where other programs want
# the same cores an LSTM, made of thousands of small products, then trains several times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
