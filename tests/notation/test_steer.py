"""What may follow: only what is legal, always with a way out, and nearly all of what real tunes hold."""

import random
import re
import string
from itertools import pairwise

import pytest

from hf_scaling.data.clean import FIELDS, CleanOptions, CleanTune, clean
from hf_scaling.data.sources import SourceOptions, music21_corpora
from hf_scaling.notation import WHOLE, Bar, Grammar, Machine, Note, check, read
from hf_scaling.notation.lines import HEADER
from hf_scaling.notation.steer import NEVER

PROMPTS = [
    "",
    "X:1\nT:T\nM:6/8\nL:1/8\nK:D\n",
    "X:1\nM:4/4\nL:1/8\nK:D\n|:A8|",
    "X:1\nM:none\nL:1/4\nK:D\n",
    "X:1\nM:9/8\nL:1/16\nK:D\n(3AB",
    "X:1\nM:C\nL:1/16\nK:D\nA>",
    'X:1\nM:3/4\nL:1/8\nK:D\n{a}"G',
    "X:1\nM:3/4\nL:1/8\nU:J=!trill!\nK:D % a remark\n((A2B2)J[CE",
    "X:1\nM:2/4\nL:1/8\nK:D\nA2|B4|c4|1d2:",
]
HEADER_OF = "X:1\nM:{}\nL:1/8\nK:D\n".format


def group_of(grammar, state, character):
    return next((group for group in grammar.groups(state) if character in group), None)


def may_follow(grammar, text, character):
    """Whether the decoder may write `character` behind `text`."""
    state = grammar.read(text)
    group = state and group_of(grammar, state, character)
    return bool(group and grammar.move(state, group))


def by_chance(grammar, prompt, room, rng):
    """A text that chance alone writes; `room` characters at most, the end counted as one."""
    state, text = grammar.read(prompt), prompt
    while True:
        need = grammar.need(state)
        assert need <= room
        choices = [(character, group) for group in grammar.groups(state) for character in group]
        after = {group: grammar.move(state, group) for group in grammar.groups(state)}
        usable = [(c, after[group]) for c, group in choices if after[group] and grammar.need(after[group]) < room]
        if grammar.may_end(state):
            usable.append(("", None))
        assert usable, text
        assert grammar.may_end(state) or min(grammar.need(to) for to in after.values() if to) < need
        character, state = rng.choice(usable)
        if state is None:
            return text
        text += character
        room -= 1


@pytest.mark.parametrize("bars", ["strict", "any"])
def test_what_chance_writes_is_legal_and_fits(bars):
    grammar, rng = Grammar(string.printable + "é", bars), random.Random(1)
    for round_ in range(3):
        for prompt in PROMPTS:
            room = grammar.need(grammar.read(prompt)) + 40 * round_
            text = by_chance(grammar, prompt, room, rng)
            assert len(text) < len(prompt) + room
            verdict = check(text)
            harmless = {"bar-long", "bar-short"} if bars == "any" else set()
            wrong = {found.code for found in verdict.diagnostics} - harmless
            assert not wrong, (text, verdict.diagnostics)
            assert verdict.playable


def test_a_state_that_texts_share_leads_on_as_each_text_by_itself():
    shared, rng = Grammar(string.printable), random.Random(2)
    for prompt in PROMPTS * 2:
        written, state, text = by_chance(shared, prompt, 200, rng), shared.read(prompt), prompt
        for character in written[len(prompt) :]:
            group = group_of(shared, state, character)
            if group is None:  # the first of a group stands for all of it: behind it `P:` is no field
                break
            state, text = shared.move(state, group), text + group[0]
            alone = Grammar(string.printable)  # it has met no other text
            own = alone.read(text)
            assert (shared.need(state), shared.may_end(state)) == (alone.need(own), alone.may_end(own))
            assert shared.groups(state) == alone.groups(own)
            for group in shared.groups(state):
                there, here = shared.move(state, group), alone.move(own, group)
                assert (there and shared.need(there)) == (here and alone.need(here)), (text, group)


