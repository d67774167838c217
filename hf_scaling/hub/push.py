"""Pushing folders to the Hub, one commit a repository: what stands there already is left alone."""

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi
from huggingface_hub.utils import disable_progress_bars, logging, validate_repo_id

from hf_scaling.hub.folders import Target
from hf_scaling.hub.markdown import one_line
from hf_scaling.hub.refusals import patiently, refusals
from hf_scaling.records import UserError, atomic_dir

# of these a later push may have fewer; other files may be somebody else's
_STALE = ["data/*", "samples/*", "hf_scaling/*"]


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
        if not sys.stderr.isatty():
            disable_progress_bars()
        logging.set_verbosity_error()  # the client warns where nothing has changed, which is said anyway
        for target in targets:
            try:
                yield Outcome(target, self._push(target), True)
            except (UserError, OSError) as error:
                yield Outcome(target, one_line(str(error)), False)

    def _push(self, target: Target) -> str:
        """Stage and push one repository; its address, with a word where nothing had changed."""
        with refusals(target.repository):
            validate_repo_id(target.repository)
        with tempfile.TemporaryDirectory() as name:
            target.stage(Path(name))
            if sys.stderr.isatty():
                print(f"{target.kind} {target.repository}: {_held(Path(name))}", file=sys.stderr, flush=True)
            with refusals(target.repository):
                changed = patiently(target.repository, lambda: self._upload(target, Path(name)))
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
        asked = f"collection {title!r}"
        with refusals(asked):
            make = partial(self.api.create_collection, title, namespace=owner, private=self.private, exists_ok=True)
            collection = patiently(asked, make)
            there = {(item.item_type, item.item_id) for item in collection.items}
            missing = [target for target in pushed if (target.kind, target.repository) not in there]
            for target in missing:
                item: Any = (collection.slug, target.repository, target.kind)
                patiently(asked, partial(self.api.add_collection_item, *item, exists_ok=True))
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
    with refusals("--repository without a user"):
        return f"{api.whoami()['name']}/{name}"


def dry_run(targets: Sequence[Target], folder: Path) -> Iterator[Outcome]:
    """Write the exact folders under `folder`, KIND/USER/NAME, and say what each holds; nothing leaves the machine."""
    for target in targets:
        try:
            with refusals(target.repository):
                validate_repo_id(target.repository)
            place = folder / target.kind / target.repository
            with atomic_dir(place) as temporary:
                target.stage(temporary)
            yield Outcome(target, f"{target.kind} {target.repository}: {_held(place)}, in {place}", True)
        except (UserError, OSError) as error:
            yield Outcome(target, one_line(str(error)), False)


def _held(folder: Path) -> str:
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return f"{len(sizes)} files, {sum(sizes):,} bytes"
