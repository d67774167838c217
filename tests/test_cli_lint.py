"""`hf-scaling lint` on studies and tables: exit code 1 where something was found, 0 where nothing was."""

import json

import numpy as np
import pytest

from hf_scaling.cli import main
from hf_scaling.laws.lint import CHECKS
from hf_scaling.records import append_row, read_json, write_json, write_jsonl, write_text

SIZES = np.geomspace(3e4, 3e6, 6)
HORIZON = 2_048_000


def row(n, seed, noise):
    loss = 1 + 0.6 * (n / 3e4) ** -0.3 + noise
    return {
        "run_id": f"gpt2-{n:.0f}-{seed}", "study": "s", "family": "gpt2", "size": f"{n:.0f}", "status": "finished",
        "n_params": int(n), "n_params_non_embedding": int(0.8 * n), "n_tokens": HORIZON, "n_unique_tokens": HORIZON,
        "flops": 6 * n * HORIZON, "flops_causal": 6 * n * HORIZON, "updates": 1000, "batch_tokens": HORIZON // 1000,
        "learning_rate": 0.01, "seed": seed, "val_loss": loss, "val_loss_stderr": 0.01, "perplexity": np.exp(loss),
    }  # fmt: skip


@pytest.fixture
def study(tmp_path):
    """A folder with all that a sound study has."""
    rng = np.random.default_rng(4)
    write_text(tmp_path / "study.yaml", "name: s\n")
    for n in SIZES:
        for seed in range(3):
            one = row(n, seed, rng.normal(0, 0.002))
            append_row(tmp_path / "runs.jsonl", one)
            folder = tmp_path / "runs" / one["run_id"]
            write_json(folder / "config.json", {"warmup_updates": 20})
            write_jsonl(folder / "metrics.jsonl", [{"learning_rate": rate} for rate in (0.0, 0.01, 0.0001)])
    pair = {"tunes": 300, "twins": {"0.3": 0, "0.5": 0}, "share_50_characters": 1}
    leaks = {"split_threshold": 0.3, "thresholds": [0.3, 0.5], "validation_in_train": pair, "test_in_train": pair}
    write_json(tmp_path / "dataset" / "leak_report.json", leaks)
    splits = {"train": {"unique_tokens": HORIZON}}
    write_json(tmp_path / "dataset" / "statistics.json", {"splits": splits})
    write_json(tmp_path / "learning_rates.json", {"families": {"gpt2": {"warnings": []}}})
    best = {"val_loss": 1.2, "val_loss_stderr": 0.01, "test_loss": 1.22, "test_loss_stderr": 0.01}
    write_json(tmp_path / "best.json", best | {"perplexity": np.exp(1.2)})
    return tmp_path


def lint(capsys, *arguments):
    """Exit code, and the result."""
    code = main(["lint", *map(str, arguments), "--json", "-"])
    return code, json.loads(capsys.readouterr().out)


def codes(result):
    return {found["code"] for found in result["findings"]}


def alter(path, change):
    content = read_json(path)
    change(content)
    write_json(path, content)


def test_a_sound_study_passes_every_check(study, capsys):
    code, result = lint(capsys, study)
    assert result == {"findings": [], "checked": list(CHECKS), "unchecked": []}
    assert code == 0
    assert main(["lint", str(study)]) == 0
    assert capsys.readouterr().out == f"nothing found by {len(CHECKS)} checks\n"


RUN = f"runs/gpt2-{SIZES[2]:.0f}-1"


@pytest.mark.parametrize(
    ("code", "file", "change", "what"),
    [
        ("leakage", "dataset/leak_report.json", lambda c: c["test_in_train"]["twins"].update({"0.3": 4}), "4 of 300"),
        ("leakage", "dataset/leak_report.json", lambda c: c["test_in_train"].update(share_50_characters=9), "share 50"),
        ("single-learning-rate", "learning_rates.json", lambda c: c["families"].clear(), "were not tuned"),
        ("optimum-on-edge", "learning_rates.json", lambda c: c["families"]["gpt2"]["warnings"].append("30k"), "30k"),
        ("repeated-data", "dataset/statistics.json", lambda c: c["splits"]["train"].update(unique_tokens=9), "copies"),
        ("perplexity-at-odds", "best.json", lambda c: c.update(test_loss=1.4), "14.1 standard errors"),
        ("perplexity-at-odds", "best.json", lambda c: c.update(perplexity=2.0), "exp(validation loss) is 3.32"),
        ("warm-up-share", f"{RUN}/config.json", lambda c: c.update(warmup_updates=500), "up to 50%"),
    ],
)
def test_a_file_of_the_study_gives_a_finding(code, file, change, what, study, capsys):
    alter(study / file, change)
    status, result = lint(capsys, study)
    assert status == 1
    (found,) = result["findings"]
    assert found["code"] == code
    assert what in found["what"]
    assert found["effect"] == CHECKS[code].effect
    assert found["cure"] == CHECKS[code].cure


