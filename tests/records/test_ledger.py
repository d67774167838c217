"""The ledger: append only, whole rows, at most one finished row a run, and safe among processes."""

import json
import subprocess
import sys

import pytest

from hf_scaling.records import LEDGER_FIELDS, UserError, append_row, finished_rows, read_ledger


def row(run_id="gpt2-30k-00000000", status="finished", **changes):
    base = {
        "run_id": run_id, "study": "s", "family": "gpt2", "size": "30k", "n_params": 30_000,
        "n_params_non_embedding": 20_000, "n_tokens": 1_000_000, "flops": 1.8e11, "flops_causal": 1.7e11,
        "val_loss": 1.5, "compiled": False, "device": "Ó CPU", "versions": {"torch": "2.13"}, "status": status,
    }  # fmt: skip
    return base | changes


FAILED = {"run_id": "r", "study": "s", "family": "gpt2", "size": "30k", "status": "failed", "error": "out of memory"}


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / "study" / "runs.jsonl"


def test_rows_come_back_oldest_first(ledger):
    assert read_ledger(ledger) == ([], [])
    rows = [row("a"), row("b", val_loss=2), FAILED, row("c", val_loss_stderr=None)]
    assert [append_row(ledger, one) for one in rows] == [True] * 4
    assert read_ledger(ledger) == (rows, [])
    assert finished_rows(ledger) == [rows[0], rows[1], rows[3]]


def test_a_run_has_any_number_of_failed_rows_and_with_a_finished_one_it_has_ended(ledger):
    assert append_row(ledger, FAILED)
    assert append_row(ledger, FAILED)
    assert append_row(ledger, row("r"))
    before = ledger.read_bytes()
    assert not append_row(ledger, row("r", val_loss=1.0))
    assert not append_row(ledger, FAILED)  # by whoever saw its process die right after
    assert ledger.read_bytes() == before


def test_two_finished_rows_of_one_run_are_an_error_that_names_the_line(ledger):
    append_row(ledger, row("a"))
    append_row(ledger, row("b"))
    ledger.write_bytes(ledger.read_bytes() + json.dumps(row("a")).encode() + b"\n")
    with pytest.raises(UserError, match=r"runs\.jsonl, line 3: run a has a finished row already"):
        read_ledger(ledger)


def test_a_last_line_cut_anywhere_is_noted_and_then_cut_away(ledger):
    append_row(ledger, row("a"))
    whole = ledger.read_bytes()
    append_row(ledger, row("b"))
    added = ledger.read_bytes()[len(whole) :]
    for cut in (1, 2, len(added) // 2, added.index("Ó".encode()) + 1, len(added) - 1):
        ledger.write_bytes(whole + added[:cut])
        rows, notes = read_ledger(ledger)
        assert [one["run_id"] for one in rows] == ["a"]
        assert len(notes) == 1
        assert "runs.jsonl, line 2: cut short" in notes[0]
        assert append_row(ledger, row("c"))
        rows, notes = read_ledger(ledger)
        assert [one["run_id"] for one in rows] == ["a", "c"]
        assert notes == []


def test_a_ledger_that_holds_only_a_cut_line_starts_afresh(ledger):
    ledger.parent.mkdir()
    ledger.write_bytes(b'{"run_id": "a", "stu')
    assert read_ledger(ledger)[0] == []
    append_row(ledger, row("b"))
    assert read_ledger(ledger) == ([row("b")], [])


@pytest.mark.parametrize(
    ("damage", "problem"),
    [
        (b"{oops}", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"[1, 2]", "expected an object, got list"),
        (b'{"run_id": "b"}', "status: got None, expected 'finished' or 'failed'"),
        (json.dumps(row("b", val_loss=float("nan"))).encode(), "val_loss: got nan, expected a finite number"),
    ],
)
def test_a_damaged_whole_line_is_named_by_number_and_never_written_behind(ledger, damage, problem):
    append_row(ledger, row("a"))
    ledger.write_bytes(ledger.read_bytes() + damage + b"\n" + json.dumps(row("c")).encode() + b"\n")
    before = ledger.read_bytes()
    for use in (read_ledger, finished_rows, lambda path: append_row(path, row("d"))):
        with pytest.raises(UserError, match=r"runs\.jsonl, line 2: ") as caught:
            use(ledger)
        assert problem in str(caught.value)
        assert "\n" not in str(caught.value)
    assert ledger.read_bytes() == before


def test_a_stray_carriage_return_hides_no_later_row(ledger):
    append_row(ledger, row("a"))
    ledger.write_bytes(ledger.read_bytes().replace(b", ", b",\r", 1) + json.dumps(row("b")).encode() + b"\r\n")
    assert read_ledger(ledger) == ([row("a"), row("b")], [])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (row(n_params="30000"), "n_params: got '30000', expected int"),
        (row(n_params=3e4), "n_params: got 30000.0, expected int"),
        (row(n_params=True), "n_params: got True, expected int"),
        (row(val_loss=False), "val_loss: got False, expected int or float"),
        (row(compiled=1), "compiled: got 1, expected bool"),
        (row(versions="2.13"), "versions: got '2.13', expected dict"),
        (row(val_loss=float("nan")), "val_loss: got nan, expected a finite number"),
        (row(flops=float("inf")), "flops: got inf, expected a finite number"),
        (row(my_own_field=float("-inf")), "my_own_field: got -inf, expected a finite number"),
        (row(val_loss=None), "val_loss: missing"),
        ({**FAILED, "run_id": None}, "run_id: missing"),
        ({**FAILED, "error": 7}, "error: got 7, expected str"),
        (row(status="running"), "status: got 'running', expected 'finished' or 'failed'"),
        (["finished"], "expected an object, got list"),
    ],
)
def test_a_row_that_is_not_one_is_refused_and_nothing_is_written(ledger, bad, message):
    with pytest.raises(UserError) as caught:
        append_row(ledger, bad)
    assert str(caught.value) == f"{ledger}: {message}"
    assert not ledger.exists()


def test_a_failed_row_needs_no_measurement(ledger):
    assert append_row(ledger, {**FAILED, "val_loss": None, "n_params": None})
    assert append_row(ledger, dict.fromkeys(LEDGER_FIELDS) | FAILED)


def test_processes_that_append_at_once_lose_nothing_and_finish_each_run_once(ledger):
    code = """
import json, sys
from pathlib import Path
from hf_scaling.records import append_row
path, worker, template = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
sys.stdin.readline()  # all start together
own = [append_row(path, template | {"run_id": f"{worker}-{i}", "device": worker * 3000}) for i in range(15)]
shared = [append_row(path, template | {"run_id": f"shared-{i}"}) for i in range(15)]
print(json.dumps([sum(own), sum(shared)]))
"""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(ledger), name, json.dumps(row())],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in "wxyz"
    ]
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    told = [json.loads(worker.communicate(timeout=60)[0]) for worker in workers]
    assert [own for own, _ in told] == [15] * 4
    assert sum(shared for _, shared in told) == 15
    rows, notes = read_ledger(ledger)
    assert notes == []
    expected = {f"{name}-{i}" for name in ("w", "x", "y", "z", "shared") for i in range(15)}
    assert {one["run_id"] for one in rows} == expected
    assert len(rows) == 75
    assert all(one["device"] == one["run_id"][0] * 3000 for one in rows if not one["run_id"].startswith("shared"))
