"""The scaling figure of a study."""

from pathlib import Path

from hf_scaling.hub.card import label
from hf_scaling.hub.reading import HubStudy, Record
from hf_scaling.laws.plots import scaling_figure, write_figure
from hf_scaling.records import UserError


def draw_scaling(study: HubStudy, path: Path, run: Record | None = None) -> None:
    """Draw the losses of all runs and their laws; `run` is ringed.

    Raises:
        UserError: the fits are damaged.
    """
    fits = [fit | {"family": label(fit["family"])} for fit in study.fits]
    mark = None
    if run:
        mark = {"total": run["n_params"], "non_embedding": run["n_params_non_embedding"]}, run["val_loss"]
    try:
        figure = scaling_figure(fits, mark)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{study.folder / 'fits.json'}: damaged ({error!r}); delete it to have it rebuilt") from None
    write_figure(figure, path)
