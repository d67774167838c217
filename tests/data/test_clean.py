"""What cleaning keeps, what it leaves out, why it rejects, and that doing it twice changes nothing."""

import itertools
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hf_scaling.data.clean import FIELDS, OPTIONAL_FIELDS, REASONS, CleanOptions, CleanTune, Reject, clean
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.notation import check

PER_COLLECTION = 40
COLLECTIONS = ("airdsAirs", "ryansMammoth", "oneills1850", "essenFolksong", "miscFolk")
REAL = [
    tune.text
    for collection in COLLECTIONS
    for tune in itertools.islice(SOURCES["music21"].read(SourceOptions([collection])), PER_COLLECTION)
]
# what real files hold, in places where it hurts
SNIPPETS = [
    "%", "% words", "%%scale 1", "\\%", "\\", "\\\n", "\\\\\n", "\n", "\r\n", "\r", "`", " ", "\t", "\xa0", "\x0c",
    "\x00", "\ufeff", "\x85", "\u2028", "w:la la", "W:words", " w:la", "\n w:la\n", "\n`w:la\n", "\n\\\n w:la\n",
    "+:la", "Z:me", "\nK:G\n", "\n K:G\n", "\nK:\n", "\nM:3/4\n", "\nM:\n", "\nL:1/4\n", "\nL:1\n", "\nR:reel\n",
    "\nT:a  second % one\n", "\nX:7\n", "V:2", "\n V:2\n", "[V:2]", "[K:D]", "[M:3/4]", "[r:why]", "|", ":|", "|:",
    "[1", "(3abc", "[r:", "[N:me]", "\uff05", "\\\uff05", "\ufffc", '"Am"', '"', "!", "!trill!", "é", "🎵", "\ud800",
]  # fmt: skip


def tune(body="CDEF|\n", header="X:1\nT:A\nM:4/4\nL:1/8\nK:C\n"):
    return header + body


ANY = CleanOptions(1, 10**6)


def cleaned(raw, options=ANY):
    result = clean(raw, options)
    assert isinstance(result, CleanTune), result
    return result


def assert_clean(result, options=ANY):
    """What must hold of every clean tune, whatever it was made of."""
    text = result.text
    always = {"X": "", "M": "", "L": "", "K": "", "T": "?", "R": "?"}
    often = always | dict.fromkeys(options.keep_fields, "*")
    head = "".join(rf"({letter}:[^\n]+\n){often[letter]}" for letter in FIELDS if letter in often)
    assert re.match(head, text), text
    assert text == re.match(head, text)[0] + result.body
    assert text.startswith("X:1\n")
    assert text.endswith("\n")
    for line in text.removesuffix("\n").split("\n"):
        assert line == line.strip() != ""
        assert not re.search(r"(?<!\\)%", line)
    for line in result.body.removesuffix("\n").split("\n"):
        field = re.match(r"(?![A-Ga-g]:[|:])[A-JN-Za-z+]:", line)
        assert not field, f"only K:, L: and M: may stand in the body, not {line!r}"
        assert not line.endswith("\\")
        assert "`" not in line
    assert not set("\r\x00\ufeff") & set(text)
    assert check(text).parses
    fields = dict(line.split(":", 1) for line in text[: -len(result.body)].splitlines())
    expected = (result.title, result.rhythm, result.meter, result.key)
    assert tuple(fields.get(letter, "") for letter in "TRMK") == expected
    again = clean(text, options)
    assert again == result
    assert again.grams.tolist() == result.grams.tolist()


def test_most_real_tunes_come_through():
    results = [clean(text, CleanOptions(64, 2000)) for text in REAL]
    assert sum(isinstance(result, CleanTune) for result in results) > 0.9 * len(REAL)


@settings(max_examples=100)
@given(
    st.sampled_from(REAL),
    st.lists(st.tuples(st.floats(0, 1), st.sampled_from(SNIPPETS)), max_size=5),
    st.sets(st.sampled_from(OPTIONAL_FIELDS)).map(sorted).map(tuple),
)
@example(tune("CD EF|\\\\\n"), [], ())
@example(tune("CDEF|\n w:la la\nCDEF|\n"), [], ())
@example(tune("CDEF|\n`w:la la\nCDEF|\n"), [], ())
@example(tune("\\\n w:la\nCDEF|\n"), [], ())
@example(tune("CDEF|\n V:1\nCDEF|\n"), [], ())
@example(tune("CDEF| \\ \\\n"), [], ())
@example(tune(header="X:1\nT:a \\\uff05 off\nM:4/4\nL:1/8\nK:C\n"), [], ())
@example(tune(header="X:1\nT:50\\% off\nS:\uff05\nM:\ufffc\nL:1/8\nK:C\n"), [], ("S",))
@example(tune("[`V:1]CDEF|\n"), [], ())
@example(tune("[r:x][[r:x]r:y]V:1\nCD[[N:q]r:y]EF|\n"), [], ())
@example(tune("CD[r:\\\nwhy]EF|CD[r:\\\nx]\nw:la\nCDEF|\n"), [], ())
@example(tune("|:CDEF|GABc|1 d3\nB:|2 d4|]\n"), [], ())
def test_a_tune_however_damaged_is_rejected_or_clean_for_good(text, damage, keep_fields):
    for place, snippet in damage:
        at = round(place * len(text))
        text = text[:at] + snippet + text[at:]
    options = CleanOptions(1, 10**6, keep_fields=keep_fields)
    result = clean(text, options)
    if isinstance(result, CleanTune):
        assert_clean(result, options)


