"""ABC notation: read, check and mend tunes, with the standard library only.

One engine reads everything: `lexer.py` turns characters into tokens, `grammar.Machine` tokens into events (notes with
exact durations, rests, bar lines, fields) and problems. It is incremental: feed it a character at a time or a tune at
once, the result is the same. On it stand

- `parts`, `split_tunes` (`book.py`): tune books;
- `header`, `melody` (`tune.py`): headers, the staff positions that fingerprints are made of;
- `check` (`check.py`): parses, strict, playable, and diagnostics with the codes of `CODES`;
- `repair` (`repair.py`): mend a tune, with a log;
- `pitches` (`pitch.py`): the MIDI number of every note; `transpose` (`transpose.py`): a tune in another key;
- `Grammar` (`steer.py`): which characters may follow some text, and how far a legal end is, for constrained decoding;
- `canonical_repeats`, `played_out` (`repeats.py`): every repeat as `|: ... :|`, and none at all, for all is played out;
- `plain`, `in_full` (`plain.py`): a tune without ornaments, and one with every accidental and length written in full;
  these four are for players that get anything else wrong.

The standard followed is ABC 2.1 (https://abcnotation.com/wiki/abc:standard:v2.1), as folk tunes use it.
"""

from hf_scaling.notation.book import Part, file_header, parts, split_tunes, with_shared
from hf_scaling.notation.check import Diagnostic, Verdict, check, judge, read
from hf_scaling.notation.durations import WHOLE
from hf_scaling.notation.events import Bar, Field, Note, Rest
from hf_scaling.notation.fields import Key, Meter, parse_key, parse_meter, parse_unit
from hf_scaling.notation.grammar import Machine
from hf_scaling.notation.pitch import pitches, pitches_of
from hf_scaling.notation.plain import in_full, plain
from hf_scaling.notation.problems import CODES
from hf_scaling.notation.repair import Repaired, Unrepairable, repair
from hf_scaling.notation.repair.edits import Repair
from hf_scaling.notation.repeats import canonical_repeats, played_out
from hf_scaling.notation.steer import Grammar, State
from hf_scaling.notation.transpose import transpose
from hf_scaling.notation.tune import Header, header, melody, melody_of

__all__ = [
    "CODES",
    "WHOLE",
    "Bar",
    "Diagnostic",
    "Field",
    "Grammar",
    "Header",
    "Key",
    "Machine",
    "Meter",
    "Note",
    "Part",
    "Repair",
    "Repaired",
    "Rest",
    "State",
    "Unrepairable",
    "Verdict",
    "canonical_repeats",
    "check",
    "file_header",
    "header",
    "in_full",
    "judge",
    "melody",
    "melody_of",
    "parse_key",
    "parse_meter",
    "parse_unit",
    "parts",
    "pitches",
    "pitches_of",
    "plain",
    "played_out",
    "read",
    "repair",
    "split_tunes",
    "transpose",
    "with_shared",
]
