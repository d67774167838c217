"""The notation engine: what is legal, what is wrong and where, and what repair makes of it."""

from fractions import Fraction

import pytest

from hf_scaling.notation import (
    CODES,
    WHOLE,
    Bar,
    Note,
    Unrepairable,
    canonical_repeats,
    check,
    header,
    in_full,
    melody,
    parse_key,
    parse_meter,
    plain,
    played_out,
    read,
    repair,
)


def tune(body: str, meter: str = "4/4", unit: str = "1/8", key: str = "G") -> str:
    return f"X:1\nT:Test\nM:{meter}\nL:{unit}\nK:{key}\n{body}\n"


def codes(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in check(text).diagnostics]


def durations(text: str) -> list[Fraction]:
    return [Fraction(event.duration) / WHOLE for event in read(text).events if isinstance(event, Note) and event.main]


STRICT = {
    "plain": tune("GABc dedB|dedB dedB|c2ec B2dB|A2GF G4|]"),
    "pickup and its complement": tune("D|G2G2 B2B2|A2A2 G3|]"),
    "pickup before the first repeat": tune("D|:G2G2 B2B2|A2A2 G3:|"),
    "split bar at a repeat": tune("|:G2G2 B2B2|A2A2 G3:|:d|B2B2 G2G2|A2A2 G3:|"),
    "endings": tune("|:G8|1 A8:|2 B8|]"),
    "endings inside a bar": tune("|:d|G8|A4 [1 B3:|[2 B4|]"),
    "ending lists": tune("|:G8|[1,3 A8:|[2,4 B8:|"),
    "split bar at a line end": tune("G4 A4|G4|\nA4|B8|]"),
    "triplets": tune("(3GAB (3cde f4|(3:2:2G2A (5GABcd (4GABc G|]", meter="4/4"),
    "compound quintuplet": tune("(5GABcd B3|]", meter="6/8"),
    "broken rhythm": tune("G>A B<c d>>e f<<g|]"),
    "grace notes, chords, symbols": tune('{g}G2 {/ab}[GBd]2 "Am"~A2 !trill!.B2|(G4- G2 uA)vB|]'),
    "rests": tune("z4 x4|Z2|G8|]"),
    "free metre": tune("GABc|G|GABcdefga|]", meter="none"),
    "metre change": tune("G8|[M:3/4]G6|\nM:2/4\nG4|]"),
    "every bar line": tune("[|G8||G8|:G8::G8:|G8|]"),
    "lyrics, comments, directives": tune("G8|%%scale 1\nw:la % la\nA8|] % end"),
    "continuation and backticks": tune("GA``Bc dedB|\\\nG8|]"),
    "voices": tune("V:1\nG8|A8|]\nV:2\nG,4|]"),
    "overlay": tune("G8 & B4 d4|A8|]"),
    "long and short lengths": tune("G/2A/B//c// d3/2e/ f9/2|]"),
    "user symbols": "X:1\nU:k=!fermata!\nK:C\nkC2|]\n",
}


@pytest.mark.parametrize("name", STRICT)
def test_legal_tunes_are_strict_and_need_no_repair(name: str) -> None:
    verdict = check(STRICT[name])
    assert verdict.diagnostics == []
    assert verdict.parses
    assert verdict.strict
    assert verdict.playable
    assert repair(STRICT[name]) == (STRICT[name], [])


