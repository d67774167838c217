"""The page: what a person can choose, and the tunes beside each other."""

import secrets
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

import gradio as gr

from hf_scaling.hub.space import show
from hf_scaling.hub.space.exhibit import Exhibit, Shown
from hf_scaling.hub.space.writing import Wish, Writing, parse_seed
from hf_scaling.records import UserError

_ABOUT = (
    "Language models of different sizes, all trained on the same tunes, write new ones. Ask two of them for the same "
    "tune, and see and hear what size buys."
)
_ANY = "any"
_RHYTHMS = ["Reel", "Jig", "Hornpipe", "Polka", "Slip jig", "Slide", "Waltz", "March", "Strathspey", "Air"]
_METERS = ["4/4", "6/8", "2/4", "3/4", "9/8", "12/8", "C", "C|", "3/2"]
_KEYS = ["D", "G", "A", "C", "F", "Bb", "Em", "Am", "Bm", "Dm", "Gm", "Ador", "Edor", "Ddor", "Amix", "Dmix"]
_CONSTRAINTS = [("full bars", "strict"), ("legal notation", "legal"), ("nothing", "none")]
_ALONE = "no other"
_SECONDS = 0.1  # between two looks at what is being written
_AT_ONCE = 2  # people whose tunes are written at the same time; the others wait in a queue
_HOUR = 3600
_SEEDS = 10**6  # to draw from: short enough to be read out
_pool = ThreadPoolExecutor(2 * _AT_ONCE)

Updates = dict[Any, Any]


class _Stand(NamedTuple):
    """Where one tune is shown."""

    column: gr.Column
    said: gr.HTML
    score: gr.HTML
    audio: gr.Audio
    abc: gr.Textbox
    abc_file: gr.DownloadButton
    midi_file: gr.DownloadButton

    def clear(self, visible: bool) -> Updates:
        """Nothing is shown."""
        files = (self.score, self.audio, self.abc_file, self.midi_file)
        hidden = {part: gr.update(value=None, visible=False) for part in files}
        return {self.column: gr.update(visible=visible), self.said: "", self.abc: "", **hidden}

    def watch(self, writing: Writing) -> Updates:
        """A tune on its way, or done."""
        if writing.future.done():
            return self._done(writing)
        return {self.said: show.at_work(writing), self.abc: writing.text}

    def _done(self, writing: Writing) -> Updates:
        try:
            piece = writing.future.result()
        except UserError as error:
            return {self.said: show.problem(str(error), writing), self.abc: writing.text}
        files = ((self.audio, piece.audio), (self.abc_file, piece.abc), (self.midi_file, piece.midi))
        return {
            self.said: show.said(writing, piece),
            self.score: gr.update(value=show.score(piece), visible=piece.score is not None),
            self.abc: piece.repaired.text,
            **{part: gr.update(value=path and str(path), visible=path is not None) for part, path in files},
        }


def build_page(exhibit: Exhibit) -> gr.Blocks:
    """The page of an exhibit, to be launched."""
    models = {model.label: model for model in exhibit.models}
    smallest = min(exhibit.models, key=lambda model: model.n_params).label
    beside = smallest if len(models) > 1 else _ALONE
    with gr.Blocks(title=exhibit.title, analytics_enabled=False, delete_cache=(_HOUR, _HOUR)) as page:
        gr.Markdown(f"# {exhibit.title}\n{_ABOUT}")
        with gr.Row():
            first = gr.Dropdown(list(models), value=exhibit.models[0].label, label="Model", min_width=240)
            second = gr.Dropdown([_ALONE, *models], value=beside, label="Beside it", min_width=240)
        with gr.Row():
            title = gr.Textbox(label="Title", placeholder="left to the model", max_length=80, min_width=140)
            fields = [
                gr.Dropdown([_ANY, *choices], value=_ANY, label=label, allow_custom_value=True, min_width=120)
                for label, choices in (("Rhythm", _RHYTHMS), ("Metre", _METERS), ("Key", _KEYS))
            ]
        with gr.Row():
            temperature = gr.Slider(0.3, 1.5, 0.9, step=0.05, label="Temperature", info="low is safe, high is bold")
            constrain = gr.Radio(_CONSTRAINTS, value="strict", label="Held to")
            # a text, since an empty gr.Number arrives as 0
            seed = gr.Textbox(label="Seed", placeholder="a new tune each time", max_length=20, min_width=140)
        with gr.Row():
            start = gr.Button("Write a tune", variant="primary", elem_id="write")
            stop = gr.Button("Stop", elem_id="stop")
        with gr.Row(equal_height=False):
            stands = [_stand(number) for number in (1, 2)]
        with gr.Accordion("How the loss falls with size", open=True):
            gr.HTML(show.scaling(exhibit))
        gr.HTML(show.terms(exhibit))

        def write(*chosen: Any) -> Iterator[Updates]:
            yield from _write(models, stands, *chosen)

        outputs = [part for stand in stands for part in stand]
        event = start.click(
            write,
            [first, second, title, *fields, temperature, constrain, seed],
            outputs,
            api_name="write",
            concurrency_limit=_AT_ONCE,
            show_progress="hidden",
        )
        said = [stand.said for stand in stands]
        # told in a second step: in the same one, a last update of the tune may arrive after what is told
        stop.click(None, cancels=[event], api_visibility="private").then(
            show.stopped, said, said, show_progress="hidden", api_visibility="private"
        )
    return page


def _stand(number: int) -> _Stand:
    with gr.Column(min_width=320, visible=number == 1, elem_id=f"tune-{number}") as column:
        said, score = gr.HTML(), gr.HTML(visible=False)
        audio = gr.Audio(visible=False, interactive=False, label="Listen", buttons=[])
        abc = gr.Textbox(label="ABC notation", lines=8, max_lines=20, buttons=["copy"], elem_classes="abc")
        with gr.Row():
            files = [gr.DownloadButton(f"Download .{kind}", visible=False, size="sm") for kind in ("abc", "mid")]
    return _Stand(column, said, score, audio, abc, *files)


def _write(
    models: dict[str, Shown], stands: Sequence[_Stand], first: str, second: str, *chosen: Any
) -> Iterator[Updates]:
    """Have one or two models write for the same wish, and show it as it comes."""
    names = [first] if second == _ALONE else [first, second]
    cleared: Updates = {}
    for number, stand in enumerate(stands):
        cleared |= stand.clear(number < len(names))
    yield cleared
    # gradio copies the files that it is given before it asks for more; a thread that was stopped may write a last one
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        try:
            wish = _wish(*chosen)
            writings = [Writing(_pool, models[name], wish, Path(folder) / str(n)) for n, name in enumerate(names)]
        except UserError as error:
            yield {stands[0].said: show.problem(str(error))}
            return
        waiting = list(zip(stands, writings, strict=False))
        try:
            while waiting:
                wait([writing.future for _, writing in waiting], _SECONDS, FIRST_COMPLETED)
                done = [pair for pair in waiting if pair[1].future.done()]
                yield {part: value for stand, writing in waiting for part, value in stand.watch(writing).items()}
                waiting = [pair for pair in waiting if pair not in done]
        finally:
            for writing in writings:
                writing.stop()


def _wish(title: str, rhythm: str, meter: str, key: str, temperature: float, constrain: str, seed: str | None) -> Wish:
    fields = {"title": title, "rhythm": rhythm, "meter": meter, "key": key}
    given = {name: None if text in ("", _ANY, None) else text for name, text in fields.items()}
    return Wish(given, temperature, constrain, parse_seed(seed) if seed and seed.strip() else secrets.randbelow(_SEEDS))
