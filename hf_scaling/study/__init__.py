"""Many runs: the configuration of a study, its stages and their conductor."""

import os

# Before torch is imported: how often its threads (GNU's OpenMP) look for each other before they sleep. By default they
# do so for so long that of two processes with two threads each on two cores, as two sweeps on one study are, an LSTM
# trains a hundred times slower; and where they sleep at once, it is ten times slower alone.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
