"""What a Space shows, as its folder says: `space.json`, and the scaling figure if there is one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hf_scaling.records import UserError, read_json


@dataclass(frozen=True)
class Shown:
    """One model that can be chosen.

    Attributes:
        label: what the choice says.
        name: a folder, or USER/NAME on the Hub.
        revision: of the repository; None is `main`.
        n_params: its parameters.
        n_tokens: what it was trained on.
        bpc: bits per character on the validation split.
    """

    label: str
    name: str
    revision: str | None
    n_params: int
    n_tokens: int
    bpc: float


@dataclass(frozen=True)
class Exhibit:
    """All that a page shows; `terms` are those of the training data, `figure` is a PNG file."""

    title: str
    models: list[Shown]
    terms: list[str]
    figure: Path | None


def read_exhibit(folder: Path) -> Exhibit:
    """Read the folder of a Space.

    Raises:
        UserError: it holds no exhibit, or a damaged one.
    """
    path, figure = folder / "space.json", folder / "scaling.png"
    content: dict[str, Any] = read_json(path)
    try:
        models = [Shown(**model) for model in content["models"]]
        exhibit = Exhibit(content["title"], models, content["terms"], figure if figure.is_file() else None)
    except (KeyError, TypeError) as error:
        raise UserError(f"{path}: damaged ({error}); push the Space again") from None
    if not models:
        raise UserError(f"{path}: names no model; push those of a study that has finished runs")
    return exhibit
