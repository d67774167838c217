"""The conductor: every stage in turn, each from the study folder and into it."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from hf_scaling.data.baselines import baselines
from hf_scaling.data.dataset import build_dataset, epoch_texts, load_splits, unique_texts
from hf_scaling.data.pictures import draw_corpus
from hf_scaling.data.sources import SOURCES
from hf_scaling.data.splits import SPLITS
from hf_scaling.records import LEDGER, UserError, atomic_dir, finished_rows, read_json, read_ledger, write_json
from hf_scaling.report import write_report
from hf_scaling.study.best import best_spec, train_best
from hf_scaling.study.compare import compare_pairs
from hf_scaling.study.config import StudyConfig
from hf_scaling.study.figures import draw_figures
from hf_scaling.study.fits import fit_points
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.forecasts import targets
from hf_scaling.study.plan import (
    PLAN,
    Plan,
    Planner,
    configured_rules,
    list_runs,
    set_threads,
    settle,
    this_command,
)
from hf_scaling.study.points import Point, read_points
from hf_scaling.study.progress import StudyProgress
from hf_scaling.study.samples import STUDY_PROMPTS, write_samples
from hf_scaling.study.summary import describe_plan
from hf_scaling.study.tune import tune, tuned_rules
from hf_scaling.study.workers import Workplace, train_all
from hf_scaling.tokenization import CorpusEncoder, build_tokenizer, load_tokenizer
from hf_scaling.training.blocks import write_streams
from hf_scaling.training.checkpoints import discard_checkpoints
from hf_scaling.training.model_folder import load_model
from hf_scaling.training.spec import RunSpec


@dataclass(frozen=True)
class Prepared:
    """What every run of a study needs: `key` stands for the data set, `unique_tokens` are the training split's
    without its copies.
    """

    key: str
    tokenizer: PreTrainedTokenizerBase
    tokens: Path
    unique_tokens: int


def prepare(folder: StudyFolder) -> Prepared:
    """Stages 1 and 2: the data set, the tokenizer, the token streams."""
    config, path = folder.config, folder.path
    dataset, tokenizer, tokens = path / "dataset", path / "tokenizer", path / "tokens"

    def write_tokenizer() -> None:
        with atomic_dir(tokenizer) as temporary:
            # the alphabet is the training split's: a character that only the test has must stay unknown
            texts = load_splits(dataset)["train"]["text"][:]
            build_tokenizer(texts, config.context_length).save_pretrained(temporary)

    def write_tokens() -> None:
        texts = {split: epoch_texts(rows) for split, rows in load_splits(dataset).items()}
        write_streams(texts, CorpusEncoder(load_tokenizer(tokenizer)), tokens)

    identity = _identity(config, dataset)
    data_key = folder.stage(
        "dataset",
        [config.hashed_data(), identity],
        ["dataset"],
        lambda: build_dataset(config.data_options(), dataset, identity),
    )
    tokenizer_key = folder.stage("tokenizer", [data_key, config.context_length], ["tokenizer"], write_tokenizer)
    folder.stage("tokens", tokenizer_key, ["tokens"], write_tokens)

    statistics = read_json(dataset / "statistics.json")
    for licence in statistics["licences"]:
        print(f"{licence['source']} ({licence['identifier']}): {licence['notice']}")
    return Prepared(data_key, load_tokenizer(tokenizer), tokens, statistics["splits"]["train"]["unique_tokens"])


def survey(folder: StudyFolder, prepared: Prepared) -> None:
    """What a reader wants beside the data: its picture, and what compressors make of the same tunes."""
    dataset = folder.path / "dataset"

    def write_baselines() -> None:
        splits = load_splits(dataset)
        held_out = {split: splits[split]["text"][:] for split in SPLITS[1:]}
        write_json(dataset / "baselines.json", baselines(unique_texts(splits["train"]), held_out))

    folder.stage(
        "corpus picture",
        prepared.key,
        ["dataset/corpus.png", "dataset/corpus.svg"],
        lambda: draw_corpus(read_json(dataset / "statistics.json"), dataset / "corpus"),
    )
    folder.stage("baselines", prepared.key, ["dataset/baselines.json"], write_baselines)


def _identity(config: StudyConfig, dataset: Path) -> dict[str, str | None]:
    """What the sources hold; of one that is not on this machine, what it held where the data set was built."""
    now = {name: SOURCES[name].identity(config.source_options()) for name in config.source_weights}
    record = dataset / "statistics.json"
    then = read_json(record).get("identity", {}) if record.exists() else {}
    return {name: found or then.get(name) for name, found in now.items()}


def plan(folder: StudyFolder, prepared: Prepared) -> Plan:
    """Stage 3: the runs, as this machine can do them; what it found out is stored in study.yaml at the first start.

    With `tune_sizes`, their trials are trained first.
    """
    config = folder.config
    set_threads(config.threads)
    planner = Planner(config, prepared.tokenizer, prepared.tokens)
    resolved = {"command": this_command()} | folder.resolved
    rules = configured_rules(config)
    if config.tune_sizes:
        trials = settle(config, planner.trials(rules), resolved)
        resolved = trials.resolved
        folder.resolve(resolved)
        rules = tuned_rules(_tune(folder, prepared, trials))
    made = settle(config, planner.runs(rules), resolved)
    folder.resolve(made.resolved)
    listed, path = list_runs(made, config.name, prepared.unique_tokens), folder.path / PLAN
    if not path.exists() or read_json(path) != listed:
        write_json(path, listed)
    return made


def _tune(folder: StudyFolder, prepared: Prepared, trials: Plan) -> dict[str, Any]:
    """The content of `learning_rates.json`, from trials that have a ledger of their own."""
    ledger, record = folder.path / "trials.jsonl", folder.path / "learning_rates.json"

    def fit() -> None:
        train(folder, prepared, trials, ledger)
        rows = {row["run_id"]: row for row in read_ledger(ledger)[0]}
        write_json(record, tune([rows[spec.run_id] for spec in trials.runs]))

    folder.stage("learning rates", [spec.run_id for spec in trials.runs], [record.name], fit)
    tuned = read_json(record)
    for warning in (warning for found in tuned["families"].values() for warning in found["warnings"]):
        print(f"warning: {warning}")
    return tuned


def workplace(folder: StudyFolder, prepared: Prepared, resolved: dict[str, Any], ledger: Path) -> Workplace:
    """What the runs of a ledger need."""
    config = folder.config
    several = len(config.horizons) > 1 and ledger.name == LEDGER
    return Workplace(
        folder=folder.path,
        ledger=ledger,
        study=config.name,
        unique_tokens=prepared.unique_tokens,
        sampling=config.sampling,
        trunks=folder.path / "trunks" if several else None,
        report_to=tuple(config.report_to),
        threads=resolved["threads"],
    )


def train(
    folder: StudyFolder,
    prepared: Prepared,
    made: Plan,
    ledger: Path,
    wait: bool = True,
    forecasts: frozenset[str] = frozenset(),
) -> None:
    """Train every run that has no finished row yet, with whoever else works on the study.

    wait: for the runs that others are training, and take over what they leave unfinished.
    forecasts: runs whose loss is forecast before they begin.
    """
    finished = {row["run_id"] for row in finished_rows(ledger)}
    predicted = {spec.run_id: (made.resolved["predicted_seconds"][spec.run_id], spec.updates) for spec in made.runs}
    set_threads(made.resolved["threads"])
    work = replace(workplace(folder, prepared, made.resolved, ledger), forecasts=forecasts)
    left = made.runs
    with StudyProgress(predicted, finished & predicted.keys()) as progress:
        while left:
            folder.share()
            ended = train_all(work, left, made.resolved["side_by_side"], progress)
            if not wait:
                return
            folder.hold_alone()
            finished = {row["run_id"] for row in finished_rows(ledger)}
            left = [spec for spec in left if spec.run_id not in ended | finished]


def train_planned(
    folder: StudyFolder, prepared: Prepared, made: Plan, only: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Stage 4: train what is left of the plan; the ledger's finished rows in the plan's order.

    only: train these run ids and no others, and do not wait for other processes.

    Raises:
        UserError: the ledger holds runs that are not of this plan, or no run has finished.
    """
    ledger = folder.path / LEDGER
    rows, notes = read_ledger(ledger)
    for note in notes:
        print(note)
    planned = {spec.run_id for spec in made.runs}
    if strangers := sorted({row["run_id"] for row in rows} - planned):
        raise UserError(
            f"{ledger}: run {strangers[0]} is not of this study's plan, an older version may have made it; "
            "use --overwrite to set the folder aside, or another --output_dir"
        )
    finished = {row["run_id"] for row in rows if row["status"] == "finished"}
    done = ", nothing to do" if finished == planned else ""
    print(f"runs: {len(finished)} of {len(planned)} finished{done}")
    chosen = replace(made, runs=[spec for spec in made.runs if not only or spec.run_id in only])
    train(folder, prepared, chosen, ledger, not only, targets(made.runs))
    rows = finished_rows(ledger)
    if not rows:
        raise UserError(f"no run has finished; the last one failed with: {read_ledger(ledger)[0][-1]['error']}")
    order = [spec.run_id for spec in made.runs]
    return sorted(rows, key=lambda row: order.index(row["run_id"]))


