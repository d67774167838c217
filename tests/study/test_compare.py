"""`hf-scaling compare`, on the tiny study and on a made-up one whose truth is known."""

import json
import shutil

import numpy as np
import pytest

from hf_scaling.cli import main
from hf_scaling.records import read_json, read_ledger

SIZES = np.geomspace(3e4, 3e6, 6)
LAWS = {"gpt2": (0.55, 0.28, 1.02), "folk_lstm": (0.42, 0.19, 1.0)}


def write_study(folder, seeds=3, sizes=SIZES, horizons=(2_000_000,), families=tuple(LAWS)):
    """A ledger and evaluations of runs that obey LAWS; shorter horizons cost .1 nats."""
    rng = np.random.default_rng(3)
    tokens, hard = rng.integers(80, 500, 80), rng.normal(0, 0.2, 80)
    hard -= tokens @ hard / tokens.sum()  # the law is that of the whole split
    for family in families:
        a, alpha, c = LAWS[family]
        for n, seed, horizon in [(n, seed, horizon) for n in sizes for seed in range(seeds) for horizon in horizons]:
            loss = a * (n / 3e4) ** -alpha + c + rng.normal(0, 0.003) + 0.1 * (horizon < max(horizons))
            nats = np.round(tokens * (loss + hard + rng.normal(0, 0.02, 80)), 6)
            run_id = f"{family}-{n:.0f}-{seed}-{horizon}"
            evaluation = {"tune_nats": nats.tolist(), "tune_tokens": tokens.tolist(), "position_loss": [loss] * 32}
            (folder / "runs" / run_id).mkdir(parents=True)
            (folder / "runs" / run_id / "validation.json").write_text(json.dumps(evaluation))
            row = {"run_id": run_id, "study": "x", "family": family, "size": f"{n:.0f}", "status": "finished"}
            row |= {"n_params": int(n), "n_params_non_embedding": int(0.9 * n), "n_tokens": horizon, "seed": seed}
            row |= {"flops": 6 * n * horizon, "flops_causal": 5 * n * horizon, "wall_seconds": n / 1e3 * (1 + seed / 9)}
            row |= {"val_loss": nats.sum() / tokens.sum(), "val_loss_stderr": 0.01, "device": "cpu", "threads": 2}
            with open(folder / "runs.jsonl", "a") as ledger:
                ledger.write(json.dumps(row) + "\n")
    return folder


