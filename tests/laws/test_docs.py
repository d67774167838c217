"""The example of docs/add_a_law.md, run as it stands there."""

import contextlib
import io
import re
from ast import literal_eval
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "add_a_law.md").read_text(encoding="utf-8")


def test_the_example_of_a_law_of_ones_own():
    (example,) = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(example, "docs/add_a_law.md", "exec"), {})
    truth = {"A": 15.8, "B": 31.5, "E": 0.8, "alpha": 0.3, "beta": 0.25}
    assert literal_eval(said.getvalue()) == pytest.approx(truth, rel=1e-3)
