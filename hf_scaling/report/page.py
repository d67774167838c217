"""From a study folder to `report.html`: one file without scripts, network or anything beside it."""

import base64
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, UndefinedError

from hf_scaling.records import UserError, write_text
from hf_scaling.report import formats
from hf_scaling.report.corpus import against_compressor, baseline_rows, leak_rows
from hf_scaling.report.finding import comparison_sentence, finding
from hf_scaling.report.limits import limits
from hf_scaling.report.reading import Record, Study, read_study
from hf_scaling.report.worth import worth_rows

_FILTERS = (
    *("family", "convention", "fixed", "plus_minus", "count", "short", "power_of_ten"),
    *("duration", "memory", "percent", "interval", "plain", "yes_or_no", "listed"),
)
_ELSEWHERE = ("config_hash", "output_dir")  # shown above the table; a path of one machine, not a choice of the study
_FIGURES = ("figures/scaling", "figures/training_curves", "dataset/corpus", "music/metrics")
_MEDIA_TYPES = {".svg": "image/svg+xml", ".png": "image/png", ".mid": "audio/midi", ".opus": "audio/ogg"}


def write_report(study: Path) -> Path:
    """Write `report.html` into a study folder and return its path; equal folders give equal bytes.

    Stages that have not run yet are said to be missing, not left out.

    Raises:
        UserError: `study` is no study folder, or a file in it is damaged.
    """
    found = read_study(study)
    try:
        page = _template().render(_content(found))
    except UndefinedError as error:
        raise UserError(f"{study}: a file lacks a field that the report needs: {error.message}") from None
    # JSON may hold half a surrogate pair, which UTF-8 cannot
    write_text(study / "report.html", page.encode("utf-8", "replace").decode("utf-8"))
    return study / "report.html"


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update({name: getattr(formats, name) for name in _FILTERS})
    return environment.get_template("template.html")


def _content(study: Study) -> dict[str, Any]:
    """What the template shows; see the headings there."""
    fits = (study.fits or {}).get("fits", [])
    return {
        "study": study,
        "finding": finding(study),
        "limits": limits(study),
        "facts": _facts(study),
        "fits": fits,
        "warnings": _warnings(fits),
        "comparisons": [
            (name, comparison_sentence(found)) for name, found in ((study.fits or {}).get("comparison") or {}).items()
        ],
        "figures": {Path(stem).name: _figure(study, stem) for stem in _FIGURES},
        "scaling_alt": _scaling_alt(fits),
        "groups": [(name, [run for run in study.runs if run["family"] == name]) for name in study.families],
        "horizons": sorted({run["n_tokens"] for run in study.finished}),
        "base_run": _base_run(study),
        "leaks": leak_rows(study.leaks) if study.leaks else [],
        "baselines": baseline_rows(study),
        "verdict_on_baselines": against_compressor(study),
        "music": _music_summary(study.samples),
        "cards": [_card(study.folder / "samples", sample) for sample in study.samples],
        "worth": worth_rows(study.worth) if study.worth else [],
        "provenance": _provenance(study),
        "configuration": [(key, formats.plain(value)) for key, value in study.config.items() if key not in _ELSEWHERE],
        "resolved": [(key, formats.plain(value)) for key, value in study.resolved.items() if key != "command"],
    }


def _data_uri(path: Path) -> str | None:
    """The file as a data URI, or None where there is no such file."""
    if not path.is_file():
        return None
    return f"data:{_MEDIA_TYPES[path.suffix]};base64,{base64.b64encode(path.read_bytes()).decode('ascii')}"


def _figure(study: Study, stem: str) -> str | None:
    return _data_uri(study.folder / f"{stem}.svg") or _data_uri(study.folder / f"{stem}.png")


def _facts(study: Study) -> list[tuple[str, str]]:
    """Headline numbers: (label, value)."""
    runs = study.finished
    if not runs:
        return []
    sizes = sorted(run["n_params"] for run in runs)
    ends = dict.fromkeys((formats.short(sizes[0]), formats.short(sizes[-1])))
    facts = [
        ("runs finished", f"{len(runs)} of {len(study.runs)}"),
        ("parameters N", f"{formats.NBSP}–{formats.NBSP}".join(ends)),
    ]
    if (tokens := {run["n_tokens"] for run in runs}) and len(tokens) == 1:
        facts.append(("training tokens D, each", formats.short(tokens.pop())))
    scored = [*runs, *([study.best] if study.best else [])]
    if bpc := [run["val_bpc"] for run in scored if run.get("val_bpc") is not None]:
        facts.append(("lowest validation loss", f"{formats.fixed(min(bpc), 2)} bpc"))
    if study.samples:
        summary = _music_summary(study.samples)
        facts.append(("tunes valid as written", f"{summary['valid']} of {summary['total']}"))
    return facts


