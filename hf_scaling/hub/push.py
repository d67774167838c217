"""Pushing folders to the Hub, one commit a repository: what stands there already is left alone."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from huggingface_hub import HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError
from huggingface_hub.utils import disable_progress_bars, logging, validate_repo_id

from hf_scaling.hub.folders import Target
from hf_scaling.hub.markdown import one_line
from hf_scaling.records import UserError, atomic_dir

T = TypeVar("T")

# of these a later push may have fewer; other files may be somebody else's
_STALE = ["data/*", "samples/*", "hf_scaling/*"]
_TRIES = 3
_MOST_SECONDS = 300  # that a Hub may ask us to wait
_CURES = {
    401: "log in with `hf auth login`, or set HF_TOKEN",
    403: "the token may not write there, or the account is full",
    404: "no such user or organisation, or the token may not see it",
    409: "somebody else changed it meanwhile; push again",
    413: "the account is full, or a file too large",
    429: "too many requests; push again later",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one repository: what to say of it, and whether it is there."""

    target: Target
    message: str
    pushed: bool


@dataclass(frozen=True)
class Pushing:
    """How to push: as `private` repositories, to the branch `revision` (made if absent)."""

    api: HfApi
    private: bool = False
    revision: str | None = None

    def push(self, targets: Sequence[Target]) -> Iterator[Outcome]:
        """Push one after the other; one that fails does not keep the others from being pushed."""
        disable_progress_bars()
        logging.set_verbosity_error()  # the client warns where nothing has changed, which is said anyway
        for target in targets:
            try:
                yield Outcome(target, self._push(target), True)
            except (UserError, OSError) as error:
                yield Outcome(target, one_line(str(error)), False)

    def _push(self, target: Target) -> str:
        """Stage and push one repository; its address, with a word where nothing had changed."""
        with _refusals(target.repository):
            validate_repo_id(target.repository)
        with tempfile.TemporaryDirectory() as name:
            target.stage(Path(name))
            with _refusals(target.repository):
                changed = _patiently(lambda: self._upload(target, Path(name)))
        address = f"{self.api.endpoint}/{'' if target.kind == 'model' else target.kind + 's/'}{target.repository}"
        return address if changed else f"{address} (unchanged)"

    def _upload(self, target: Target, folder: Path) -> bool:
        api = self.api
        place: dict[str, Any] = {"repo_id": target.repository, "repo_type": target.kind}
        # a private organisation's default is not overruled by leaving `private` out
        api.create_repo(**place, private=self.private or None, space_sdk=target.sdk, exist_ok=True)
        if self.private and not api.repo_info(**place).private:
            raise UserError(
                f"{target.repository}: is public already, and --private was asked for; make it private in its "
                "settings, or push to another name"
            )
        if self.revision:
            api.create_branch(**place, branch=self.revision, exist_ok=True)
        before = api.repo_info(**place, revision=self.revision).sha
        commit = api.upload_folder(
            **place,
            folder_path=folder,
            revision=self.revision,
            commit_message="Pushed by hf_scaling",
            delete_patterns=_STALE,
        )
        return commit.oid != before

    def collect(self, title: str, pushed: Sequence[Target]) -> str:
        """Put repositories of one owner into the collection of that title, made if absent; its address.

        Raises:
            UserError: the Hub refuses.
        """
        owner = pushed[0].repository.partition("/")[0]
        with _refusals(f"collection {title!r}"):
            collection = _patiently(
                lambda: self.api.create_collection(title, namespace=owner, private=self.private, exists_ok=True)
            )
            there = {(item.item_type, item.item_id) for item in collection.items}
            missing = [target for target in pushed if (target.kind, target.repository) not in there]
            for target in missing:
                item: Any = (collection.slug, target.repository, target.kind)
                _patiently(partial(self.api.add_collection_item, *item, exists_ok=True))
        return collection.url if missing else f"{collection.url} (unchanged)"


def full_name(api: HfApi, name: str, organisation: str | None) -> str:
    """USER/NAME for a NAME: the organisation's, or else that of whoever is logged in.

    Raises:
        UserError: both name an owner, or nobody is logged in.
    """
    if "/" in name:
        if organisation:
            raise UserError(f"--org: got {organisation!r} beside --repository {name!r}; expected one owner")
        return name
    if organisation:
        return f"{organisation}/{name}"
    with _refusals("--repository without a user"):
        return f"{api.whoami()['name']}/{name}"


def dry_run(targets: Sequence[Target], folder: Path) -> Iterator[Outcome]:
    """Write the exact folders under `folder`, KIND/USER/NAME, and say what each holds; nothing leaves the machine."""
    for target in targets:
        try:
            with _refusals(target.repository):
                validate_repo_id(target.repository)
            place = folder / target.kind / target.repository
            with atomic_dir(place) as temporary:
                target.stage(temporary)
            sizes = [path.stat().st_size for path in place.rglob("*") if path.is_file()]
            what = f"{target.kind} {target.repository}: {len(sizes)} files, {sum(sizes):,} bytes, in {place}"
            yield Outcome(target, what, True)
        except (UserError, OSError) as error:
            yield Outcome(target, one_line(str(error)), False)


def _patiently(work: Callable[[], T]) -> T:
    """Do the work; where the Hub says when to come back, wait and try again."""
    for tried in range(_TRIES):
        try:
            return work()
        except HfHubHTTPError as error:
            seconds = error.response.headers.get("Retry-After", "")
            patient = error.response.status_code == 429 and seconds.isdecimal() and int(seconds) <= _MOST_SECONDS
            if not patient or tried == _TRIES - 1:
                raise
        time.sleep(int(seconds))
    raise AssertionError("the last try returns or raises")


@contextmanager
def _refusals(name: str) -> Iterator[None]:
    """Tell whatever a Hub or the way to it can do in one line, in which the token does not stand."""
    try:
        yield
    except UserError:
        raise
    except (HTTPError, HFValidationError, OSError, ValueError) as error:
        # ValueError: metadata that the Hub does not take, or an answer that is not JSON
        reason = _reason(error)
        if token := get_token():
            reason = reason.replace(token, "<token>")
        raise UserError(f"{name}: the Hub did not take it ({reason})") from None


def _reason(error: Exception) -> str:
    if not isinstance(error, HfHubHTTPError):
        return one_line(str(error)) or type(error).__name__
    status = error.response.status_code
    said = one_line(error.server_message or error.response.reason_phrase)
    cure = _CURES.get(status, "the Hub is in trouble; push again later" if status >= 500 else "")
    return "; ".join(filter(None, (f"{status}: {said}", cure)))
