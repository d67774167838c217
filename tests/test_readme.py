"""What the README and the pages of docs/ promise: every command, and of the README every link and number."""

import json
import re
import runpy
import shlex
import shutil
import signal
from datetime import datetime
from pathlib import Path
from statistics import fmean

import pytest

import hf_scaling
from hf_scaling.records import finished_rows, read_json, read_jsonl
from hf_scaling.study.forecasts import score
from hf_scaling.study.options import load_config, parse_study

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
RESULTS = ROOT / "results"
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
            assert_it_could_start(program, arguments)  # another study, minutes of training
            return
        assert load_config(ROOT / config, {}).folder == Path("outputs/quick")
    ended = commands.run(program, *arguments, cwd=checkout)
    assert ended.code == 0, ended.stderr


def assert_it_could_start(program, arguments):
    """The options make a study, which has the runs that they name."""
    parser = runpy.run_path(str(ROOT / "recipes" / program))["command_line"]()
    study, options = parse_study(parser, [word.replace("recipes/", f"{ROOT}/recipes/") for word in arguments])
    names = {f"{family}-{size.name}" for family in study.families for size in study.sizes}
    named = {getattr(options, "run", None), *getattr(options, "only", [])} - {None}
    assert all(name in names or name.isdecimal() for name in named)


@pytest.mark.parametrize("program", ["sweep.py", "train.py", "prepare_data.py"])
def test_the_examples_in_a_recipe_could_start(program):
    examples = re.findall(
        rf"^    (?:accelerate launch|python) recipes/{program}(.*)$", (ROOT / "recipes" / program).read_text(), re.M
    )
    assert examples
    for example in examples:
        assert_it_could_start(program, shlex.split(example, comments=True))


def test_the_smaller_study_that_the_notebook_proposes_could_start():
    (ladder,) = re.findall(r"`(--ladder .+?)`", (ROOT / "docs" / "colab.ipynb").read_text(encoding="utf-8"))
    assert_it_could_start("sweep.py", shlex.split(ladder))


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


def longest(study):
    """Means over seeds of the runs of the longest horizon, by family and size."""
    rows = finished_rows(RESULTS / study / "runs.jsonl")
    horizon = max(row["n_tokens"] for row in rows)
    found = {}
    for row in (row for row in rows if row["n_tokens"] == horizon):
        found.setdefault((row["family"], row["size"]), []).append(row)
    return {
        key: {name: fmean(row[name] for row in same) for name in ("n_params", "val_loss", "val_bpc")}
        for key, same in found.items()
    }


def test_its_table_says_what_the_committed_ledger_says():
    means = longest("cpu_scaling")
    sizes = dict.fromkeys(size for _, size in means)
    expected = []
    for size in sizes:
        cells = [size]
        for family in ("gpt2", "folk_lstm"):
            mean = means[family, size]
            cells += [f"{mean['n_params']:,.0f}", f"{mean['val_loss']:.3f}", f"{mean['val_bpc']:.3f}"]
        expected.append(f"| {' | '.join(cells)} |")
    assert [line for line in README.splitlines() if line.startswith("| ") and "," in line and "nats" not in line] == (
        expected
    )


def span(ends, digits):
    return "[" + ", ".join(f"{end:.{digits}f}" for end in ends) + "]"


def seconds(rows):
    """From when the first began to when the last ended."""
    begun, ended = ([datetime.fromisoformat(row[name]) for row in rows] for name in ("started_at", "finished_at"))
    return (max(ended) - min(begun)).total_seconds()