def compared(capsys, *arguments):
    assert main(["compare", *map(str, arguments), "--json", "-"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *arguments):
    assert main(["compare", *map(str, arguments)]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


@pytest.fixture(scope="module")
def made_up(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("made up"))


def test_a_known_truth_lies_within_the_intervals(made_up, capsys):
    found = compared(capsys, made_up, "gpt2", "folk_lstm")
    for exponent in found["exponents"].values():
        assert exponent["interval"][0] < 0.09 < exponent["interval"][1]
        assert exponent["verdict"] == "resolved"
    for cost in found["multipliers"].values():
        assert len(cost["at"]) == 3
        for at in cost["at"]:
            x = [((at["loss"] - c) / a) ** (-1 / alpha) for a, alpha, c in LAWS.values()]
            low, high = at["interval"]
            assert low * 0.97 < x[0] / x[1] < high * 1.03  # 15 intervals of 90 %
    for size, n in zip(found["sizes"], SIZES, strict=True):
        truth = [a * (n / 3e4) ** -alpha + c for a, alpha, c in LAWS.values()]
        assert size["interval"][0] - 0.003 < truth[0] - truth[1] < size["interval"][1] + 0.003
        assert size["seeds"] == [3, 3]
        assert size["with_seeds"]
    differences = [size["difference"] for size in found["sizes"]]
    assert found["mean"]["difference"] == pytest.approx(np.mean(differences))
    assert found["context"]["size"] == "3000000"


def test_the_order_of_the_families_decides_the_sign(made_up, capsys):
    one, other = compared(capsys, made_up, "gpt2", "folk_lstm"), compared(capsys, made_up, "folk_lstm", "gpt2")
    assert one["mean"]["difference"] == pytest.approx(-other["mean"]["difference"])
    assert one["exponents"]["total"]["difference"] == pytest.approx(-other["exponents"]["total"]["difference"])
    middle = [found["multipliers"]["flops"]["at"][1]["multiplier"] for found in (one, other)]
    assert middle[0] == pytest.approx(1 / middle[1])


def test_a_seed_gives_the_same_intervals_again(made_up, capsys):
    first, again = (compared(capsys, made_up, "gpt2", "folk_lstm", "--seed", 4) for _ in range(2))
    other = compared(capsys, made_up, "gpt2", "folk_lstm", "--seed", 5)
    assert first == again
    assert first["sizes"][0]["interval"] != other["sizes"][0]["interval"]


def test_a_lower_level_is_narrower(made_up, capsys):
    wide, narrow = (compared(capsys, made_up, "gpt2", "folk_lstm", "--level", level) for level in (0.9, 0.5))
    for part in ("sizes", "mean"):
        (low, high), (inner_low, inner_high) = (
            (found[part][0] if part == "sizes" else found[part])["interval"] for found in (wide, narrow)
        )
        assert low < inner_low < inner_high < high
    ends = [found["multipliers"]["n_params"]["at"][1]["interval"] for found in (wide, narrow)]
    assert ends[0][0] < ends[1][0] < ends[1][1] < ends[0][1]


def test_the_text_answers_each_question_and_warns(tmp_path, capsys):
    study = write_study(tmp_path, seeds=1, horizons=(1_000_000, 2_000_000))
    assert main(["compare", str(study), "gpt2", "folk_lstm"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("gpt2 against folk_lstm, D = 2,000,000 tokens, 90 % intervals\n")
    starts = [line.partition(":")[0] for line in said.splitlines()]
    for question in ("exponent, N total", "exponent, N non_embedding", "equal loss, N total", "equal loss, C"):
        assert question in starts
    for question in ("equal loss, C causal", "equal loss, seconds", "equal N, 30000", "equal N, mean of 6 sizes"):
        assert question in starts
    assert "evaluation noise only" in said
    for family in ("gpt2", "folk_lstm"):
        assert f"caution: {family}: one seed for each size; what another seed would change is not measured" in said
        assert f"caution: {family}: learning rates were not tuned in this study; a size whose best rate lies" in said
    assert "caution: runs of 2,000,000 tokens are compared; those of 1,000,000 are not" in said


def test_tuned_rates_bring_their_own_cautions(tmp_path, capsys):
    study = write_study(tmp_path, seeds=2, sizes=SIZES[:3])
    families = {"gpt2": {"warnings": []}, "folk_lstm": {"warnings": ["folk_lstm-30k: the lowest that was tried"]}}
    (study / "learning_rates.json").write_text(json.dumps({"families": families}))
    found = compared(capsys, study, "gpt2", "folk_lstm")["cautions"]
    assert any(caution.startswith("folk_lstm: learning rate: folk_lstm-30k: the lowest that was") for caution in found)
    assert not any("not tuned" in caution or "one seed" in caution for caution in found)
    (study / "learning_rates.json").write_text('{"families": {"gpt2": 3}}')
    assert "learning_rates.json: gpt2: expected warnings" in refused(capsys, study, "gpt2", "folk_lstm")


def test_times_under_different_conditions_are_told(tmp_path, capsys):
    study = write_study(tmp_path, seeds=1, sizes=SIZES[:3])
    rows = read_ledger(study / "runs.jsonl")[0]
    rows[0] |= {"threads": 8, "started_at": "2026-01-01T00:00:00", "finished_at": "2026-01-01T00:10:00"}
    rows[1] |= {"started_at": "2026-01-01T00:05:00", "finished_at": "2026-01-01T00:20:00"}
    (study / "runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = compared(capsys, study, "gpt2", "folk_lstm")["cautions"]
    assert "seconds: the runs differ in threads (8, 2), so that times do not compare" in found
    assert "seconds: runs were trained side by side and slowed each other down" in found


def test_two_sizes_are_compared_at_equal_n_and_refused_a_law(tmp_path, capsys):
    found = compared(capsys, write_study(tmp_path, sizes=SIZES[:2]), "gpt2", "folk_lstm")
    assert len(found["sizes"]) == 2
    for part in (*found["exponents"].values(), *found["multipliers"].values()):
        assert part["verdict"] == "not resolved"
        assert "2 sizes, a power law needs at least 3" in part["sentence"]


def test_families_without_a_common_size(tmp_path, capsys):
    write_study(tmp_path, families=("gpt2",))
    write_study(tmp_path, families=("folk_lstm",), sizes=SIZES * 1.3)
    found = compared(capsys, tmp_path, "gpt2", "folk_lstm", "--figure", tmp_path / "figure.svg")
    assert (found["sizes"], found["mean"], found["context"]) == ([], None, None)
    assert found["multipliers"]["n_params"]["at"]
    assert any("no size in common" in caution for caution in found["cautions"])
    assert (tmp_path / "figure.svg").stat().st_size > 1000


def test_the_result_and_the_figure_are_written(made_up, tmp_path, capsys):
    out, figure = tmp_path / "out.json", tmp_path / "figure.png"
    assert main(["compare", str(made_up), "gpt2", "folk_lstm", "--json", str(out), "--figure", str(figure)]) == 0
    assert capsys.readouterr().out.startswith("gpt2 against folk_lstm")
    assert read_json(out) == compared(capsys, made_up, "gpt2", "folk_lstm")
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_study_compares_its_families_by_itself(tiny_study, capsys):
    (stored,) = read_json(tiny_study.folder / "comparison.json")
    assert stored == compared(capsys, tiny_study.folder, "gpt2", "folk_lstm")
    rows = {(row["family"], row["size"]): row for row in read_ledger(tiny_study.folder / "runs.jsonl")[0]}
    for size in stored["sizes"]:
        gap = rows["gpt2", size["size"]]["val_loss"] - rows["folk_lstm", size["size"]]["val_loss"]
        assert size["difference"] == pytest.approx(gap, abs=1e-4)
    for suffix in (".png", ".svg", ".csv"):
        assert (tiny_study.folder / "figures" / f"comparison{suffix}").stat().st_size > 500


# --- bad input


@pytest.mark.parametrize(
    ("families", "said"),
    [
        (("gpt2", "llama"), "family: got 'llama', expected two of gpt2, folk_lstm"),
        (("gpt2", "gpt2"), "family: got gpt2 twice"),
    ],
)
def test_families_that_cannot_be_compared(made_up, capsys, families, said):
    assert said in refused(capsys, made_up, *families)


def test_one_family_only(tmp_path, capsys):
    study = write_study(tmp_path, seeds=1, families=("gpt2",))
    assert "has finished runs of gpt2 only" in refused(capsys, study, "gpt2", "folk_lstm")


def test_no_common_horizon(tmp_path, capsys):
    write_study(tmp_path, seeds=1, families=("gpt2",))
    write_study(tmp_path, seeds=1, families=("folk_lstm",), horizons=(1_000_000,))
    assert "at the same number of training tokens" in refused(capsys, tmp_path, "gpt2", "folk_lstm")


@pytest.mark.parametrize("kind", ["file", "empty", "absent"])
def test_what_is_no_study_folder(tmp_path, capsys, kind):
    path = tmp_path / "study"
    if kind == "file":
        path.write_text("")
    elif kind == "empty":
        path.mkdir()
    assert "expected a study folder" in refused(capsys, path, "gpt2", "folk_lstm")


def test_a_figure_of_another_kind(made_up, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["compare", str(made_up), "gpt2", "folk_lstm", "--figure", "x.pdf"])
    assert "--figure: got 'x.pdf', expected a name that ends in .png or .svg" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (None, "not found"),
        ([], "got list, expected an object"),
        ({"tune_nats": "many"}, "tune_nats: got str, expected a list of numbers"),
        ({"tune_nats": [1.0, None]}, "tune_nats: got None, expected a finite number"),
        ({"tune_nats": [float("inf")]}, "tune_nats: got inf, expected a finite number"),
        ({"tune_tokens": [3]}, "tune_tokens: expected a positive number for each of 80 tunes"),
        ({"position_loss": [1.0]}, "different tunes or blocks"),
        ({"tune_nats": [1.0] * 80}, "its loss is 0.0"),
    ],
)
def test_a_damaged_evaluation_is_named(made_up, tmp_path, capsys, change, said):
    study = tmp_path / "study"
    shutil.copytree(made_up, study)
    path = sorted(study.glob("runs/folk_lstm-*/validation.json"))[0]
    if change is None:
        path.unlink()
    else:
        path.write_text(json.dumps(read_json(path) | change if isinstance(change, dict) else change))
    message = refused(capsys, study, "gpt2", "folk_lstm")
    assert said in message
    assert path.parent.name in message