@settings(max_examples=60)
@given(st.text(st.sampled_from("XTMLKVw:\n\r \\%`|[]\"'^_=ABCdefg123/4(){}<>-+!~ \xa0é"), max_size=60))
def test_any_text_is_rejected_or_clean_for_good(text):
    for raw in (text, tune(text)):
        result = clean(raw, ANY)
        if isinstance(result, CleanTune):
            assert_clean(result)


def test_fields_come_in_one_order_and_of_several_titles_the_first_stays():
    raw = (
        "X:213\nL:1/4\nR:  slip   jig\nC:Trad.\nM:9/8\nT:The  First\nT:The Second\nO:Ireland\n"
        "Z:me@example.org\nK:Edor\nABc|\n"
    )
    assert cleaned(raw).text == "X:1\nT:The First\nR:slip jig\nM:9/8\nL:1/4\nK:Edor\nABc|\n"
    made = cleaned(raw)
    assert (made.title, made.rhythm, made.meter, made.key) == ("The First", "slip jig", "9/8", "Edor")
    assert cleaned(raw).body == "ABc|\n"


@pytest.mark.parametrize(
    ("meter", "written", "unit"),
    [
        ("M:4/4\n", "4/4", "1/8"),
        ("M:3/4\n", "3/4", "1/8"),  # 0.75 itself is not below 0.75: ABC 2.1, 3.1.7
        ("M:2/4\n", "2/4", "1/16"),
        ("M:6/8\n", "6/8", "1/8"),
        ("M:C|\n", "C|", "1/8"),
        ("M:none\n", "none", "1/8"),
        ("", "none", "1/8"),
        ("M:\n", "none", "1/8"),
        ("M:2/4\nL:1/4\n", "2/4", "1/4"),
        ("M:2/4\nL:1\n", "2/4", "1"),
    ],
)
def test_the_unit_length_is_written_out_with_the_default_of_the_standard(meter, written, unit):
    assert cleaned(f"X:1\n{meter}K:C\nCDEF|\n").text == f"X:1\nM:{written}\nL:{unit}\nK:C\nCDEF|\n"


def test_what_is_not_played_is_left_out():
    raw = (
        "\ufeffX:1\r\n% a comment\r\nT:A % of it\r\n%%MIDI program 1\r\nA:Clare\r\nB:Book\r\nD:Disc\r\nF:file\r\n"
        "G:group\r\nH:History\r\nI:setting\r\nN:Notes\r\nO:Origin\r\nS:Source\r\nZ:Encoder\r\nM:4/4\r\nL:1/8\r\n"
        "K:C % key\r\nCD``EF|\t GABc| % remark\r\nw:sing to me\r\n+: more\r\nW:verse\r\nP:B\r\nN:note\r\n"
        "r:remark\r\n\r\nM:3/4\r\nL:1/4\r\nK:G\r\nGAB|\r\n"
    )
    assert cleaned(raw).text == "X:1\nT:A\nM:4/4\nL:1/8\nK:C\nCDEF| GABc|\nM:3/4\nL:1/4\nK:G\nGAB|\n"


def test_continued_lines_are_joined_over_whatever_stands_between():
    assert cleaned(tune("CD\\\nEF|\\ % remark\nw:la\nGABc|\\\n")).body == "CD EF| GABc|\n"


