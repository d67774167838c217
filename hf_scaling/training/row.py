"""A ledger row: what is known of a run before it begins."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from hf_scaling import __version__
from hf_scaling.models import build_model, count_parameters, training_flops_per_token
from hf_scaling.records import redact
from hf_scaling.training.spec import RunSpec


def versions() -> dict[str, str]:
    """Releases of what decides a run's numbers."""
    packages = ("torch", "transformers", "accelerate", "tokenizers", "numpy")
    own = {"python": platform.python_version(), "hf_scaling": __version__}  # which may run from where it was copied to
    return own | {name: importlib.metadata.version(name) for name in packages}


def git_commit() -> str:
    """Commit of this package's checkout, with `-dirty` where files differ; `unknown` outside a checkout."""
    try:
        return subprocess.run(
            ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--abbrev=40", "--dirty"],
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def device() -> str:
    """What trains here."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu {platform.machine()}"


def now() -> str:
    """UTC, to the second, ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def in_one_line(error: BaseException) -> str:
    """Why a run failed, in at most 500 characters."""
    return redact(" ".join(str(error).split()))[:500] or type(error).__name__


def diverged(row: Mapping[str, Any]) -> bool:
    """Whether a failed run failed by its own loss, not by the machine or by what it runs."""
    return "loss is " in row["error"]


def describe(spec: RunSpec, study: str, unique_tokens: int) -> dict[str, Any]:
    """The part of a ledger row that is known before the run begins.

    unique_tokens: of the training split, where neither repeated nor transposed copies count; a run that is shorter
    than that, or than its pool, has seen no more of them than its own tokens.
    """
    config = spec.model_config()
    with torch.device("meta"):
        counts = count_parameters(build_model(config, spec.seed))
    flops, flops_causal = training_flops_per_token(config)
    n_tokens = spec.updates * spec.batch_tokens
    return {
        "run_id": spec.run_id,
        "study": study,
        "family": spec.family,
        "size": spec.size.name,
        "n_params": counts.total,
        "n_params_non_embedding": counts.non_embedding,
        "n_tokens": n_tokens,
        "n_unique_tokens": min(n_tokens, spec.pool_tokens or n_tokens, unique_tokens),
        "flops": flops * n_tokens,
        "flops_causal": flops_causal * n_tokens,
        "learning_rate": spec.learning_rate,
        "optimizer": spec.optimizer,
        "schedule": spec.schedule,
        "batch_tokens": spec.batch_tokens,
        "seed": spec.seed,
        "updates": spec.updates,
        "device": device(),
        "precision": spec.precision,
        "compiled": spec.compile,
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "git_commit": git_commit(),
        "config_hash": spec.run_id.rpartition("-")[2],
    }
