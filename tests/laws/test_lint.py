"""Each check on runs that provoke it, and all of them on runs that give no cause."""

import numpy as np
import pytest
from scipy.stats import f as f_distribution

from hf_scaling.laws.checks import Sample, collinear, repeated_data
from hf_scaling.laws.diagnostics import lack_of_fit
from hf_scaling.laws.forms import CHINCHILLA, DATA_CONSTRAINED, POWER
from hf_scaling.laws.lint import CHECKS, findings
from tests.laws.test_conformance import epoch

SIZES = np.geomspace(1e6, 1e8, 8)


def clean(noise=0.002, **changes):
    """Eight sizes and three seeds at one horizon; nothing is wrong."""
    n = np.repeat(SIZES, 3)
    loss = (n / 1e6) ** -0.3 + 1 + np.random.default_rng(3).normal(0, noise, 24)
    sample = {"form": POWER, "labels": [f"run {i}" for i in range(24)], "n": n, "loss": loss, "d": np.full(24, 1e9)}
    sample |= {"u": np.full(24, 2e9), "seen": np.full(24, 1e9), "warm_up": np.full(24, 0.02)}
    sample |= {"last_rate": np.full(24, 0.01), "perplexity": np.exp(loss)}
    return Sample(**(sample | changes))


def grid(sizes=6, horizons=4, seeds=2, noise=0.002, **changes):
    """Every size at every horizon, twice."""
    n, d = np.array([(n, d) for n in np.geomspace(1e4, 1e6, sizes) for d in np.geomspace(2e5, 2e6, horizons)] * seeds).T
    loss = (0.8 + 15.8 * n**-0.3 + 31.5 * d**-0.25) * np.exp(np.random.default_rng(1).normal(0, noise, len(n)))
    sample = {"form": CHINCHILLA, "labels": [f"run {i}" for i in range(len(n))], "n": n, "loss": loss, "d": d}
    return Sample(**(sample | changes))


def codes(sample):
    return {found.code for found in findings(sample, "gpt2")[0]}


def test_clean_runs_give_no_finding():
    tried = np.tile([0.001, 0.002, 0.004], 8)
    best = clean(noise=0.0)
    found, made = findings(clean(rate=tried, loss=best.loss + 0.003 * (tried != 0.002), perplexity=None), "gpt2")
    assert found == []
    assert made == set(CHECKS) - {"leakage", "perplexity-at-odds"}
    assert codes(clean()) == codes(grid()) == set()


def with_outlier(at, factor):
    loss = clean().loss.copy()
    loss[at] *= factor
    return loss


@pytest.mark.parametrize(
    ("code", "sample", "what"),
    [
        ("too-few-points", clean(n=np.repeat(SIZES[:4], 6)), "24 runs, 4 of them distinct in N and D, for the 3"),
        ("warm-up-share", clean(warm_up=np.linspace(0.02, 0.4, 24)), "up to 40%"),
        ("horizon-mismatch", clean(d=np.repeat([1e9, 2e9], 12), seen=None), "D = 1,000,000,000 to 2,000,000,000"),
        ("horizon-mismatch", clean(seen=np.append(np.full(23, 1e9), 8e8)), "run 23 first: its updates saw 800,000,000"),
        ("un-cooled-endpoints", clean(last_rate=np.append(np.zeros(23), 0.5)), "1 of 24 runs ended at more than 10%"),
        ("single-learning-rate", clean(rate=np.full(24, 3e-4)), "all sizes were trained at one learning rate, 0.0003"),
        ("single-learning-rate", clean(rate=SIZES.repeat(3) ** -0.5), "each size was trained at one learning rate"),
        ("optimum-on-edge", clean(rate=np.argsort(clean().loss.reshape(8, 3)).argsort().ravel() + 1.0), "the lowest"),
        ("parameter-at-bound", clean(loss=SIZES.repeat(3) ** -0.3 * 100), "c is at its bound 0"),
        ("form-misfit", clean(loss=clean().loss * (1 + 0.02 * np.sin(np.log(SIZES)).repeat(3))), "power: means over"),
        ("influential-points", clean(loss=with_outlier(2, 1.3)), "run 2 (loss 2.601) decides"),
        ("missing-seeds", clean(n=np.geomspace(1e6, 1e8, 24), loss=np.geomspace(1e6, 1e8, 24) ** -0.3 * 60 + 1), "one"),
        ("loss-rising-with-size", clean(loss=with_outlier([9, 10, 11], 1.2)), "from N = "),
        ("repeated-data", clean(u=np.full(24, 4e8)), "up to 2.50 passes over the unique tokens, which power counts"),
        ("perplexity-at-odds", clean(perplexity=np.full(24, 4.0)), "24 of 24 runs, run 0 first: perplexity 4, but"),
    ],
)  # fmt: skip
def test_each_finding_is_provoked(code, sample, what):
    found = [one for one in findings(sample, "gpt2")[0] if one.code == code]
    assert found, code
    assert what in found[0].sentence
    assert found[0].where == "gpt2"
    assert found[0].effect
    assert found[0].cure