WRONG = {
    "no-number": ("M:4/4\nK:C\nC8|]\n", 1, 1),
    "no-key": ("X:1\nM:4/4\nC8|]\n", 1, 1),
    "header-order": ("X:1\nM:4/4\nL:1/8\nK:C\nZ:me\nC8|]\n", 5, 1),
    "header-line": ("X:1\nM:4/4\nL:1/8\nC4 is nice\nK:C\nC8|]\n", 4, 1),
    "field-value": (tune("C8|]", meter="4/5"), 3, 1),
    "field-letter": ("X:1\nY:2\nM:4/4\nK:C\nC8|]\n", 2, 1),
    "second-tune": (tune("G8|]\nX:2\nK:C\nG8|]"), 7, 1),
    "empty-line": (tune("G8|\n\nG8|]"), 8, 1),
    "character": (tune("G4 ?G4|]"), 6, 4),
    "shorthand": (tune("G4 kG4|]"), 6, 4),
    "accidental": (tune("G4 ^ G4|]"), 6, 4),
    "continuation": (tune("G4 \\ G4|]"), 6, 4),
    "quote-open": (tune('G8|"Am A8|]'), 6, 4),
    "decoration-open": (tune("!trill G8|]"), 6, 1),
    "inline-open": (tune("G8|[K:D A8"), 6, 4),
    "chord-open": (tune("[GB8|]"), 6, 1),
    "chord-close": (tune("G4] G4|]"), 6, 3),
    "chord-empty": (tune("[]G8|]"), 6, 1),
    "grace-open": (tune("{gG8|]"), 6, 1),
    "grace-close": (tune("g}G7|]"), 6, 2),
    "group-content": (tune("[Gz]8|]"), 6, 3),
    "length": (tune("G0 G8|]"), 6, 1),
    "note-long": (tune("G999|]", meter="none"), 6, 1),
    "broken-rhythm": (tune("> G8|]"), 6, 1),
    "tuplet": (tune("G4 A2 (3BA|G8|]"), 6, 7),
    "slur-open": (tune("(G8|]"), 6, 1),
    "slur-close": (tune("G8)|]"), 6, 3),
    "bar-long": (tune("G8|G9|G8|]"), 6, 6),
    "bar-short": (tune("G8|G7|G8|]"), 6, 6),
    "repeat-open": (tune("|:G8|]"), 6, 1),
    "ending": (tune("|:G8|2 A8:|"), 6, 5),
    "no-music": (tune("|"), 7, 1),
    "no-notes": (tune("z8|]"), 7, 1),
    "too-many-notes": (tune("G" * 10_001, meter="none"), 6, 10_001),
}


def test_every_code_is_tried() -> None:
    assert set(WRONG) == set(CODES)


@pytest.mark.parametrize("code", WRONG)
def test_each_wrong_is_reported_where_it_is_and_breaks_its_tiers(code: str) -> None:
    text, line, column = WRONG[code]
    verdict = check(text)
    assert (code, line, column) in [diagnostic[:3] for diagnostic in verdict.diagnostics]
    assert not verdict.strict or code in ("no-notes", "too-many-notes")
    for tier in CODES[code][0]:
        assert not getattr(verdict, tier)


@pytest.mark.parametrize("code", [code for code in WRONG if code not in ("no-music", "no-notes", "too-many-notes")])
def test_repair_mends_all_but_bar_lengths(code: str) -> None:
    repaired = repair(WRONG[code][0])
    verdict = check(repaired.text)
    assert verdict.parses
    assert verdict.playable
    if not code.startswith("bar-"):
        assert code not in codes(repaired.text)
        assert code in [done.code for done in repaired.repairs]


@pytest.mark.parametrize("text", ["", "no tune", tune("z8|]"), "X:1\nT:only a header\nK:C\n"])
def test_a_tune_without_notes_cannot_be_repaired(text: str) -> None:
    if melody(text):
        assert check(repair(text).text).playable  # prose holds letters that are notes
    else:
        with pytest.raises(Unrepairable):
            repair(text)


def test_repair_takes_a_glued_header_apart() -> None:
    repaired = repair("X:1 T:Foo M:4/4 L:1/8 K:Edor GABc dedB|c2ec B4|]")
    assert repaired.text == "X:1\nT:Foo\nM:4/4\nL:1/8\nK:Edor\n GABc dedB|c2ec B4|]"
    assert check(repaired.text).strict


