"""`hf-scaling fit --form`, `frontier` and `plan` as a person runs them."""

import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import yaml

from hf_scaling.study.options import load_config

SIZES = np.geomspace(1e4, 1e6, 5)
HORIZONS = np.geomspace(2e5, 2e6, 4)
TRUTH = {"A": 15.8, "B": 31.5, "E": 0.8, "alpha": 0.3, "beta": 0.25}


def rows(noise=0.002):
    rng = np.random.default_rng(0)
    return [
        {
            "N": n,
            "D": d,
            "U": min(d, 1e6),
            "loss": float((0.8 + 15.8 * n**-0.3 + 31.5 * d**-0.25) * np.exp(rng.normal(0, noise))),
        }
        for n in SIZES.tolist()
        for d in HORIZONS.tolist()
    ]


def table(path, columns=("N", "D", "U", "loss"), rows=None):
    rows = rows or globals()["rows"]()
    lines = [",".join(columns), *(",".join(f"{row[name]:.9g}" for name in columns) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("form", ["data", "chinchilla", "kaplan", "data_constrained", "sms"])
def test_every_form_has_parameters_intervals_and_a_verdict(form, commands, tmp_path):
    ended = commands.run("hf-scaling", "fit", table(tmp_path / "runs.csv"), "--form", form, "--json", "-")
    assert ended.code == 0, ended.stderr
    (fit,) = json.loads(ended.stdout)["fits"]
    assert fit["form"] == form
    assert fit["n_points"] == 20
    assert set(fit["intervals"]) == set(fit["params"])
    assert fit["verdict"] in ("resolved", "not resolved")
    assert fit["loss_function"] == ("squares" if form == "data" else "huber")


def test_the_truth_comes_back_with_profile_and_bootstrap(commands, tmp_path):
    out, figure = tmp_path / "fit.json", tmp_path / "fit.svg"
    ended = commands.run(
        "hf-scaling", "fit", table(tmp_path / "runs.csv"), "--form", "chinchilla", "--objective", "squares",
        "--bootstrap", 60, "--json", out, "--figure", figure,
    )  # fmt: skip
    assert ended.code == 0, ended.stderr
    assert "bootstrap 90 %, 60 resamples" in ended.stdout
    (fit,) = json.loads(out.read_text())["fits"]
    for name, value in TRUTH.items():
        low, high = fit["intervals"][name]
        assert low * 0.8 < value < high * 1.25, name
        low, high = fit["bootstrap"]["intervals"][name]
        assert low < fit["params"][name] * 1.2
        assert high > fit["params"][name] * 0.8
    assert figure.read_text().startswith("<?xml")


def test_the_same_seed_gives_the_same_bytes(commands, tmp_path):
    path = table(tmp_path / "runs.csv")
    shown = [
        commands.run(
            "hf-scaling", "fit", path, "--form", "chinchilla", "--bootstrap", 20, "--seed", seed, "--json", "-"
        ).stdout
        for seed in (1, 1, 2)
    ]
    assert shown[0] == shown[1] != shown[2]


def test_parquet_json_lines_and_csv_say_the_same(commands, tmp_path):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows()), tmp_path / "runs.parquet")
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows()))
    found = []
    for name in ("runs.parquet", "runs.jsonl"):
        ended = commands.run("hf-scaling", "fit", tmp_path / name, "--form", "chinchilla", "--json", "-")
        assert ended.code == 0, ended.stderr
        found.append(json.loads(ended.stdout))
    assert found[0] == found[1]


def test_without_d_it_is_c_over_6n_and_said_so(commands, tmp_path):
    known = [row | {"C": 6 * row["N"] * row["D"]} for row in rows()]
    with_d = table(tmp_path / "d.csv", ("N", "D", "loss"), known)
    with_c = table(tmp_path / "c.csv", ("N", "C", "loss"), known)
    shown = [
        commands.run("hf-scaling", "fit", path, "--form", "chinchilla", "--json", "-") for path in (with_d, with_c)
    ]
    first, second = (json.loads(ended.stdout)["fits"][0] for ended in shown)
    assert second["params"] == pytest.approx(first["params"], rel=1e-4)
    assert "no column D: D is C/(6N)" in second["warnings"]
    assert first["warnings"] == []


def test_the_highest_losses_may_be_dropped(commands, tmp_path):
    spoilt = rows()
    spoilt[7]["loss"] *= 2
    path = table(tmp_path / "runs.csv", rows=spoilt)
    for form in ("chinchilla", "power"):
        ended = commands.run("hf-scaling", "fit", path, "--form", form, "--drop-highest-loss", 1, "--json", "-")
        (fit,) = json.loads(ended.stdout)["fits"]
        assert fit["n_points"] == 19
        assert "the 1 runs of highest loss were left out, as asked" in fit["warnings"]


