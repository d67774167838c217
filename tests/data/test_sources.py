"""What holds for every source: terms, an identity, reasons, and the licence of a user's own files."""

import ast
from pathlib import Path

import pytest

from hf_scaling.data import sources
from hf_scaling.data.sources import REASONS, SOURCES, Licence, SourceOptions
from hf_scaling.records import UserError

FOLDER = Path(sources.__file__).parent
OWN_FILES = ("abc_files", "midi_files")


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_states_its_terms_before_anything_is_chosen(name):
    licence = SOURCES[name].licence(SourceOptions())
    assert isinstance(licence, Licence)
    assert licence.identifier
    assert licence.notice.endswith(".")
    assert "\n" not in licence.notice + licence.text


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_has_an_identity_or_says_that_it_has_none(name):
    identity = SOURCES[name].identity(SourceOptions())
    assert identity is None or (isinstance(identity, str) and identity)
    assert identity == SOURCES[name].identity(SourceOptions())


def test_every_reason_that_a_source_gives_is_one_that_is_explained():
    given = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
                first = node.args[0]
                if node.func.id in ("Unread", "_FailedError") and isinstance(first, ast.Constant):
                    given.add(first.value)
    assert {"unreadable file", "conversion timed out"} <= given <= REASONS.keys()


@pytest.mark.parametrize("name", OWN_FILES)
def test_files_of_unknown_licence_may_not_be_passed_on(name):
    licence = SOURCES[name].licence(SourceOptions())
    assert (licence.identifier, licence.redistributable, licence.commercial_use) == ("unknown", False, False)


@pytest.mark.parametrize("name", OWN_FILES)
@pytest.mark.parametrize(
    ("stated", "identifier", "commercial_use"),
    [
        ("cc0-1.0", "cc0-1.0", True),
        ("cc-by-4.0", "cc-by-4.0", True),
        ("cc-by-sa-4.0", "cc-by-sa-4.0", True),
        ("cc-by-nc-4.0", "cc-by-nc-4.0", False),
        ("cc-by-nc-sa-4.0", "cc-by-nc-sa-4.0", False),
        ("mit", "mit", True),
        ("apache-2.0", "apache-2.0", True),
        ("unlicense", "unlicense", True),
        ("odbl-1.0", "odbl", True),
    ],
)
def test_a_stated_licence_is_taken_at_its_word(name, stated, identifier, commercial_use):
    licence = SOURCES[name].licence(SourceOptions(files_licence=stated))
    assert (licence.identifier, licence.commercial_use, licence.redistributable) == (identifier, commercial_use, True)
    assert licence.text.startswith("https://")
    assert stated in licence.notice
    assert licence.text in licence.notice


@pytest.mark.parametrize("stated", ["", "CC0", "cc-by-nd-4.0", "proprietary", "other"])
def test_a_licence_that_is_not_known_is_refused_with_those_that_are(stated):
    with pytest.raises(
        UserError, match=rf"^files_licence: got '{stated}', expected one of apache-2.0, .*unlicense, or"
    ):
        SOURCES["abc_files"].licence(SourceOptions(files_licence=stated))
