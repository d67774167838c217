"""`hf-scaling fit` as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from hf_scaling.records import UserError, append_row
from hf_scaling.study.fits import fit_points
from hf_scaling.study.points import read_points

N = np.geomspace(1e6, 1e8, 10)
LOSS = 8.8 * N**-0.2 + 1 + 0.003 * np.cos(np.arange(10) * 2)


@pytest.fixture
def hf_scaling(commands):
    return lambda *arguments: commands.run("hf-scaling", *arguments, cwd=Path.cwd())


def table(path, header="N,D,loss", rows=None):
    rows = [f"{n:.0f},1e9,{loss:.5f}" for n, loss in zip(N, LOSS, strict=True)] if rows is None else rows
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def ledger(path, families=("gpt2", "folk_lstm"), status="finished", **changes):
    """A ledger of five sizes a family; all runs saw the same tokens."""
    for family, alpha in zip(families, (0.3, 0.2), strict=False):
        for index, n in enumerate(np.geomspace(3e4, 3e6, 5)):
            row = {
                "run_id": f"{family}-{index}-{status}", "study": "s", "family": family, "size": f"size{index}",
                "n_params": int(n), "n_params_non_embedding": int(0.8 * n), "n_tokens": 4_000_000,
                "flops": 6 * n * 4e6, "flops_causal": 6 * n * 4e6, "status": status, "val_loss_stderr": 0.01,
                "val_loss": 0.6 * (n / 3e4) ** -alpha + 1 + 0.002 * (-1) ** index,
            }  # fmt: skip
            append_row(path, row | changes)
    return path


def test_a_table_of_ten_rows_gives_a_table_units_and_a_sentence(tmp_path):
    command = [sys.executable, "-m", "hf_scaling.cli", "fit", str(table(tmp_path / "runs.csv"))]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert shown.stderr == ""
    head, row, units, _, sentence = shown.stdout.splitlines()
    assert units.startswith("units: N in parameters, D in tokens, loss in nats per token, a in nats per token × param")
    assert head.split()[:3] == ["family", "N", "n"]
    assert head.rstrip().endswith("R2")
    assert row.split()[:3] == ["all", "given", "10"]
    assert "resolved" in row
    assert sentence.startswith("all: alpha is resolved: alpha = 0.2")
    assert "7 degrees of freedom" in sentence


def test_json_on_standard_output_is_the_whole_result(hf_scaling, tmp_path):
    shown = hf_scaling("fit", table(tmp_path / "runs.csv"), "--json", "-", "--level", "0.8")
    result = json.loads(shown.stdout)
    (fit,) = result["fits"]
    assert result["comparison"] is None
    assert result["level"] == fit["level"] == 0.8
    assert fit["form"] == "power"
    assert fit["n_points"] == 10
    assert fit["degrees_of_freedom"] == 7
    assert set(fit["params"]) == {"a", "alpha", "c"}
    low, high = fit["intervals"]["alpha"]
    assert low < 0.2 < high
    assert fit["verdict"] == "resolved"
    assert fit["warnings"] == []
    assert len(fit["local_exponents"]) == 9


def test_a_study_folder_gives_both_conventions_of_n_a_comparison_and_a_figure(hf_scaling, tmp_path):
    ledger(tmp_path / "runs.jsonl")
    ledger(tmp_path / "runs.jsonl", status="failed", val_loss=None)
    out, figure = tmp_path / "fits.json", tmp_path / "scaling.svg"
    shown = hf_scaling("fit", tmp_path, "--json", out, "--figure", figure)
    assert shown.code == 0, shown.stderr
    result = json.loads(out.read_text())
    found = [(fit["family"], fit["n_convention"], fit["n_points"]) for fit in result["fits"]]
    assert found == [(f, n, 5) for n in ("total", "non_embedding") for f in ("gpt2", "folk_lstm")]
    assert result["fits"][0]["points"][0] == {"size": "size0", "n": 30000, "loss": 1.602, "stderr": 0.01}
    assert set(result["comparison"]) == {"total", "non_embedding"}
    assert result["comparison"]["total"]["sentence"] in shown.stdout
    assert "warning: gpt2, N total: degrees of freedom: 2" in shown.stdout
    assert figure.read_text().startswith("<?xml")


def test_aliases_in_any_case_a_group_column_and_standard_errors(tmp_path):
    rows = [f"{n:.0f},{family},{loss:.4f},0.01" for family in ("a", "b") for n, loss in zip(N, LOSS, strict=True)]
    points = read_points(table(tmp_path / "runs.csv", "N_Params,Family,VAL_LOSS,stderr", rows))
    assert [point.family for point in points] == ["a"] * 10 + ["b"] * 10
    assert {point.stderr for point in points} == {0.01}
    result = fit_points(points)
    assert result["comparison"]["given"]["verdict"] == "not resolved"
    assert any("no column D" in line for line in result["fits"][0]["warnings"])


def test_columns_named_on_the_command_line(hf_scaling, tmp_path):
    rows = [f"{n:.0f},{1e9},{loss:.4f},x,9" for n, loss in zip(N, LOSS, strict=True)]
    path = table(tmp_path / "runs.csv", "Model Size,Tokens,Final Loss,arch,loss", rows)
    shown = hf_scaling(
        "fit", path, "--n-column", "Model Size", "--d-column", "Tokens", "--loss-column", "Final Loss",
        "--group-column", "arch",
    )  # fmt: skip
    assert shown.code == 0, shown.stderr
    assert shown.stdout.splitlines()[1].startswith("x ")
    assert "warning" not in shown.stdout


def test_a_byte_order_mark_blank_lines_and_spaces_are_harmless(tmp_path):
    path = tmp_path / "runs.csv"
    path.write_bytes(b"\xef\xbb\xbfN , D, loss\r\n\r\n1e6,1e9, 3\r\n1e7,1e9,2.5 \r\n , ,\r\n1e8,1e9,2.2\r\n")
    assert [point.loss for point in read_points(path)] == [3, 2.5, 2.2]


def test_varying_d_and_a_missing_standard_error_are_warned_of(tmp_path):
    rows = ["1e6,1e9,3,0.1", "1e7,2e9,2.5,", "1e8,2e9,2.2,0.1", "1e9,2e9,2.1,0.1"]
    (fit,) = fit_points(read_points(table(tmp_path / "runs.csv", "N,D,loss,stderr", rows)))["fits"]
    assert any("D varies between 1e+09 and 2e+09" in line for line in fit["warnings"])
    assert any("1 of 4 runs have no standard error" in line for line in fit["warnings"])


def test_seeds_of_one_size_are_all_points(tmp_path):
    rows = [f"{n:.0f},1e9,{loss + shift:.4f}" for shift in (0, 0.01) for n, loss in zip(N, LOSS, strict=True)]
    (fit,) = fit_points(read_points(table(tmp_path / "runs.csv", rows=rows)))["fits"]
    assert fit["n_points"] == 20
    assert fit["degrees_of_freedom"] == 17


def test_a_family_with_two_sizes_is_reported_beside_one_that_is_fitted(hf_scaling, tmp_path):
    rows = [f"{n:.0f},1e9,{loss:.4f},many" for n, loss in zip(N, LOSS, strict=True)]
    path = table(tmp_path / "runs.csv", "N,D,loss,family", [*rows, "1e6,1e9,3,few", "1e7,1e9,2.5,few"])
    shown = hf_scaling("fit", path, "--figure", tmp_path / "f.png")
    assert shown.code == 0, shown.stderr
    assert "few: alpha is not resolved: 2 distinct sizes" in shown.stdout
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")


def test_losses_that_rise_are_fitted_with_a_warning(hf_scaling, tmp_path):
    shown = hf_scaling("fit", table(tmp_path / "runs.csv", rows=["1e6,1,2.0", "1e7,1,2.1", "1e8,1,2.2", "1e9,1,2.3"]))
    assert shown.code == 0
    assert "loss rises with size between N = 1,000,000 and 10,000,000" in shown.stdout
    assert "not resolved" in shown.stdout


GOOD = ["1e6,1,3", "1e7,1,2", "1e8,1,1"]


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("N,D,loss", [*GOOD, "1e9,1,nan"], "line 5: loss: got 'nan', expected a positive number"),
        ("N,D,loss", [*GOOD, "1e9,1,inf"], "line 5: loss: got 'inf'"),
        ("N,D,loss", [*GOOD, "1e9,1,"], "line 5: loss: got ''"),
        ("N,D,loss", ["-5,1,3", *GOOD], "line 2: N: got '-5', expected a positive number"),
        ("N,D,loss", ["1e6,0,3", *GOOD], "line 2: D: got '0', expected a positive number"),
        ("N,D,loss", ["many,1,3", *GOOD], "line 2: N: got 'many'"),
        ("N,D,loss", ["1e6,1", *GOOD], "line 2: 2 cells, expected 3"),
        ("N,D,loss", ["1e40,1,2", *GOOD], "line 2: N: got '1e40', expected a number between 1e-12 and 1e+30"),
        ("N,D,loss", ['"1e6,1,2', *GOOD], "not valid CSV"),
        ("N,D,loss", [], "no finished run"),
        ("N,D,loss", GOOD[:2], "2 distinct sizes, the power form needs at least 3"),
        ("D,loss", ["1,3"], "no column N or n_params; found D, loss; name yours with --n-column"),
        ("N,D,perplexity", GOOD, "no column loss or val_loss"),
        ("N;D;loss", ["1;2;3"], "no column N or n_params; found N;D;loss"),
        ("N,n_params,loss", GOOD, "columns N, n_params mean the same"),
        ("N,N,loss", GOOD, "two columns share a name"),
        ("", [], "the first line must name the columns"),
        ("N,D,loss,stderr", ["1e6,1,3,-1"], "line 2: stderr: got '-1'"),
        ("N,D,loss,family", ["1e6,1,3,"], "line 2: family: got ''"),
        ("N,D,loss,family", ["1e6,1,3,a\x1b[31m"], "line 2: family: got 'a\\x1b[31m'"),
    ],
)
def test_a_bad_table_is_one_line_and_exit_2(hf_scaling, tmp_path, header, rows, message):
    shown = hf_scaling("fit", table(tmp_path / "runs.csv", header, rows))
    assert_refused(shown, message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.csv"], "missing.csv: not found; expected a .csv, .jsonl or .parquet table"),
        (["."], "runs.jsonl: not found"),
        (["runs.txt"], "runs.txt: expected a .csv, .jsonl or .parquet table"),
        (["latin.csv"], "not UTF-8 text"),
        (["broken.jsonl"], "broken.jsonl, line 1: not valid JSON"),
        (["failed.jsonl"], "no finished run"),
        (["runs.csv", "--level", "90"], "--level: got '90', expected a number between 0 and 1"),
        (["runs.csv", "--level", "nan"], "--level: got 'nan'"),
        (["runs.csv", "--form", "cubic"], "invalid choice: 'cubic'"),
        (["runs.csv", "--n-column", "M"], "--n-column: got 'M', expected one of the columns"),
        (["runs.csv", "--figure", "f.gif"], "expected a name that ends in .png or .svg"),
        (["runs.csv", "--json", "runs.csv"], "is the input"),
        (["runs.csv", "--json", "runs.txt/f.json"], "runs.txt"),
        ([], "the following arguments are required: file"),
    ],
)
def test_bad_arguments_are_one_line_and_exit_2(hf_scaling, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    table(tmp_path / "runs.csv")
    (tmp_path / "runs.txt").write_text("N,D,loss\n")
    (tmp_path / "latin.csv").write_bytes("N,D,loss,größe\n".encode("latin-1"))
    (tmp_path / "broken.jsonl").write_text("{\n")
    ledger(tmp_path / "failed.jsonl", status="failed", val_loss=None)
    assert_refused(hf_scaling("fit", *arguments), message)


def assert_refused(shown, message):
    assert shown.code == 2
    assert message in shown.stderr
    assert len(shown.stderr.splitlines()) == 1
    assert shown.stdout == ""


def test_the_input_survives_every_refusal(hf_scaling, tmp_path):
    path = table(tmp_path / "runs.csv")
    before = path.read_bytes()
    hf_scaling("fit", path, "--json", path)
    assert path.read_bytes() == before


def test_help_lists_the_commands_without_heavy_imports():
    probe = (
        "import sys, hf_scaling.cli\n"
        "try: hf_scaling.cli.main(['--help'])\n"
        "except SystemExit: print([m for m in ('numpy', 'scipy', 'torch', 'matplotlib') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert "fit" in shown.stdout
    assert shown.stdout.splitlines()[-1] == "[]"


def test_a_level_out_of_range_is_refused_by_the_function_too(tmp_path):
    with pytest.raises(UserError, match="level"):
        fit_points(read_points(table(tmp_path / "runs.csv")), level=1.5)