def test_a_machine_goes_on_from_a_fork_as_it_would_itself():
    text = 'X:1\nM:6/8\nL:1/8\nK:D\nA|:"Am"(3ABc {a}d>e [CE]2|[1 A6:|[2 (B3|A3) B3|\nc6|]\n'
    whole = read(text)
    for cut in range(len(text)):
        machine = Machine()
        machine.feed(text[:cut])
        fork = machine.fork()
        assert (fork.inside(True), fork.around(True)) == (machine.inside(True), machine.around(True))
        other = machine.fork()
        other.feed("A2B}])|")  # what another fork reads is nothing to this one
        fork.feed(text[cut:])
        fork.close()
        before = machine.problems
        assert [*before, *fork.problems] == whole.problems
        assert fork.n_notes == whole.n_notes
        assert fork.n_bars == whole.n_bars


@pytest.mark.parametrize("prompt", ["A", "X:1\nM:4/4\nL:1/8\nK:D\nA9|", "X:1\nK:D\nV:2\n%\nA)", "X:1\nK:H\n"])
def test_what_no_legal_tune_begins_with_has_no_state(prompt):
    assert Grammar(string.printable).read(prompt) is None


def test_shorthands_stand_alone_and_before_what_they_adorn():
    grammar = Grammar(string.printable)
    behind = "".join(grammar.groups(grammar.read("X:1\nM:2/4\nL:1/8\nK:D\nA2T")))
    assert set("A^[{(z|") <= set(behind)
    assert not set("TLu \n") & set(behind)


def test_a_quote_ends_before_it_swallows_the_tune():
    grammar, quote = Grammar(string.printable), 'X:1\nM:2/4\nL:1/8\nK:D\n"A B C D E F'
    assert group_of(grammar, grammar.read(quote), "G")
    assert grammar.groups(grammar.read(quote + "G")) == ('"',)


def test_an_alphabet_without_what_the_way_needs_has_no_way():
    assert Grammar("ABC|\n").read("") is None


def test_a_header_has_each_field_once_and_in_the_order_of_cleaned_tunes():
    assert [letter for letter in FIELDS if letter not in "XPQ"] == [*HEADER]
    grammar, rng = Grammar(string.printable), random.Random(3)
    for prompt in ["", "X:1\n"] * 4:
        lines = by_chance(grammar, prompt, 250, rng).split("\n")
        header = lines[: 1 + next(place for place, line in enumerate(lines) if line.startswith("K:"))]
        letters = [line[0] for line in header]
        assert letters == [letter for letter in FIELDS if letter in letters]
        assert {"X", "M", "K"} <= set(letters)
        assert all(len(line) <= 82 and (line[2].isalnum() or line[2] in "\"'(?") for line in header)
        assert not any(re.match("[A-Za-z]:[^|:]", line) for line in lines[len(header) :])


@pytest.mark.parametrize(
    ("prompt", "following"),
    [
        ("X:1\n", "TCOABDFGHNSZRM"),
        ("X:1\nR:Jig\n", "M"),
        ("X:1\nR:Jig\nT:Of the wrong order\nT:Twice\n", "M"),
        ("X:1\nL:1/8\n", "M"),
        ("X:1\nL:1/8\nM:C\n", "K"),
        ("X:1\nM:C\nQ:1/4=90\n", "LK"),
    ],
)
def test_a_header_goes_on_with_what_a_prompt_has_left_out(prompt, following):
    grammar = Grammar(string.printable)
    assert grammar.groups(grammar.read(prompt)) == tuple(following)


def test_need_is_never_without_an_end_in_reach():
    grammar = Grammar(string.printable)
    state = grammar.read("X:1\nM:4/4\nL:1/8\nK:D\nA8|")
    assert grammar.need(state) == 1
    assert grammar.may_end(state)
    assert grammar.need(grammar.read("X:1\nM:4/4\nL:1/8\nK:D\nA6")) == len("A2") + 1 < NEVER


