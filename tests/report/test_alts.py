"""What the pictures show, in words."""

import pytest

from hf_scaling.report.alts import score_alt


@pytest.mark.parametrize(
    ("abc", "words"),
    [
        ("X:1\nT:A\nM:6/8\nL:1/8\nK:Ador\nA|ABc def|gab agf|e3 d3|]\n", "The Hare, key Ador, metre 6/8."),
        ("X:1\nM:3/4\nL:1/4\nK:G\n|:GAB|d3:|GAB\n", "The Hare, key G, metre 3/4."),
        ("X:1\nK:C\nC", "The Hare, key C."),
        ("", "The Hare."),
    ],
)
def test_a_score_is_told_by_title_key_and_metre(abc: str, words: str) -> None:
    assert score_alt({"index": 3, "title": "The Hare", "abc": abc}) == f"Score of tune 3: {words}"
