"""The one exception that is meant for a person at a terminal, and how a command line tells it."""

import os
import signal
import sys
from collections.abc import Callable


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
        if error.filename is None:
            raise  # not about a file that somebody named
        message = f"{error.filename}: {error.strerror}"
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    print(f"{program}: {' '.join(message.split())}", file=sys.stderr)
    return 2
