"""The conductor: every stage in turn, each from the study folder and into it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from hf_scaling.data.baselines import baselines
from hf_scaling.data.corpus import corpus_identity
from hf_scaling.data.dataset import build_dataset, epoch_texts, load_splits, unique_texts
from hf_scaling.data.leaks import SPLITS
from hf_scaling.data.pictures import draw_corpus
from hf_scaling.records import UserError, append_row, atomic_dir, finished_rows, read_json, read_ledger, write_json
from hf_scaling.report import write_report
from hf_scaling.study.best import best_spec, train_best
from hf_scaling.study.config import StudyConfig
from hf_scaling.study.figures import draw_figures
from hf_scaling.study.fits import fit_points
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.plan import Plan, asked_runs, make_plan, set_threads, this_command
from hf_scaling.study.points import Point, read_points
from hf_scaling.study.progress import StudyProgress
from hf_scaling.study.samples import STUDY_PROMPTS, write_samples
from hf_scaling.study.summary import describe_plan
from hf_scaling.tokenization import CorpusEncoder, build_tokenizer, load_tokenizer
from hf_scaling.training.blocks import write_streams
from hf_scaling.training.run import describe, discard_checkpoints, load_model, now, train_run
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

    def texts(split: str) -> list[str]:
        return list(load_splits(dataset)[split]["text"])

    def write_tokenizer() -> None:
        with atomic_dir(tokenizer) as temporary:
            # the alphabet is the training split's: a character that only the test has must stay unknown
            build_tokenizer(texts("train"), config.context_length).save_pretrained(temporary)

    identity = _identity(config, dataset)
    data_key = folder.stage(
        "dataset",
        [config.hashed_data(), identity],
        ["dataset"],
        lambda: build_dataset(config.data_options(), dataset, identity),
    )
    tokenizer_key = folder.stage(
        "tokenizer",
        [data_key, config.context_length],
        ["tokenizer"],
        write_tokenizer,
    )
    folder.stage(
        "tokens",
        tokenizer_key,
        ["tokens"],
        lambda: write_streams(
            {split: epoch_texts(load_splits(dataset)[split]) for split in SPLITS},
            CorpusEncoder(load_tokenizer(tokenizer)),
            tokens,
        ),
    )

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
    now = corpus_identity(config.source_weights, config.source_options())
    record = dataset / "statistics.json"
    then = read_json(record).get("identity", {}) if record.exists() else {}
    return {name: found or then.get(name) for name, found in now.items()}


def plan(folder: StudyFolder, prepared: Prepared) -> Plan:
    """The runs, as this machine can do them; what it found out is stored in study.yaml at the first start."""
    threads = set_threads(folder.resolved.get("threads", folder.config.threads))
    runs = asked_runs(folder.config, prepared.tokenizer, prepared.tokens)
    made = make_plan(folder.config, runs, {"command": this_command()} | folder.resolved | {"threads": threads})
    folder.resolve(made.resolved)
    print(describe_plan([describe(spec, folder.config.name, 0) for spec in made.runs]))
    return made


def train(folder: StudyFolder, prepared: Prepared, runs: list[RunSpec], progress: StudyProgress) -> None:
    """Stage 4: every run that has no finished row yet. A run that fails gets a failed row, and the next one begins."""
    config, ledger = folder.config, folder.path / "runs.jsonl"
    finished = {row["run_id"] for row in finished_rows(ledger)}
    for spec in runs:
        run_folder = folder.path / "runs" / spec.run_id
        if spec.run_id in finished:
            discard_checkpoints(run_folder)  # an interruption may have come between the row and this
            continue
        row = describe(spec, config.name, prepared.unique_tokens)
        started_at = now()
        with progress.run(spec.run_id, spec.updates) as advance:
            try:
                row = train_run(
                    spec, row, prepared.tokens, prepared.tokenizer, run_folder, config.sampling, progress=advance
                )
            except (RuntimeError, FloatingPointError, MemoryError) as error:
                reason = " ".join(str(error).split())[:500] or type(error).__name__
                row |= {"status": "failed", "error": reason, "started_at": started_at, "finished_at": now()}
        append_row(ledger, row)
        discard_checkpoints(run_folder)


def train_all(folder: StudyFolder, prepared: Prepared, made: Plan) -> list[dict[str, Any]]:
    """Train what is left of the plan; the ledger's finished rows.

    Raises:
        UserError: the ledger holds runs that are not of this plan, or no run has finished.
    """
    ledger = folder.path / "runs.jsonl"
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
    with StudyProgress(made.resolved["predicted_seconds"], finished) as progress:
        train(folder, prepared, made.runs, progress)
    rows = finished_rows(ledger)
    if not rows:
        raise UserError(f"no run has finished; the last one failed with: {read_ledger(ledger)[0][-1]['error']}")
    order = [spec.run_id for spec in made.runs]
    return sorted(rows, key=lambda row: order.index(row["run_id"]))


def conclude(folder: StudyFolder, prepared: Prepared, runs: list[RunSpec], rows: list[dict[str, Any]]) -> None:
    """Stages 5 to 8: the fits and figures, the best model, its samples, the report."""
    config, path, ledger = folder.config, folder.path, folder.path / "runs.jsonl"

    def points() -> list[Point]:
        # in the order of the plan, whatever a failed run did to that of the ledger
        return sorted(read_points(ledger), key=lambda point: (config.families.index(point.family), point.n["total"]))

    fit_key = folder.stage(
        "fits",
        [sorted([row["run_id"], row["val_loss"]] for row in rows), config.level],
        ["fits.json"],
        lambda: write_json(path / "fits.json", fit_points(points(), config.level)),
    )
    figures_key = folder.stage("figures", fit_key, ["figures"], lambda: draw_figures(path, rows))
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


def run_study(config: StudyConfig, overwrite: bool = False) -> Path:
    """Every stage of a study; those that are complete are left alone. Returns the study folder.

    Raises:
        UserError: the configuration, the corpus or the folder is wrong.
    """
    folder = StudyFolder(config, overwrite)
    prepared = prepare(folder)
    survey(folder, prepared)
    made = plan(folder, prepared)
    rows = train_all(folder, prepared, made)
    conclude(folder, prepared, made.runs, rows)
    return folder.path
