"""A second opinion on MIDI files: another reader of ABC must hear the same notes for the same time.

The other reader is abc2midi, as symusic carries it; it is optional, and what it says is stored beside the sample. Two
readers that agree may still both be wrong, and where they do not, nothing says which one is: so a difference is shown
and never mended away.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from hf_scaling.music.child import Worker
from hf_scaling.music.midi import as_read

_SAME_TIME = 0.01  # seconds; the two count in different ticks


class CrossCheck(NamedTuple):
    """What another reader made of a tune: `agrees` is None where it could not be asked, and `message` says why.

    `seconds` and `notes` are the other reader's, None where it could not be asked.
    """

    agrees: bool | None
    message: str
    seconds: float | None = None
    notes: int | None = None


def cross_check(tunes: Iterable[tuple[str, Path]], timeout_each: float = 20) -> list[CrossCheck]:
    """Compare each (ABC text, its MIDI file) with what symusic makes of the same text; one result per tune, in order.

    Compared are when the last note ends and which pitches begin, in order of time and from low to high.
    """
    with Worker("second reading") as worker:
        return [_judge(worker.ask(as_read(abc), path, timeout_each)) for abc, path in tunes]


def _judge(reply: dict[str, Any]) -> CrossCheck:
    if "error" in reply:
        return CrossCheck(None, reply["error"])
    ours, theirs = reply["file"], reply["text"]
    differences = []
    if abs(ours["seconds"] - theirs["seconds"]) > _SAME_TIME:
        differences.append(f"{ours['seconds']:.2f} s here, {theirs['seconds']:.2f} s there")
    if len(ours["pitches"]) != len(theirs["pitches"]):
        differences.append(f"{len(ours['pitches'])} notes here, {len(theirs['pitches'])} there")
    else:
        pairs = enumerate(zip(ours["pitches"], theirs["pitches"], strict=True), 1)
        if other := [place for place, (here, there) in pairs if here != there]:
            differences.append(f"{len(other)} notes have another pitch, the first of them note {other[0]}")
    message = "; ".join(differences) or "same length, same pitches"
    return CrossCheck(not differences, message, theirs["seconds"], len(theirs["pitches"]))