def test_a_frontier_has_budgets_intervals_and_a_cross_check(commands, tmp_path):
    figure = tmp_path / "frontier.png"
    path = table(tmp_path / "runs.csv")
    ended = commands.run(
        "hf-scaling", "frontier", path, "--budgets", "1e11", "1e13", "--figure", figure, "--json", tmp_path / "f.json"
    )
    assert ended.code == 0, ended.stderr
    assert "IsoFLOP profiles" in ended.stdout
    (one,) = json.loads((tmp_path / "f.json").read_text())["frontiers"]
    assert one["exponent"] == pytest.approx(0.25 / 0.55, abs=0.05)
    low, high = one["exponent_interval"]
    assert low < one["exponent"] < high
    near, far = one["optima"]
    assert near["budget"] == pytest.approx(1e11)
    assert far["extrapolated"] == pytest.approx(1e13 / (6 * 1e6 * 2e6), rel=1e-6)
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_frontier_tells_what_the_conventions_of_n_and_flops_do(commands, tmp_path):
    known = [
        row | {"n_params": row["N"], "n_params_non_embedding": row["N"] - 5e3}
        | {"C": 90 * row["N"] ** 0.8 * row["D"], "flops_causal": 50 * row["N"] ** 0.85 * row["D"]}
        for row in rows()
    ]  # fmt: skip
    names = ("n_params", "n_params_non_embedding", "D", "C", "flops_causal", "loss")
    path = table(tmp_path / "runs.csv", names, known)
    out = tmp_path / "frontier.json"
    ended = commands.run("hf-scaling", "frontier", path, "--json", out, "--figure", tmp_path / "f.svg")
    assert ended.code == 0, ended.stderr
    found = {(one["n_convention"], one["flops_convention"]): one for one in json.loads(out.read_text())["frontiers"]}
    flops = ("6ND", "as counted", "causal half")
    assert list(found) == [(n, c) for n in ("total", "non_embedding") for c in flops]
    powers = [found["total", c]["flops_exponent"] for c in flops]
    assert powers == pytest.approx([1, 0.8, 0.85])
    exponents = [found["total", c]["exponent"] for c in flops]
    assert exponents[0] < exponents[2] < exponents[1]
    assert "sensitivity: all: the exponent of N* goes from" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "few.csv", "--form", "chinchilla"], "has 5 parameters and needs as many distinct runs, got 2"),
        (["fit", "n.csv", "--form", "chinchilla"], "no column D, which the form chinchilla needs"),
        (["fit", "no_u.csv", "--form", "sms"], "no column U"),
        (["fit", "negative.csv", "--form", "chinchilla"], "line 3: D: got '-1', expected a positive number"),
        (["fit", "broken.parquet"], "not valid Parquet"),
        (["fit", "nobody/nothing"], "no data set on the Hub that can be read"),
        (["frontier", "runs.csv", "--budgets", "-1"], "all, C 6ND: budgets: got -1"),
        (["plan", "missing.yaml", "--budget", "2h"], "missing.yaml: not found"),
        (["plan", "missing.yaml", "--budget", "soon"], "expected a time such as 90m or 2h"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(arguments, message, commands, tmp_path):
    some = rows()
    table(tmp_path / "runs.csv", ("N", "D", "loss"), some)
    table(tmp_path / "few.csv", ("N", "D", "loss"), some[:2])
    table(tmp_path / "n.csv", ("N", "loss"), some)
    table(tmp_path / "no_u.csv", ("N", "D", "loss"), some)
    (tmp_path / "negative.csv").write_text("N,D,loss\n1e6,1e9,3\n1e6,-1,3\n")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 but no more")
    ended = commands.run("hf-scaling", *arguments, cwd=tmp_path)
    assert ended.code == 2
    assert message in ended.stderr
    assert len(ended.problems) == 1


def test_a_plan_names_sizes_horizons_and_seeds(commands, tmp_path):
    (tmp_path / "study.yaml").write_text(
        "name: little\nladder: [a=8x1x1x16, b=16x1x2x32, c=24x1x2x96, d=48x1x2x192]\nfamilies: [gpt2]\n"
        "context_length: 64\nprecision: fp32\n"
    )
    ended = commands.run("hf-scaling", "plan", tmp_path / "study.yaml", "--budget", "1e12", "--json", cwd=tmp_path)
    assert ended.code == 0, ended.stderr
    result = json.loads(ended.stdout)
    assert result["unit"] == "flops"
    assert "assumed" in result["belief"]["source"]
    widths = [design["expected_width"] for design in result["designs"]]
    assert widths == sorted(widths)
    best = result["designs"][0]
    costs = {rung["size"]: rung["cost"] for rung in result["costs"]}
    # the trunk once, then half of every horizon: what the runs cost is what was to be spent
    shares = 0.5 + 0.5 * sum(best["horizons"])
    spent = best["replicates"] * best["tokens_per_run"] * shares * sum(costs[size] for size in best["sizes"])
    assert spent == pytest.approx(1e12, rel=1e-3)
    wider = commands.run("hf-scaling", "plan", tmp_path / "study.yaml", "--budget", "1e11", "--json", cwd=tmp_path)
    assert json.loads(wider.stdout)["designs"][0]["expected_width"] > widths[0]


def test_what_a_plan_proposes_can_stand_in_the_studys_yaml(commands, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "name: little\nladder: [a=8x1x1x16, b=16x1x2x32, c=24x1x2x96, d=48x1x2x192]\nfamilies: [gpt2]\n"
        "context_length: 64\nprecision: fp32\nbest_sizes: [a, b, c, d]\ntune_sizes: [a, b, c, d]\n"
    )
    ended = commands.run("hf-scaling", "plan", path, "--budget", "5e10", cwd=tmp_path)
    assert ended.code == 0, ended.stderr
    proposed = yaml.safe_load(ended.stdout.partition("in the study's YAML:\n")[2])
    assert len(proposed["ladder"]) < 4
    config = load_config(path, proposed)
    sizes = [size.name for size in config.sizes]
    assert (config.best_sizes, config.tune_sizes) == (sizes, sizes)
