import csv
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from hf_scaling.laws.plots import (
    forecast_figure,
    profile_figure,
    residual_figure,
    save_figure,
    scaling_figure,
    scaling_table,
    smooth,
    training_figure,
    training_table,
    write_figure,
)


def fit_record(family, convention="total", alpha=0.3, interval=(0.2, 0.4), verdict="resolved", c=1.0, **changes):
    n = np.geomspace(3e4, 3e6, 5)
    loss = 0.6 * (n / 3e4) ** -0.3 + 1
    record = {
        "family": family,
        "n_convention": convention,
        "level": 0.9,
        "params": {"a": 1.0, "alpha": alpha, "c": c},
        "intervals": {"alpha": list(interval)},
        "verdict": verdict,
        "points": [{"size": "s", "n": a, "loss": b, "stderr": None} for a, b in zip(n, loss, strict=True)],
        "curve": {"n": n.tolist(), "loss": loss.tolist(), "lower": (loss - 1).tolist(), "upper": (loss + 1).tolist()},
    }
    return record | changes


def run(family, size, n_params, rows=60):
    tokens = np.arange(rows) * 1000.0
    loss = 4 / (1 + tokens / 5000) ** 0.3
    return {"family": family, "size": size, "n_params": n_params, "tokens_seen": tokens.tolist()} | {
        "flops": (6 * n_params * tokens).tolist(),
        "loss": loss.tolist(),
    }