@pytest.mark.parametrize("gap", ["\n\n", "\n \n\t\r\n", "\n\ufeff\n", "\n`$\n"])
def test_repair_takes_empty_lines_out_wherever_they_are(gap: str) -> None:
    assert repair(f"\n{gap}X:1\nK:C{gap}C|{gap}D|]\n").text == "X:1\nK:C\nC|\nD|]\n"


def test_repair_takes_empty_lines_out_around_comments() -> None:
    assert repair("X:1\n\n%%staff\nK:C\nC|\n\n% B\n \n % b\nD|]\n").text == "X:1\n%%staff\nK:C\nC|\n% B\n % b\nD|]\n"


def test_a_repair_names_the_line_of_the_text_as_it_came() -> None:
    text = "T:Foo\nX:1 M:4/4 K:G\nG8|\n\n\n?A8|\nZ:me\nB8 ?|]\n"
    repaired = repair(text)
    assert repaired.text == "X:1\nT:Foo\nM:4/4\nZ:me\nK:G\nG8|\nA8|\nB8 |]\n"
    assert {(done.code, done.line) for done in repaired.repairs} == {
        ("header-order", 1),
        ("header-order", 2),
        ("header-order", 7),
        ("empty-line", 4),
        ("empty-line", 5),
        ("character", 6),
        ("character", 8),
    }


def test_repair_drops_a_bar_cut_off_and_closes_a_whole_one() -> None:
    assert repair(tune("G8|A8|B")).text == tune("G8|A8|]")
    assert repair(tune("G8|A8|\nB2[1,2")).text == tune("G8|A8|]")
    assert repair(tune("G8|A7|A8|B8")).text == tune("G8|A7|A8|B8 |]")


def test_repair_leaves_a_right_tune_without_a_last_bar_line_alone() -> None:
    assert repair(tune("G8|A8|B8")) == (tune("G8|A8|B8"), [])


def test_durations_are_exact() -> None:
    eighth = Fraction(1, 8)
    assert durations(tune("G>A (3GAB [GB]2 G/3")) == [
        *(eighth * factor for factor in (Fraction(3, 2), Fraction(1, 2))),
        *[eighth * Fraction(2, 3)] * 3,
        eighth * 2,
        eighth / 3,
    ]
    assert durations(tune("G11/17")) == [eighth * Fraction(11, 17)]


def test_a_bar_too_long_by_a_fraction_of_a_tick_is_told_like_any_other() -> None:
    (diagnostic,) = check(tune("G8|G30/17G8|G8|]")).diagnostics
    assert (diagnostic.code, diagnostic.message) == ("bar-long", "the bar is 1.22 of a bar long")


def test_bars_carry_what_stood_in_them() -> None:
    bars = [event for event in read(tune("G8|A4|]")).events if isinstance(event, Bar)]
    assert [Fraction(bar.duration) / WHOLE for bar in bars] == [1, Fraction(1, 2)]


@pytest.mark.parametrize(
    ("meter", "unit"), [("2/4", "1/16"), ("6/8", "1/8"), ("C|", "1/8"), ("none", "1/8"), ("2+3/8", "1/16")]
)
def test_unit_length_by_default(meter: str, unit: str) -> None:
    text = f"X: 1\nT: A title % and a remark\nM: {meter}\nK: C\nC"
    assert header(text).unit_length == Fraction(unit)
    assert header(text).title == "A title"
    assert durations(text) == [Fraction(unit)]


@pytest.mark.parametrize(
    ("value", "fifths"),
    [("C", 0), ("Am", 0), ("D dor", 0), ("GMix", 0), ("F#m", 3), ("Bb", -2), ("E Minor", 1), ("Flyd", 0), ("none", 0)],
)
def test_keys(value: str, fifths: int) -> None:
    key = parse_key(value)
    assert key is not None
    assert key.fifths == fifths


def test_a_key_knows_its_accidentals() -> None:
    key = parse_key("D=c ^g")
    assert key is not None
    assert [key.alteration(step) for step in "CDEFGAB"] == [0, 0, 0, 1, 1, 0, 0]
    assert parse_key("Es") is None
    assert parse_key("H") is None
    assert parse_meter("FREI4/4") is None


