"""How narrow the interval of an exponent will be, before any run is made."""

from collections.abc import Mapping

import numpy as np
from scipy.special import fdtri

from hf_scaling.laws.fit import Fit, intervals_together
from hf_scaling.laws.forms import Form, Runs, to_theta
from hf_scaling.laws.solve import Problem, minimise


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

    Fits are by least squares, each searched from the truth. An open interval is infinitely wide.
    """
    truth = to_theta(form.parameters, params)
    log_loss = form.evaluate(truth[None], runs)[0]
    simulated = log_loss + np.random.default_rng(seed).normal(0, noise, (studies, log_loss.shape[1]))
    weights = np.ones_like(log_loss)
    thetas, misfits = minimise(Problem(form, runs, simulated, weights), np.repeat(truth[None], studies, axis=0))
    fits = [
        Fit(form, theta, runs, np.exp(made), weights[0], np.inf, float(misfit), level)
        for theta, made, misfit in zip(thetas, simulated, misfits, strict=True)
    ]
    ends = [found[exponent] for found in intervals_together(fits, [exponent])]
    widths = [np.inf if low is None or high is None else high - low for low, high in ends]
    return float(np.median(widths)), float(np.mean(np.isfinite(widths)))