@pytest.mark.parametrize(("start", "most", "end"), [("[", 5, "]"), ("{", 8, "}")])
def test_a_group_holds_no_more_notes_than_folk_tunes_have(start, most, end):
    grammar = Grammar(string.printable)
    for number in range(1, most + 2):
        text = HEADER_OF("4/4") + start + ("A" * number if start == "{" else "ABcdef"[:number])
        assert [may_follow(grammar, text, c) for c in "g^_="] == [number < most] * 4
        assert may_follow(grammar, text, end)


@pytest.mark.parametrize("bars", ["strict", "any"])
@pytest.mark.parametrize(
    ("written", "length"),
    [
        ("A2>B", "2"),
        ("A2<z", "2"),
        ("A/>>B", "/"),
        ("[A2c2]>B", "2"),
        ("B2>[Ac]", "2"),
        ("B2>[A2c2]", ""),
        ("(3A2B2c", "2"),
        ("(3A/B/>c", "/"),
    ],
)
def test_notes_that_a_mark_of_rhythm_binds_are_written_equally_long(bars, written, length):
    grammar = Grammar(string.printable, bars)
    for longer in ("", "2", "4", "/", "3", "3/2", "/4"):
        text = HEADER_OF("4/4") + written + longer
        assert may_follow(grammar, text, "c") == (longer == length), text
        assert check(text + "c").parses


def test_a_broken_rhythm_is_begun_only_where_its_second_note_fits_the_bar():
    grammar = Grammar(string.printable)
    assert may_follow(grammar, HEADER_OF("4/4") + "A4", ">")
    assert not may_follow(grammar, HEADER_OF("4/4") + "A6", ">")
    assert grammar.need(grammar.read(HEADER_OF("4/4") + "A3>")) == len("A3A2") + 1


def test_marks_of_rhythm_are_not_piled_up():
    grammar = Grammar(string.printable)
    assert not may_follow(grammar, HEADER_OF("4/4") + "A>B", ">")
    assert may_follow(grammar, HEADER_OF("4/4") + "A>(", "B")
    assert not may_follow(grammar, HEADER_OF("4/4") + "A>(", "3")


@pytest.mark.parametrize(
    ("written", "character", "legal"),
    [
        ("c8|A4", "|", True),  # a complement, if another | follows
        ("c8|A4|", "|", True),
        ("c8|A4|", "\n", False),  # not to be continued on the next line
        ("A4|", "\n", True),  # a pickup
        ("A4|c8|A4||", "\n", True),
        ("A4|c8|A4||B4|", "c", True),
        ("A4|c8|A4:|\nB4|", "c", True),
        ("A4|B4||", "\n", False),  # a part of two half bars
        ("c8||A4||", "\n", False),  # a part of one
        ("A4|:", "c", True),  # the pickup of the tune
        ("A4|c8|1c8|A4:|2c8|A4||", "\n", True),
        ("|:A4|c8|1A4:|[2A4||", "\n", True),
    ],
)
def test_a_bar_is_cut_only_at_the_edges_of_a_part(written, character, legal):
    assert may_follow(Grammar(string.printable), HEADER_OF("4/4") + written, character) == legal
    assert may_follow(Grammar(string.printable, "any"), HEADER_OF("4/4") + written, character)


def test_no_tune_ends_in_half_bars_only():
    grammar = Grammar(string.printable)
    assert not grammar.may_end(grammar.read(HEADER_OF("4/4") + "A4|B4"))
    assert grammar.may_end(grammar.read(HEADER_OF("4/4") + "A4|c8|B4"))
    assert check(HEADER_OF("4/4") + "A4|B4").strict