def test_a_form_is_found_wrong_no_more_often_than_chance_has_it():
    found = 0
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(0, 0.002, 24)
        found += "form-misfit" in codes(clean(loss=(clean().n / 1e6) ** -0.3 + 1 + noise))
    assert found <= 6  # of 200, at a level of 1 %


def test_without_replicates_no_form_is_tested():
    n = np.geomspace(1e6, 1e8, 24)
    assert lack_of_fit(n[:, None], np.sin(n), 3) is None
    assert lack_of_fit(np.repeat(n[:3], 2)[:, None], np.arange(6.0), 3) is None


def test_the_test_for_lack_of_fit_is_the_textbooks():
    """Sums by hand: three levels, two replicates of each, a line through them."""
    x, y = np.array([1.0, 1, 2, 2, 3, 3]), np.array([1.0, 1.2, 2.0, 2.2, 2.4, 2.6])
    slope, start = np.polyfit(x, y, 1)
    off, apart, p = lack_of_fit(x[:, None], y - slope * x - start, 2)
    means = np.array([1.1, 2.1, 2.5]) - slope * np.array([1, 2, 3]) - start
    assert off == pytest.approx(np.sqrt(np.mean(means**2)))
    assert apart == pytest.approx(np.sqrt(6 * 0.01 / 3))
    assert p == pytest.approx(f_distribution.sf(2 * np.sum(means**2) / 0.02, 1, 3))


def test_a_fixed_ratio_of_tokens_to_parameters_is_collinear():
    n = np.geomspace(1e4, 1e6, 12)
    (found,) = collinear(grid(n=n, d=20 * n))
    assert "r = 1.000" in found
    assert list(collinear(grid())) == list(collinear(clean())) == []


def test_a_size_without_one_of_the_horizons_is_told():
    whole = grid()
    kept = ~((whole.n == whole.n.max()) & (whole.d == whole.d.max()))
    part = grid(n=whole.n[kept], d=whole.d[kept], loss=whole.loss[kept])
    (found,) = findings(part, "gpt2")[0]
    assert found.code == "horizon-mismatch"
    assert "some are missing at N = 1,000,000" in found.what


def test_a_form_that_knows_of_repetition_may_repeat():
    plain, knowing = (grid(form=form, u=np.full(48, 1e5)) for form in (CHINCHILLA, DATA_CONSTRAINED))
    assert len(list(repeated_data(plain))) == 1
    assert list(repeated_data(knowing)) == []


def test_of_many_runs_none_is_left_out_in_turn():
    n = np.geomspace(1e6, 1e8, 600)
    sample = Sample(POWER, ["x"] * 600, n, (n / 1e6) ** -0.3 + 1)
    assert "influential-points" not in findings(sample, "all")[1]


def test_five_points_decide_the_law_of_all_245():
    n, c, loss = epoch()
    sample = Sample(CHINCHILLA, [f"row {i}" for i in range(245)], n, loss, c / (6 * n))
    (found,) = [one for one in findings(sample, "all")[0] if one.code == "influential-points"]
    assert "without 5 of 245 runs beta is 0.367 and not 0.453" in found.what
    for row in range(240, 245):  # the five highest losses
        assert f"row {row} (" in found.what


def test_without_these_five_none_decides():
    n, c, loss = epoch(drop=5)
    sample = Sample(CHINCHILLA, [f"row {i}" for i in range(240)], n, loss, c / (6 * n))
    assert codes(sample) <= {"missing-seeds"}


def test_simulated_outliers_decide_and_clean_readings_do_not():
    """The twin of the two above, on any machine."""
    rng = np.random.default_rng(0)
    n, d = (np.exp(rng.uniform(np.log(low), np.log(high), 100)) for low, high in ((6e7, 1.6e10), (1e9, 3e11)))
    loss = (1.81724 + 477.84 * n**-0.34731 + 2143.86 * d**-0.36718) * np.exp(rng.normal(0, 0.004, 100))
    labels = [f"row {i}" for i in range(100)]
    assert codes(Sample(CHINCHILLA, labels, n, loss, d)) == {"missing-seeds"}
    d[:2], loss[:2] = 1e7, 1.5 * (1.81724 + 477.84 * n[:2] ** -0.34731 + 2143.86 * 1e7**-0.36718)  # alone at small D
    found = [one for one in findings(Sample(CHINCHILLA, labels, n, loss, d), "all")[0] if "infl" in one.code]
    assert any("row 0 (" in one.what and "row 1 (" in one.what for one in found)
