"""The one exception that is meant for a person at a terminal, and how a command line tells it."""

import errno
import os
import re
import signal
import sys
from collections.abc import Callable
from urllib.parse import urlsplit

_OF_DISKS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_SECRETS = re.compile(r"\bhf_[A-Za-z0-9]{16,}|(?<=bearer )\S+|(?<=://)[^/@\s]+(?=@)", re.IGNORECASE)  # user, password


class UserError(ValueError):
    """Bad input. The message is one line: the field or file, the value, and what would be accepted."""


def redact(text: str) -> str:
    """`text` with `<token>` in place of whatever looks like one of the Hub's, or like a password in an address."""
    return _SECRETS.sub("<token>", text)


def check_https(address: str, field: str) -> None:
    """Raise UserError, naming `field`, for an address at which somebody on the way could read or change what passes."""
    parts = urlsplit(address)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise UserError(f"{field}: got {redact(address)}, expected an address that begins with https://")


def of_files(error: OSError) -> bool:
    """Whether it is about a file that somebody named, or about the disk; not about a network, say."""
    return error.filename is not None or error.errno in _OF_DISKS


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
        if not of_files(error):
            raise
        message = f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror)
        if error.errno in _OF_DISKS:
            message += "; what was finished is kept, the same command goes on from there"
    except KeyboardInterrupt:
        print(f"\n{program}: interrupted; the same command goes on from here", file=sys.stderr)
        return 130
    told = " ".join(message.split())
    told = "".join(letter if letter.isprintable() else "?" for letter in told)  # names of files and columns go in too
    print(f"{program}: {redact(told)}", file=sys.stderr)
    return 2
