"""A tune as players need it that know little of notation."""

import re
from fractions import Fraction

from hf_scaling.notation.check import read
from hf_scaling.notation.durations import WHOLE, Ticks
from hf_scaling.notation.events import Note, Rest
from hf_scaling.notation.fields import SIGNS
from hf_scaling.notation.pitch import STEPS, Listener, natural, note_events

_ORNAMENTS = ("decoration", "shorthand", "quote")
_EMPTY_LINE = re.compile(r"\n\s*\n")
_PLAYED = "XMQV"  # fields of a header that say how it sounds, beside L: and K:
_UNIT = Fraction(1, 8)
_UNIT_FIELD = re.compile(r"(?<=^L:).*|(?<=^\[L:)[^\]]*")


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
    return _EMPTY_LINE.sub("\n", "".join(pieces))  # where nothing but ornaments stood: it would end the tune


def in_full(text: str) -> str:
    """A plain tune with nothing left to work out: every note with its accidental, also the signature's, every note and
    rest with its length as a fraction of `L:1/8`, and so without tuplets and marks of broken rhythm; no tie that ties
    nothing (music21 drops the note behind it).

    What no player needs of the header is left out.
    """
    machine, listener = read(text), Listener()
    sounds = {event.offset: event for event in machine.events if isinstance(event, Note | Rest)}
    key_at = next((field.offset for field in machine.fields if field.letter == "K"), None)
    if key_at is None:
        return text
    pieces = [f"{field.letter}:{field.value}\n" for field in machine.fields if field.letter in _PLAYED]
    pieces.append(f"L:{_UNIT}\n")
    chord: list[Ticks] | None = None  # the lengths of its notes
    heard: list[set[int]] = [set()]  # the pitches of each chord or note
    ties: list[tuple[int, int]] = []  # places of ties in `pieces`, and of what is tied in `heard`
    for kind, token, offset in machine.tokens:
        sound = sounds.get(offset)
        if isinstance(sound, Note):
            pitch = listener.note(sound.position, sound.alter, sound.grace, sound.tie)
            token = SIGNS[pitch - natural(sound.position)] + token.lstrip("^_=").rstrip("0123456789/")
            if chord is None:
                token += _length(sound.duration)
                heard.append({pitch})
            else:
                chord.append(sound.duration)
                heard[-1].add(pitch)
        else:
            listener.token(kind, token)
            if sound:
                token = "z" + _length(sound.duration)
                heard.append(set())
            elif kind == "chord-open":
                chord = []
                heard.append(set())
            elif kind == "chord-close":
                token, chord = "]" + (_length(chord[0]) if chord else ""), None
            elif kind == "tie":
                ties.append((len(pieces), len(heard)))
            elif kind in ("field", "inline"):
                token = _UNIT_FIELD.sub(str(_UNIT), token)
        if offset >= key_at and kind not in ("tuplet", "broken", "spacer"):
            pieces.append(token)
    heard.append(set())
    for place, following in ties:
        if heard[following - 1].isdisjoint(heard[following]):
            pieces[place] = ""
    return "".join(pieces)


def _length(ticks: Ticks) -> str:
    return str(Fraction(ticks) / (WHOLE * _UNIT))
