"""`python -m hf_scaling.cli`."""

import sys

from hf_scaling.cli import main

sys.exit(main())
