"""The terms of a user's own files: what the user says they are, out of licences whose terms are known here."""

from typing import NamedTuple

from hf_scaling.data.sources.tune import Licence, SourceOptions
from hf_scaling.records import UserError


class _Terms(NamedTuple):
    identifier: str  # the Hub's
    address: str
    commercial_use: bool = True


# each allows copies and changed copies to be passed on
_CC = "https://creativecommons.org"
_KNOWN = {
    "apache-2.0": _Terms("apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
    "cc-by-3.0": _Terms("cc-by-3.0", f"{_CC}/licenses/by/3.0/"),
    "cc-by-4.0": _Terms("cc-by-4.0", f"{_CC}/licenses/by/4.0/"),
    "cc-by-nc-4.0": _Terms("cc-by-nc-4.0", f"{_CC}/licenses/by-nc/4.0/", commercial_use=False),
    "cc-by-nc-sa-4.0": _Terms("cc-by-nc-sa-4.0", f"{_CC}/licenses/by-nc-sa/4.0/", commercial_use=False),
    "cc-by-sa-3.0": _Terms("cc-by-sa-3.0", f"{_CC}/licenses/by-sa/3.0/"),
    "cc-by-sa-4.0": _Terms("cc-by-sa-4.0", f"{_CC}/licenses/by-sa/4.0/"),
    "cc0-1.0": _Terms("cc0-1.0", f"{_CC}/publicdomain/zero/1.0/"),
    "mit": _Terms("mit", "https://opensource.org/license/mit"),
    "odbl-1.0": _Terms("odbl", "https://opendatacommons.org/licenses/odbl/1-0/"),
    "odc-by-1.0": _Terms("odc-by", "https://opendatacommons.org/licenses/by/1-0/"),
    "pddl-1.0": _Terms("pddl", "https://opendatacommons.org/licenses/pddl/1-0/"),
    "unlicense": _Terms("unlicense", "https://unlicense.org"),
}


def files_licence(options: SourceOptions) -> Licence:
    """The licence that `files_licence` names; without one nothing is known, so nothing may be passed on.

    Raises:
        UserError: a licence that is not known here.
    """
    name = options.files_licence
    if name is None:
        return Licence(
            identifier="unknown",
            text="not stated (files_licence)",
            notice="Contains tunes from files of the user whose licence was not stated.",
            commercial_use=False,
            redistributable=False,
        )
    if name not in _KNOWN:
        raise UserError(f"files_licence: got {name!r}, expected one of {', '.join(_KNOWN)}, or none")
    identifier, address, commercial_use = _KNOWN[name]
    return Licence(
        identifier=identifier,
        text=address,
        notice=f"Contains tunes from files of the user, which the user states to be under {name} ({address}).",
        commercial_use=commercial_use,
        redistributable=True,
    )