def test_melody_merges_ties_and_leaves_out_what_is_not_melody() -> None:
    assert melody(tune("^C-C {g}[EG]c' | d-e & G,8 |]\nV:2\nB8")) == [0, 2, 14, 8, 9]


@pytest.mark.parametrize(
    ("body", "canonical"),
    [
        ("A8:|B8:|", "|:A8:| |:B8:|"),
        ("|:A8::B8:|", "|:A8:| |:B8:|"),
        ("D|A8||B8|1 c8:|2 d8||e8:|", "D|A8|| |:B8|1 c8:|2 d8|| |:e8:|"),
        ("A8|B8|]", "A8|B8|]"),
    ],
)
def test_canonical_repeats(body: str, canonical: str) -> None:
    assert canonical_repeats(tune(body)) == tune(canonical)


@pytest.mark.parametrize(
    ("body", "played"),
    [
        ("A|B|]", "A|B|"),
        ("A|B:|", "|A|B||A|B|"),
        ("A||B:|C:|", "A| |B||B| |C||C|"),
        ("A|B::c|d:|e", "|A|B||A|B| |c|d||c|d|e"),
        ("|:A|1B:|2c|d|]e", "|A|B|A|c|d|e"),
        ("|:A [1B:|[2c|]", "|A  B||A  c|"),
        ("|:A|1B:|2c:|3d||e", "|A|B|A|c|A|d|e"),
        ("|:A|1,3B:|2c||d", "|A|B|A|c|A|B|d"),
        ("|:A|1B:|2c:||:d:|", "|A|B|A|c| |d||d|"),
    ],
)
def test_repeats_and_endings_are_played_out(body: str, played: str) -> None:
    assert played_out(tune(body)) == tune(played)


def test_a_tune_in_several_voices_keeps_its_repeats() -> None:
    text = tune("V:1\n|:A:|\nV:2\n|:C:|")
    assert played_out(text) == text


@pytest.mark.parametrize(
    ("body", "full"),
    [
        ("fF/c'", "^f1/2^F1/4=c'1/2"),
        ("^A>B (3c2de <f/", "^A3/4=B1/4 =c2/3=d1/3=e1/6 ^f3/8"),
        ("[A2c]3/2z>cZx", "[=A=c]3/2z3/4=c1/4z4z1/2"),
        ("A-A-B|^c-|c-", "=A1/2-=A1/2=B1/2|^c1/2-|^c1/2"),
        ("[Ac]-[ce]- z", "[=A=c]1/2-[=c=e]1/2 z1/2"),
        ("A[L:1/4]A\nL:1/2\nA", "=A1/2[L:1/8]=A2\nL:1/8\n=A4"),
    ],
)
def test_a_tune_in_full_leaves_nothing_to_work_out(body: str, full: str) -> None:
    head, full_head = "X:1\nT:A\nR:B\nM:2/4\n%c\n", "X:1\nM:2/4\nL:1/8\n"
    assert in_full(f"{head}K:G\n{body}\n") == f"{full_head}K:G\n{full}\n"


def test_a_plain_tune_has_no_line_where_nothing_but_ornaments_stood() -> None:
    assert plain('X:1\nK:D\nA\nT\n!f! "x"\nB|\n') == "X:1\nK:D\nA\nB|\n"


@pytest.mark.parametrize(
    ("line", "kind"),
    [("A:|", "note"), ("A:", "note"), ("A:me", "field"), ("M:C", "field"), ("H:x", "field"), ("H x", "shorthand")],
)
def test_a_letter_at_the_start_of_a_line_is_music_or_a_field(line: str, kind: str) -> None:
    tokens = read(f"X:1\nK:C\nC|\n{line}\n").tokens
    assert next(name for name, _, offset in tokens if offset == len("X:1\nK:C\nC|\n")) == kind
