"""A worker never outlives its parent."""

import os
import signal
import subprocess
import sys
import time

import pytest

CHILD = """
import os, sys, time
os.write(1, f"{os.getpid()}\\n".encode())
time.sleep(float(sys.argv[2]))
from hf_scaling.records import begin_worker
begin_worker(int(sys.argv[1]))
os.write(1, b"began\\n")
time.sleep(60)
"""
PARENT = f"""
import os, subprocess, sys
subprocess.run([sys.executable, "-c", {CHILD!r}, str(os.getpid()), sys.argv[1]])
"""


@pytest.mark.parametrize(("delay", "began"), [("0", True), ("0.5", False)], ids=["at work", "still starting"])
def test_a_worker_dies_with_its_parent(delay, began):
    with subprocess.Popen([sys.executable, "-c", PARENT, delay], stdout=subprocess.PIPE, text=True) as parent:
        worker = int(parent.stdout.readline())
        assert not began or parent.stdout.readline() == "began\n"
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert parent.stdout.read() == ""  # ends when nobody can write there any more: the worker is gone
    until = time.monotonic() + 10
    while os.path.exists(f"/proc/{worker}") and time.monotonic() < until:
        time.sleep(0.01)
    assert not os.path.exists(f"/proc/{worker}")
