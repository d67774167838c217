"""What the page says of a tune and of the models, as HTML in which every text is escaped."""

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

from hf_scaling.hub.space.exhibit import Exhibit, Shown
from hf_scaling.hub.space.piece import Piece
from hf_scaling.hub.space.writing import Writing

STYLE = """
.gradio-container { max-width: 1180px !important; margin: auto; }
.score { background: #fff; border-radius: 6px; padding: 4px; width: 100%; }
.figure { background: #fff; border-radius: 6px; display: block; margin: auto; }
.figure { max-width: none !important; width: clamp(620px, 100%, 940px); }
.wide { margin: auto; max-width: calc(100vw - 8rem); overflow-x: auto; }
.said { line-height: 1.5; overflow-wrap: anywhere; }
.said ul { margin: 0.2em 0 0 1.2em; }
.said .good { color: #15803d; font-weight: 600; }
.said .fair { color: #b45309; font-weight: 600; }
.said .bad { color: #b91c1c; font-weight: 600; }
.dark .said .good { color: #4ade80; }
.dark .said .fair { color: #fbbf24; }
.dark .said .bad { color: #f87171; }
.sizes { width: fit-content; }
.sizes th, .sizes td { font-size: 0.9em; padding: 0.15em 0.6em !important; text-align: right !important; }
.sizes th:first-child, .sizes td:first-child { text-align: left !important; white-space: nowrap; }
.component-wrapper { contain: inline-size; }  /* the player, which else widens a phone's page until it is cut off */
@media (max-width: 600px) {
  .sizes th, .sizes td { font-size: 0.75em; padding: 0.15em 0.3em !important; white-space: normal !important; }
}
.abc textarea { font-family: var(--font-mono); font-size: 0.85em; }
footer { display: none !important; }
"""
_AT_WORK = '<i class="work">…</i>'
_VERDICTS = {
    "strict": ("good", "Every bar is right as it was written."),
    "playable": ("fair", "It plays as it was written, but not every bar is right."),
    "": ("fair", "It plays after repair."),
}


def problem(message: str, writing: Writing | None = None) -> str:
    """Something that went wrong, told to the person at the page."""
    told = f'<span class="bad" role="alert">{escape(message)}</span>'
    return _said(writing, [told]) if writing else f'<div class="said">{told}</div>'


def stopped(*said: str) -> list[str]:
    """What is said, of what was said of each tune: those on their way have stopped."""
    return ['<div class="said">Stopped.</div>' if _AT_WORK in one else one for one in said]


def at_work(writing: Writing) -> str:
    """What is said while a tune is on its way."""
    return _said(writing, [f"{writing.stage} {_AT_WORK}"])


def _said(writing: Writing, lines: Sequence[str]) -> str:
    who = f"<b>{escape(writing.model.label)}</b>, seed {writing.wish.seed}"
    return f'<div class="said">{"<br>".join([who, *lines])}</div>'


def said(writing: Writing, piece: Piece) -> str:
    """Who wrote the tune, how far it was legal as written, and what was mended."""
    grade, verdict = next(pair for tier, pair in _VERDICTS.items() if getattr(piece.verdict, tier, True))
    lines = [f'<span class="{grade}">{escape(verdict)}</span>']
    lines += [] if piece.complete else ["It was cut off at the most that the model may write."]
    lines += [_told_briefly(*one.split(": ", 1)) for one in piece.problems]
    wrong = [f"as written, line {one.line}: {one.message}" for one in piece.verdict.diagnostics]
    mended = [f"repaired, line {one.line}: {one.message}" for one in piece.repaired.repairs]
    if wrong or mended:
        items = "".join(f"<li>{escape(one)}</li>" for one in wrong + mended)
        counts = f"{_count(wrong, 'problem')} as written, {_count(mended, 'repair')}"
        lines.append(f"<details><summary>{counts}</summary><ul>{items}</ul></details>")
    return _said(writing, lines)


def _told_briefly(what: str, why: str) -> str:
    """A problem that a converter told at length."""
    return f'<details><summary class="bad">{escape(what)}</summary>{escape(why)}</details>'


def _count(things: Sequence[str], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}" if things else f"no {name}"


def score(piece: Piece) -> str:
    """The engraved tune, as an image: nothing in it can run."""
    if piece.score is None:
        return ""
    return _image(piece.score, "svg+xml", "score", f"Score of {piece.title or 'the tune'}")


def scaling(exhibit: Exhibit) -> str:
    """The scaling figure, and the sizes as a table."""
    parts = []
    if exhibit.figure:
        told = "Validation loss against number of parameters for the longest runs of the study, with fitted power laws"
        parts.append(f'<div class="wide">{_image(exhibit.figure, "png", "figure", told)}</div>')
    parts.append(_table(exhibit.models))
    return "".join(parts)


def terms(exhibit: Exhibit) -> str:
    """The terms of the data that the models were trained on."""
    items = "".join(f"<li>{escape(one)}</li>" for one in exhibit.terms)
    return f'<div class="said">The models learnt from tunes on these terms:<ul>{items}</ul></div>'


def _table(models: Sequence[Shown]) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.label)}</td><td>{one.n_params:,}</td><td>{one.n_tokens:,}</td><td>{one.bpc:.3f}</td></tr>"
        for one in models
    )
    heads = "<th>model</th><th>parameters</th><th>training tokens</th><th>bits per character</th>"
    return f'<div class="wide sizes"><table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>'


def _image(path: Path, kind: str, name: str, alt: str) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<img class="{name}" alt="{escape(alt)}" src="data:image/{kind};base64,{data}">'
