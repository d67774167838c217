"""The one exception that is meant for a person at a terminal, and how a command line tells it."""

import errno
import os
import signal
import sys
from collections.abc import Callable

_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


class UserError(ValueError):
    """Bad input. The message is one line: the field or file, the value, and what would be accepted."""


def exit_code(program: str, work: Callable[[], int]) -> int:
    """Do the work of a command line: its exit code, 2 for bad input, 130 for Ctrl-C; told in one line, no traceback."""
    try:
        return work()
    except UserError as error:
        message = str(error)
    except BrokenPipeError:  # the reader has seen enough, as in `hf-scaling ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        if error.filename is None and error.errno not in _OF_DISKS:
            raise  # not about a file that somebody named
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
        if error.errno in _OF_DISKS:
            message += "; what was finished is kept, the same command goes on from there"
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    print(f"{program}: {' '.join(message.split())}", file=sys.stderr)
    return 2
