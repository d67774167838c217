"""How narrow the interval of an exponent will be, before any run is made."""

from collections.abc import Mapping

import numpy as np
from scipy.special import fdtri

from hf_scaling.laws.fit import fit
from hf_scaling.laws.forms import Form, Runs, to_theta


def expected_width(
    form: Form, params: Mapping[str, float], runs: Runs, noise: float, exponent: str, level: float = 0.9
) -> float:
    """Width of the exponent's interval where the form is replaced by its tangent; infinity if these runs cannot tell.

    Args:
        params: what is believed of the law.
        runs: that would be made.
        noise: standard deviation of log-loss.
        exponent: name of the parameter.
    """
    theta = to_theta(form.parameters, params)
    slopes = form.evaluate(theta[None], runs)[1][0]
    freedom = len(slopes) - len(theta)
    scale = np.linalg.norm(slopes, axis=0)
    if freedom < 1 or not scale.all():
        return float("inf")
    left, values, right = np.linalg.svd(slopes / scale, full_matrices=False)
    if values[-1] < 1e-7 * values[0]:  # N and D vary together
        return float("inf")
    index = [one.name for one in form.parameters].index(exponent)
    deviation = noise * float(np.linalg.norm(right[:, index] / values)) / scale[index]
    return 2 * float(np.sqrt(fdtri(1, freedom, level))) * deviation


def simulated_widths(
    form: Form,
    params: Mapping[str, float],
    runs: Runs,
    noise: float,
    exponent: str,
    studies: int,
    seed: int = 0,
    level: float = 0.9,
) -> tuple[float, float]:
    """Median width of the profile interval over simulated studies, and the share of them whose interval is closed.

    An open interval is infinitely wide.
    """
    rng = np.random.default_rng(seed)
    log_loss = form.evaluate(to_theta(form.parameters, params)[None], runs)[0][0]
    widths = []
    for _ in range(studies):
        made = fit(form, runs, np.exp(log_loss + rng.normal(0, noise, len(log_loss))), delta=np.inf, level=level)
        low, high = made.intervals_of([exponent])[exponent]
        widths.append(np.inf if low is None or high is None else high - low)
    return float(np.median(widths)), float(np.mean(np.isfinite(widths)))