def conclude(folder: StudyFolder, prepared: Prepared, runs: list[RunSpec], rows: list[dict[str, Any]]) -> None:
    """Stages 5 to 8: the fits and figures, the best model, its samples, the report."""
    config, path, ledger = folder.config, folder.path, folder.path / LEDGER
    shutil.rmtree(path / "trunks", ignore_errors=True)  # every run that could go on from them has ended

    longest = [row for row in rows if row["n_tokens"] == max(row["n_tokens"] for row in rows)]

    def points() -> list[Point]:
        # the power form is L(N) at one horizon: that of the longest runs; in the order of the plan, whatever a failed
        # run did to that of the ledger
        points = [point for point in read_points(ledger) if point.d == longest[0]["n_tokens"]]
        return sorted(points, key=lambda point: (config.families.index(point.family), point.n["total"]))

    fit_key = folder.stage(
        "fits",
        [sorted([row["run_id"], row["val_loss"]] for row in rows), config.level],
        ["fits.json"],
        lambda: write_json(path / "fits.json", fit_points(points(), config.level)),
    )
    able = [name for name in config.families if any(row["family"] == name for row in longest)]
    comparison_key = folder.stage(
        "comparison",
        [fit_key, config.seed],
        ["comparison.json"],
        lambda: write_json(path / "comparison.json", compare_pairs(path, able, config.level, config.seed)),
    )
    figures_key = folder.stage("figures", comparison_key, ["figures"], lambda: draw_figures(path, longest))
    spec = best_spec(config, runs, rows, prepared.tokens)
    best_key = folder.stage(
        "best",
        [spec.run_id],
        ["best.json", f"runs/best-{spec.run_id}/model"],
        lambda: train_best(config, spec, path, prepared.tokenizer, prepared.unique_tokens),
    )
    discard_checkpoints(path / "runs" / f"best-{spec.run_id}")

    def sample() -> None:
        model = load_model(path / read_json(path / "best.json")["model_path"])
        write_samples(model, prepared.tokenizer, STUDY_PROMPTS, config.seed, config.sampling, path / "samples")

    samples_key = folder.stage("samples", [best_key, config.sampling, config.seed], ["samples"], sample)
    failures = [[row["run_id"], row["error"]] for row in read_ledger(ledger)[0] if row["status"] == "failed"]
    inputs = [prepared.key, figures_key, best_key, samples_key, failures]
    folder.stage("report", inputs, ["report.html"], lambda: write_report(path))


