"""How a study was made: commands, versions, hashes, seeds and configuration, so that another can make it again."""

import re
import shlex
from typing import Any

import yaml

from hf_scaling.report import formats
from hf_scaling.report.embed import encoded
from hf_scaling.report.reading import Study
from hf_scaling.report.shapes import Record

_NOT_CHOSEN = ("config_hash", "output_dir", "report_to")  # of one machine, or of what follows from the rest
_INSTALLED = ("torch", "transformers", "accelerate", "tokenizers", "numpy", "datasets")


def choices(study: Study) -> Record:
    """The configuration without what belongs to one machine."""
    return {key: value for key, value in study.config.items() if key not in _NOT_CHOSEN}


def config_file(study: Study) -> tuple[str, str]:
    """The configuration as a YAML file that the sweep accepts: its name and its content as a data URI."""
    return f"{study.name}.yaml", encoded(
        yaml.safe_dump(choices(study), sort_keys=False, allow_unicode=True).encode(), ".yaml"
    )


def commands(study: Study) -> list[str]:
    """The shell commands that make the study again, in order; `NAME.yaml` is the configuration that the page holds."""
    name = study.name
    folder = f"outputs/{name}"
    commits = _distinct(study, "git_commit")
    lines = [f"git checkout {commits[-1]}"] if commits else []
    versions = [f"{library}=={found[-1].partition('+')[0]}" for library, found in _libraries(study).items()]
    pinned = [version for version in versions if version.split("==")[0] in _INSTALLED]
    # whose corpora are the tunes: `music21 10.5.1`
    package, _, release = str(((study.statistics or {}).get("identity") or {}).get("music21") or "").partition(" ")
    lines.append(" ".join(["pip install .", *pinned, *([f"{package}=={release}"] if release else [])]))
    lines.append(f"accelerate launch recipes/sweep.py --config {shlex.quote(f'{name}.yaml')}")
    if study.worth:
        drawing = study.worth["drawing"]
        options = [f"--{option} {drawing[key]}" for option, key in _DRAWING.items() if key in drawing]
        lines.append(" ".join([f"python recipes/evaluate_music.py {shlex.quote(folder)}", *options]))
    lines += [f"hf-scaling {tool} {shlex.quote(folder)}" for tool in ("score", "lint", "report") if _apt(study, tool)]
    return [line for line in lines if re.fullmatch(r"[\x20-\x7e]+", line)]


_DRAWING = {"number": "n_tunes", "seed": "seed", "temperature": "temperature", "top_p": "top_p"}


def _apt(study: Study, tool: str) -> bool:
    return tool != "score" or bool(study.scores)


def provenance(study: Study) -> list[tuple[str, str]]:
    """How it was made: (label, value), each value a list of all that the runs had."""
    rows = [
        ("configuration hash", study.config.get("config_hash")),
        ("git commit", _distinct(study, "git_commit")),
        ("command", study.resolved.get("command")),
        ("device", _distinct(study, "device")),
        ("precision", _by_family(study, "precision")),
        ("threads", _distinct(study, "threads")),
        ("compiled", _distinct(study, "compiled")),
        ("seed of the study", study.config.get("seed")),
        ("seeds of the runs", _distinct(study, "seed")),
        ("optimizer", _by_family(study, "optimizer")),
        ("schedule", _distinct(study, "schedule")),
        ("tokens a batch", _distinct(study, "batch_tokens")),
    ]
    shown = [(label, formats.plain(value)) for label, value in rows if value not in (None, [])]
    return shown + [(library, formats.plain(found)) for library, found in _libraries(study).items()]


def run_rows(study: Study) -> list[tuple[str, ...]]:
    """Run, seed, hash of its configuration, seconds foreseen and taken, of each run."""
    foreseen = study.resolved.get("predicted_seconds")
    told = foreseen if isinstance(foreseen, dict) else {}
    return [
        (
            run["run_id"],
            formats.plain(run.get("seed")),
            formats.plain(run.get("config_hash")),
            formats.duration(told.get(run["run_id"])),
            formats.duration(run.get("wall_seconds")),
        )
        for run in study.runs
    ]


def _distinct(study: Study, field: str, family: str | None = None) -> list[Any]:
    runs = (run for run in study.runs if family in (None, run["family"]))
    return list(dict.fromkeys(run[field] for run in runs if run.get(field) is not None))


def _by_family(study: Study, field: str) -> list[Any]:
    """The values of a field; with their families where these differ."""
    values = {family: _distinct(study, field, family) for family in study.families}
    if len({tuple(found) for found in values.values()}) <= 1:
        return _distinct(study, field)
    return [f"{formats.family(family)} {formats.plain(found)}" for family, found in values.items() if found]


def _libraries(study: Study) -> dict[str, list[str]]:
    """The versions of each library; several where runs differ."""
    versions: dict[str, list[str]] = {}
    for run in study.runs:
        for library, version in (run.get("versions") or {}).items():
            if version not in versions.setdefault(library, []):
                versions[library].append(version)
    return dict(sorted(versions.items()))
