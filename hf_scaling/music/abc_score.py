"""ABC to a music21 score, with the slips of music21's ABC reader mended. Only for the child processes."""

from music21 import converter, stream


def load(abc: str) -> stream.Score:
    """Read one tune; raises ValueError if the text is more or less than that, and whatever music21 raises."""
    score = converter.parseData(abc, format="abc")
    if not isinstance(score, stream.Score):
        raise ValueError("the text is not one tune")
    for part in list(score.parts):
        if not part.recurse().notes:  # every V: field of the header makes an empty part, without measures
            score.remove(part)
    return score
