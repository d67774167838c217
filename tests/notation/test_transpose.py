"""Pitches and transposition: what a tune sounds like, and that it sounds the same in another key."""

from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hf_scaling.notation import (
    Note,
    canonical_repeats,
    check,
    header,
    melody,
    parse_key,
    pitches,
    read,
    split_tunes,
    transpose,
)
from hf_scaling.notation.fields import move_key

COLLECTIONS = ("essenFolksong", "oneills1850", "airdsAirs", "ryansMammoth", "miscFolk")
DISTANCES = [semitones for semitones in range(-12, 13) if semitones]


def tune(body: str, key: str = "C") -> str:
    return f"X:1\nL:1/8\nK:{key}\n{body}\n"


def moved(body: str, semitones: int, key: str = "C") -> str:
    """The body of the tune after transposition, with its new key before it."""
    return transpose(tune(body, key), semitones).removeprefix("X:1\nL:1/8\nK:").rstrip("\n")


def steps(text: str) -> list[int]:
    """What fingerprints are made of."""
    return [after - before for before, after in pairwise(melody(text))]


def findings(text: str) -> list[object]:
    """All that the checker says but columns, which move when accidentals come or go."""
    verdict = check(text)
    codes = [(diagnostic.code, diagnostic.line) for diagnostic in verdict.diagnostics]
    return [verdict.parses, verdict.strict, verdict.playable, verdict.n_notes, verdict.n_bars, codes]


def has_accidental(text: str) -> list[bool]:
    return [event.alter is not None for event in read(text).events if isinstance(event, Note)]


# pitches


@pytest.mark.parametrize(
    ("key", "body", "expected"),
    [
        ("C", "C,CEc'", [48, 60, 64, 84]),
        ("Eb", "EAB", [63, 68, 70]),
        ("F# minor", "FGC", [66, 68, 61]),
        ("GM", "B", [70]),  # abc2midi and music21 take the capital for minor as well
        ("Bloc", "BCF", [71, 60, 65]),
        ("Hp", "FGC", [66, 67, 61]),
        ("HP", "FGC", [66, 67, 61]),
        ("none", "FGC", [65, 67, 60]),
        ("", "FGC", [65, 67, 60]),
        ("D exp _b ^f", "BFCD", [70, 66, 60, 62]),
        ("Dmix =f ^g", "FGc", [65, 68, 72]),
        ("Es", "EA", [64, 69]),  # no key: nothing is altered
        ("C", "^Ffz F,|F", [66, 78, 54, 65]),  # to the end of the bar, in all octaves
        ("C", "^F[1F:|[2F|", [66, 66, 65]),  # a bare [2 draws no bar line
        ("G", "=F__B^^cFBc", [65, 69, 74, 65, 69, 74]),
        ("C", "{^f}f[Ff]", [78, 78, 66, 78]),
        ("C", "^f-|ff|", [78, 78, 77]),  # over the bar line for the tied note only
        ("C", "^f-|gf|", [78, 79, 77]),  # what comes between ends the tie
        ("C", "^f-|zf|", [78, 77]),
        ("C", "^f-|{f}f|", [78, 77, 78]),
        ("C", "[c\n^f-g|f", [72, 78, 79, 77]),  # a chord left open ends with its line
        ("C", "[^c-e_g]-|[cef][cg]", [73, 76, 78, 73, 76, 77, 72, 79]),
        ("C", "[^c-eg]|[cg]", [73, 76, 79, 73, 79]),
        ("C", "^f-[K:D]f[K:C]f", [78, 78, 77]),
        ("C", "^F[K:Eb]FB[K:clef=bass]B", [66, 65, 70, 70]),  # a new key ends the accidentals before it
        ("G", "^c4&c4|f", [73, 72, 78]),  # an overlay begins its bar again
        ("G", "F\nV:2\nF^c\nK:C\nFc\nV:1\nFc", [66, 66, 73, 65, 72, 66, 72]),  # each voice has its own key
    ],
)
def test_pitches(key: str, body: str, expected: list[int]) -> None:
    assert pitches(tune(body, key)) == expected


