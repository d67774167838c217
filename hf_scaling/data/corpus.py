"""All sources read and cleaned: tunes that differ, each with where it came from, in an order of their own."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from operator import itemgetter
from typing import Any

from tqdm import tqdm

from hf_scaling.data.clean import REASONS as CLEANING_REASONS
from hf_scaling.data.clean import CleanOptions, CleanTune, Reject, clean
from hf_scaling.data.parallel import in_parallel
from hf_scaling.data.sources import REASONS as SOURCE_REASONS
from hf_scaling.data.sources import SOURCES, RawTune, SourceOptions, Unread
from hf_scaling.data.splits import Key
from hf_scaling.records import UserError, content_hash

_SAME = "same music as another tune"
REASONS = SOURCE_REASONS | CLEANING_REASONS | {_SAME: "its music is that of a tune already taken, to the character"}
"""Every reason for which a tune may be left out, with what it means."""

MOST_COPIES = 100
_OPENING = 80  # characters of a rejected tune that are kept, to know it by


@dataclass(frozen=True)
class Corpus:
    """The tunes kept, in the order of their keys, and the rejects: `REASONS` with provenance, as JSON."""

    raws: list[RawTune]  # without their text
    tunes: list[CleanTune]
    keys: list[Key]
    rejects: list[dict[str, Any]]

    @property
    def rejected(self) -> dict[str, int]:
        """How many were rejected, by reason."""
        return dict(sorted(Counter(reject["reason"] for reject in self.rejects).items()))


def parse_sources(sources: Iterable[str]) -> dict[str, float]:
    """The weight of each source of a list of NAME or NAME=WEIGHT, in its order.

    A weight is how often a tune of the source stands in an epoch: 1 if left out; 0.5 takes half of the tunes, 2 each
    of them twice.

    Raises:
        UserError: an unknown or repeated source, or a weight that is none.
    """
    weights: dict[str, float] = {}
    for text in sources:
        name, _, weight = text.partition("=")
        if name not in SOURCES or name in weights:
            raise UserError(f"sources: got {name!r}, expected some of {', '.join(SOURCES)}, each once")
        try:
            weights[name] = float(weight or 1)
        except ValueError:
            weights[name] = 0
        if not 0 < weights[name] <= MOST_COPIES:
            raise UserError(
                f"sources: got {text!r}, expected {name}=WEIGHT, a number above 0 and at most {MOST_COPIES}"
            )
    return weights


def corpus_identity(names: Iterable[str], options: SourceOptions) -> dict[str, str | None]:
    """What each source would read now, as a short string; None for one that is not to be had on this machine."""
    return {name: SOURCES[name].identity(options) for name in names}


def read_corpus(weights: Mapping[str, float], source_options: SourceOptions, options: CleanOptions) -> Corpus:
    """Read and clean every tune of the sources in `weights`, on all cores.

    Of tunes with the same music the one stays whose source is named first, then the one whose content hashes lowest:
    nothing depends on the order of files.

    Raises:
        UserError: a source or its configuration is wrong, or no tune is left.
    """
    ranks = {name: rank for rank, name in enumerate(weights)}
    kept: dict[str, tuple[Key, RawTune, CleanTune]] = {}
    rejects: list[dict[str, Any]] = []
    for origin, result in in_parallel(partial(_cleaned, options=options), _read(weights, source_options)):
        if isinstance(result, Reject):
            rejects.append(_reject(origin, result))
            continue
        entry = (ranks[origin.source], content_hash(result.text)), origin, result
        music = content_hash(result.body)
        if music in kept:
            entry, (_, loser, tune) = sorted((entry, kept[music]), key=itemgetter(0))
            rejects.append(_reject(replace(loser, text=tune.text[:_OPENING]), Reject(_SAME)))
        kept[music] = entry
    if not kept:
        reasons = dict(Counter(reject["reason"] for reject in rejects))
        raise UserError(f"sources: {', '.join(weights)} gave no usable tune (rejected: {reasons})")
    entries = sorted(kept.values(), key=itemgetter(0))
    keys, raws, tunes = (list(column) for column in zip(*entries, strict=True))
    rejects.sort(key=lambda reject: (ranks[reject["source"]], reject["collection"], reject["file"], reject["number"]))
    return Corpus(raws, tunes, keys, rejects)


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
