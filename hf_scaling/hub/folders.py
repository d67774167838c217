"""The folders that go to the Hub, written exactly as they will stand there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from shutil import copy
from typing import Any

from huggingface_hub import DatasetCardData, ModelCardData
from markupsafe import Markup
from safetensors import SafetensorError, safe_open

import hf_scaling
from hf_scaling.hub.card import Place, label, model_card
from hf_scaling.hub.figure import draw_scaling
from hf_scaling.hub.ledger import write_ledger
from hf_scaling.hub.markdown import one_line, render
from hf_scaling.hub.reading import HubStudy, Record
from hf_scaling.hub.space_folder import space_data, stage_space
from hf_scaling.records import UserError, read_object, write_json, write_text

_CODE = Path(hf_scaling.__file__).parent / "models" / "folk_lstm"  # its path, since importing it would load torch
_AUTO_MAP = {
    "AutoConfig": "configuration_folk_lstm.FolkLSTMConfig",
    "AutoModelForCausalLM": "modeling_folk_lstm.FolkLSTMForCausalLM",
}
_OF_THIS_MACHINE = ("auto_map", "is_local", "local_files_only", "name_or_path")


@dataclass(frozen=True)
class Target:
    """One repository. `kind` is model, dataset or space, and a Space has an `sdk`; `stage` writes its content into an
    empty folder.

    `stage` raises UserError where the content may not be pushed, is damaged or is not there.
    """

    kind: str
    repository: str
    stage: Callable[[Path], None]
    sdk: str | None = None


@dataclass(frozen=True)
class Naming:
    """Where everything goes: `stem` is USER/NAME, to which each kind adds its ending."""

    stem: str
    endpoint: str
    revision: str | None
    what: Sequence[str]

    def place(self, ending: str = "") -> Place:
        """Of the repository with that ending, with what is pushed beside it."""
        beside = {"dataset": "", "ledger": "-ledger", "space": ""}
        places = {name: f"{self.stem}{end}" for name, end in beside.items() if name in self.what}
        return Place(f"{self.stem}{ending}", self.endpoint, self.revision, **places)


def study_targets(study: HubStudy, naming: Naming, licence: Path) -> list[Target]:
    """The repositories for `naming.what`: some of tokenizer, ledger, models, best, report, space.

    licence: the text that goes beside the code and the weights.

    Raises:
        UserError: nothing to push.
    """
    if not all(one["redistributable"] for one in study.statistics["licences"]):
        # its own push is refused: no card may point to it
        naming = replace(naming, what=[name for name in naming.what if name != "dataset"])
    targets = []
    if "tokenizer" in naming.what:
        place = naming.place("-tokenizer")
        targets.append(Target("model", place.repository, partial(_stage_tokenizer, study, place)))
    if "ledger" in naming.what:
        place = naming.place("-ledger")
        targets.append(Target("dataset", place.repository, partial(_stage_ledger, study, place)))
    if "models" in naming.what:
        if not study.runs:
            raise UserError(f"{study.folder}: no run has finished; there are no models to push")
        for run in study.runs:
            place = naming.place(f"-{run['run_id']}")
            stage = partial(_stage_model, study, run, place, licence, False)
            targets.append(Target("model", place.repository, stage))
    if "best" in naming.what:
        if study.best is None:
            raise UserError(f"{study.folder}: holds no best.json; expected a study that has come to its end")
        place = naming.place()
        stage = partial(_stage_model, study, study.best, place, licence, True)
        targets.append(Target("model", place.repository, stage))
    if "report" in naming.what:
        place = naming.place("-report")
        targets.append(Target("space", place.repository, partial(_stage_report, study), sdk="static"))
    if "space" in naming.what:
        place = naming.place()
        stage = partial(stage_space, study, place, naming.what, licence)
        targets.append(Target("space", place.repository, stage, sdk="gradio"))
    return targets


def _need(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path}: not found; expected the folder of a finished study, not one of `hf-scaling keep`")
    return path


def _stage_model(study: HubStudy, run: Record, place: Place, licence: Path, is_best: bool, folder: Path) -> None:
    """All that a user needs, the card and its figure; with an LSTM its code, with the best model its samples."""
    run_folder = study.run_folder(run, is_best)
    model = run_folder / "model"
    config, generation = (read_object(_need(model / name)) for name in ("config.json", "generation_config.json"))
    for name in _OF_THIS_MACHINE:
        config.pop(name, None)  # above all no code from elsewhere
    config["use_cache"] = True
    if run["family"] == "folk_lstm":
        config["auto_map"] = _AUTO_MAP
        for reference in _AUTO_MAP.values():
            copy(_CODE / f"{reference.partition('.')[0]}.py", folder)
    write_json(folder / "config.json", config)
    write_json(folder / "generation_config.json", generation)
    _copy_weights(model, folder)
    _copy_tokenizer(model, folder)
    copy(_need(licence), folder / "LICENSE")
    if study.fits:
        draw_scaling(study, folder / "scaling.png", run)
    if is_best:
        _copy_samples(study, folder / "samples")
    spec = read_object(_need(run_folder / "config.json"))
    write_text(folder / "README.md", model_card(study, run, spec, generation, place, is_best))


def _copy_weights(model: Path, folder: Path) -> None:
    """safetensors and nothing else, each read to see that it is whole."""
    weights = sorted(model.glob("*.safetensors"))
    if not weights:
        raise UserError(f"{model}: holds no safetensors; expected the model of a finished run")
    for path in weights:
        try:
            with safe_open(path, framework="numpy") as opened:
                opened.keys()
        except SafetensorError as error:
            raise UserError(f"{path}: damaged ({error})") from None
        copy(path, folder)
    if (index := model / "model.safetensors.index.json").is_file():
        write_json(folder / index.name, read_object(index))


def _copy_tokenizer(source: Path, folder: Path) -> None:
    write_json(folder / "tokenizer.json", read_object(_need(source / "tokenizer.json")))
    settings = read_object(_need(source / "tokenizer_config.json"))
    kept = {name: value for name, value in settings.items() if name not in _OF_THIS_MACHINE}
    write_json(folder / "tokenizer_config.json", kept)


def _copy_samples(study: HubStudy, folder: Path) -> None:
    folder.mkdir()
    for sample in study.samples:
        for suffix in ("abc", "mid", "svg", "opus"):
            path = study.folder / "samples" / f"{sample['index']:03d}.{suffix}"
            if path.is_file():
                copy(path, folder)


def _arguments(place: Place) -> Markup:
    return Markup(f'"{place.repository}"' + (f', revision="{place.revision}"' if place.revision else ""))


def _stage_tokenizer(study: HubStudy, place: Place, folder: Path) -> None:
    _copy_tokenizer(study.folder / "tokenizer", folder)
    data = ModelCardData(license="apache-2.0", library_name="transformers", tags=["music", "abc-notation", "tokenizer"])
    card = render("tokenizer.md.jinja", data, study=study, arguments=_arguments(place))
    write_text(folder / "README.md", card)


def _stage_ledger(study: HubStudy, place: Place, folder: Path) -> None:
    write_ledger(study, folder / "data" / "runs.parquet")
    files: list[dict[str, Any]] = [{"split": "train", "path": "data/runs.parquet"}]
    data = DatasetCardData(
        license="apache-2.0",
        pretty_name=one_line(f"Runs of the scaling study {study.name}"),
        tags=["music", "abc-notation", "scaling-laws"],
        configs=[{"config_name": "default", "data_files": files}],
    )
    sizes = [row["n_params"] for row in study.rows if row.get("n_params")]
    card = render(
        "ledger.md.jinja",
        data,
        study=study,
        arguments=_arguments(place),
        finished=study.runs,
        families=list(dict.fromkeys(label(row["family"]) for row in study.rows)),
        smallest=min(sizes, default=None),
        largest=max(sizes, default=None),
    )
    write_text(folder / "README.md", card)


def _stage_report(study: HubStudy, folder: Path) -> None:
    copy(_need(study.folder / "report.html"), folder / "index.html")
    data = space_data(one_line(f"Scaling study {study.name}"), sdk="static", app_file="index.html")
    write_text(folder / "README.md", render("report.md.jinja", data, study=study))
