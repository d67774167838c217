"""What the page of the Space shows of a study, and the folder in which it goes to the Hub."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from typing import Any

from huggingface_hub import SpaceCardData
from markupsafe import Markup

import hf_scaling
from hf_scaling.hub.card import Place, label
from hf_scaling.hub.figure import draw_scaling
from hf_scaling.hub.markdown import one_line, render
from hf_scaling.hub.reading import HubStudy, Record
from hf_scaling.records import UserError, write_json, write_text

SDK_VERSION = "6.31.0"  # of Gradio: what the page was tested with
_PACKAGE = Path(hf_scaling.__file__).parent
# what travels with the page, by path, since importing it would load torch and gradio
BUNDLE = ("__init__.py", "generation", "hub/__init__.py", "hub/space", "models", "music", "notation", "records")


def exhibited(study: HubStudy, what: Sequence[str]) -> list[tuple[Record, bool]]:
    """The models of a page, each with whether it is the best one: that first, then each size of each family.

    Of several runs of a size it is the one of lowest loss. Where `what` goes to the Hub has `models` or `best`, the
    others are not shown; where it has neither, they are taken to be there.
    """
    both = not {"models", "best"} & set(what)
    chosen = [(study.best, True)] if study.best and (both or "best" in what) else []
    if both or "models" in what:
        best: dict[tuple[str, str], Record] = {}
        for run in sorted(study.runs, key=lambda run: -run["val_loss"]):
            best[run["family"], run["size"]] = run
        chosen += [(run, False) for run in study.runs if run is best[run["family"], run["size"]]]
    return chosen


def write_exhibit(
    study: HubStudy,
    models: Sequence[tuple[Record, bool]],
    name: Callable[[Record, bool], str],
    folder: Path,
    revision: str | None = None,
) -> None:
    """Write what `hub/space/exhibit.py` reads.

    name: of a model, where it is to be loaded from: a folder or a repository.

    Raises:
        UserError: there are no models, or the study folder is damaged.
    """
    if not models:
        wanted = "expected the folder of a finished study, not one of `hf-scaling keep`"
        raise UserError(f"{study.folder}: holds no model to show; {wanted}")
    shown = [
        {
            "label": _label(run, is_best),
            "name": name(run, is_best),
            "revision": revision,
            "n_params": run["n_params"],
            "n_tokens": run["n_tokens"],
            "bpc": run["val_bpc"],
        }
        for run, is_best in models
    ]
    terms = [one_line(f"{one['source']}: {one['notice']}") for one in study.statistics["licences"]]
    write_json(folder / "space.json", {"title": title(study), "models": shown, "terms": terms})
    if study.fits:
        draw_scaling(study, folder / "scaling.png")


def title(study: HubStudy) -> str:
    """What the page is called."""
    return one_line(f"Folk tunes at all sizes: the study {study.name}")


def _label(run: Record, is_best: bool) -> str:
    size = f"{label(run['family'])} {run['size']}"
    return one_line(f"{size}, trained longer" if is_best else size)


def stage_space(study: HubStudy, place: Place, what: Sequence[str], licence: Path, folder: Path) -> None:
    """Write the Space: page, rooms, exhibit, requirements and card."""
    models = exhibited(study, what)
    name = partial(_repository, place.repository)
    write_exhibit(study, models, name, folder, place.revision)
    for part in BUNDLE:
        there = folder / "hf_scaling" / part
        there.parent.mkdir(parents=True, exist_ok=True)
        if (_PACKAGE / part).is_dir():
            copytree(_PACKAGE / part, there, ignore=ignore_patterns("__pycache__"))
        else:
            copy(_PACKAGE / part, there)
    for own in ("app.py", "requirements.txt"):
        copy(_PACKAGE / "hub" / "space" / own, folder)
    copy(licence, folder / "LICENSE")
    repositories = [name(*model) for model in models]
    runs_on = {"sdk": "gradio", "sdk_version": SDK_VERSION, "python_version": "3.11"}
    data = space_data(title(study), app_file="app.py", models=repositories, **runs_on)
    content = {"data_title": title(study), "endpoint": Markup(place.endpoint), "models": map(Markup, repositories)}
    write_text(folder / "README.md", render("space.md.jinja", data, study=study, **content))


def space_data(heading: str, **more: Any) -> SpaceCardData:
    """The metadata of a Space of ours."""
    looks: dict[str, Any] = {"emoji": "🎻", "colorFrom": "blue", "colorTo": "green", "pinned": False}
    return SpaceCardData(title=heading, license="apache-2.0", **looks, **more)


def _repository(stem: str, run: Record, is_best: bool) -> str:
    return stem if is_best else f"{stem}-{run['run_id']}"
