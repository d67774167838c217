"""What the README and the pages of docs/ promise: every command, and of the README every link and number."""

import json
import re
import runpy
import shlex
import shutil
import signal
from pathlib import Path

import pytest

import hf_scaling
from hf_scaling.records import finished_rows
from hf_scaling.study.options import load_config, parse_study

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "results" / "laptop"
# the two commands themselves: tests install nothing and do not start themselves
INSTALL = "pip install -e . && accelerate launch recipes/sweep.py"
TEST = 'pip install -e ".[test]" && python -m pytest'


def notebook_commands():
    """What the notebook has Accelerate launch."""
    cells = json.loads((ROOT / "docs" / "colab.ipynb").read_text(encoding="utf-8"))["cells"]
    code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code").replace("\\\n", " ")
    return [line.removeprefix("!") for line in code.splitlines() if line.startswith("!accelerate ")]


def readme_commands():
    """Every command of the bash blocks of the README and of docs/, and of the notebook, without comments."""
    pages = [README, *(path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md")))]
    blocks = re.findall(r"^```bash\n(.*?)^```", "\n".join(pages), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [command for line in lines if (command := re.sub(r"\s+#.*", "", line).strip())] + notebook_commands()


COMMANDS = readme_commands()


def option(words, name, default=None):
    return words[words.index(name) + 1] if name in words else default


@pytest.fixture(scope="module")
def checkout(quick_study, tmp_path_factory):
    """A folder like a checkout in which the quick study, and in its place the laptop study, has been run."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("recipes", "accelerate_configs"):
        (folder / name).symlink_to(ROOT / name)
    for name in ("quick", "laptop"):
        shutil.copytree(quick_study.folder, folder / "outputs" / name)
    return folder


def test_the_two_commands_stand_there():
    assert INSTALL in COMMANDS
    assert TEST in COMMANDS


@pytest.mark.parametrize("command", [command for command in COMMANDS if command not in (INSTALL, TEST)])
def test_a_command_does_what_it_says(command, commands, checkout):
    words = shlex.split(command)
    if words[:2] == ["accelerate", "launch"]:
        words = words[2:]
        if words[0] == "--config_file":
            assert (ROOT / words[1]).is_file()
            words = words[2:]
    elif words[0] == "python":
        words = words[1:]
    else:
        assert words[0] == "hf-scaling", f"teach this test to run {command!r}"
    program, arguments = words[0].removeprefix("recipes/"), words[1:]
    if arguments[:1] == ["demo"]:  # it serves until it is interrupted
        serving = commands.start(program, *arguments, cwd=checkout)
        ended = serving.kill_when(lambda: "http://127.0.0.1:" in serving.shown, signal.SIGINT)
        assert ended.code == 0, ended.stderr
        return
    if program in ("sweep.py", "train.py", "prepare_data.py"):
        config = option(arguments, "--config", "recipes/studies/laptop.yaml")
        if config != "recipes/studies/quick.yaml" or "--output_dir" in arguments:
            # another study: minutes of training. That its options are right is what can be held here
            parser = runpy.run_path(str(ROOT / "recipes" / program))["command_line"]()
            study, options = parse_study(parser, [word.replace("recipes/", f"{ROOT}/recipes/") for word in arguments])
            names = {f"{family}-{size.name}" for family in study.families for size in study.sizes}
            named = {getattr(options, "run", None), *getattr(options, "only", [])} - {None}
            assert all(name in names or name.isdecimal() for name in named)
            return
        assert load_config(ROOT / config, {}).folder == Path("outputs/quick")
    ended = commands.run(program, *arguments, cwd=checkout)
    assert ended.code == 0, ended.stderr


def targets():
    """What the README links to and shows, but for the web."""
    found = re.findall(r"\]\(([^)\s]+)", README) + re.findall(r"(?:src|href)=\"([^\"]+)\"", README)
    return [target for target in found if not target.startswith(("https:", "http:", "mailto:"))]


def test_every_relative_link_leads_somewhere():
    slugs = {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", README, re.M)
    }
    for target in targets():
        path, _, anchor = target.partition("#")
        assert (ROOT / path).exists() if path else anchor in slugs, target


def test_every_file_that_it_names_is_there():
    named = re.findall(r"`((?:recipes|accelerate_configs|hf_scaling|results|tests)/[\w./-]*)`", README)
    assert named
    for name in named:
        assert (ROOT / name).exists(), name


def test_the_notebook_launches_and_the_citation_names_this_version():
    assert len(notebook_commands()) == 2
    assert f"version: {hf_scaling.__version__}\n" in (ROOT / "docs" / "CITATION.cff").read_text(encoding="utf-8")


def test_no_placeholder_is_left():
    assert re.findall(r"@@\w*@@|TODO|TBD|XXX", README) == []


@pytest.mark.skipif(not RESULTS.exists(), reason="the laptop study's results are not in this checkout")
def test_its_tables_say_what_the_committed_ledger_says():
    rows = {(row["family"], row["size"]): row for row in finished_rows(RESULTS / "runs.jsonl")}
    found = 0
    for line in README.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or not any(size == cells[0] for _, size in rows):
            continue
        for family in ("gpt2", "folk_lstm"):
            row = rows[family, cells[0]]
            assert f"{row['val_loss']:.3f}" in line or f"{row['val_loss']:.4f}" in line, line
            found += 1
    assert found == len(rows), "the README has no row for some size of the ledger"
