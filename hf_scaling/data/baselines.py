"""What a compressor and character n-grams need for the held-out tunes: a model that needs more has learnt little."""

import importlib.metadata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyppmd
from numpy.typing import NDArray

_PPM_ORDER = 16
_NGRAM_ORDERS = 8
_MOST_CHARACTERS = 2**24  # of training text, which takes 1.4 GB and a minute
_BOUNDARY = "\0"  # cleaning leaves none of these in a tune
_BYTES_OF_MODEL = 64  # for each byte of text; folk tunes take about 30, random text less
_MOST_MEMORY = 2**32 - 2**10  # of the format
_CONVENTION = (
    "Bits for all characters and the end of each tune, over the number of characters, as for the models. Each method "
    "was given the training text first. PPMd goes on learning from the held-out tunes while it codes them; the n-grams "
    "do not."
)


def baselines(
    train: Sequence[str], held_out: Mapping[str, Sequence[str]], most_characters: int = _MOST_CHARACTERS
) -> dict[str, Any]:
    """Bits per character of PPMd and of n-grams on each held-out split, in the convention of the models' `bpc`.

    The text is that of the token streams: a boundary before each tune and after the last. Every boundary but the first
    of a split is predicted and costs bits, and none counts as a character.

    Args:
        held_out: split -> tunes, at least one in each.
        most_characters: of training text; the tunes beyond are not read, so that memory has a bound.

    Returns:
        A JSON-able record; each of its `models` has the splits as keys, and `adaptive` says whether it learns from
        the held-out tunes while it predicts them.
    """
    train = _first(train, most_characters)
    characters = {split: sum(map(len, tunes)) for split, tunes in held_out.items()}
    ppm = {split: ppm_bits(train, tunes) / characters[split] for split, tunes in held_out.items()}
    models = [{"name": f"PPMd order {_PPM_ORDER}", "order": _PPM_ORDER, "adaptive": True, **ppm}]
    costs = ngram_bits(train, held_out, _NGRAM_ORDERS)
    for order in range(1, _NGRAM_ORDERS + 1):
        bpc = {split: float(bits[order - 1].sum()) / characters[split] for split, bits in costs.items()}
        models.append({"name": f"{order}-gram Kneser-Ney", "order": order, "adaptive": False, **bpc})
    return {
        "unit": "bits per character",
        "convention": _CONVENTION,
        "train_characters": sum(map(len, train)),
        "models": models,
        "versions": {name: importlib.metadata.version(name) for name in ("pyppmd", "numpy")},
    }


def _first(tunes: Sequence[str], characters: int) -> list[str]:
    """As many tunes from the start as fit into so many characters, but at least one."""
    ends = np.cumsum([len(tune) for tune in tunes])
    return list(tunes[: max(1, int(np.searchsorted(ends, characters, side="right")))])


def _text(tunes: Sequence[str]) -> str:
    return "".join(tune + _BOUNDARY for tune in tunes)


def ppm_bits(train: Sequence[str], tunes: Sequence[str]) -> int:
    """Bits that PPMd variant H (Shkarin 2002) adds for `tunes`, in UTF-8, behind the training text.

    What its range coder holds back at either end makes this wrong by a few bytes.
    """
    known, new = ((_BOUNDARY * first + _text(part)).encode() for first, part in ((1, train), (0, tunes)))
    # a full model would be thrown away and begun anew; the pages that it does not need are never touched
    memory = min(max(2**20, _BYTES_OF_MODEL * (len(known) + len(new))), _MOST_MEMORY)
    encoder = pyppmd.Ppmd7Encoder(_PPM_ORDER, memory)
    encoder.encode(known)
    return 8 * len(encoder.encode(new))


def ngram_bits(
    train: Sequence[str], held_out: Mapping[str, Sequence[str]], max_order: int
) -> dict[str, NDArray[np.float64]]:
    """Cost of every held-out character and boundary under n-grams with modified Kneser-Ney smoothing.

    Chen & Goodman 1999, interpolated, down to a uniform distribution over the training alphabet, the boundary and one
    symbol for all other characters. Contexts reach across boundaries but not out of a split.

    Returns:
        Split -> bits, shape (max_order, characters + tunes); row n - 1 is the n-gram.
    """
    symbols, n_symbols, ends = _symbols([_BOUNDARY * max_order + _text(part) for part in (train, *held_out.values())])
    seen = slice(max_order, ends[0])
    targets = [np.arange(start + max_order, end) for start, end in pairwise(ends)]
    asked = np.concatenate(targets)
    bits = np.empty((max_order, len(asked)))
    lower = np.full(len(asked), 1 / n_symbols)
    # of each position: the number of the n-gram that ends there, and of the context before it
    gram, context = symbols, np.zeros_like(symbols)
    for order in range(1, max_order + 1):
        counts = np.bincount(gram[seen], minlength=int(gram.max()) + 1)
        context_of = np.empty_like(counts)
        context_of[gram] = context
        where = context_of, gram[asked], context[asked]
        bits[order - 1] = -np.log2(_interpolated(counts, *where, lower))
        if order < max_order:
            codes = gram.astype(np.int64) * n_symbols + np.roll(symbols, order)
            codes, longer = np.unique(codes, return_inverse=True)
            occurring = codes[np.bincount(longer[seen], minlength=len(codes)) > 0]
            # a shorter context is asked where a longer one fails: what counts is in how many it occurs, not how often
            left_neighbours = np.bincount(occurring // n_symbols, minlength=len(counts))
            lower = _interpolated(left_neighbours, *where, lower)
            gram, context = longer.astype(np.uint32), np.roll(gram, 1)
    return dict(zip(held_out, np.split(bits, np.cumsum([len(where) for where in targets])[:-1], axis=1), strict=True))


def _symbols(texts: Sequence[str]) -> tuple[NDArray[np.uint32], int, NDArray[np.int64]]:
    """The texts in a row as numbers, how many numbers there are, and where each text ends.

    The last number stands for all characters that the first text does not hold.
    """
    parts = [np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32) for text in texts]
    alphabet, points = np.unique(parts[0]), np.concatenate(parts)
    symbols = np.searchsorted(alphabet, points).astype(np.uint32)
    symbols[alphabet[np.minimum(symbols, len(alphabet) - 1)] != points] = len(alphabet)
    return symbols, len(alphabet) + 1, np.cumsum([len(part) for part in parts])


def _interpolated(
    counts: NDArray[np.int64],
    context_of: NDArray[np.int64],
    gram: NDArray[np.uint32],
    context: NDArray[np.uint32],
    lower: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Probability of each `gram` given its `context`; `counts` and `context_of` are indexed by gram."""
    discounts = _discounts(counts)[np.minimum(counts, 3)]
    totals, spare = (np.bincount(context_of, weights=part)[context] for part in (counts, discounts))
    return np.where(totals > 0, (counts[gram] - discounts[gram] + spare * lower) / np.maximum(totals, 1), lower)


def _discounts(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """What is taken from a count of 0, 1, 2, and 3 or more: Chen & Goodman 1999.

    The estimates from a few grams can leave nothing to take or nothing to give; 1/2 stands for these.
    """
    n = np.bincount(np.minimum(counts, 5), minlength=5)[1:5].astype(float)
    least = np.arange(1.0, 4.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        estimates = least - (least + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:-1]
    return np.append(0.0, np.where((estimates > 0) & (estimates < least), estimates, 0.5))
