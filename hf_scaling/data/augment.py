"""Transposed copies of training tunes: more keys to learn from, though no new music."""

from collections.abc import Iterator, Sequence

from tqdm import tqdm

from hf_scaling.data.parallel import in_parallel
from hf_scaling.notation import header, transpose

MOST_SEMITONES = 6  # either way; further is another octave of the same key


def transposed_copies(texts: Sequence[str], transpositions: Sequence[int]) -> Iterator[tuple[int, int, str, str]]:
    """(index into texts, semitones, transposed text, its K:) for each text and transposition.

    A copy that reads as its original does, as without a key, is left out.
    """
    jobs = [(index, semitones) for semitones in transpositions for index in range(len(texts))]
    pairs = ((texts[index], semitones) for index, semitones in jobs)
    bar = tqdm(pairs, desc="transposing", total=len(jobs), unit=" tunes", leave=False, disable=not jobs)
    copies = in_parallel(_copy, bar)
    for (index, semitones), (text, key) in zip(jobs, copies, strict=True):
        if text != texts[index]:
            yield index, semitones, text, key


def _copy(job: tuple[str, int]) -> tuple[str, str]:
    text = transpose(*job)
    return text, header(text).first("K") or ""
