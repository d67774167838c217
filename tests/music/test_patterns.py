"""What tunes are like: their form, their figures, and whether a handful differs from real ones by more than chance."""

import json
from itertools import product

import pytest

from hf_scaling.music.patterns import PATTERNS, compare_with_real, look

HEAD = "X:1\nT:t\nM:4/4\nL:1/8\nK:C\n"
PART, OTHER = "CDEF GABc|cBAG FEDC|CEGc GECE|C4 C4", "ccdd eeff|gfed cBAG|GABc defg|c4 c4"


@pytest.mark.parametrize(
    ("music", "form", "returns"),
    [
        (f"|:{PART}:|\n|:{OTHER}:|\n", "2×A4 2×B4", 1),
        (f"{PART}||{OTHER}||{PART}|]\n", "A4 B4 A4", 1 / 3),
        (f"{PART}||{PART.replace('CEGc GECE', 'CEGc GEDE')}||\n", "A4 A4", 1 / 2),
        (f"{PART}|]\n", "A4", 0),
        ("CDEF GABc|cBAG FEDC||G||\n", "A2 B<1", 0),
    ],
)
def test_sections_have_letters_and_bars(music, form, returns):
    found = look(HEAD + music)
    assert found.form == form
    assert found.values["returns"] == pytest.approx(returns)


def test_letters_go_on_behind_z():
    strains = [f"{a}2{b}2{c}4" for a, b, c in product("CEG", "DFA", "Bceg")]
    form = look(HEAD + "||".join(strains) + "|]\n").form.split()
    assert len(form) == 36
    assert form[24:28] == ["Y1", "Z1", "AA1", "BB1"]


def test_a_tune_is_measured_as_its_notes_say():
    values = look(HEAD + "CDEC CDEC|CDEC G2c2|CDEC CDEC|C8|]\n").values
    assert values["one_rhythm"] == 2 / 4
    assert values["repeated_bars"] == 1 / 4
    assert values["range"] == 12
    assert values["note_values"] == 3
    assert values["ends_on_tonic"] == values["in_key"] == values["even_sections"] == 1
    assert values["steps"] == pytest.approx(14 / 22)
    assert values["leaps"] == pytest.approx(1 / 22)


def test_the_commonest_figure_is_told_in_staff_steps():
    assert look(HEAD + "CDEC CDEC|CDEC G4|]\n").figure == "+1 +1 −2, 3 times"
    assert look(HEAD + "CCCC CCCC|]\n").figure == "0 0 0, 5 times"
    assert look(HEAD + "CDEG C4|]\n").figure == ""


@pytest.mark.parametrize("text", ["", "no tune at all", HEAD, HEAD + "C8|]\n", "X:1\nK:C\nCDEF|\n", "M:none\nK:none\n"])
def test_any_text_may_be_looked_at(text):
    found = look(text)
    assert set(found.values) <= set(PATTERNS)


def test_differences_are_told_only_where_chance_does_not_explain_them():
    real = [f"{HEAD}|:{PART}:|\n|:{OTHER}:|\n" for _ in range(30)]
    noise = [(number, f"{HEAD}CGC'g Bbda|gC,cF EaBG,|cgeC, B,fAD|\n") for number in range(1, 11)]
    found = compare_with_real(noise, real)
    assert json.loads(json.dumps(found)) == found
    assert [tune["index"] for tune in found["tunes"]] == list(range(1, 11))
    verdicts = {name: contrast["verdict"] for name, contrast in found["contrasts"].items()}
    assert verdicts["returns"] == verdicts["ends_on_tonic"] == verdicts["steps"] == "less"
    assert verdicts["leaps"] == "more"
    same = compare_with_real([(1, real[0]), (2, real[1])], real)
    assert {contrast["verdict"] for contrast in same["contrasts"].values()} == {"not told apart"}
    assert all(contrast["p"] == 1 for contrast in same["contrasts"].values())


def test_few_tunes_tell_less_than_many():
    real = [f"{HEAD}|:{PART}:|\n"] * 20 + [f"{HEAD}{PART}|]\n"] * 10
    other = f"{HEAD}{OTHER}|]\n"
    few, many = (compare_with_real([(n, other) for n in range(count)], real)["contrasts"] for count in (2, 12))
    assert few["returns"]["p"] > many["returns"]["p"]
    assert (few["returns"]["verdict"], many["returns"]["verdict"]) == ("not told apart", "less")