def test_a_percent_sign_that_is_escaped_is_no_comment():
    assert cleaned(tune('"50\\% off"CDEF|\n')).body == '"50\\% off"CDEF|\n'


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("", "no key"),
        ("X:1\nT:A\nM:4/4\nCDEF|\n", "no key"),
        (tune(header="X:1\nK:\nM:4/4\nK:C\n"), "no key"),
        (tune("V:1\nCDEF|\nV:2\nCDEF|\n"), "several voices"),
        (tune("[V:1]CDEF|\n[V:2]CDEF|\n"), "several voices"),
        (tune(header="X:1\nV:1\nV:2\nK:C\n"), "several voices"),
        (tune("CDEF|\nX:2\nT:B\nK:G\nGABc|\n"), "several tunes"),
        (tune("[`V:1]CDEF|\n[V:2]CDEF|\n"), "several voices"),
        (tune("% nothing\nw:la la\n"), "no music"),
        (tune("\\\n"), "no music"),
        (tune("CDEF|\n", "X:1\nK:C\n"), "too short"),
        (tune("CDEF|CDEF|\n" * 20), "too long"),
        (tune("CDEF|é CDEF|CDEF|\n"), "not legal notation"),
        (tune("CDEF|[GABc|\n"), "not legal notation"),
        (tune(header="X:1\nT:A\nM:four\nL:1/8\nK:C\n"), "not legal notation"),
    ],
)
def test_each_reason_to_reject(raw, reason):
    result = clean(raw, CleanOptions(30, 150))
    assert isinstance(result, Reject)
    assert result.reason == reason
    assert reason in REASONS


def test_the_bounds_are_on_characters_of_the_result_and_belong_to_it():
    raw = "X:1\nN:a long note that goes\nT:Ó\nM:4/4\nL:1/8\nK:C\nCDEF|\n"
    n = len("X:1\nT:Ó\nM:4/4\nL:1/8\nK:C\nCDEF|\n")
    assert isinstance(clean(raw, CleanOptions(n, n)), CleanTune)
    assert clean(raw, CleanOptions(n + 1, n + 1)) == Reject("too short", f"{n} characters")
    assert clean(raw, CleanOptions(1, n - 1)) == Reject("too long", f"{n} characters")


def test_a_note_before_a_repeat_at_the_start_of_a_line_is_music():
    raw = f"X:1\nT:T\nM:4/4\nL:1/4\nK:D\n|:{'DEFG|' * 12}\nD:|\nDEFG:|\n"
    assert cleaned(raw).text.endswith("|\nD:|\nDEFG:|\n")


def test_personal_fields_stay_if_asked_for_in_the_order_of_the_standard():
    raw = "X:3\nT:A\nZ:me\nM:4/4\nS:Book, p. 4\nC:Carolan\nN:first\nN:second % not this\nP:AB\nL:1/8\nK:C\nCDEF|\n"
    options = CleanOptions(1, 999, keep_fields=("S", "N", "C", "P", "Z"))
    expected = "X:1\nT:A\nC:Carolan\nN:first\nN:second\nS:Book, p. 4\nZ:me\nP:AB\nM:4/4\nL:1/8\nK:C\nCDEF|\n"
    assert cleaned(raw, options).text == expected
    assert "Z:" not in cleaned(raw).text


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("SeÃ¡n Ã\x93 RÃ\xada", "Seán Ó Ría"),
        ("Ceol RinnÃƒÂ©", "Ceol Rinné"),
        ("Caf&eacute; Waltz", "Caf&eacute; Waltz"),
        ("Seán", "Seán"),
        ("Brían’s “own” jig", "Brían’s “own” jig"),
    ],
)
def test_wrongly_decoded_titles_are_put_right_and_right_ones_left_alone(wrong, right):
    assert cleaned(tune(header=f"X:1\nT:{wrong}\nM:4/4\nL:1/8\nK:C\n")).title == right


def test_a_stricter_tier_can_be_asked_for():
    raw = tune("CDEF GABc|CDE|CDEF GABc|\n")
    assert isinstance(clean(raw, CleanOptions(1, 999)), CleanTune)
    result = clean(raw, CleanOptions(1, 999, notation="strict"))
    assert isinstance(result, Reject)
    assert result.reason == "not strictly valid"
    assert "line 6, column 14: " in result.detail


def test_what_is_far_too_long_is_not_even_looked_into():
    assert clean("A" * 10**7, CleanOptions(1, 2000)) == Reject("too long", "10000000 characters as it came")


def test_remarks_between_notes_are_no_music():
    raw = tune(
        "[N:from J. Smith, tel 555 1234]CDEF|[r:secret]GABc|[K:G][M:3/4][L:1/4]GAB|\n",
        "X:1\nT:x [V:2]\nM:4/4\nL:1/8\nK:C\n",
    )
    assert cleaned(raw).body == "CDEF|GABc|[K:G][M:3/4][L:1/4]GAB|\n"
    assert cleaned(raw).title == "x [V:2]"
    assert cleaned(tune("CD[N:tel\\\n555]EF|\n")).body == "CDEF|\n"
