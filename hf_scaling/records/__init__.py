"""The study folder's ground rules: atomic writes, content hashes and the ledger. Standard library only."""

from hf_scaling.records.checksums import CHECKSUMS, check_vouched, checksums, first_damaged, vouch, vouched
from hf_scaling.records.errors import UserError, check_https, exit_code, of_files, redact
from hf_scaling.records.fields import check_fields, read_object, read_optional
from hf_scaling.records.files import (
    atomic_dir,
    atomic_file,
    check_room,
    content_hash,
    file_sha256,
    read_json,
    read_jsonl,
    set_aside,
    sweep_partials,
    write_json,
    write_jsonl,
    write_text,
)
from hf_scaling.records.ledger import LEDGER, LEDGER_FIELDS, append_row, finished_rows, read_ledger
from hf_scaling.records.worker import begin_worker

__all__ = [
    "CHECKSUMS",
    "LEDGER",
    "LEDGER_FIELDS",
    "UserError",
    "append_row",
    "atomic_dir",
    "atomic_file",
    "begin_worker",
    "check_fields",
    "check_https",
    "check_room",
    "check_vouched",
    "checksums",
    "content_hash",
    "exit_code",
    "file_sha256",
    "finished_rows",
    "first_damaged",
    "of_files",
    "read_json",
    "read_jsonl",
    "read_ledger",
    "read_object",
    "read_optional",
    "redact",
    "set_aside",
    "sweep_partials",
    "vouch",
    "vouched",
    "write_json",
    "write_jsonl",
    "write_text",
]
