"""The conductor: every stage in turn, each from the study folder and into it."""

from dataclasses import dataclass
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from hf_scaling.data import build_dataset, load_splits
from hf_scaling.data.splits import SPLITS
from hf_scaling.records import UserError, append_row, atomic_dir, finished_rows, read_json, read_ledger, write_json
from hf_scaling.report import write_report
from hf_scaling.study.best import best_spec, train_best
from hf_scaling.study.config import StudyConfig
from hf_scaling.study.figures import draw_figures
from hf_scaling.study.fits import fit_points, read_points
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.plan import Plan, asked_runs, make_plan, set_threads, this_command
from hf_scaling.study.progress import StudyProgress
from hf_scaling.study.samples import STUDY_PROMPTS, write_samples
from hf_scaling.tokenization import CorpusEncoder, build_tokenizer, load_tokenizer
from hf_scaling.training.blocks import read_stream, write_streams
from hf_scaling.training.run import describe, discard_checkpoints, load_model, now, train_run
from hf_scaling.training.spec import RunSpec


@dataclass(frozen=True)
class Prepared:
    """What every run of a study needs: `key` stands for the data set, the tokenizer and the token streams."""

    key: str
    tokenizer: PreTrainedTokenizerBase
    tokens: Path


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

    data_key = folder.stage(
        "dataset", config.hashed_data(), ["dataset"], lambda: build_dataset(config.data_options(), dataset)
    )
    tokenizer_key = folder.stage(
        "tokenizer",
        [data_key, config.context_length],
        ["tokenizer"],
        write_tokenizer,
    )
    tokens_key = folder.stage(
        "tokens",
        tokenizer_key,
        ["tokens"],
        lambda: write_streams(
            {split: texts(split) for split in SPLITS}, CorpusEncoder(load_tokenizer(tokenizer)), tokens
        ),
    )
    return Prepared(tokens_key, load_tokenizer(tokenizer), tokens)


def plan(folder: StudyFolder, prepared: Prepared) -> Plan:
    """The runs, as this machine can do them; what it found out is stored in study.yaml at the first start."""
    threads = set_threads(folder.resolved.get("threads", folder.config.threads))
    runs = asked_runs(folder.config, prepared.tokenizer, prepared.tokens)
    made = make_plan(folder.config, runs, {"command": this_command()} | folder.resolved | {"threads": threads})
    folder.resolve(made.resolved)
    return made


def train(folder: StudyFolder, prepared: Prepared, runs: list[RunSpec], progress: StudyProgress) -> None:
    """Stage 4: every run that has no finished row yet. A run that fails gets a failed row, and the next one begins."""
    ledger = folder.path / "runs.jsonl"
    finished = {row["run_id"] for row in finished_rows(ledger)}
    config = folder.config
    sampling = {"temperature": config.temperature, "top_p": config.top_p}
    for spec in runs:
        run_folder = folder.path / "runs" / spec.run_id
        if spec.run_id in finished:
            discard_checkpoints(run_folder)  # an interruption may have come between the row and this
            continue
        row = describe(spec, config.name, len(read_stream(prepared.tokens, "train")))
        started_at = now()
        with progress.run(spec.run_id, spec.updates) as advance:
            try:
                row = train_run(spec, row, prepared.tokens, prepared.tokenizer, run_folder, sampling, progress=advance)
            except (RuntimeError, FloatingPointError, MemoryError) as error:
                reason = " ".join(str(error).split())[:500] or type(error).__name__
                row |= {"status": "failed", "error": reason, "started_at": started_at, "finished_at": now()}
        append_row(ledger, row)
        discard_checkpoints(run_folder)


def run_study(config: StudyConfig, overwrite: bool = False) -> Path:
    """Every stage of a study; those that are complete are left alone. Returns the study folder.

    Raises:
        UserError: the configuration, the corpus or the folder is wrong.
    """
    folder = StudyFolder(config, overwrite)
    path, ledger = folder.path, folder.path / "runs.jsonl"
    for note in read_ledger(ledger)[1]:
        print(note)
    prepared = prepare(folder)
    made = plan(folder, prepared)
    finished = {row["run_id"] for row in finished_rows(ledger)} & {spec.run_id for spec in made.runs}
    print(
        f"runs: {len(finished)} of {len(made.runs)} finished"
        + (", nothing to do" if len(finished) == len(made.runs) else "")
    )
    with StudyProgress(made.resolved["predicted_seconds"], finished) as progress:
        train(folder, prepared, made.runs, progress)
    rows = finished_rows(ledger)
    if not rows:
        error = read_ledger(ledger)[0][-1]["error"]
        raise UserError(f"no run has finished; the last one failed with: {error}")
    outcomes = sorted([row["run_id"], row["val_loss"]] for row in rows)
    fit_key = folder.stage(
        "fits",
        [outcomes, config.level],
        ["fits.json"],
        lambda: write_json(path / "fits.json", fit_points(read_points(ledger), config.level)),
    )
    figures_key = folder.stage("figures", fit_key, ["figures"], lambda: draw_figures(path, rows))
    spec = best_spec(config, made.runs, rows, prepared.tokens)
    best_key = folder.stage(
        "best",
        [spec.run_id],
        ["best.json", f"runs/best-{spec.run_id}/model"],
        lambda: train_best(config, spec, path, prepared.tokenizer),
    )
    sampling = {"temperature": config.temperature, "top_p": config.top_p}
    samples_key = folder.stage(
        "samples",
        [best_key, sampling, config.seed],
        ["samples"],
        lambda: write_samples(
            load_model(path / read_json(path / "best.json")["model_path"]),
            prepared.tokenizer,
            STUDY_PROMPTS,
            config.seed,
            sampling,
            path / "samples",
        ),
    )
    failures = [[row["run_id"], row["error"]] for row in read_ledger(ledger)[0] if row["status"] == "failed"]
    folder.stage("report", [figures_key, best_key, samples_key, failures], ["report.html"], lambda: write_report(path))
    return path
