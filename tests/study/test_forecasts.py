"""Sealed forecasts through the command line, on a ledger that a law made, and by the sweep itself."""

import json

import numpy as np
import pytest
import yaml

from hf_scaling.records import LEDGER, append_row, finished_rows, read_json, write_json, write_jsonl
from tests.conftest import TINY

SIZES, HORIZONS = [10_000, 30_000, 100_000, 300_000], [500_000, 1_000_000, 2_000_000]


def loss(n, d):
    return 0.8 + 15.8 * n**-0.3 + 31.5 * d**-0.3


def run(n, d):
    return {
        "run_id": f"gpt2-{n}-{d}", "study": "s", "family": "gpt2", "size": f"{n // 1000}k", "n_params": n,
        "n_params_non_embedding": n - 1000, "n_tokens": d, "n_unique_tokens": d, "flops": 6.0 * n * d,
        "flops_causal": 6.0 * n * d,
    }  # fmt: skip


def finish(study, n, d, started_at="2030-01-01T00:00:00Z", value=None):
    noise = 1 + 0.001 * np.cos(n + d)
    row = run(n, d) | {"status": "finished", "started_at": started_at, "val_loss": value or loss(n, d) * noise}
    append_row(study / LEDGER, row | {"val_loss_stderr": 0.01})


@pytest.fixture
def study(tmp_path):
    """All runs are planned; all but those of the largest size have ended."""
    write_json(tmp_path / "plan.json", [run(n, d) for n in SIZES for d in HORIZONS])
    for n in SIZES[:-1]:
        for d in HORIZONS:
            finish(tmp_path, n, d, started_at="2020-01-01T00:00:00Z")
    return tmp_path


LARGEST = f"gpt2-{SIZES[-1]}-{HORIZONS[-1]}"


def test_a_forecast_is_sealed_then_scored(study, commands):
    made = commands.run("hf-scaling", "forecast", study, "--run", LARGEST)
    assert made.code == 0, made.stderr
    assert "from 9 runs of smaller models" in made.stdout
    assert "rolling-origin error, by which the form was chosen: chinchilla" in made.stdout
    assert "persistence, the loss of the next smaller model" in made.stdout
    record = read_json(study / "forecasts" / f"{LARGEST}.json")
    assert record["loss"] == pytest.approx(loss(SIZES[-1], HORIZONS[-1]), rel=0.03)
    assert record["persistence"] == pytest.approx(loss(SIZES[-2], HORIZONS[-1]), rel=0.002)
    inner, outer = record["intervals"]["0.5"], record["intervals"]["0.9"]
    assert outer[0] < inner[0] < record["loss"] < inner[1] < outer[1]
    waiting = commands.run("hf-scaling", "score", study)
    assert waiting.code == 0
    assert "to come" in waiting.stdout

    finish(study, SIZES[-1], HORIZONS[-1])
    told = commands.run("hf-scaling", "score", study)
    assert "1 forecast, mean error" in told.stdout
    (scored,) = json.loads(commands.run("hf-scaling", "score", study, "--json").stdout)
    outcome = scored["outcome"]
    assert scored["error"] == pytest.approx(abs(record["loss"] / outcome - 1))
    assert scored["persistence_error"] == pytest.approx(abs(record["persistence"] / outcome - 1))
    (first, below), (second, at) = ((n, loss(n, HORIZONS[-1])) for n in SIZES[-3:-1])
    line = at * (at / below) ** (np.log(SIZES[-1] / second) / np.log(second / first))
    assert scored["line_error"] == pytest.approx(abs(line / outcome - 1), abs=0.005)
    assert scored["inside"] == {level: low <= outcome <= high for level, (low, high) in record["intervals"].items()}


def test_a_second_forecast_changes_nothing(study, commands):
    first = commands.run("hf-scaling", "forecast", study, "--run", LARGEST)
    before = (study / "forecasts" / f"{LARGEST}.json").read_bytes()
    finish(study, SIZES[-1], HORIZONS[0])
    again = commands.run("hf-scaling", "forecast", study, "--run", LARGEST)
    assert again.stdout == first.stdout
    assert (study / "forecasts" / f"{LARGEST}.json").read_bytes() == before


def test_it_is_the_same_whatever_the_order_in_which_runs_have_ended(study, commands):
    made = []
    for turn in (1, -1):
        lines = (study / LEDGER).read_text().splitlines(keepends=True)
        (study / LEDGER).write_text("".join(lines[::turn]))
        commands.run("hf-scaling", "forecast", study, "--run", LARGEST)
        record = read_json(study / "forecasts" / f"{LARGEST}.json")
        made.append({name: value for name, value in record.items() if name not in ("sealed_at", "seal")})
        (study / "forecasts" / f"{LARGEST}.json").unlink()
    assert made[0] == made[1]


