"""Splits are a function of the tunes and the seed that never cuts a family; the leak report finds what crosses."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_scaling.data import splits as splits_module
from hf_scaling.data.clean import CleanOptions, CleanTune, clean
from hf_scaling.data.families import incidence
from hf_scaling.data.leaks import count_overlaps, leak_report
from hf_scaling.data.pairs import similar_pairs
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.data.splits import SPLITS, assign_splits, crossing_pairs, split_by_family

FAMILIES = st.dictionaries(st.text(max_size=8), st.integers(0, 6), min_size=1, max_size=30)


def matrix(prints):
    return incidence([np.array(sorted(one), dtype=np.uint32) for one in prints])


def assign(family_of, seed, validation=0.25, test=0.25, rank=lambda text: 0):
    """The split of each text, from a dict of text -> family."""
    keys = [(rank(text), text) for text in family_of]
    splits = assign_splits(keys, np.array(list(family_of.values())), validation, test, seed)
    assert splits.dtype == np.int8
    return dict(zip(family_of, splits.tolist(), strict=True))


@settings(max_examples=50)
@given(FAMILIES, st.integers(0, 5), st.randoms(), st.permutations(range(7)))
def test_a_split_does_not_depend_on_the_order_of_tunes_or_the_numbers_of_families(family_of, seed, random, renamed):
    texts = list(family_of)
    random.shuffle(texts)
    shuffled = {text: renamed[family_of[text]] for text in texts}
    assert assign(shuffled, seed) == assign(family_of, seed)


@settings(max_examples=50)
@given(FAMILIES, st.integers(0, 5))
def test_a_family_is_never_cut(family_of, seed):
    splits = assign(family_of, seed)
    for family in set(family_of.values()):
        assert len({splits[text] for text in family_of if family_of[text] == family}) == 1


@settings(max_examples=50)
@given(FAMILIES, st.dictionaries(st.text(min_size=9), st.integers(7, 12), max_size=20), st.integers(0, 5))
def test_new_families_move_no_other(family_of, added, seed):
    splits = assign(family_of, seed)
    assert assign(family_of | added, seed).items() >= splits.items()


@settings(max_examples=50)
@given(FAMILIES, st.dictionaries(st.text(min_size=9), st.integers(0, 12), max_size=20), st.integers(0, 5))
def test_a_source_added_behind_moves_no_tune_even_of_families_that_it_joins(family_of, added, seed):
    before = assign(family_of, seed)
    after = assign(family_of | added, seed, rank=lambda text: int(text in added))
    assert after.items() >= before.items()


def test_fractions_are_of_families_and_the_seed_decides_which():
    singles = {f"tune {number}": number for number in range(4000)}
    splits = assign(singles, 0, validation=0.1, test=0.2)
    for name, fraction in (("train", 0.7), ("validation", 0.1), ("test", 0.2)):
        share = sum(split == SPLITS.index(name) for split in splits.values()) / len(singles)
        assert abs(share - fraction) < 4 * (fraction * (1 - fraction) / len(singles)) ** 0.5
    assert assign(singles, 0, 0.1, 0.2) == splits
    assert assign(singles, 1, 0.1, 0.2) != splits
    assert set(assign(singles, 0, 0.0, 0.0).values()) == {SPLITS.index("train")}


@pytest.fixture(scope="module")
def real_tunes():
    raws = itertools.islice(SOURCES["music21"].read(SourceOptions(["ryansMammoth"])), 0, None, 14)
    return [tune for raw in raws if isinstance(tune := clean(raw.text, CleanOptions(64, 2000)), CleanTune)]


def report_of(prints, bodies, threshold):
    """The leak report of split -> fingerprints and split -> bodies."""
    splits = np.repeat(np.arange(3, dtype=np.int8), [len(prints[name]) for name in SPLITS])
    grams = matrix([one for name in SPLITS for one in prints[name]])
    crossing = crossing_pairs(grams, splits, min(threshold, 0.3))
    music = [text for name in SPLITS for text in bodies[name]]
    return leak_report(crossing, grams, splits, music.__getitem__, (), threshold, seed=0)


def report(tunes):
    """The leak report of split -> tunes."""
    prints = {split: [tune.grams for tune in chosen] for split, chosen in tunes.items()}
    return report_of(prints, {split: [tune.body for tune in chosen] for split, chosen in tunes.items()}, 0.3)


@pytest.mark.parametrize(("holder", "twin"), [("train", "test"), ("train", "validation"), ("validation", "test")])
def test_a_planted_near_duplicate_is_found_where_it_crosses(real_tunes, holder, twin):
    apart = {"train": real_tunes[:40], "validation": real_tunes[40:50], "test": real_tunes[50:60]}
    before = report(apart)
    assert before["leaks"] == 0
    original = next(tune for tune in apart[holder] if len(tune.grams) > 40)
    changed = clean(f"X:9\nT:Another name\nM:2/4\nL:1/4\nK:F\n{original.body}GABc|\n", CleanOptions(1, 9999))
    assert isinstance(changed, CleanTune)
    after = report(apart | {twin: [*apart[twin], changed]})
    assert after["leaks"] == 1
    for pair in ("validation_in_train", "test_in_train", "test_in_validation"):
        planted = int(pair == f"{twin}_in_{holder}")
        assert after[pair]["twins"]["0.3"] == planted
        assert after[pair]["twins"]["0.8"] == planted
        assert after[pair]["share_50_characters"] == before[pair]["share_50_characters"] + planted


def test_the_threshold_decides_what_is_a_leak_and_is_reported_beside_the_usual_ones():
    grams = {"train": [frozenset(range(10))], "validation": [frozenset({99})], "test": [frozenset(range(6))]}  # 6 of 10
    bodies = {split: ["abc"] for split in grams}
    for threshold, leaks in ((0.55, 1), (0.6, 1), (0.65, 0)):
        result = report_of(grams, bodies, threshold)
        assert result["thresholds"] == sorted([0.3, 0.5, 0.8, threshold])
        assert result["test_in_train"]["twins"][f"{threshold:g}"] == leaks
        assert result["leaks"] == leaks


def test_the_report_says_what_a_random_split_would_have_leaked():
    families = [frozenset(range(100 * number, 100 * number + 20)) for number in range(30)]
    grams = {"train": families[:20] * 5, "validation": families[20:25] * 5, "test": families[25:] * 5}
    bodies = {split: [f"{sorted(one)} is its music"[:99] for one in prints] for split, prints in grams.items()}
    result = report_of(grams, bodies, 0.3)
    assert result["leaks"] == 0
    assert result["random_split_test_in_train"]["tunes"] == 25
    assert result["random_split_test_in_train"]["twins"]["0.3"] >= 24  # of five copies, one at least is elsewhere
    assert result["random_split_test_in_train"]["share_50_characters"] >= 24
    assert result["test_in_train"]["share_50_characters"] == 0
    assert report_of(grams, bodies, 0.3) == result


@settings(max_examples=150)
@given(
    *[st.lists(st.frozensets(st.integers(0, 12)), max_size=8)] * 2,
    st.sampled_from(["1/10", "1/4", "3/10", "1/3", "1/2", "2/3", "4/5", "1"]).map(Fraction),
)
def test_pairs_are_those_of_every_pair_compared(these, those, threshold):
    pairs = similar_pairs(matrix([*these, *those]), np.arange(len(these)), len(these) + np.arange(len(those)),
                          float(threshold))  # fmt: skip
    found = {(a, b - len(these)): s for a, b, s in zip(*(part.tolist() for part in pairs), strict=True)}
    every = {
        (i, j): Fraction(len(a & b), len(a | b)) for i, a in enumerate(these) for j, b in enumerate(those) if a & b
    }
    near = {pair: float(similarity) for pair, similarity in every.items() if similarity >= threshold}
    assert found == pytest.approx(near)
    assert len(found) == len(pairs.left)


def overlaps(these, those):
    shared = (any(body[i : i + 50] in other for other in those for i in range(len(body) - 49)) for body in these)
    return sum(shared)


CHUNKS = ["a" * 24, "ab" * 13, "cde" * 8, "x" * 49, "yz" * 25, "q", ""]
BODIES = st.lists(st.lists(st.sampled_from(CHUNKS), max_size=5).map("".join), max_size=5)


@settings(max_examples=50)
@given(BODIES, BODIES)
def test_shared_runs_of_fifty_characters_are_counted_exactly(these, those):
    assert count_overlaps(these, those) == overlaps(these, those)


def test_forty_nine_shared_characters_are_none_and_fifty_are_one(real_tunes):
    body = real_tunes[0].body
    for run in (body[:50], body[7:57], body[-50:]):
        assert count_overlaps([run], [body]) == count_overlaps([body], [run]) == 1
    assert count_overlaps(["(" + body[7:56] + ")"], [body]) == 0
    bodies = [tune.body for tune in real_tunes]
    these, those = [*bodies[:20], bodies[30][5:80] + "|"], bodies[20:]
    assert count_overlaps(these, those) == overlaps(these, those) >= 1


@settings(max_examples=60)
@given(
    st.lists(st.frozensets(st.integers(0, 9), max_size=6), min_size=1, max_size=14),
    st.sampled_from([0.3, 0.5, 0.8]),
    st.integers(0, 3),
    st.randoms(use_true_random=False),
)
def test_whatever_pairs_the_search_misses_the_split_is_that_of_every_pair_compared(prints, threshold, seed, random):
    keys = [(0, str(number)) for number in range(len(prints))]
    random.shuffle(keys)
    grams = matrix(prints)

    def split(find):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(splits_module, "find_families", find)
            return split_by_family(grams, [()] * len(prints), keys, threshold, 0.3, 0.3, 0.3, seed)

    def exact(*_):
        pairs = similar_pairs(grams, np.arange(len(prints)), np.arange(len(prints)), threshold)
        return splits_module.join(np.arange(len(prints)), pairs.left, pairs.right)

    missed, found = split(lambda *_: np.arange(len(prints))), split(exact)
    assert missed.splits.tolist() == found.splits.tolist()
    for pairs in missed.crossing.values():
        assert not (pairs.similarity >= threshold).any()