def test_what_chance_writes_has_no_two_short_bars_side_by_side_in_a_part():
    grammar, rng = Grammar(string.printable), random.Random(5)
    for _ in range(20):
        text = by_chance(grammar, HEADER_OF("2/4"), 200, rng)
        bars = [event for event in read(text).events if isinstance(event, Bar) and event.duration]
        for before, bar in pairwise(bars):
            assert before.line.strong or WHOLE // 2 in (before.duration, bar.duration), text


def test_nearly_all_real_tunes_can_be_written():
    bundled = list(music21_corpora.read(SourceOptions()))[::40]
    tunes = [clean(tune.text, CleanOptions(30, 2048, "strict")) for tune in bundled]
    texts = [tune.text for tune in tunes if isinstance(tune, CleanTune)]
    grammar = Grammar(string.printable + "".join(texts))
    written = 0
    for text in texts:
        state = grammar.read("")
        for character in text:
            group = state and group_of(grammar, state, character)
            state = grammar.move(state, group) if group else None
        written += bool(state and grammar.may_end(state))
    assert len(texts) > 100
    assert written / len(texts) > 0.9


IN_FOUR = HEADER_OF("4/4")


@pytest.mark.parametrize("bars", ["strict", "any"])
@pytest.mark.parametrize(
    ("first", "then", "steps"),
    [
        (IN_FOUR + "c8|A4[M:2/4]", IN_FOUR + "c8|A4", "A4|A8|"),
        (IN_FOUR + "c8|A4", IN_FOUR + "c8|A4[M:2/4]", "A4|A8|"),
        (HEADER_OF("none") + "A4|A2[M:4/4]B", HEADER_OF("none") + "A4|A4[M:4/4]B", " [1c:|2c5|"),
        (IN_FOUR[4:], IN_FOUR, "A8|"),
        (IN_FOUR, IN_FOUR[4:], "A8|"),
        ('X:1\n"A"\nM:4/4\n', "X:1\nM:4/4\n", "K:D\nA8|"),
        ("X:1\nM:4/4\n", 'X:1\n"A"\nM:4/4\n', "K:D\nA8|"),
        (IN_FOUR + "A2&>", IN_FOUR + "A2&B2>", "B2|"),
        (IN_FOUR + "V:2\nA8|\nV:1", IN_FOUR + "V:1\nA8|\nV:1", "\nA8|"),
    ],
)
def test_what_one_prompt_was_is_nothing_to_the_next(bars, first, then, steps):
    def path(grammar):
        state = grammar.read(then)
        yield state and grammar.need(state)
        for character in steps:
            group = state and group_of(grammar, state, character)
            state = grammar.move(state, group) if group else None
            yield state and grammar.need(state)

    met = Grammar(string.printable, bars)
    state = met.read(first)
    for character in steps if state else "":
        group = group_of(met, state, character)
        state = met.move(state, group) if group else None
        if not state:
            break
    assert [*path(met)] == [*path(Grammar(string.printable, bars))]


@pytest.mark.parametrize("bars", ["strict", "any"])
def test_there_is_a_way_on_wherever_there_is_a_state(bars):
    grammar, prompt = Grammar(string.printable, bars), "X:1\nM:none\nL:1/16\nK:D\nA781/4<A"
    if state := grammar.read(prompt):
        by_chance(grammar, prompt, grammar.need(state), random.Random(6))


def test_a_decoration_ends_as_it_began():
    assert may_follow(Grammar(string.printable), IN_FOUR + "+tr", "+")
    assert not may_follow(Grammar(string.printable), IN_FOUR + "+tr", "!")


def test_a_machine_goes_on_behind_a_fork_in_a_chord():
    machine = Machine()
    machine.feed(IN_FOUR + "[CE")
    machine.fork()
    machine.feed("]2>B|")
    machine.close()
    heard, expected = (
        [event.duration for event in events if isinstance(event, Note)]
        for events in (machine.events, read(IN_FOUR + "[CE]2>B|").events)
    )
    assert heard == expected
