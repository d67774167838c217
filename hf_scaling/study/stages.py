"""The conductor: every stage in turn, each from the study folder and into it."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from hf_scaling.records import LEDGER, UserError, finished_rows, read_json, read_ledger, write_json
from hf_scaling.study.conclusion import conclude, finish_training
from hf_scaling.study.data_stages import Prepared, prepare, survey
from hf_scaling.study.folder import StudyFolder
from hf_scaling.study.forecasts import targets
from hf_scaling.study.plan import (
    PLAN,
    Plan,
    Planner,
    RateRule,
    configured_rules,
    list_runs,
    set_threads,
    settle,
    this_command,
)
from hf_scaling.study.progress import StudyProgress
from hf_scaling.study.summary import describe_plan, describe_time, summarize, tell_failures
from hf_scaling.study.tune import tune, tuned_rules
from hf_scaling.study.workers import Workplace, train_all
from hf_scaling.training.precision import check_precision
from hf_scaling.training.processes import n_processes
from hf_scaling.training.row import diverged

RATES = "learning_rates.json"


def preview(folder: StudyFolder, prepared: Prepared) -> str:
    """What `plan` would come to, as a person reads it: nothing is trained, and nothing settled for later starts."""
    config = folder.config
    planner = Planner(config, prepared.tokenizer, prepared.tokens)
    resolved, rules, before = folder.resolved, configured_rules(config), []
    if config.tune_sizes and (folder.path / RATES).exists():
        rules = tuned_rules(read_json(folder.path / RATES))
    elif config.tune_sizes:
        trials = settle(config, planner.trials(rules), resolved, planner.runs(rules))
        resolved = trials.resolved
        before = [f"before them, {describe_time(trials, 'trials')}; they find the rates that replace those above"]
    return "\n".join([describe_plan(settle(config, planner.runs(rules), resolved), config.name), *before])


def plan(folder: StudyFolder, prepared: Prepared) -> Plan:
    """Stage 3: the runs, as this machine can do them; what it found out is stored in study.yaml at the first start.

    With `tune_sizes`, their trials are trained first.
    """
    config = folder.config
    planner = Planner(config, prepared.tokenizer, prepared.tokens)
    resolved = {"command": this_command()} | folder.resolved
    rules = configured_rules(config)
    if config.tune_sizes:
        trials = settle(config, planner.trials(rules), resolved, planner.runs(rules))
        resolved = trials.resolved
        folder.resolve(resolved)
        rules = _tune(folder, prepared, trials)
    made = settle(config, planner.runs(rules), resolved)
    folder.resolve(made.resolved)
    listed, path = list_runs(made, config.name, prepared.unique_tokens), folder.path / PLAN
    with contextlib.suppress(UserError):  # absent or damaged
        if read_json(path) == listed:
            return made
    write_json(path, listed)
    return made


def _tune(folder: StudyFolder, prepared: Prepared, trials: Plan) -> dict[str, RateRule]:
    """The rules that trials find, which have a ledger of their own; `learning_rates.json` keeps them."""
    ledger, record = folder.path / "trials.jsonl", folder.path / RATES

    def fit() -> None:
        train(folder, prepared, trials, ledger)
        rows = {row["run_id"]: row for row in read_ledger(ledger)[0]}
        tried = [rows[spec.run_id] for spec in trials.runs]
        for row in tried:  # a rate at which a model diverges was tried; one at which the machine failed was not
            if row["status"] == "failed" and not diverged(row):
                raise UserError(
                    f"tune_sizes: {row['run_id']}: {row['error']}; the same command tries this rate again, "
                    "or leave the size out, in another --output_dir"
                )
        write_json(record, tune(tried))

    folder.stage("learning rates", [spec.run_id for spec in trials.runs], [record.name], fit)
    tuned = read_json(record)
    for warning in (warning for found in tuned["families"].values() for warning in found["warnings"]):
        print(f"warning: {warning}")
    rules = tuned_rules(tuned)
    stated = [f"{family}={rule.rate:.4g}:{rule.exponent:.3g}" for family, rule in rules.items()]
    try:
        replace(folder.config, learning_rates=stated)
    except UserError as error:
        print(f"warning: the rules that trials found are too steep to be believed: {error}")
    else:
        print(f"tuned; to state it in a configuration: learning_rates: [{', '.join(stated)}]")
    return rules


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
    for precision in {spec.precision for spec in left if spec.run_id not in finished}:
        check_precision(precision)  # the study may have begun on another machine
    several = made.resolved["side_by_side"] if n_processes() == 1 else 1  # a launcher's processes share each run
    with StudyProgress(predicted, finished & predicted.keys()) as progress:
        while left:
            folder.share()
            ended = train_all(work, left, several, progress)
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
    if not rows and not only:
        failed = read_ledger(ledger)[0]
        why = f"the last one failed with: {failed[-1]['error']}" if failed else "another process trains them still"
        raise UserError(f"no run has finished; {why}")
    order = [spec.run_id for spec in made.runs]
    return sorted(rows, key=lambda row: order.index(row["run_id"]))


def run_study(folder: StudyFolder, only: Sequence[str] = (), train_only: bool = False) -> int:
    """Every stage of a study; those that are complete are left alone. The exit code: 1 if a run has only failed so far.

    only: names of runs (see `choose`); with them, the study ends only where no other run is left.
    train_only: stop when the last model is trained; all that follows can be done on any machine.

    Raises:
        UserError: the configuration, the corpus, the folder or a name is wrong.
    """
    prepared = prepare(folder)
    if not train_only:
        survey(folder, prepared)
    made = plan(folder, prepared)
    print(describe_plan(made, folder.config.name), flush=True)  # a log shall tell it before hours of training
    chosen = choose(made, only, "--only")
    rows = train_planned(folder, prepared, made, chosen)
    if chosen and len(rows) < len(made.runs):
        print(f"{len(made.runs) - len(rows)} runs are left; the study ends with the last of them")
        return tell_failures(folder.path, chosen)
    if chosen:
        folder.hold_alone()
    best_key = finish_training(folder, prepared, made.runs, rows)
    if train_only:
        code = tell_failures(folder.path)
        models, where = ("the other models are", "here") if code else ("every model is", "here or elsewhere")
        print(f"{folder.path}: {models} trained; without --train-only the study ends, {where}")
        return code
    conclude(folder, prepared, rows, best_key)
    return summarize(folder.path)


def choose(made: Plan, names: Sequence[str], option: str) -> list[str]:
    """Run ids by name: a run id, FAMILY-SIZE for all runs of that size, or a run's number in the plan, from 0.

    option: of the command line, which gave the names.

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
            raise UserError(f"{option}: got {name!r}, expected a run id, {numbers} or some of {', '.join(short)}")
    return [run_id for name in names for run_id in by_name[name]]