def test_without_music_nothing_sounds() -> None:
    assert pitches("") == []
    assert pitches("X:1\nT:CDE\n") == []
    assert pitches("X:1\nK:D\nV:1 CDE\nw: abc\n% abc\n") == []


# transposition


@pytest.mark.parametrize(
    ("key", "body", "semitones", "expected"),
    [
        ("C", "C,B,B b4", 1, "Db\nD,Cc c'4"),
        ("G", "c'b=f_B^D", -3, "E\nag=d=G^B,"),
        ("Eb", "=A_d^f __B", 1, "E\n^A=d^^f _B"),
        ("F", "^F[K:C]F|", 7, "C\n^c[K:G]c|"),
        ("Am", "[Ace]3{/g}a>b (3c'd'e' (A2-A2)", 2, "Bm\n[Bdf]3{/a}b>c' (3d'e'f' (B2-B2)"),
        ("F#dor % note", '~c|: "^go"!trill!c :|1 c', 5, 'Bdor % note\n~f|: "^go"!trill!f :|1 f'),
        ("Dmix=c  clef=bass", "Fc", 3, "Fmix_e  clef=bass\nAe"),
        ("D exp _b ^f", "BFC", 2, "E exp =c ^g ^f\ncGD"),
        ("none", "CF", 2, "D\nDG"),
        (" % free", "CF", 2, "D % free\nDG"),
        ("^f", "F", 2, "D^g\nG"),
        ("Hp", "AFc", -2, "C\nGEB"),
        ("Es", "CEF", 2, "Es\nD^FG"),  # a key that cannot be read cannot move: the notes do
        ("C#bass", "C", 1, "D bass\nD"),
        ("C", "__F|^^f", 5, "F\n_A|^b"),  # b would need three flats; a is the same key on a keyboard
        ("G", "GB[K:Eb]GB", 1, "Ab\nAc[K:E]GB"),  # no one interval takes both within seven
        ("G", "GB[K:Bb]GB", 1, "Ab\nAc[K:Cb]Ac"),
        ("C", "^_C", 1, "Db\n^__D"),  # "^" and "^D" would run together
        ("D", "E:x", 1, "Eb\n=F:x"),  # "F:x" would be a field
        ("D", "E:|", 1, "Eb\nF:|"),
        ("C", "C[K:C]C[K:Eb]E[K:C]C", 1, "C#\nC[K:C#]C[K:E]E[K:C#]C"),  # from Db, Eb would be a key of eight flats
        ("F exp _b_e_a_d", "B", 6, "B exp =e=a=d=g ^f ^c\ne"),
        ("C __f", "F", 5, "F \n_A"),  # in the key, a third flat can only be left out
        ("C", "c,E", 2, "D\nd,F"),
        ("C", "w:C\nC\nw:do K:C", 2, "D\nw:C\nD\nw:do K:C"),
    ],
)
def test_transposed(key: str, body: str, semitones: int, expected: str) -> None:
    assert moved(body, semitones, key) == expected


@pytest.mark.parametrize(
    ("symbol", "expected"),
    [
        ("C", "Eb"),
        ("Am7/G", "Cm7/Bb"),
        ("(D7)", "(F7)"),
        ("F#m", "Am"),
        ("Bbmaj7/d", "Dbmaj7/f"),
        ("C6/9", "Eb6/9"),
        ("G7(b9)/b", "Bb7(b9)/d"),
        ("G(Em)", "Bb(Gm)"),
        ("Csus4 ", "Ebsus4 "),
        *((words, words) for words in ("^A", "_Dm", "<G", "Fine", "D.C.", "A MINOR", "Bis", "End", "segno", "4", "")),
    ],
)
def test_chord_symbols_move_and_words_stay(symbol: str, expected: str) -> None:
    assert moved(f'"{symbol}"C', 3) == f'Eb\n"{expected}"E'


def test_a_moved_key_is_a_key_however_far_it_goes() -> None:
    values = ("C exp", "D exp ^^f __b", "Cb __f", "none", "HP", "^^c", "C#bass", "F#lyd ^^c")
    assert all(parse_key(move_key(value, fifths)) for value in values for fifths in range(-24, 25))


