"""Tables that nobody would make on purpose: one line and exit code 2, or a fit that claims nothing."""

import json

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

from hf_scaling.cli import main

SIZES, HORIZONS = np.geomspace(1e4, 1e6, 5), np.geomspace(2e5, 2e6, 4)
GRID = [(n, d, 0.8 + 15.8 * n**-0.3 + 31.5 * d**-0.25) for n in SIZES for d in HORIZONS]
READERS = (["fit"], ["fit", "--form", "chinchilla"], ["fit", "--form", "kaplan"], ["frontier"], ["lint"])


def csv(rows=GRID, header="N,D,loss"):
    lines = [",".join(cell if isinstance(cell, str) else f"{cell:.9g}" for cell in row) for row in rows]
    return ("\n".join([header, *lines]) + "\n").encode()


def with_cell(column, text):
    """The grid with one cell, on line 5, that is something else."""
    rows = [list(row) for row in GRID]
    rows[3][column] = text
    return csv(rows)


def jsonl(*lines):
    rows = [json.dumps({"N": n, "D": d, "loss": loss}) for n, d, loss in GRID]
    return "".join(line + "\n" for line in [*rows, *lines]).encode()


@pytest.fixture
def run(capsys, tmp_path, monkeypatch):
    """Exit code, standard output and standard error of a command in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        code = main(list(map(str, arguments)))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def refused(run, *arguments):
    code, out, err = run(*arguments)
    assert (code, out, err.count("\n")) == (2, "", 1), err
    assert err[:-1].isprintable()
    assert len(err) < 400
    return err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        *(("t.csv", with_cell(column, text), f"line 5: {name}: got") for column, name in enumerate(("N", "D", "loss"))
          for text in ("nan", "0", "-1", "inf", "1e308", "1e-308", "", "abc", "9" * 5000)),
        ("t.csv", csv([(1e30, "1e-12", 3.0)], "N,C,loss"), "line 2: D = C/(6N): got"),
        ("t.csv", b"N,D,loss\n" + b"1" * 300_000 + b",1,2\n", "line 2: not valid CSV (field larger than field limit"),
        ("t.csv", b"N,D,loss\n" + b"x" * 100_000 + b",1,2\n", "line 2: N: got 'xxx"),
        ("t.csv", b",".join(b"c%d" % i for i in range(9000)) + b"\n" + b",".join([b"1"] * 9000), "and 8,988 more"),
        ("t.csv", b"\x1b[31mN,D,loss\n1,2,3\n", "found ?[31mN, D, loss"),
        ("t.csv", bytes(range(256)), "not UTF-8 text"),
        ("t.csv", csv().decode().encode("utf-16"), "not UTF-8 text"),
        ("t.csv", b"N,D,loss\n1\x00,2,3\n", "line 2: N: got '1\\x00'"),
        ("t.csv", csv(header="N,N,loss"), "two columns share a name: N, N, loss"),
        ("t.csv", b"", "the first line must name the columns"),
        ("t.csv", csv([]), "no finished run in it"),
        ("t.jsonl", b"", "no finished run in it"),
        ("t.jsonl", b"[1, 2, 3]\n", "line 1: expected an object, got list"),
        ("t.jsonl", jsonl('{"N": [1, 2], "D": 1, "loss": 3}'), "line 21: N: got [1, 2], expected a positive number"),
        ("t.jsonl", jsonl('{"N": true, "D": 1, "loss": 3}'), "line 21: N: got True"),
        ("t.jsonl", jsonl('{"N": null, "D": 1, "loss": 3}'), "line 21: N: got None"),
        ("t.jsonl", jsonl('{"N": 1' + "0" * 400 + ', "D": 1, "loss": 3}'), "line 21: N: got 1000"),
        ("t.jsonl", jsonl('{"N": 1, "N": 2, "D": 1, "loss": 3}'), "line 21: not valid JSON (a name stands twice"),
        ("t.jsonl", jsonl('{"N": ' + "[" * 100_000), "line 21: not valid JSON (maximum recursion depth"),
        ("t.jsonl", b"[" * 100_000, "not valid JSON (maximum recursion depth"),
        ("t.jsonl", jsonl('{"N": 1, "D": 1, "loss": 3, "family": "x"}'), "line 1: family: got None, expected a name"),
        ("t.jsonl", b"\xff\xfe\x00\x01\n", "line 1: not valid JSON"),
        ("t.jsonl", jsonl() + b"\xff\n", "line 21: not valid JSON"),
        ("t.parquet", b"", "not valid Parquet"),
        ("t.parquet", b"PAR1" + bytes(100) + b"\x10\x00\x00\x00PAR1", "not valid Parquet"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_one_line_that_names_it(name, content, message, run, tmp_path):
    (tmp_path / name).write_bytes(content)
    for command in (["fit"], ["lint"]):
        error = refused(run, command[0], name, *command[1:])
        assert error.startswith(f"hf-scaling: {name}")
        assert message in error


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        ([["a", "b"], [1, 2], [3.0, 2.0]], "N D loss", "row 1: N: got 'a', expected a positive number"),
        ([[True, True], [1, 2], [3.0, 2.0]], "N D loss", "row 1: N: got True"),
        ([[[1], [2]], [1, 2], [3.0, 2.0]], "N D loss", "row 1: N: got [1]"),
        ([[None, 2], [1, 2], [3.0, 2.0]], "N D loss", "row 1: N: got None"),
        ([[1, 2], [1, 2], [3.0, 2.0]], "N N loss", "two columns share a name: N, N, loss"),
        ([[1, 2], [1, 2], [3.0, 2.0]], "x y z", "no column N or n_params; found x, y, z"),
        ([[], [], []], "N D loss", "no finished run"),
    ],
)
def test_parquet_of_other_types_is_refused_by_row(columns, names, message, run, tmp_path):
    table = pyarrow.Table.from_arrays([pyarrow.array(column) for column in columns], names=names.split())
    pyarrow.parquet.write_table(table, tmp_path / "t.parquet")
    assert message in refused(run, "fit", "t.parquet")


@pytest.mark.parametrize("command", READERS)
@pytest.mark.parametrize(
    "form", [b"\xef\xbb\xbf" + csv(), csv().replace(b"\n", b"\r\n"), csv().replace(b"\n", b"\n\n"), csv()[:-1]]
)
def test_what_editors_do_to_a_table_changes_nothing(form, command, run, tmp_path):
    (tmp_path / "plain.csv").write_bytes(csv())
    (tmp_path / "other.csv").write_bytes(form)
    one, other = (run(command[0], name, *command[1:], "--json", "-") for name in ("plain.csv", "other.csv"))
    assert one == other
    assert one[0] < 2


@pytest.mark.parametrize("form", [b"\xef\xbb\xbf" + jsonl(), jsonl().replace(b"\n", b"\r\n"), b"\n" + jsonl()])
def test_nor_does_it_with_json_lines(form, run, tmp_path):
    (tmp_path / "plain.jsonl").write_bytes(jsonl())
    (tmp_path / "other.jsonl").write_bytes(form)
    one, other = (run("fit", name, "--json", "-") for name in ("plain.jsonl", "other.jsonl"))
    assert one == other
    assert one[0] == 0


DEGENERATE = {
    "one D": [(n, 1e6, loss) for n, _, loss in GRID],
    "constant loss": [(n, d, 2.0) for n, d, _ in GRID],
    "rising loss": [(n, d, 6 - loss) for n, d, loss in GRID],
    "the widest numbers": [("1e-12", "1e30", "1e30"), ("1e30", "1e-12", "1e-12"), *GRID],
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("rows", DEGENERATE.values(), ids=list(DEGENERATE))
@pytest.mark.parametrize("command", READERS)
def test_runs_that_tell_nothing_are_not_resolved(command, rows, run, tmp_path):
    (tmp_path / "t.csv").write_bytes(csv(rows))
    code, out, err = run(command[0], "t.csv", *command[1:], "--json", "-")
    assert err == ""
    result = json.loads(out)
    for fit in result.get("fits", []):
        assert fit["verdict"] == "not resolved"
    for one in result.get("frontiers", []):
        assert one["verdict"] == "not resolved"
    assert code == (1 if command == ["lint"] and rows is not DEGENERATE["one D"] else 0)


def test_a_frontier_says_that_it_is_not_resolved(run, tmp_path):
    (tmp_path / "t.csv").write_bytes(csv(DEGENERATE["one D"]))
    assert "all, N given, C 6ND = 6 N D: not resolved: N* grows as C^" in run("frontier", "t.csv")[1]


def test_one_loss_beside_itself_is_borne_by_huber_and_not_by_squares(run, tmp_path):
    (tmp_path / "t.csv").write_bytes(csv([*GRID[1:], (1e4, 2e5, "1e30")]))
    for objective, verdict in (("huber", "resolved"), ("squares", "not resolved")):
        out = run("fit", "t.csv", "--form", "chinchilla", "--objective", objective, "--json", "-")[1]
        assert json.loads(out)["fits"][0]["verdict"] == verdict


@pytest.mark.parametrize("form", ["chinchilla", "kaplan"])
def test_copies_of_a_few_runs_are_no_more_than_these(form, run, tmp_path):
    (tmp_path / "t.csv").write_bytes(csv([(1e5, d, loss) for _, d, loss in GRID[:3]] * 9))
    for command in (["fit", "t.csv", "--form", form], ["frontier", "t.csv"]):
        assert "needs as many distinct runs, got 3" in refused(run, *command)


@pytest.mark.parametrize("drop", [18, 20, 10**9])
def test_more_may_be_dropped_than_there_is(drop, run, tmp_path):
    (tmp_path / "t.csv").write_bytes(csv())
    for form in ("power", "chinchilla"):
        refused(run, "fit", "t.csv", "--form", form, "--drop-highest-loss", drop)


def test_a_folder_is_no_data_set_of_the_hub(run, tmp_path):
    inner = tmp_path / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "runs.csv").write_bytes(csv())
    assert "outer/inner/runs.jsonl: not found" in refused(run, "fit", "outer/inner")


def test_a_result_never_takes_the_place_of_what_was_read(run, tmp_path):
    ledger = tmp_path / "study" / "runs.jsonl"
    ledger.parent.mkdir()
    ledger.write_bytes(jsonl())
    (tmp_path / "t.csv").write_bytes(csv())
    for arguments in (
        ["fit", "study", "--json", ledger], ["frontier", "study", "--json", ledger],
        ["lint", "study", "--json", ledger], ["compare", "study", "gpt2", "folk_lstm", "--json", ledger],
        ["lint", "t.csv", "--json", "t.csv"], ["fit", "t.csv", "--figure", "t.csv"],
    ):  # fmt: skip
        assert "is the input; name another file" in refused(run, *arguments)
    assert ledger.read_bytes() == jsonl()
    assert (tmp_path / "t.csv").read_bytes() == csv()


def test_the_rows_behind_a_picture_are_written_beside_it(run, tmp_path):
    (tmp_path / "t.csv").write_bytes(csv())
    for command in (["fit"], ["fit", "--form", "chinchilla"], ["frontier"]):
        code, _, _ = run(command[0], "t.csv", *command[1:], "--figure", "f.png", "--figure", "f.csv")
        assert code == 0
        assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
        lines = (tmp_path / "f.csv").read_text().splitlines()
        assert len(lines) > 7
        (tmp_path / "f.csv").unlink()