def _scaling_alt(fits: list[Record]) -> str:
    parts = [
        f"{formats.family(fit['family'])} ({formats.convention(fit['n_convention'])}): {fit['n_points']} points, α "
        + (formats.interval(fit["intervals"].get("alpha"), 2) if fit["verdict"] == "resolved" else "not resolved")
        for fit in fits
    ]
    return "Validation loss against number of parameters, one panel for each way of counting them. " + "; ".join(parts)


def _warnings(fits: list[Record]) -> list[tuple[str, str]]:
    """Each warning once: (whom it concerns, what)."""
    conventions: dict[tuple[str, str], list[str]] = {}
    for fit in fits:
        for warning in fit["warnings"]:
            conventions.setdefault((fit["family"], warning), []).append(formats.convention(fit["n_convention"]))
    return [
        (f"{formats.family(family)}, N {formats.listed(counted)}", warning)
        for (family, warning), counted in conventions.items()
    ]


def _base_run(study: Study) -> Record | None:
    """The ledger row of the run that the best model continues."""
    source = (study.best or {}).get("from_run_id")
    return next((run for run in study.finished if run["run_id"] == source), None)


def _music_summary(samples: list[Record]) -> Record:
    """How many of the tunes are what; a repaired tune never counts as valid."""
    return {
        "total": len(samples),
        "valid": sum(sample["raw_verdict"]["strict"] and not sample["repairs"] for sample in samples),
        "repaired": sum(bool(sample["repairs"]) for sample in samples),
        "redrawn": sum(sample["redraws"] > 0 for sample in samples),
        "constrained": sum(sample.get("constrain", "none") != "none" for sample in samples),
        "playable_raw": sum(sample["raw_verdict"]["playable"] for sample in samples),
        "playable": sum(sample["verdict"]["playable"] for sample in samples),
    }


def _card(folder: Path, sample: Record) -> Record:
    """A sample with its score, MIDI and audio as data URIs."""
    midi, audio = sample.get("midi") or {}, sample.get("audio") or {}
    return {
        **sample,
        "score_uri": _sample_file(folder, sample.get("score"), ".svg"),
        "midi_uri": _sample_file(folder, midi.get("file"), ".mid"),
        "audio_uri": _sample_file(folder, audio.get("file"), ".opus"),
        "midi": midi,
    }


def _sample_file(folder: Path, name: Any, suffix: str) -> str | None:
    """A file of the samples folder; a name that leads out of it, or to another kind of file, gives None."""
    if not isinstance(name, str) or Path(name).name != name or Path(name).suffix != suffix:
        return None
    return _data_uri(folder / name)


def _provenance(study: Study) -> list[tuple[str, str]]:
    """How it was made: (label, value), each value a list of all that the runs had."""
    rows = [
        ("configuration hash", study.config.get("config_hash")),
        ("git commit", _distinct(study, "git_commit")),
        ("command", study.resolved.get("command")),
        ("device", _distinct(study, "device")),
        ("precision", _by_family(study, "precision")),
        ("threads", _distinct(study, "threads")),
        ("compiled", _distinct(study, "compiled")),
        ("seeds", _distinct(study, "seed")),
        ("optimizer", _by_family(study, "optimizer")),
        ("schedule", _distinct(study, "schedule")),
        ("tokens a batch", _distinct(study, "batch_tokens")),
    ]
    return [(label, formats.plain(value)) for label, value in rows if value not in (None, [])] + _versions(study)


def _distinct(study: Study, field: str, family: str | None = None) -> list[Any]:
    runs = (run for run in study.runs if family in (None, run["family"]))
    return list(dict.fromkeys(run[field] for run in runs if run.get(field) is not None))


def _by_family(study: Study, field: str) -> list[Any]:
    """The values of a field; with their families where these differ."""
    values = {family: _distinct(study, field, family) for family in study.families}
    if len({tuple(found) for found in values.values()}) <= 1:
        return _distinct(study, field)
    return [f"{formats.family(family)} {formats.plain(found)}" for family, found in values.items() if found]


def _versions(study: Study) -> list[tuple[str, str]]:
    """The version of each library; all of them where runs differ."""
    versions: dict[str, list[str]] = {}
    for run in study.runs:
        for library, version in (run.get("versions") or {}).items():
            if version not in versions.setdefault(library, []):
                versions[library].append(version)
    return [(library, formats.plain(found)) for library, found in sorted(versions.items())]
