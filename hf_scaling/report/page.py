"""From a study folder to `report.html`: one file without scripts, network or anything beside it.

`reading` reads the folder; the modules of the chapters turn it into words and rows; `_content` gathers what each
chapter shows; `template.html` puts the chapters, a file each in `chapters/`, in order. Nothing flows back.
"""

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template, UndefinedError

from hf_scaling.laws.diagnostics import NO_FIT
from hf_scaling.records import UserError, write_text
from hf_scaling.report import alts, formats, svg
from hf_scaling.report.charts import cost_charts, loss_charts
from hf_scaling.report.corpus import against_compressor, baseline_rows, best_passes, leak_rows
from hf_scaling.report.decisions import decisions
from hf_scaling.report.efficiency import efficiency_rows, efficiency_sentences
from hf_scaling.report.embed import PAGE, figure_uri
from hf_scaling.report.families import families_view, figure_name, labelled
from hf_scaling.report.forecasts import coverage, forecast_clause, forecast_rows, forms_note, unmade
from hf_scaling.report.frontier import (
    frontier_rows,
    joint_figures,
    joint_rows,
    misfits,
    no_profiles,
    optimum_rows,
    sensitivity,
)
from hf_scaling.report.headline import headline
from hf_scaling.report.limits import falsifiers, limits
from hf_scaling.report.made import choices, commands, config_file, provenance, run_rows
from hf_scaling.report.music import URIS, at_the_limit, card, limit_caveat, music_summary
from hf_scaling.report.patterns import drawn_reading, faults, pattern_rows, sample_reading
from hf_scaling.report.reading import Study, read_study
from hf_scaling.report.shapes import Record
from hf_scaling.report.tables import tables
from hf_scaling.report.worth import cut_off, worth_rows

_FILTERS = (
    *("family", "convention", "fixed", "plus_minus", "count", "short", "power_of_ten"),
    *("duration", "memory", "percent", "interval", "plain", "yes_or_no", "listed"),
)
# id of each chapter, which is also its file in chapters/ -> its heading, and its name in the contents
_CHAPTERS = {
    "scaling": "Loss against size",
    "forecasts": "Forecast and outcome",
    "families": "Families side by side",
    "frontier": "Compute-optimal frontier",
    "laws": "Fitted laws",
    "curves": "Training curves",
    "efficiency": "Efficiency",
    "corpus": "The corpus",
    "baselines": "Against a compressor",
    "best": "Best model",
    "worth": "Musical worth and model size",
    "music": "The music",
    "patterns": "A reading of the tunes",
    "decisions": "Decisions and future work",
    "limits": "Limits",
    "lint": "What the linter says",
    "tables": "Tables",
    "made": "How it was made",
}
_SHOWN_ELSEWHERE = ("command", "predicted_seconds")
_FIGURES = ("profile", "training_curves", "frontier", "iso_flop", "residuals", "forecasts")


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
    environment.filters["labelled"] = labelled
    environment.filters.update({name: getattr(formats, name) for name in _FILTERS})
    return environment.get_template("template.html")


def _content(study: Study) -> dict[str, Any]:
    """What the template shows, in the order of its chapters."""
    figures, music = _figures(study), _music(study)
    heavy = [*figures.values(), *(card[name] for card in music["cards"] for name in URIS)]
    return {
        "study": study,
        "chapters": _CHAPTERS,
        "canvas": (svg.WIDTH, svg.HEIGHT),
        "figures": figures,
        "headline": headline(study),
        "facts": _facts(study),
        "tables": tables(study, PAGE - sum(len(uri) for uri in heavy if uri)),
        **_laws(study),
        **_runs(study),
        **_data(study),
        **music,
        "decisions": decisions(study),
        "limits": limits(study),
        "falsifiers": falsifiers(study),
        "commands": commands(study),
        "config_file": config_file(study),
        "provenance": provenance(study),
        "run_rows": run_rows(study),
        "configuration": [(key, formats.plain(value)) for key, value in choices(study).items()],
        "resolved": [
            (key, formats.plain(value)) for key, value in study.resolved.items() if key not in _SHOWN_ELSEWHERE
        ],
    }


