"""The card of a model: what it is, how to use it, and the evidence, as the Hub's metadata and for a reader."""

import re
from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCardData
from markupsafe import Markup

from hf_scaling.hub.markdown import one_line, render
from hf_scaling.hub.reading import HubStudy, Record
from hf_scaling.records import UserError, content_hash, read_object

_LABELS = {"gpt2": "GPT-2", "folk_lstm": "LSTM", "llama": "LLaMA"}
_SHOWN = 3  # samples on the card; the folder has them all
_TASK = "text-generation"
_TIERS = ("parses", "strict", "playable")


@dataclass(frozen=True)
class Place:
    """Where a model goes, and what goes to the Hub together with it.

    Attributes:
        repository: of the model, USER/NAME.
        endpoint: address of the Hub.
        revision: the branch; `main` if None.
        dataset: repository of the study's data set, if it is pushed too.
        ledger: repository of the study's ledger, if it is pushed too.
        space: repository of the page on which its models write tunes, if it is pushed too.
    """

    repository: str
    endpoint: str
    revision: str | None = None
    dataset: str | None = None
    ledger: str | None = None
    space: str | None = None


def label(family: str) -> str:
    """`gpt2` as GPT-2; a name that is not known stays as it is."""
    return _LABELS.get(family, family)


def model_card(study: HubStudy, run: Record, spec: Record, sampling: Record, place: Place, is_best: bool) -> str:
    """The card of one model, metadata and text.

    Args:
        run: its ledger row, or `best.json`.
        spec: its `config.json` beside the row: what defines the run.
        sampling: its generation settings.
        is_best: whether the samples are by this model.

    Raises:
        UserError: the study folder lacks what the card needs.
    """
    samples = study.samples if is_best else []
    tiers = _tiers(samples)
    open_terms = all(one["commercial_use"] and one["redistributable"] for one in study.statistics["licences"])
    data = ModelCardData(
        license="apache-2.0" if open_terms else "other",
        license_name=None if open_terms else "terms-of-the-training-data",
        license_link=None if open_terms else f"{place.endpoint}/{place.repository}#licence",
        library_name="transformers",
        pipeline_tag=_TASK,
        tags=["music", "abc-notation", "folk-music", "symbolic-music", "scaling-laws"],
        datasets=[place.dataset] if place.dataset else None,
        model_name=place.repository.partition("/")[2],
        eval_results=_results(study, run, tiers, place),
    )
    return render(
        "model.md.jinja",
        data,
        study=study,
        run=run,
        spec=spec,
        sampling=sampling,
        place=place,
        best=run if is_best else None,
        label=label(run["family"]),
        arguments=_arguments(run, place),
        repository=Markup(place.repository),  # huggingface_hub has checked its characters, and ours the run id's
        run_id=Markup(run["run_id"]),
        tiers=tiers,
        draws=len(samples) + sum(sample["redraws"] for sample in samples),
        samples=samples[:_SHOWN],
        held=next((sample["constrain"] for sample in samples if sample.get("constrain", "none") != "none"), None),
        files={sample["index"]: _media(study, sample, place) for sample in samples[:_SHOWN]},
        open_terms=open_terms,
        forecast=None if is_best else _forecast(study, run),
        addresses={
            "dataset": Markup(f"{place.endpoint}/datasets/{place.dataset}"),
            "ledger": Markup(f"{place.endpoint}/datasets/{place.ledger}"),
            "space": Markup(f"{place.endpoint}/spaces/{place.space}"),
        },
        citation=_citation(run, place),
    )


def _arguments(run: Record, place: Place) -> Markup:
    """What `from_pretrained` and `pipeline` are called with, as Python."""
    parts = [f'"{place.repository}"']
    parts += [f'revision="{place.revision}"'] if place.revision else []
    parts += ["trust_remote_code=True"] if run["family"] == "folk_lstm" else []
    return Markup(", ".join(parts))


def _forecast(study: HubStudy, run: Record) -> Record | None:
    """The forecast that was sealed before the run, or None.

    Raises:
        UserError: it was changed after it was sealed, or the run began first.
    """
    path = study.folder / "forecasts" / f"{run['run_id']}.json"
    if not path.is_file():
        return None
    record = read_object(path)
    sealed = {name: value for name, value in record.items() if name != "seal"}
    if record.get("seal") != content_hash(sealed) or not str(record.get("sealed_at")) <= str(run.get("started_at")):
        raise UserError(
            f"{path}: was not sealed before its run began, or was changed since; it proves nothing, remove it"
        )
    return record if record.get("loss") else None


def _citation(run: Record, place: Place) -> Markup:
    """A BibTeX entry; the year is that in which the run ended."""
    year = re.match(r"\d{4}", str(run.get("finished_at")), re.ASCII)
    fields = [
        f"title = {{A language model of folk tunes in ABC notation: run {run['run_id']}}}",
        *([f"year = {{{year[0]}}}"] if year else []),
        f"howpublished = {{\\url{{{place.endpoint}/{place.repository}}}}}",
        "note = {Made with hf\\_scaling}",
    ]
    return Markup(f"@misc{{{run['run_id']},\n  " + ",\n  ".join(fields) + "\n}")


def _tiers(samples: list[Record]) -> dict[str, int]:
    """How many of the tunes were what as the model wrote them: a repaired one counts for what it was before."""
    return {tier: sum(sample["raw_verdict"][tier] for sample in samples) for tier in _TIERS} if samples else {}


def _results(study: HubStudy, run: Record, tiers: dict[str, int], place: Place) -> list[EvalResult]:
    """The model index: each metric with its data set and split."""
    sources = ", ".join(study.statistics["sources"])
    tunes = {
        "dataset_type": place.dataset or "abc-notation",
        "dataset_name": one_line(f"tunes of the study {study.name} ({sources})"),
    }
    found = []
    for split, prefix in (("validation", "val"), ("test", "test")):
        if f"{prefix}_loss" in run:
            for metric, name, value in (
                ("loss", "nats per token", run[f"{prefix}_loss"]),
                ("bits_per_character", "bits per character", run[f"{prefix}_bpc"]),
            ):
                found.append(_result(metric, f"{split} {name}", value, dataset_split=split, **tunes))
    draws = len(study.samples) + sum(sample["redraws"] for sample in study.samples)
    written = {"dataset_type": "generated-tunes", "dataset_name": f"{draws} tunes that this model wrote"}
    for tier, count in tiers.items():
        name = f"share of tunes in the tier {tier}"
        found.append(_result(tier, name, count / draws, dataset_split="generated", **written))
    return found


def _result(metric: str, name: str, value: float, **data: Any) -> EvalResult:
    return EvalResult(task_type=_TASK, metric_type=metric, metric_name=name, metric_value=round(value, 4), **data)


def _media(study: HubStudy, sample: Record, place: Place) -> dict[str, Markup]:
    """Paths of a sample's score and MIDI, and the address of its sound, of those that there are."""
    stem = f"samples/{sample['index']:03d}"
    there = {kind: study.folder / f"{stem}.{kind}" for kind in ("svg", "mid", "opus")}
    found = {kind: Markup(f"{stem}.{kind}") for kind, path in there.items() if path.is_file()}
    if "opus" in found:  # the Hub turns relative addresses of images into its own, those of players it does not
        revision = place.revision or "main"
        found["opus"] = Markup(f"{place.endpoint}/{place.repository}/resolve/{revision}/{found['opus']}")
    return found
