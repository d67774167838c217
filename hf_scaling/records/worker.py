"""What a worker process does first, whatever its work."""

import ctypes
import os
import signal

_PR_SET_PDEATHSIG = 1  # Linux, prctl(2)


def begin_worker(parent: int) -> None:
    """Leave Ctrl-C to the parent, and die with it: an orphan would hold cores, memory and locks for ever.

    parent: its process id; it may have died while this process was still starting.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)