def test_by_nothing_is_the_tune_itself() -> None:
    text = tune("GAB", "G#")
    assert transpose(text, 0) is text


@pytest.mark.parametrize("semitones", [-13, 13, 100])
def test_more_than_an_octave_is_refused_in_one_line(semitones: int) -> None:
    with pytest.raises(ValueError, match=rf"^semitones: got {semitones}, expected -12 to 12$"):
        transpose(tune("C"), semitones)


TONICS = [letter + sign for letter in "CDEFGAB" for sign in ("", "#", "b")]
MODES = ["", "m", "maj", " Minor", "ion", "dor", "phr", "lyd", "Mixolydian", "aeo", "Loc"]
ACCIDENTALS = ("", "", "", "", "^", "_", "=")
NOTES = [sign + name for sign in ACCIDENTALS for name in ("A,", "C", "D", "E", "F", "G", "A", "B", "c", "e", "b")]
MUSIC = st.lists(st.sampled_from([*NOTES, "|", "|", "-", "-|", "[^c_E]2", "{=f}", "(3", '"Em"', ":|\n|:", "z", " "]))
KEYS = st.builds(str.__add__, st.sampled_from(TONICS), st.sampled_from(MODES)).filter(
    lambda value: abs(parse_key(value).fifths) <= 7
)
SEMITONES = st.sampled_from(DISTANCES)


@given(MUSIC, KEYS, SEMITONES)
@settings(max_examples=250, deadline=None)
def test_every_key_and_mode(music: list[str], key: str, semitones: int) -> None:
    text = tune("".join(music), key)
    result = transpose(text, semitones)
    new = header(result).key
    assert new is not None
    assert abs(new.fifths) <= 7
    assert (new.fifths - parse_key(key).fifths - 7 * semitones) % 12 == 0
    assert new.mode == parse_key(key).mode
    assert pitches(result) == [pitch + semitones for pitch in pitches(text)]
    assert findings(result) == findings(text)


SIMPLE = st.sampled_from(["C", "G", "Dm", "F", "Bb", "Ador", "Emix"])


@given(MUSIC, SIMPLE, SEMITONES)
@settings(max_examples=250, deadline=None)
def test_accidentals_stay_where_they_are_and_the_fingerprint_too(music: list[str], key: str, semitones: int) -> None:
    """So the result is right under every convention of how long an accidental lasts."""
    text = tune("".join(music), key)
    result = transpose(text, semitones)
    if any(sign in result for sign in ("^^", "__")):  # a third one could not be written
        return
    assert has_accidental(result) == has_accidental(text)
    assert steps(result) == steps(text)


@given(MUSIC, KEYS, KEYS, st.integers(-6, 6), st.integers(-6, 6))
@settings(max_examples=150, deadline=None)
def test_one_after_the_other_is_both_at_once(music: list[str], key: str, other: str, first: int, second: int) -> None:
    text = tune("".join([*music, f"[K:{other}]", *music]), key)
    twice = transpose(transpose(text, first), second)
    assert pitches(twice) == pitches(transpose(text, first + second))
    assert pitches(transpose(twice, -first - second)) == pitches(text)


PIECES = st.sampled_from(
    ["\nK:Ebm\n", "\nK:C#\n", "\nK:none\n", "\nK:H\n", "\nK:D exp ^f _b\n", "\nK:C =f __b\n", "[K:Cb]", "[K:bass]"]
    + ["[K:]", "X:1\n", "V:2\n", "\nV:1\n", "[V:2]", "|", "|", "&", "[1", "\n", "E:", "B:x", "c:x", "c:|", "^", "_"]
    + ["=", "^^", "-", "-", "{", "}", "[", "]", "z", "^c", "_d", "=e", "^^f", "__g", "__F", "^^B", "C", "D", "E"]
    + ["F", "G", "A", "B", "b", "a'", "C,", "c,,", "B,", "2", "/2", '"Am"', '"', ">", "(3", " ", "!", "+", "\\", "%"]
)
BODIES = st.lists(PIECES, max_size=30).map("".join)


