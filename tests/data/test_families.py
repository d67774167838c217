"""Near-duplicates are found whatever their key, and exactly those."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hf_scaling.data.clean import CleanOptions, CleanTune, clean
from hf_scaling.data.families import find_families, incidence
from hf_scaling.data.pairs import jaccard
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.fingerprint import fingerprint
from hf_scaling.notation import melody

HEADER = "X:1\nM:none\nL:1/8\nK:C\n"


@pytest.fixture(scope="module")
def real_tunes():
    """A few hundred tunes of three books that share many."""
    tunes = []
    for collection, step in (("miscFolk", 1), ("ryansMammoth", 12), ("airdsAirs", 14)):
        raws = itertools.islice(SOURCES["music21"].read(SourceOptions([collection])), 0, None, step)
        tunes += [tune for raw in raws if isinstance(tune := clean(raw.text, CleanOptions(64, 2000)), CleanTune)]
    return tunes


@pytest.fixture(scope="module")
def real_prints(real_tunes):
    return [frozenset(tune.grams.tolist()) for tune in real_tunes]


def grams(text):
    """The fingerprint of a tune as a set; it is ascending and without doubles."""
    found = fingerprint(melody(text)).tolist()
    assert found == sorted(set(found))
    return frozenset(found)


def families(prints, groups, threshold):
    arrays = [np.array(sorted(one), dtype=np.uint32) for one in prints]
    return find_families(incidence(arrays), [{group} - {""} for group in groups], threshold)


def spell(position):
    """A staff position in ABC: 0 is `C`, 7 is `c`, 14 is `c'`, -7 is `C,`."""
    octave, step = divmod(position, 7)
    if octave < 1:
        return "CDEFGAB"[step] + "," * -octave
    return "cdefgab"[step] + "'" * (octave - 1)


NONE = itertools.repeat("")  # for every note


def write(positions, lengths=NONE, accidentals=NONE):
    notes = (f"{sign}{spell(p)}{length}" for p, length, sign in zip(positions, lengths, accidentals, strict=False))
    return HEADER + "".join(notes) + "|\n"


@settings(max_examples=60)
@given(st.lists(st.integers(-10, 20), max_size=40), st.integers(-14, 14), st.data())
def test_a_fingerprint_is_blind_to_transposition_rhythm_and_accidentals(positions, shift, data):
    shifted = [position + shift for position in positions]
    n = len(positions)
    lengths = data.draw(st.lists(st.sampled_from(["", "2", "/2", "3/2"]), min_size=n, max_size=n))
    signs = data.draw(st.lists(st.sampled_from(["", "^", "_", "="]), min_size=n, max_size=n))
    assert grams(write(shifted, lengths, signs)) == grams(write(positions))


def test_real_tunes_transposed_keep_their_fingerprint(real_tunes):
    for tune in real_tunes[::5]:
        positions = melody(tune.text)
        assert grams(write([position + 3 for position in positions])) == grams(tune.text) == set(tune.grams.tolist())


@settings(max_examples=60)
@given(st.lists(st.integers(-7, 7), min_size=7, max_size=30), st.lists(st.integers(-7, 7), min_size=7, max_size=30))
def test_fingerprints_share_exactly_the_interval_six_grams_that_melodies_share(one, other):
    def by_hand(positions):
        steps = [b - a for a, b in itertools.pairwise(positions)]
        return {tuple(steps[i : i + 6]) for i in range(len(steps) - 5)}

    first, second = grams(write(one)), grams(write(other))
    assert len(first) == len(by_hand(one))
    assert len(first & second) == len(by_hand(one) & by_hand(other))


def test_six_intervals_need_seven_notes():
    assert grams(HEADER + "CDECDE|\n") == frozenset()
    assert len(grams(HEADER + "CDECDEC|\n")) == 1


def components(edges, count):
    """Connected components by repeated relabelling: slow and plain."""
    label = list(range(count))
    for a, b in edges:
        old, new = label[b], label[a]
        label = [new if one == old else one for one in label]
    return label


def same_partition(one, other):
    pairs = set(zip(one, other, strict=True))
    return len(pairs) == len(set(one)) == len(set(other))


def similarities(prints):
    """The exact Jaccard similarity of every pair that has one above zero."""
    every = ((i, j, len(prints[i] & prints[j])) for i, j in itertools.combinations(range(len(prints)), 2))
    return {(i, j): Fraction(shared, len(prints[i]) + len(prints[j]) - shared) for i, j, shared in every if shared}


@pytest.fixture(scope="module")
def real_similarities(real_prints):
    return similarities(real_prints)


@pytest.mark.parametrize("threshold", ["0.1", "0.3", "0.5", "0.8", "1"])
def test_families_of_real_tunes_are_those_of_every_pair_compared(real_prints, real_similarities, threshold):
    count = len(real_prints)
    assert count > 300
    near = [pair for pair, similarity in real_similarities.items() if similarity >= Fraction(threshold)]
    assert near
    found = families(real_prints, [""] * count, float(threshold))
    assert same_partition(found.tolist(), components(near, count))


@settings(max_examples=80)
@given(st.lists(st.frozensets(st.integers(0, 40), max_size=8), min_size=1, max_size=10))
def test_similarities_beside_each_other_are_those_of_sets(prints):
    matrix = incidence([np.array(sorted(one), dtype=np.uint32) for one in prints])
    found = jaccard(matrix, np.arange(len(prints)), np.arange(len(prints))[::-1])
    expected = [len(a & b) / len(a | b) if a | b else 0 for a, b in zip(prints, prints[::-1], strict=True)]
    assert found.tolist() == pytest.approx(expected)
    assert (np.diff(matrix.sum(axis=0)) >= 0).all(), "the rarest gram comes first"


@settings(max_examples=80)
@given(
    st.lists(st.tuples(st.frozensets(st.integers(0, 9)), st.sampled_from(["", "", "a", "b"])), min_size=1, max_size=12),
    st.sampled_from(["1/10", "1/4", "3/10", "1/2", "3/5", "2/3", "7/10", "4/5", "9/10", "1"]).map(Fraction),
)
def test_small_families_are_those_of_every_pair_compared(tunes, threshold):
    prints, groups = [grams for grams, _ in tunes], [group for _, group in tunes]
    near = [pair for pair, similarity in similarities(prints).items() if similarity >= threshold]
    near += [(i, j) for i, j in itertools.combinations(range(len(tunes)), 2) if groups[i] == groups[j] != ""]
    found = families(prints, groups, float(threshold))
    assert found.shape == (len(tunes),)
    assert np.issubdtype(found.dtype, np.integer)
    assert same_partition(found.tolist(), components(near, len(tunes)))


def test_a_family_is_transitive_and_a_tune_without_fingerprint_stands_alone():
    chain = [frozenset(range(i, i + 10)) for i in range(0, 30, 3)]  # 7 of 13 shared with the next, few with the last
    empty = [frozenset(), frozenset()]
    found = families(chain + empty, [""] * 12, 0.5).tolist()
    assert len(set(found[:10])) == 1
    assert len(set(found)) == 3
    assert families(empty, ["", ""], 0.3).tolist() == [0, 1]
    assert families(empty, ["same", "same"], 0.3).tolist() == [0, 0]
