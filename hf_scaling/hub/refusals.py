"""What a Hub may answer instead of taking something: to come back later, which is waited for, or no."""

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from huggingface_hub import get_session, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError
from huggingface_hub.utils import hf_raise_for_status

from hf_scaling.hub.markdown import one_line
from hf_scaling.records import UserError

T = TypeVar("T")

_TRIES = 3
_MOST_SECONDS = 300  # that a Hub may ask us to wait: the window over which the Hub counts requests
_CURES = {
    401: "log in with `hf auth login`, or set HF_TOKEN",
    403: "the token may not write there, or the account is full",
    404: "no such user or organisation, or the token may not see it",
    409: "somebody else changed it meanwhile; push again",
    413: "the account is full, or a file too large",
    429: "too many requests; push again later",
}


def patiently(name: str, work: Callable[[], T]) -> T:
    """Do the work for the repository `name`; where the Hub says when to come back, say so, wait and try again."""
    for tried in range(_TRIES):
        try:
            with _every_wait_ours():
                return work()
        except (HfHubHTTPError, RuntimeError) as error:
            seconds = _seconds(_cause(error))
            if seconds is None or tried == _TRIES - 1:
                raise
        print(f"{name}: the Hub is busy and asks for patience; going on in {seconds} s", file=sys.stderr, flush=True)
        time.sleep(seconds)
    raise AssertionError("the last try returns or raises")


@contextmanager
def _every_wait_ours() -> Iterator[None]:
    """Have the client raise wherever there were too many requests: by itself it waits in places, untold, for a day."""
    client = get_session()
    hooks = client.event_hooks
    client.event_hooks = hooks | {"response": [*hooks["response"], _raise_if_too_many]}
    try:
        yield
    finally:
        client.event_hooks = hooks


def _raise_if_too_many(response: Any) -> None:
    if response.status_code == 429:
        response.read()
        hf_raise_for_status(response)


def _seconds(error: BaseException) -> int | None:
    """How long the Hub wants us to wait, by its own header or the common one; None where it does not say, or too long.

    https://huggingface.co/docs/hub/rate-limits has the Hub's own.
    """
    if not isinstance(error, HfHubHTTPError) or error.response.status_code != 429:
        return None
    headers = error.response.headers
    found = re.search(r";\s*r=0\s*;\s*t=(\d+)", headers.get("RateLimit", ""))
    found = found or re.fullmatch(r"(\d+)", headers.get("Retry-After", ""))
    return int(found[1]) if found and int(found[1]) <= _MOST_SECONDS else None


def _cause(error: BaseException) -> BaseException:
    """What kept a large file from being sent; the client raises a RuntimeError from it."""
    return error.__cause__ or error if isinstance(error, RuntimeError) else error


@contextmanager
def refusals(name: str) -> Iterator[None]:
    """Tell whatever a Hub or the way to it can do in one line, in which the token does not stand."""
    try:
        yield
    except UserError:
        raise
    except (HTTPError, HFValidationError, OSError, ValueError, RuntimeError) as error:
        # ValueError: metadata that the Hub does not take, or an answer that is not JSON; RuntimeError: a large file
        reason = _reason(_cause(error))
        if token := get_token():
            reason = reason.replace(token, "<token>")
        raise UserError(f"{name}: the Hub did not take it ({reason})") from None


def _reason(error: BaseException) -> str:
    if not isinstance(error, HfHubHTTPError):
        return one_line(str(error)) or type(error).__name__
    status = error.response.status_code
    said = one_line(error.server_message or error.response.reason_phrase)
    cure = _CURES.get(status, "the Hub is in trouble; push again later" if status >= 500 else "")
    return "; ".join(filter(None, (f"{status}: {said}", cure)))
