"""Does a run end the same however its work is cut up, spread, compiled, repeated or interrupted?

    pip install -e ".[test]" deepspeed
    DS_ACCELERATOR=cpu python benchmarks/equivalence.py      # some seven minutes on two cores

A run of each family with each optimizer is trained by recipes/sweep.py, and again

- with every update cut into other micro-batches (batch x accumulation: 8 x 1 at first, then 4 x 2 and 2 x 4);
- by two processes, under accelerate_configs/cpu_2proc.yaml, and with AdamW under fsdp2.yaml and deepspeed_zero2.yaml,
  both for a CPU;
- compiled, where the family can be;
- in bf16, which for an LSTM takes a processor with AVX-512;
- with nothing changed, twice: once in peace, and once killed (SIGKILL) in every run after an update that chance picks;
  the same command then starts again in the same folder.

What is compared is the loss of the whole validation split as it stands in the ledger, not rounded; the last two must
agree in it and in every byte of their weights. All else is in fp32.
"""

import json
import random
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from common import write_result

_ROOT = Path(__file__).parents[1]
_LAUNCHERS = _ROOT / "accelerate_configs"
_FAMILIES = ("gpt2", "folk_lstm", "llama")
_STUDY = {
    "families": list(_FAMILIES),
    "ladder": ["a=8x1x1x16", "b=32x2x4x128"],  # a is left out, so that a sweep ends with the runs of b
    "learning_rates": ["gpt2=1e-2", "folk_lstm=2e-2", "llama=1e-2"],
    "tokens_per_run": 65536,
    "side_by_side": 1,
}
_CUT = "batch x accumulation"
_SPREAD = "processes"
_COMPILED = "compiled"
_BF16 = "bf16"
_AGAIN = "same seed"
_KILLED = "interrupted"
_ALLOWED = {_CUT: 1e-5, _SPREAD: 1e-5, _COMPILED: 1e-3, _BF16: 1e-2}  # relative difference of validation losses
_LEAST = sys.float_info.epsilon  # what stands for a difference of 0 in a ratio
_CHANGES: dict[str, tuple[str, list[str]]] = {
    "batch 4, accumulation 2": (_CUT, ["--batch_size", "4", "--gradient_accumulation_steps", "2"]),
    "batch 2, accumulation 4": (_CUT, ["--batch_size", "2", "--gradient_accumulation_steps", "4"]),
    "compiled": (_COMPILED, ["--compile", "true"]),
    "bf16": (_BF16, ["--precision", "bf16"]),
    "again": (_AGAIN, []),
}


