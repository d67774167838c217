"""The page of the exhibit in the folder of this file, as the Hub starts it: `python app.py`."""

import sys
from pathlib import Path

from hf_scaling.hub.space.serve import serve
from hf_scaling.records import exit_code

if __name__ == "__main__":
    sys.exit(exit_code("app.py", lambda: serve(Path(__file__).parent)))
