"""L(N, D) of each family of a study with several horizons, and the compute-optimal frontier it implies."""

from collections.abc import Sequence
from typing import Any

from hf_scaling.laws.forecast import SPARE_RUNS
from hf_scaling.laws.forms import CHINCHILLA
from hf_scaling.study.form_fits import FormOptions, fit_forms
from hf_scaling.study.frontiers import frontiers
from hf_scaling.study.points import Point, by_family


def joint_laws(points: Sequence[Point], level: float) -> dict[str, Any]:
    """The content of `joint.json`: Chinchilla's form for each family, least squares, and the frontiers.

    A family with too few runs is left out, and `left_out` says so.
    """
    least = len(CHINCHILLA.parameters) + SPARE_RUNS
    options = FormOptions(CHINCHILLA.name, "squares", level)
    kept, left_out = [], {}
    for family, members in by_family(points).items():
        distinct = len({(*point.n.values(), point.d) for point in members})
        if len(members) < least or distinct < len(CHINCHILLA.parameters):
            left_out[family] = (
                f"{len(members)} runs, {distinct} of them distinct in N and D: L(N, D) needs at least {least}, "
                f"{len(CHINCHILLA.parameters)} of them distinct"
            )
        else:
            kept += members
    fits = fit_forms(kept, options)["fits"] if kept else []
    optimal = frontiers(kept, options)["frontiers"] if kept else []
    return {"level": level, "fits": fits, "frontiers": optimal, "left_out": left_out}