def claims():
    """Every number of the findings, as the README must write it, from the committed results."""
    study = RESULTS / "cpu_scaling"
    laws = {fit["family"]: fit for fit in read_json(study / "fits.json")["fits"] if fit["n_convention"] == "total"}
    for fit in laws.values():
        yield f"{fit['params']['alpha']:.2f} {span(fit['intervals']['alpha'], 2)}"
        yield f"{fit['params']['c']:.2f} {span(fit['intervals']['c'], 2)}"
    (compared,) = read_json(study / "comparison.json")
    for cost in ("n_params", "flops"):
        _, middle, last = compared["multipliers"][cost]["at"]
        for found in (middle, last):
            yield f"{found['multiplier']:.1f} {span(found['interval'], 1)} times"
            yield f"{found['loss']:.3f}"
    largest = compared["sizes"][-1]
    low, high = sorted(-end for end in largest["interval"])
    yield f"ahead by {-largest['difference']:.3f} nats {span((low, high), 4)}"
    scored = [found for found in score(study) if found["loss"]]
    errors = [[found[name] for found in scored] for name in ("error", "persistence_error")]
    yield f"They miss by {100 * fmean(errors[0]):.1f} % on average"
    yield f"misses by {100 * fmean(errors[1]):.1f} %"
    yield f"{sum(found['inside']['0.9'] for found in scored)} of {len(scored)} outcomes"
    for family, name in (("gpt2", "GPT-2's"), ("folk_lstm", "of the LSTM's")):
        inside = [found["inside"]["0.9"] for found in scored if found["family"] == family]
        yield f"{sum(inside)} of {len(inside)} {name}" if family == "folk_lstm" else f"all {sum(inside)} of {name}"
    shortest = [found for found in scored if found["n_tokens"] == min(one["n_tokens"] for one in scored)]
    worse = sum(found["error"] > found["persistence_error"] for found in shortest)
    assert (worse, len(shortest)) == (3, 4)
    yield "persistence did better in three of four"
    rows = finished_rows(study / "runs.jsonl")
    yield f"{len(rows)} runs"
    splits = read_json(study / "dataset" / "statistics.json")["splits"]
    yield f"{splits['train']['unique_tokens']:,} unique tokens"
    yield f"within {seconds(rows) / 3600:.1f} hours, after"
    yield f"{seconds(finished_rows(study / 'trials.jsonl')) / 60:.0f} minutes of trials"
    gaps = {row["n_tokens"]: [] for row in rows}
    for row in (row for row in rows if row["size"] == "1M"):
        gaps[row["n_tokens"]].append(row["val_loss"] * (1 if row["family"] == "gpt2" else -1))
    yield f"behind by {2 * fmean(gaps[min(gaps)]):.3f}"
    (commit,) = {row["git_commit"] for row in rows}
    yield f"commit `{commit[:7]}`"
    best = read_json(study / "best.json")
    yield f"{best['val_bpc']:.3f} bits per character on validation"
    yield f"{best['test_bpc']:.3f} on the test split"
    ppmd = read_json(study / "dataset" / "baselines.json")["models"][0]
    yield f"{ppmd['test']:.3f}"
    leaks = read_json(study / "dataset" / "leak_report.json")
    twins, random = (leaks[name] for name in ("test_in_train", "random_split_test_in_train"))
    yield f"{twins['twins']['0.3']} of {twins['tunes']} test tunes"
    yield f"{random['twins']['0.3']} have one"
    samples = read_jsonl(study / "samples" / "samples.jsonl")
    yield f"{sum(one['raw_verdict']['strict'] for one in samples)} of {len(samples)} are strictly valid"
    misfits = {one["where"]: one["what"] for one in read_json(study / "lint.json")["findings"]}
    assert set(misfits) == {"folk_lstm", "gpt2", "gpt2, longest runs"}
    off, apart = zip(*(re.findall(r"([\d.]+)% ", misfits[where]) for where in sorted(misfits)), strict=True)
    yield f"L(N, D) is off by {off[0]} %, seeds by {apart[0]} %"
    yield f"{off[1]} % off its L(N, D), where they lie {apart[1]} % apart"
    yield f"{off[2]} % (root mean square) off GPT-2's L(N), where seeds lie {apart[2]} % apart"
    yield from worth(read_json(study / "music.json"))
    yield from first_command(RESULTS / "laptop")


def first_command(study):
    """The same of the study that the first command makes."""
    gpt2, lstm = (fit for fit in read_json(study / "fits.json")["fits"] if fit["n_convention"] == "total")
    alphas = [f"{fit['params']['alpha']:.2f} {span(fit['intervals']['alpha'], 2)}" for fit in (lstm, gpt2)]
    yield "give the LSTM an α, {}, and leave GPT-2's open, {}".format(*alphas)
    assert (gpt2["verdict"], lstm["verdict"]) == ("not resolved", "resolved")
    assert (gpt2["n_points"], lstm["n_points"]) == (6, 6)
    scored = [found for found in score(study) if found["loss"]]
    assert (sum(found["inside"]["0.9"] for found in scored), len(scored)) == (5, 6)
    errors = [100 * fmean(found[name] for found in scored) for name in ("error", "persistence_error")]
    yield "they miss by {:.1f} % on average, persistence by {:.1f} %".format(*errors)


def worth(music):
    """The same of what tunes are worth."""
    trends = {(trend["family"], trend["metric"]): trend for trend in music["trends"]}
    yield f"Of {len(trends)} trends with size, of {len(music['metrics'])} measures"
    yield f"of {music['drawing']['n_tunes']} tunes that each model writes"
    yield f"{sum(trend['verdict'] == 'resolved' for trend in trends.values())} are resolved"

    def ends(family, metric):
        for size in ("17k", "1M"):
            models = [
                run for run in music["models"] if not run["best"] and (run["family"], run["size"]) == (family, size)
            ]
            yield fmean(run["metrics"][metric]["value"] for run in models)

    for family in ("gpt2", "folk_lstm"):
        yield "from {:.3f} to {:.3f} for".format(*ends(family, "interval_divergence"))
    steep = trends["gpt2", "interval_divergence"]
    yield f"α {steep['alpha']:.2f} {span(steep['alpha_interval'], 2)}"
    assert trends["folk_lstm", "interval_divergence"]["form"] == "power"
    yield f"other real tunes have {music['real']['interval_divergence']['value']:.3f}"
    told = [round(100 * value) for family in ("gpt2", "folk_lstm") for value in ends(family, "told_apart")]
    yield "{} % at the smallest size and {} % at the largest, about {} % and {} % for the LSTM".format(*told)
    assert {trends[family, "even_sections"]["verdict"] for family in ("gpt2", "folk_lstm")} == {"not resolved"}


@pytest.mark.parametrize("claim", claims())
def test_its_findings_are_in_the_committed_results(claim):
    assert claim in " ".join(README.split())
