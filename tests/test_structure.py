"""The plan of the house: which floor may import which, and what starts fast."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hf_scaling.hub.space_folder import BUNDLE

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "hf_scaling"
FLOORS = [
    {"notation", "fingerprint", "tokenization", "models", "laws", "records"},
    {"music", "hub", "data", "training", "generation", "report"},
    {"study", "hub.space"},
    {"cli"},
]
APART = "hf_scaling.hub.space"  # a program over the floors below; the rest of the room copies it and imports none of it
STDLIB = sys.stdlib_module_names


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def room(module: str) -> str:
    if module == APART or module.startswith(f"{APART}."):
        return APART.removeprefix("hf_scaling.")
    return (module.split(".") + [""])[1]


def imports(module: str, lazy: bool = True) -> Iterator[str]:
    """Absolute names of everything that a module imports, inside functions too unless `lazy` is False."""
    path = MODULES[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree) if lazy else tree.body:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (above, node.module) if part)
            for alias in node.names:  # `from package import module` imports the module
                yield f"{base}.{alias.name}" if f"{base}.{alias.name}" in MODULES else base


def outside(module: str) -> set[str]:
    """Distributions beyond the standard library that a module imports."""
    return {name.split(".")[0] for name in imports(module)} - STDLIB - {"hf_scaling"}


def inside(module: str) -> set[str]:
    """Modules of this package that a module imports."""
    return {name for name in imports(module) if name in MODULES}


def members(*rooms: str) -> list[str]:
    found = [module for module in MODULES if room(module) in rooms]
    assert found, f"no module in {rooms}"
    return found


def test_every_room_stands_on_a_floor():
    assert {room(module) for module in MODULES} - {""} <= set().union(*FLOORS)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_its_own_room_and_the_floors_below(module):
    floor = {name: number for number, names in enumerate(FLOORS) for name in names}
    here = room(module)
    for imported in inside(module) - {"hf_scaling"}:
        there = room(imported)
        assert there == here or floor[there] < floor[here], f"{module} -> {imported}"


@pytest.mark.parametrize("module", members("notation", "records"))
def test_notation_and_records_import_the_standard_library_only(module):
    assert outside(module) == set()
    assert {room(imported) for imported in inside(module)} <= {room(module)}


@pytest.mark.parametrize("module", members("laws"))
def test_laws_import_arrays_and_drawing_only(module):
    assert outside(module) <= {"numpy", "scipy", "matplotlib"}
    loaded_at_once = {name.split(".")[0] for name in imports(module, lazy=False)}
    assert "matplotlib" not in loaded_at_once


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("hf_scaling.models.folk_lstm.")])
def test_what_travels_to_the_hub_stands_by_itself(module):
    assert outside(module) <= {"torch", "transformers"}
    text = MODULES[module].read_text(encoding="utf-8")
    absolute = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and not node.level]
    assert not [node.module for node in absolute if node.module.startswith("hf_scaling")]


@pytest.mark.parametrize("module", members("report", "hub"))
def test_the_report_imports_no_training_code(module):
    assert not outside(module) & {"torch", "transformers", "datasets", "accelerate", "tokenizers"}
    assert {room(imported) for imported in inside(module)} <= {room(module), "records", "laws", ""}


def test_what_travels_with_the_space_is_all_that_it_imports():
    travels = [name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in BUNDLE]
    needed = set(members("hub.space")) | {f"hf_scaling.music.{name}_child" for name in ("audio", "midi", "score")}
    needed |= set().union(*map(reachable, needed))
    assert {room(module) for module in needed} - {"", "hub.space"} <= set(travels)
    lines = (PACKAGE / "hub" / "space" / "requirements.txt").read_text(encoding="utf-8").split()
    asked = {re.match(r"\w+", line)[0] for line in lines}
    assert set().union(*map(outside, needed)) <= asked


def reachable(module: str) -> set[str]:
    """Modules of this package that a module imports, and those that they import."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        new = inside(waiting.pop()) - found
        found |= new
        waiting += new
    return found


def test_no_two_modules_import_each_other_in_a_circle():
    # a package's own __init__ runs before its modules and may gather them; what counts is who names whom
    graph = {module: inside(module) - {module} for module in MODULES}
    while leaves := {module for module, needs in graph.items() if not needs & graph.keys()}:
        graph = {module: needs for module, needs in graph.items() if module not in leaves}
    assert not graph, f"in or above a circle: {sorted(graph)}"


def loaded_by(code: str) -> set[str]:
    shown = subprocess.run(
        [sys.executable, "-c", f"import sys; before = set(sys.modules); {code}; print(*(set(sys.modules) - before))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return {name.split(".")[0] for name in shown.stdout.split()}


@pytest.mark.parametrize("name", ["hf_scaling", "hf_scaling.notation", "hf_scaling.records", "hf_scaling.cli"])
def test_what_must_start_at_once_loads_nothing_but_the_standard_library(name):
    assert loaded_by(f"import {name}") - STDLIB == {"hf_scaling"}


def test_the_report_is_written_without_loading_torch():
    assert not loaded_by("import hf_scaling.report") & {"torch", "transformers", "datasets", "accelerate"}


RECIPES = sorted((ROOT / "recipes").glob("*.py"))


@pytest.mark.parametrize("path", [*MODULES.values(), *RECIPES], ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_says_what_it_is_for(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.name)
def test_a_recipe_opens_with_the_command_that_runs_it(path):
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    commands = [line.strip() for line in docstring.splitlines() if f"recipes/{path.name}" in line]
    assert commands
    assert commands[0].startswith(("accelerate launch recipes/", "python recipes/"))