def run_study(folder: StudyFolder, only: Sequence[str] = ()) -> bool:
    """Every stage of a study; those that are complete are left alone. Whether the study has come to its end.

    only: names of runs (see `choose`); with them, the study ends only where no other run is left.

    Raises:
        UserError: the configuration, the corpus, the folder or a name is wrong.
    """
    prepared = prepare(folder)
    survey(folder, prepared)
    made = plan(folder, prepared)
    print(describe_plan(made, folder.config.name))
    chosen = choose(made, only)
    rows = train_planned(folder, prepared, made, chosen)
    if chosen and len(rows) < len(made.runs):
        print(f"{len(made.runs) - len(rows)} runs are left; the study ends with the last of them")
        return False
    if chosen:
        folder.hold_alone()
    conclude(folder, prepared, made.runs, rows)
    return True


def choose(made: Plan, names: Sequence[str]) -> list[str]:
    """Run ids by name: a run id, FAMILY-SIZE for all runs of that size, or a run's number in the plan, from 0.

    Raises:
        UserError: there is no such run.
    """
    by_name: dict[str, list[str]] = {}
    for number, spec in enumerate(made.runs):
        for name in (spec.run_id, spec.run_id.rpartition("-")[0], str(number)):
            by_name.setdefault(name, []).append(spec.run_id)
    for name in names:
        if name not in by_name:
            short = dict.fromkeys(spec.run_id.rpartition("-")[0] for spec in made.runs)
            numbers = f"a number below {len(made.runs)}"
            raise UserError(f"got run {name!r}, expected a run id, {numbers} or some of {', '.join(short)}")
    return [run_id for name in names for run_id in by_name[name]]