@given(st.one_of(st.text(max_size=40), BODIES, BODIES.map("X:1\nK:Db\n".__add__)), SEMITONES)
@example("B,:|", 3)  # before any key "D:|" would be a field
@example(" B,:|", 3)
@settings(max_examples=400, deadline=None)
def test_any_text_keeps_its_verdict_and_sounds_as_moved(text: str, semitones: int) -> None:
    result = transpose(text, semitones)
    assert pitches(result) == [pitch + semitones for pitch in pitches(text)]
    assert pitches(transpose(result, -semitones)) == pitches(text)
    assert findings(result) == findings(text)


@pytest.mark.parametrize("piece", ['"A', '"Am', '"C' + " " * 9, '"A1(1', "[K:D" + " " * 9, "^", "C'", "^f-|", "V:2\n"])
def test_long_text_takes_no_longer_by_the_character(piece: str) -> None:
    text = "X:1\nK:C\n" + piece[0] + piece[1:] * 10_000 + '"]\n'
    assert pitches(transpose(text, 1)) == [pitch + 1 for pitch in pitches(text)]  # a quadratic step takes minutes


# bundled tunes


@cache
def bundled() -> tuple[str, ...]:
    spec = find_spec("music21")
    assert spec is not None
    assert spec.submodule_search_locations
    corpus = Path(spec.submodule_search_locations[0]) / "corpus"
    files = [file for collection in COLLECTIONS for file in sorted((corpus / collection).glob("*.abc"))]
    assert files, "this music21 comes without its corpus"
    return tuple(text for file in files for text in split_tunes(file.read_text(encoding="utf-8").splitlines()))


def sample(stride: int) -> Iterator[tuple[str, int]]:
    """Every so manieth bundled tune, and how far to move it."""
    for index, text in enumerate(bundled()[::stride]):
        yield text, DISTANCES[index % len(DISTANCES)]


def test_bundled_tunes_there_and_back() -> None:
    for text, semitones in sample(37):
        result = transpose(text, semitones)
        assert pitches(result) == [pitch + semitones for pitch in pitches(text)], text
        assert pitches(transpose(result, -semitones)) == pitches(text), text
        assert steps(result) == steps(text), text
        assert has_accidental(result) == has_accidental(text) or header(text).key is None, text
        assert findings(result) == findings(text), text


# What music21 reads differently is left out for it: it does not carry an accidental over a tie, takes ornaments and
# quotes for parts of notes, splits notes at bars that are too long, and loses a note before `::`.
HEARD = frozenset(("bar", "chord-close", "chord-open", "grace-close", "grace-open", "newline", "note", "rest"))


def bare(text: str) -> str:
    """Only what has a pitch or alters one; music21 reads accidentals as ABC 2.1 does if the first line says so."""
    machine = read(canonical_repeats(text))
    start = next(field.offset for field in machine.fields if field.letter == "K")
    kept = (
        token
        for kind, token, at in machine.tokens
        if at >= start and (kind in HEARD or token.startswith(("K:", "[K:")))
    )
    return "%abc-2.1\nX:1\nL:1/8\n" + "".join(kept)


def test_music21_hears_the_same() -> None:
    from music21 import converter

    heard = 0
    for text, semitones in sample(199):
        for version in (bare(text), bare(transpose(text, semitones))):
            if header(version).key is None or any(mark in version for mark in ("^^", "__", "[")):
                continue  # music21 carries no double accidental to the end of the bar, and none in chords
            stream = converter.parse(version, format="abc")
            assert [pitch.midi for note in stream.recurse().notes for pitch in note.pitches] == pitches(version)
            heard += 1
    assert heard > 100


def test_a_bar_too_long_by_an_odd_fraction_is_reported_and_no_error():
    text = "X:1\nM:1/1\nL:1/4\nK:C\nABcd A/100|\n"
    assert [found.code for found in check(text).diagnostics] == ["bar-long"]
    assert pitches(transpose(text, 2)) == [pitch + 2 for pitch in pitches(text)]