def test_a_run_that_was_not_cooled(study, capsys):
    write_jsonl(study / RUN / "metrics.jsonl", [{"learning_rate": rate} for rate in (0.0, 0.01, 0.01)])
    _, result = lint(capsys, study)
    assert codes(result) == {"un-cooled-endpoints"}


def test_what_a_folder_lacks_is_said_not_to_be_checked(study, capsys):
    for name in ("dataset/leak_report.json", "best.json", f"{RUN}/metrics.jsonl"):
        (study / name).unlink()
    code, result = lint(capsys, study)
    assert result["unchecked"] == ["warm-up-share", "un-cooled-endpoints", "leakage"]
    assert code == 0


def test_a_table_is_checked_as_far_as_its_columns_go(tmp_path, capsys):
    rng = np.random.default_rng(0)
    lines = [
        f"{n:.0f},{1e9:.0f},{4e8:.0f},{1 + (n / 1e6) ** -0.3 + rng.normal(0, 0.002):.5f},0.001"
        for n in np.geomspace(1e6, 1e8, 8)
        for _ in range(3)
    ]
    (tmp_path / "runs.csv").write_text("\n".join(["Size,D,U,loss,learning_rate", *lines]) + "\n")
    code, result = lint(capsys, tmp_path / "runs.csv", "--n-column", "Size")
    assert code == 1
    assert codes(result) == {"single-learning-rate", "repeated-data"}
    assert "leakage" in result["unchecked"]


def test_the_text_tells_effect_and_cure_and_the_file_holds_the_same(study, tmp_path, capsys):
    alter(study / "best.json", lambda content: content.update(test_loss=1.4))
    assert main(["lint", str(study), "--json", str(tmp_path / "lint.json")]) == 1
    said = capsys.readouterr().out
    assert said.startswith("perplexity-at-odds: best model: test loss 1.400 and validation loss 1.200 differ by 14.1")
    assert "    effect: one of the two is of another model" in said
    assert "    cure: evaluate both again" in said
    assert said.endswith(f"1 finding by 1 of {len(CHECKS)} checks\n")
    assert codes(read_json(tmp_path / "lint.json")) == {"perplexity-at-odds"}


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("dataset/leak_report.json", "[]", "leak_report.json: got list, expected an object"),
        ("dataset/leak_report.json", '{"split_threshold": 0.3}', "tunes: got None, expected a number"),
        ("learning_rates.json", '{"families": {"gpt2": 3}}', "learning_rates.json: gpt2: expected warnings"),
        ("best.json", "{", "best.json: not valid JSON"),
        ("best.json", '{"test_loss": true}', "best.json: test_loss: got True, expected a number"),
        (f"{RUN}/config.json", '{"warmup_updates": "many"}', "warmup_updates: got 'many', expected a number"),
        ("runs.jsonl", '{"status": 1}\n', "runs.jsonl, line 1: status"),
    ],
)
def test_a_damaged_file_is_one_line_and_exit_2(file, content, message, study, capsys):
    (study / file).write_text(content)
    assert main(["lint", str(study)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert message in said.err


def test_a_form_without_its_column_is_refused(tmp_path, capsys):
    (tmp_path / "runs.csv").write_text("N,loss\n1e6,3\n1e7,2\n1e8,1.5\n")
    assert main(["lint", str(tmp_path / "runs.csv"), "--form", "chinchilla"]) == 2
    assert "no column D, which the form chinchilla needs" in capsys.readouterr().err


def test_a_law_of_the_longest_runs_that_does_not_fit_them_is_told_apart(tmp_path, capsys):
    rng = np.random.default_rng(5)
    lines = ["n_params,n_tokens,loss"]
    for d in (2e6, 4e6, 8e6):
        for step, n in enumerate(np.geomspace(1e4, 1e6, 7)):
            wrong = 1 + 0.02 * np.sin(3 * step) * (d == 8e6)
            loss = (1 + 15 * n**-0.3 + 30 * d**-0.3) * wrong
            lines += [f"{n:.0f},{d:.0f},{loss * np.exp(rng.normal(0, 0.002))}" for _ in range(3)]
    table = tmp_path / "runs.csv"
    table.write_text("\n".join(lines) + "\n")
    _, result = lint(capsys, table)
    found = {one["where"]: one["what"] for one in result["findings"] if one["code"] == "form-misfit"}
    assert set(found) == {"all", "all, longest runs"}
    assert "power: means over seeds lie" in found["all, longest runs"]
