"""What benchmarks share: their tunes, and what each does at its end, to say and write down what was found."""

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hf_scaling.records import write_json

_FOLDER = Path(__file__).parent


def write_result(
    name: str, rows: Sequence[Mapping[str, Any]], ratios: Mapping[str, float], goals: Mapping[str, float]
) -> None:
    """Print the ratios and write the result. A goal is met by a ratio at or above it; one without a ratio is no goal.

    name: of the file; figures of a GPU get a file of their own, as throughput_h100.json.
    rows: what was measured, in units that their keys name.
    """
    gpu = _gpu()
    if gpu:
        name += "_" + next((word for word in gpu.lower().split() if any(map(str.isdigit, word))), "gpu")
    goals = {label: goal for label, goal in goals.items() if label in ratios}
    met = {label: ratios[label] >= goal for label, goal in goals.items()}
    for label, ratio in ratios.items():
        verdict = f"   goal {goals[label]:.3g}: {'met' if met[label] else 'MISSED'}" if label in goals else ""
        print(f"{ratio:10.3g}  {label}{verdict}")
    result = {
        "name": name,
        "command": shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]),
        "machine": {"gpu": gpu, "cpu": _cpu(), "cores": os.cpu_count(), "python": platform.python_version()},
        "date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "git_commit": _git_commit(),
        "rows": rows,
        "ratios": ratios,
        "goals": goals,
        "met": met,
    }
    path = _FOLDER / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    write_json(path, result)
    print(f"result: {path}")


def bundled_tunes() -> list[str]:
    """The texts of music21's tunes, as they came, in order."""
    from hf_scaling.data.sources import SourceOptions, music21_corpora  # seconds, which most benchmarks can do without

    return [tune.text for tune in music21_corpora.read(SourceOptions())]


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()


def _gpu() -> str | None:
    """The GPU that a benchmark which has loaded torch could use."""
    torch = sys.modules.get("torch")
    return str(torch.cuda.get_device_name()) if torch and torch.cuda.is_available() else None


def _git_commit() -> str:
    command = ["git", "-C", str(_FOLDER), "describe", "--always", "--abbrev=40", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