def labels(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_scaling_figure_has_a_panel_per_convention_and_both_families_in_each():
    fits = [fit_record(family, n) for n in ("total", "non_embedding") for family in ("gpt2", "folk_lstm")]
    panels = scaling_figure(fits).axes
    assert len(panels) == 2
    for axes in panels:
        assert labels(axes) == ["gpt2: α = 0.30 [0.20, 0.40]", "folk_lstm: α = 0.30 [0.20, 0.40]"]
        assert axes.get_xscale() == "log"
    assert panels[0].get_xlabel() != panels[1].get_xlabel()
    assert panels[0].get_xlim() == panels[1].get_xlim()


@pytest.mark.parametrize(
    ("record", "label"),
    [
        (fit_record("x", verdict="not resolved", interval=(0.1, None)), "x: α = 0.30 [0.10, open], not resolved"),
        (fit_record("x", verdict="not resolved", interval=(None, None)), "x: α = 0.30, not resolved"),
        (
            fit_record("x", alpha=None, c=None, interval=(None, None), verdict="not resolved", curve=None),
            "x: too few sizes",
        ),
    ],
)
def test_the_legend_says_what_is_not_resolved(record, label):
    assert labels(scaling_figure([record]).axes[0]) == [label]


@pytest.mark.parametrize(("c", "shown"), [(1.12, True), (0.2, False)])
def test_the_asymptote_is_drawn_where_it_is_in_view(c, shown):
    texts = [text.get_text() for text in scaling_figure([fit_record("x", c=c)]).axes[0].texts]
    assert texts == ([f"c = {c:.2f}"] if shown else [])


def test_a_wide_band_does_not_set_the_view():
    low, high = scaling_figure([fit_record("x")]).axes[0].get_ylim()
    assert high - low < 1


def test_training_curves_are_labelled_and_darken_with_size():
    figure = training_figure([run("gpt2", "big", 2_000_000), run("gpt2", "small", 30_000), run("folk_lstm", "one", 9)])
    lines = figure.axes[0].get_lines()
    assert [line.get_label() for line in lines] == ["gpt2 small", "gpt2 big", "folk_lstm one"]
    assert sum(lines[1].get_color()) < sum(lines[0].get_color())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [line.get_label() for line in lines]
    assert all((line.get_xdata() > 0).all() for axes in figure.axes for line in axes.get_lines())


def test_seeds_of_a_size_share_its_colour_and_its_name():
    figure = training_figure([run("gpt2", "big", 2_000_000), run("gpt2", "big", 2_000_000), run("gpt2", "small", 9)])
    small, *big = figure.axes[0].get_lines()
    assert big[0].get_color() == big[1].get_color() != small.get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["gpt2 small", "gpt2 big"]


def test_smoothing_keeps_constants_lowers_noise_and_does_not_lag():
    rng = np.random.default_rng(0)
    assert smooth([2.0] * 500) == pytest.approx([2.0] * 500)
    assert smooth([]).size == 0
    assert smooth([3.0]) == pytest.approx([3.0])
    assert smooth(rng.normal(0, 1, 1000))[100:-100].std() < 0.3
    falling = np.linspace(5, 1, 1000)
    assert smooth(falling)[100:900] == pytest.approx(falling[100:900])


def test_save_figure_writes_the_same_bytes_twice_and_the_rows_behind(tmp_path):
    fits = [fit_record("gpt2"), fit_record("folk_lstm")]
    for folder in ("one", "two"):
        save_figure(scaling_figure(fits), scaling_table(fits), tmp_path / folder, "scaling")
    for suffix in ("png", "svg", "csv"):
        first, second = (tmp_path / folder / f"scaling.{suffix}" for folder in ("one", "two"))
        assert first.read_bytes() == second.read_bytes()
    with open(tmp_path / "one/scaling.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows if row["kind"] == "run"] == [
        point["loss"] for fit in fits for point in fit["points"]
    ]
    assert {row["kind"] for row in rows} == {"run", "curve"}


def test_an_svg_needs_no_font_and_holds_no_date(tmp_path):
    write_figure(training_figure([run("gpt2", "s", 10)]), tmp_path / "f.svg")
    text = (tmp_path / "f.svg").read_text()
    assert "<text" not in text
    assert "<dc:date>" not in text
    assert ET.fromstring(text).tag.endswith("svg")


def test_the_training_table_has_the_loss_as_logged_and_as_drawn():
    one = run("gpt2", "s", 10, rows=200)
    rows = training_table([one])
    assert [row["loss"] for row in rows] == one["loss"]
    assert [row["loss_smoothed"] for row in rows] == pytest.approx(smooth(one["loss"]))


def forecast(**changes):
    found = {"run_id": "r", "family": "gpt2", "size": "xl", "n_params": 3e6, "n_tokens": 1_000_000, "form": "kaplan"}
    intervals = {"0.5": [1.39, 1.41], "0.9": [1.37, 1.44]}
    return found | {"sealed_at": "", "loss": 1.4, "outcome": 1.42, "persistence": 1.5, "intervals": intervals} | changes


def test_an_open_end_of_a_forecast_is_an_arrow_at_the_edge_of_the_view():
    for open_ends, arrows in (([1.37, 1.44], []), ([None, 1.44], ["<"]), ([None, None], ["<", ">"])):
        axes = forecast_figure([forecast(intervals={"0.5": [1.39, 1.41], "0.9": open_ends})]).axes[0]
        tips = [line for line in axes.get_lines() if line.get_marker() in ("<", ">")]
        assert [line.get_marker() for line in tips] == arrows
        assert all(line.get_xdata()[0] in axes.get_xlim() for line in tips)


def test_runs_of_one_forecast_share_a_row_on_an_axis_of_percent_and_a_family_keeps_its_colour():
    scored = [forecast(outcome=1.4 * off) for off in (1.01, 0.98)] + [forecast(family="folk_lstm", outcome=1.4)]
    axes = forecast_figure(scored).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["gpt2 xl, D = 1M", "folk_lstm xl, D = 1M"]
    outcomes = {
        line.get_color(): line for line in axes.get_lines() if line.get_marker() in "os" and len(line.get_xdata())
    }
    one, other = outcomes.values()
    assert one.get_xdata() == pytest.approx([1, -2])
    assert other.get_xdata() == pytest.approx([0])


def test_many_families_make_rows_of_panels_and_many_runs_an_image():
    points = [{"size": "s", "n": n, "d": 1e6, "loss": 2.0, "fitted": 2.01} for n in np.geomspace(1e4, 1e6, 3000)]
    fits = [
        {"family": f"f{k}", "form": "chinchilla", "n_convention": "total", "n_points": 3, "points": points[: 3 + k]}
        for k in range(5)
    ]
    figure = residual_figure([*fits, fits[0] | {"points": points}])
    assert figure.axes[0].get_gridspec().get_geometry() == (2, 3)
    drawn = [axes.collections[0].get_rasterized() for axes in figure.axes]
    assert [bool(one) for one in drawn] == [False] * 5 + [True]


def test_exponents_are_written_out():
    profile = {"alpha": np.geomspace(0.15, 0.6, 20).tolist(), "misfit": [1.0] * 20}
    axes = profile_figure([fit_record("gpt2", profile=profile), fit_record("flat", profile=None)]).axes[0]
    axes.figure.canvas.draw()
    assert {"0.2", "0.3", "0.5"} <= {text.get_text() for text in axes.get_xticklabels()}
    assert labels(axes) == ["gpt2"]