class Sweeps:
    """Trains the runs of the study, in folders of their own."""

    def __init__(self, place: Path, tests: dict[str, Any]):
        self._place = place
        self._commands = tests["Commands"](Path(tempfile.mkdtemp(dir=place)))
        self._configuration = place / "study.yaml"
        self._configuration.write_text(yaml.safe_dump(tests["TINY"] | _STUDY), encoding="utf-8")

    def _arguments(self, name: str, more: Sequence[str]) -> list[str]:
        runs = [f"{family}-b" for family in _FAMILIES]
        study = ["--config", str(self._configuration), "--output_dir", str(self._place / name)]
        return [*study, "--train-only", *more, "--only", *runs]

    def run(self, name: str, *more: str) -> dict[str, dict[str, Any]]:
        """One process, undisturbed: the rows by family."""
        ended = self._commands.run("sweep.py", *self._arguments(name, more))
        return self._rows(name, ended.code, ended.stderr)

    def launch(self, launcher: Path, name: str, *more: str) -> dict[str, dict[str, Any]]:
        """The processes of a launcher's configuration: the rows by family."""
        command = [sys.executable, "-m", "accelerate.commands.launch", "--config_file", launcher]
        command += [_ROOT / "recipes" / "sweep.py", *self._arguments(name, more)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        return self._rows(name, ended.returncode, ended.stderr)

    def kill(self, name: str, draw: random.Random, updates: int, *more: str) -> dict[str, dict[str, Any]]:
        """One process, killed in each run and started again: the rows by family, with where each stood."""
        stood = {}
        for family in _FAMILIES:
            aim = draw.randrange(1, updates)
            sweep = self._commands.start("sweep.py", *self._arguments(name, more))
            sweep.kill_when(lambda family=family, aim=aim: self._done(name, family) >= aim)
            saved = (self._place / name / "runs").glob(f"{family}-b-*/checkpoints/checkpoint-*")
            stood[family] = {
                "killed_after_updates": self._done(name, family),
                "newest_checkpoint_updates": max((int(path.name.rpartition("-")[2]) for path in saved), default=0),
            }
        return {family: row | {"stood": stood[family]} for family, row in self.run(name, *more).items()}

    def _done(self, name: str, family: str) -> int:
        """Updates done of a run: it logs each, for it has fewer than 200."""
        found = list((self._place / name / "runs").glob(f"{family}-b-*/metrics.jsonl"))
        return len(found[0].read_text(encoding="utf-8").splitlines()) if found else 0

    def _rows(self, name: str, code: int, stderr: str) -> dict[str, dict[str, Any]]:
        folder = self._place / name
        if code:
            raise RuntimeError(f"{name}: the sweep ended with {code}: {stderr}")
        rows = map(json.loads, (folder / "runs.jsonl").read_text(encoding="utf-8").splitlines())
        return {
            row["family"]: row
            | {"weights": (folder / "runs" / row["run_id"] / "model" / "model.safetensors").read_bytes()}
            for row in rows
        }

    def stop(self) -> None:
        """End what they were started from."""
        self._commands.stop()


def variants(sweeps: Sweeps, optimizer: str, engines: dict[str, Path]) -> list[dict[str, Any]]:
    """Train all of one optimizer's; a row for each family and change, against the study as it stands."""
    option = ["--optimizer", optimizer]
    reference = sweeps.run(optimizer, *option)
    found = [
        (kind, label, sweeps.run(f"{optimizer} {label}", *option, *more)) for label, (kind, more) in _CHANGES.items()
    ]
    launchers = {"two processes": _LAUNCHERS / "cpu_2proc.yaml"}
    if optimizer == "adamw":  # Muon needs whole matrices
        launchers |= engines
    for label, launcher in launchers.items():
        found.append((_SPREAD, label, sweeps.launch(launcher, f"{optimizer} {label}", *option)))
    updates = next(iter(reference.values()))["updates"]
    found.append((_KILLED, "killed", sweeps.kill(f"{optimizer} killed", random.Random(optimizer), updates, *option)))
    return [
        _row(kind, label, row, reference[family])
        for kind, label, rows in found
        for family, row in rows.items()
        if row["compiled"] or kind != _COMPILED
    ]


def _row(kind: str, label: str, row: dict[str, Any], reference: dict[str, Any]) -> dict[str, Any]:
    spread = 2 if kind == _SPREAD else 1
    if row["n_processes"] != spread or row["batch_tokens"] != reference["batch_tokens"]:
        raise RuntimeError(f"{label}: {row['run_id']} is not the run that was meant")
    told = {name: row[name] for name in ("family", "optimizer", "n_params", "updates", "val_loss")}
    told |= {"reference_val_loss": reference["val_loss"]}
    told |= {"relative_difference": abs(row["val_loss"] / reference["val_loss"] - 1)}
    told |= {"same_bytes": row["weights"] == reference["weights"]}
    told |= row.get("stood", {})
    print(f"{label:26} {row['family']:10} {row['optimizer']:6} {told['relative_difference']:.1e}", flush=True)
    return {"kind": kind, "change": label} | told


def main() -> None:
    """Train, compare, print what was found, write the result."""
    tests = runpy.run_path(str(_ROOT / "tests" / "conftest.py"))
    with tempfile.TemporaryDirectory() as aside:
        place = Path(aside)
        for_two_on_a_cpu = tests["for_two_on_a_cpu"]
        engines = {
            "two processes, FSDP2": for_two_on_a_cpu("fsdp2", place),
            "two processes, ZeRO-2": for_two_on_a_cpu("deepspeed_zero2", place),
        }
        sweeps = Sweeps(place, tests)
        rows = [row for optimizer in ("adamw", "muon") for row in variants(sweeps, optimizer, engines)]
        sweeps.stop()
    ratios, goals = {}, {}
    for kind, allowed in _ALLOWED.items():
        largest = max(row["relative_difference"] for row in rows if row["kind"] == kind)
        label = f"{kind}: allowed difference, {allowed:.0e}, over the largest seen"
        ratios[label], goals[label] = allowed / max(largest, _LEAST), 1.0
    for kind in (_AGAIN, _KILLED):
        same = [row["relative_difference"] == 0 and row["same_bytes"] for row in rows if row["kind"] == kind]
        label = f"{kind}: share of runs with the same loss and the same bytes"
        ratios[label], goals[label] = sum(same) / len(same), 1.0
    write_result("equivalence", rows, ratios, goals)


if __name__ == "__main__":
    main()
