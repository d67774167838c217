import json
import math
import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hf_scaling.data.baselines import baselines, ngram_bits, ppm_bits

END = "\0"
tunes = st.lists(st.text("abc\n", max_size=12), min_size=1, max_size=6)
unheard = st.lists(st.text("abcdé🎵", max_size=8), min_size=1, max_size=3)


class SlowNgram:
    """Modified Kneser-Ney over dictionaries, one probability at a time."""

    def __init__(self, train, max_order):
        self.symbols = {END, *"".join(train)}
        text = END * max_order + "".join(tune + END for tune in train)
        ends = range(max_order, len(text))
        self.counts = {n: Counter(text[i + 1 - n : i + 1] for i in ends) for n in range(1, max_order + 1)}
        self.kinds = {n: Counter(gram[1:] for gram in self.counts[n + 1]) for n in range(1, max_order)}

    def probability(self, symbol, context):
        return self._probability(self.counts, symbol if symbol in self.symbols else "?", context)

    def _probability(self, tables, symbol, context):
        counts = tables[len(context) + 1]
        lower = self._probability(self.kinds, symbol, context[1:]) if context else 1 / (len(self.symbols) + 1)
        followers = {gram: n for gram, n in counts.items() if gram[:-1] == context}
        if not followers:
            return lower
        take = discounts(counts.values())
        spare = sum(take[min(n, 3)] for n in followers.values())
        own = followers.get(context + symbol, 0)
        return (own - take[min(own, 3)] + spare * lower) / sum(followers.values())


def discounts(counts):
    n1, n2, n3, n4 = (sum(count == n for count in counts) for n in (1, 2, 3, 4))
    found = [0.0]
    for n, here, above in ((1, n1, n2), (2, n2, n3), (3, n3, n4)):
        value = n - (n + 1) * n1 / (n1 + 2 * n2) * above / here if here and n1 else -1
        found.append(value if 0 < value < n else 0.5)
    return found


@given(tunes, unheard, st.integers(1, 4))
def test_ngrams_agree_with_dictionaries(train, held_out, max_order):
    bits = ngram_bits(train, {"test": held_out}, max_order)["test"]
    for order, costs in enumerate(bits, start=1):
        slow = SlowNgram(train, order)
        text = END * order + "".join(tune + END for tune in held_out)
        expected = [-math.log2(slow.probability(text[i], text[i + 1 - order : i])) for i in range(order, len(text))]
        np.testing.assert_allclose(costs, expected, rtol=1e-9)


@given(tunes, st.text("abcd", max_size=6), st.integers(1, 5))
def test_what_may_follow_a_context_has_probability_one(train, context, max_order):
    alphabet = sorted(set("".join(train)))
    unknown = "~"
    held_out = {symbol: [context + symbol] for symbol in [*alphabet, unknown]} | {END: [context]}
    costs = ngram_bits(train, held_out, max_order)
    total = sum(2.0 ** -bits[:, len(context)] for bits in costs.values())
    np.testing.assert_allclose(total, 1)


def test_every_character_and_every_end_costs_bits_but_only_characters_count():
    train, held_out = ["abcabc", "cab"] * 20, {"validation": ["abc"], "test": ["bca", "c"]}
    costs = ngram_bits(train, held_out, 8)
    assert {split: bits.shape for split, bits in costs.items()} == {"validation": (8, 4), "test": (8, 6)}
    found = baselines(train, held_out)["models"]
    assert found[3]["order"] == 3
    assert found[3]["test"] == pytest.approx(costs["test"][2].sum() / 4)
    assert found[0]["test"] == ppm_bits(train, held_out["test"]) / 4


def test_a_split_costs_the_same_beside_another_one():
    train, test = ["abcabc", "cab"], ["bca", "czz"]
    alone = ngram_bits(train, {"test": test}, 5)["test"]
    np.testing.assert_array_equal(ngram_bits(train, {"validation": ["zzz", "a"], "test": test}, 5)["test"], alone)


def test_longer_contexts_help_where_the_text_depends_on_them():
    rng = random.Random(0)
    tunes = ["".join(rng.choice(["abcd", "badc"]) for _ in range(40)) for _ in range(50)]
    found = baselines(tunes[:40], {"test": tunes[40:]})["models"]
    by_order = {model["order"]: model["test"] for model in found if not model["adaptive"]}
    assert by_order[1] > 1.9
    assert by_order[4] < 0.35  # one bit every four characters, and the end of the tune
    assert 0.2 < found[0]["test"] < 0.4


def random_tune(rng, length):
    return "".join(rng.choice("ABCDEFGabcdefg12") for _ in range(length))  # 4 bits a character


def test_ppm_pays_for_news_and_hardly_for_what_the_training_text_holds():
    rng = random.Random(0)
    train = [random_tune(rng, 500) for _ in range(400)]  # by far more than a model of 1 MiB can hold
    new = ppm_bits(train, [random_tune(rng, 500)])
    assert 4 * 500 < new < 5 * 500
    assert ppm_bits(train, [train[0]]) < new / 10


def test_the_record_says_how_it_was_made():
    tunes = ["abcabc", "cab", "ccc"]
    found = baselines(tunes, {"validation": ["é"], "test": ["abc"]}, most_characters=10)
    assert json.loads(json.dumps(found)) == found
    assert found["unit"] == "bits per character"
    assert found["train_characters"] == 9
    assert found["models"][1:] == baselines(tunes[:2], {"validation": ["é"], "test": ["abc"]})["models"][1:]
    assert [model["adaptive"] for model in found["models"]] == [True] + 8 * [False]
    assert all(math.isfinite(model[split]) for model in found["models"] for split in ("validation", "test"))
    assert set(found["versions"]) == {"pyppmd", "numpy"}
