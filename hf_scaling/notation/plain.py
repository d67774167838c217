"""A tune as players need it that know little of notation."""

from hf_scaling.notation.check import read
from hf_scaling.notation.fields import SIGNS
from hf_scaling.notation.pitch import STEPS, Listener, natural, note_events

_ORNAMENTS = ("decoration", "shorthand", "quote")


def plain(text: str) -> str:
    """The tune without grace notes, decorations, chord symbols and annotations: what no two players play alike.

    An accidental stands before every note that it holds for, not only before the first of the bar (music21 forgets
    some of them).
    """
    machine, listener = read(text), Listener()
    notes = note_events(machine)
    pieces, in_grace = [], False
    for kind, token, offset in machine.tokens:
        note = notes.get(offset)
        if note is None:
            listener.token(kind, token)
        elif note.alter is None and not note.grace:
            alter = listener.implied(note.position) - natural(note.position)
            if alter != listener.key.alteration(STEPS[note.position % 7]):
                token = SIGNS[alter] + token
        if note is not None:
            listener.note(note.position, note.alter, note.grace, note.tie)
        in_grace = in_grace or kind == "grace-open"
        if not in_grace and kind not in _ORNAMENTS:
            pieces.append(token)
        in_grace = in_grace and kind != "grace-close"
    return "".join(pieces)