def test_runs_of_its_own_size_tell_nothing_beforehand(study, commands):
    finish(study, SIZES[-1], HORIZONS[0])
    made = commands.run("hf-scaling", "forecast", study, "--run", LARGEST)
    assert "from 9 runs of smaller models" in made.stdout
    record = read_json(study / "forecasts" / f"{LARGEST}.json")
    assert not [run_id for run_id in record["basis"] if str(SIZES[-1]) in run_id]


def test_too_few_runs_are_a_reason_and_no_forecast(study, commands):
    run_id = f"gpt2-{SIZES[1]}-{HORIZONS[0]}"
    lines = (study / LEDGER).read_text().splitlines(keepends=True)
    (study / LEDGER).write_text("".join(lines[:3]))  # the runs of the smallest size
    made = commands.run("hf-scaling", "forecast", study, "--run", run_id)
    assert made.code == 0
    assert "no forecast, 3 runs in hand, a forecast needs at least 6" in made.stdout
    assert read_json(study / "forecasts" / f"{run_id}.json")["loss"] is None


def test_what_proves_nothing_is_refused(study, commands):
    def refused(*arguments):
        ended = commands.run("hf-scaling", *arguments)
        assert ended.code == 2
        assert ended.stderr.count("\n") == 1
        return ended.stderr

    assert "no forecast in it" in refused("score", study)
    assert "expected one of gpt2-10000-500000" in refused("forecast", study, "--run", "gpt2-7")
    (study / "runs" / LARGEST).mkdir(parents=True)
    assert "has begun already" in refused("forecast", study, "--run", LARGEST)
    (study / "runs" / LARGEST).rmdir()
    finished = f"gpt2-{SIZES[0]}-{HORIZONS[0]}"  # its folder was removed, its row was not
    assert "has begun already" in refused("forecast", study, "--run", finished)
    assert not (study / "forecasts").exists()
    commands.run("hf-scaling", "forecast", study, "--run", LARGEST)
    path = study / "forecasts" / f"{LARGEST}.json"
    sealed = path.read_text()

    write_json(path, json.loads(sealed) | {"loss": 1.0})
    assert "was changed after it was sealed" in refused("score", study)
    path.write_text("[]")
    assert "got list, expected an object" in refused("score", study)
    path.write_text(sealed)

    ledger = (study / LEDGER).read_text()
    rows = [row | {"val_loss": row["val_loss"] + 1} for row in finished_rows(study / LEDGER)]
    write_jsonl(study / LEDGER, rows)
    assert "the runs it rests on are not those of" in refused("score", study)
    (study / LEDGER).write_text(ledger)

    finish(study, SIZES[-1], HORIZONS[-1], started_at=None)
    assert "has no started_at in runs.jsonl" in refused("score", study)
    (study / LEDGER).write_text(ledger)

    finish(study, SIZES[-1], HORIZONS[-1], started_at="2020-01-01T00:00:00Z")
    assert "but the run began first" in refused("score", study)


def test_a_sweep_with_several_horizons_forecasts_its_largest_size(commands, tmp_path):
    config = TINY | {
        "name": "forecast", "families": ["gpt2"], "horizons": [0.25, 0.5, 1], "tokens_per_run": 8192,
        "best_epochs": 3,
    }  # fmt: skip
    (tmp_path / "forecast.yaml").write_text(yaml.safe_dump(config))
    folder = tmp_path / "study"
    ended = commands.run("sweep.py", "--config", tmp_path / "forecast.yaml", "--output_dir", folder)
    assert ended.code == 0, ended.stderr
    sealed = [read_json(path) for path in (folder / "forecasts").iterdir()]
    assert {record["size"] for record in sealed} == {"c"}
    assert len(sealed) == 3
    assert all(record["loss"] for record in sealed)  # six runs of the smaller sizes are in hand
    assert "3 forecasts, mean error" in ended.stdout
    assert commands.run("hf-scaling", "score", folder).code == 0
    for name in ("joint.json", "figures/forecasts.png", "figures/frontier.csv", "figures/residuals.svg"):
        assert (folder / name).stat().st_size > 0
    assert {fit["family"] for fit in read_json(folder / "joint.json")["fits"]} == {"gpt2"}
    assert [found["run_id"] for found in read_json(folder / "scores.json")] == [
        found["run_id"] for found in sorted(sealed, key=lambda record: (record["sealed_at"], record["run_id"]))
    ]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "3 forecasts were sealed, with 3 outcomes" in page
    assert "fitted to the runs of all 3 horizons" in page
    assert "This study has one family" in page