def _laws(study: Study) -> dict[str, Any]:
    """Loss against size, forecasts, families, frontier, laws."""
    fits = (study.fits or {}).get("fits", [])
    scores, joint = study.scores or [], study.joint
    pairs = [families_view(*numbered) for numbered in enumerate(study.comparisons or [])]
    return {
        "loss_charts": loss_charts(study),
        "forecasts": forecast_rows(scores),
        "seeds": {run["run_id"]: run.get("seed") for run in study.runs},
        "forecast_clause": forecast_clause(scores),
        "coverage": coverage(scores),
        "forms_note": forms_note(scores),
        "unmade": unmade(scores),
        "pairs": [view | {"alt": alts.comparison_alt(view)} for view in pairs],
        "joint_rows": joint_rows(joint) if joint else [],
        "misfits": misfits(joint) if joint else [],
        "joint_figures": joint_figures(joint) if joint else [],
        "no_profiles": no_profiles(joint) if joint else None,
        "no_fit": NO_FIT,
        "frontier_rows": frontier_rows(joint) if joint else [],
        "optima": optimum_rows(joint, study.finished) if joint else [],
        "sensitivity": sensitivity(joint) if joint else [],
        "fits": fits,
        "unfit": list(dict.fromkeys(formats.family(fit["family"]) for fit in fits if fit["verdict"] == NO_FIT)),
        "profile_alt": alts.profile_alt(fits),
        "warnings": _warnings(fits),
    }


def _runs(study: Study) -> dict[str, Any]:
    """Training and its cost."""
    rows = efficiency_rows(study)
    return {
        "groups": [(name, [run for run in study.runs if run["family"] == name]) for name in study.families],
        "several_seeds": len({run.get("seed") for run in study.runs}) > 1,
        "cost_charts": cost_charts(study),
        "efficiency": [(name, [row for row in rows if row["family"] == name]) for name in study.families],
        "efficiency_sentences": efficiency_sentences(study),
    }


def _data(study: Study) -> dict[str, Any]:
    """The corpus, compressors, and the best model."""
    source = (study.best or {}).get("from_run_id")
    return {
        "leaks": leak_rows(study.leaks) if study.leaks else [],
        "baselines": baseline_rows(study),
        "verdict_on_baselines": against_compressor(study),
        "best_passes": best_passes(study),
        "base_run": next((run for run in study.finished if run["run_id"] == source), None),
    }


def _music(study: Study) -> dict[str, Any]:
    """What every model writes, the samples, and a reading of both."""
    return {
        "worth": worth_rows(study.worth) if study.worth else [],
        "metrics_alt": alts.metrics_alt(study.worth) if study.worth else None,
        "cut_off": cut_off(study.worth) if study.worth else None,
        "music": music_summary(study.samples),
        "limit_caveat": limit_caveat(study),
        "at_the_limit": at_the_limit(study),
        "cards": [
            card(study.folder / "samples", sample) | {"score_alt": alts.score_alt(sample)} for sample in study.samples
        ],
        "patterns": pattern_rows(study.patterns) if study.patterns else [],
        "sample_reading": sample_reading(study.patterns) if study.patterns else [],
        "faults": faults(study.samples),
        "drawn_reading": drawn_reading(study),
    }


def _figures(study: Study) -> dict[str, str | None]:
    """The images by name; None where there is none."""
    compared = [figure_name(*numbered) for numbered in enumerate(study.comparisons or [])]
    stems = [f"figures/{name}" for name in (*_FIGURES, *compared)] + ["dataset/corpus", "music/metrics"]
    return {Path(stem).name: figure_uri(study.folder / stem) for stem in stems}


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
        ("training tokens D", f"{formats.NBSP}–{formats.NBSP}".join(_ends(study.horizons))),
    ]
    if bpc := [run["val_bpc"] for run in runs if run.get("val_bpc") is not None]:
        facts.append(("lowest validation loss of a run", f"{formats.fixed(min(bpc), 2)} bpc"))
    if study.best:
        facts.append(("best model, trained on", f"{formats.fixed(study.best['val_bpc'], 2)} bpc"))
    if study.samples:
        summary = music_summary(study.samples)
        facts.append(("tunes valid as written", f"{summary['valid']} of {summary['total']}"))
    return facts


def _ends(values: list[int]) -> list[str]:
    return list(dict.fromkeys((formats.short(values[0]), formats.short(values[-1]))))


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
