"""Nothing is asked for in the clear, and no secret is told."""

import subprocess
import sys
from pathlib import Path

import pytest

from hf_scaling.data.sources import download
from hf_scaling.records import UserError, check_https, exit_code, redact

ROOT = Path(__file__).parents[2]
TOKEN = "hf_" + "aBcD1234" * 4


@pytest.mark.parametrize(
    "address", ["http://example.org/file", "ftp://example.org", "file:///etc/passwd", "example.org"]
)
def test_only_https_is_asked(address, tmp_path):
    with pytest.raises(UserError, match=f"field: got {address}, expected an address that begins with https://"):
        download.download(address, tmp_path / "file", "0" * 40, "field")


def test_this_machine_may_be_asked_without():
    for address in ("http://127.0.0.1:8000/file", "http://localhost", "http://[::1]:3000", "https://huggingface.co"):
        check_https(address, "field")


def test_secrets_are_not_told(capsys):
    def fail():
        raise UserError(
            f"Authorization: Bearer abc123 {TOKEN} at https://me:{TOKEN}@example.org/x and https://u:pw@b.org"
        )

    assert exit_code("program", fail) == 2
    said = capsys.readouterr().err
    assert said == (
        "program: Authorization: Bearer <token> <token> at https://<token>@example.org/x and https://<token>@b.org\n"
    )
    assert redact("the run hf_scaling ended") == "the run hf_scaling ended"


def test_a_push_in_the_clear_is_refused_before_the_token_leaves(tmp_path):
    ended = subprocess.run(
        [sys.executable, ROOT / "push_to_hub.py", "all", tmp_path, "--repository", "me/x"],
        env={"HF_ENDPOINT": "http://example.org", "HF_TOKEN": TOKEN, "HF_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == (
        "push_to_hub.py: HF_ENDPOINT: got http://example.org, expected an address that begins with https://"
    )
    assert TOKEN not in ended.stderr + ended.stdout
