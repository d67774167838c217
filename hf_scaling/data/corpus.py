"""All sources read and cleaned: tunes that differ, each with where it came from, in an order of their own."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from tqdm import tqdm

from hf_scaling.data.clean import REASONS as CLEANING_REASONS
from hf_scaling.data.clean import CleanOptions, CleanTune, Reject, clean
from hf_scaling.data.families import incidence
from hf_scaling.data.parallel import in_parallel
from hf_scaling.data.sources import REASONS as SOURCE_REASONS
from hf_scaling.data.sources import SOURCES, RawTune, SourceOptions, Unread
from hf_scaling.data.splits import Key
from hf_scaling.records import UserError, content_hash

_SAME = "same music as another tune"
REASONS = SOURCE_REASONS | CLEANING_REASONS | {_SAME: "below the header it is, to the character, a tune already taken"}
"""Every reason for which a tune may be left out, with what it means."""

_MOST_COPIES = 100
_NO_GRAMS = np.empty(0, dtype=np.uint32)
_NO_GROUPS: frozenset[str] = frozenset()
_OPENING = 80  # characters of a rejected tune that are kept, to know it by


@dataclass(frozen=True)
class Corpus:
    """The tunes kept, in the order of their keys, and the rejects: `REASONS` with provenance, as JSON.

    raws: without their text; tunes: without their grams; grams: their incidence; groups: of each tune, what its source
    or that of a duplicate calls settings of one tune.
    """

    raws: list[RawTune]
    tunes: list[CleanTune]
    grams: csr_array
    keys: list[Key]
    groups: list[Collection[str]]
    rejects: list[dict[str, Any]]

    @property
    def rejected(self) -> dict[str, int]:
        """How many were rejected, by reason."""
        return _by_reason(self.rejects)


def parse_sources(sources: Iterable[str]) -> dict[str, float]:
    """The weight of each source of a list of NAME or NAME=WEIGHT, in its order.

    A weight is how often a tune of the source stands in an epoch: 1 if left out; 0.5 takes half of the tunes, 2 each
    of them twice.

    Raises:
        UserError: an unknown or repeated source, or a weight that is none.
    """
    weights: dict[str, float] = {}
    for text in sources:
        name, given, weight = text.partition("=")
        if name not in SOURCES or name in weights:
            raise UserError(f"sources: got {name!r}, expected some of {', '.join(SOURCES)}, each once")
        try:
            weights[name] = float(weight) if given else 1
        except ValueError:
            weights[name] = 0
        if not 0 < weights[name] <= _MOST_COPIES:
            raise UserError(
                f"sources: got {text!r}, expected {name}=WEIGHT, a number above 0 and at most {_MOST_COPIES}"
            )
    return weights


def read_corpus(weights: Mapping[str, float], source_options: SourceOptions, options: CleanOptions) -> Corpus:
    """Read and clean every tune of the sources in `weights`, on all cores.

    Of tunes with the same music the one stays whose source is named first, then the one whose content hashes lowest,
    then the first by name: nothing depends on the order of files. It keeps the groups of them all.

    Raises:
        UserError: a source or its configuration is wrong, or no tune is left.
    """
    ranks = {name: rank for rank, name in enumerate(weights)}
    kept: dict[str, tuple[Key, RawTune, CleanTune]] = {}
    groups: defaultdict[str, set[str]] = defaultdict(set)
    rejects: list[dict[str, Any]] = []
    for origin, result in in_parallel(partial(_cleaned, options=options), _read(weights, source_options)):
        if isinstance(result, Reject):
            rejects.append(_reject(origin, result))
            continue
        entry = (ranks[origin.source], content_hash(result.text)), origin, result
        music = content_hash(result.body)
        if origin.group:
            groups[music].add(f"{origin.source}/{origin.group}")
        if music in kept:
            entry, (_, loser, tune) = sorted((entry, kept[music]), key=_precedence)
            rejects.append(_reject(replace(loser, text=tune.text[:_OPENING]), Reject(_SAME)))
        kept[music] = entry
    if not kept:
        raise UserError(f"sources: {', '.join(weights)} gave no usable tune (rejected: {_by_reason(rejects)})")
    order = sorted(kept, key=lambda music: _precedence(kept[music]))
    keys, raws, tunes = (list(column) for column in zip(*(kept[music] for music in order), strict=True))
    rejects.sort(key=lambda reject: (ranks[reject["source"]], reject["collection"], reject["file"], reject["number"]))
    kept.clear()  # or a third of all memory would be held twice
    grams = incidence([tune.grams for tune in tunes])
    tunes = [replace(tune, grams=_NO_GRAMS) for tune in tunes]
    return Corpus(raws, tunes, grams, keys, [groups.get(music, _NO_GROUPS) for music in order], rejects)


def _precedence(entry: tuple[Key, RawTune, CleanTune]) -> tuple[Any, ...]:
    key, origin, _ = entry
    return key, origin.collection, origin.file, origin.setting, origin.number


def _read(names: Iterable[str], options: SourceOptions) -> Iterator[RawTune | Unread]:
    streams = (SOURCES[name].read(options) for name in names)
    return iter(tqdm(chain.from_iterable(streams), desc="reading tunes", unit=" tunes", leave=False))


def _cleaned(raw: RawTune | Unread, options: CleanOptions) -> tuple[RawTune, CleanTune | Reject]:
    """What became of a raw tune; where it came from goes along with as much of its text as is still needed."""
    if isinstance(raw, Unread):
        origin = RawTune("", raw.source, raw.collection, raw.file, raw.number)
        return origin, Reject(raw.reason, raw.detail)
    result = clean(raw.text, options)
    return replace(raw, text=raw.text[:_OPENING] if isinstance(result, Reject) else ""), result


def _by_reason(rejects: Iterable[dict[str, Any]]) -> dict[str, int]:
    return dict(sorted(Counter(reject["reason"] for reject in rejects).items()))


def _reject(origin: RawTune, reject: Reject) -> dict[str, Any]:
    return {
        "reason": reject.reason,
        "detail": reject.detail,
        "source": origin.source,
        "collection": origin.collection,
        "file": origin.file,
        "number": origin.number,
        "opening": origin.text,
    }
