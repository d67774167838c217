"""The finding of a study in three sentences: how the loss falls, which family is better, and what tests say."""

from hf_scaling.report import formats
from hf_scaling.report.corpus import compressor_clause
from hf_scaling.report.families import families_clause
from hf_scaling.report.finding import Rung, direction, exponent_clause, level, matched_clause, rungs
from hf_scaling.report.forecasts import forecast_clause
from hf_scaling.report.reading import Study


def headline(study: Study) -> list[tuple[str, str]]:
    """(lead, sentence): three of them as soon as a run has finished."""
    if not study.finished:
        return [("", "No run has finished yet, so there is nothing to report.")]
    return [("Size.", _size(study)), ("Families.", _families(study)), ("Tested.", _tested(study))]


def _size(study: Study) -> str:
    ladders = {family: rungs(study, family) for family in study.families}
    return _sentence([_fall(study, family, ladder) for family, ladder in ladders.items() if ladder])


def _fall(study: Study, family: str, ladder: list[Rung]) -> str:
    """`validation loss of GPT-2 falls from 2.1 to 1.5 nats per token between 31.0k and 3.12M parameters (α ...)`."""
    first, last = ladder[0], ladder[-1]
    of = f"validation loss of {formats.family(family)}"
    if len(ladder) == 1:
        return f"{of} is {formats.fixed(first.loss)} nats per token at its one size, {formats.short(first.n_params)}"
    clause = (
        f"{of} {direction(first, last, level(study))} {formats.fixed(first.loss)} to {formats.fixed(last.loss)} nats "
        f"per token between {formats.short(first.n_params)} and {formats.short(last.n_params)} parameters"
    )
    exponent = exponent_clause(study, family)
    return f"{clause} ({exponent})" if exponent else clause


def _families(study: Study) -> str:
    if len(study.families) < 2:
        return "One family was trained, so none is compared."
    clause = families_clause(study.comparisons) or matched_clause(study)
    return _sentence([clause])


def _tested(study: Study) -> str:
    """Against a compressor, and against sealed forecasts."""
    clauses = [clause for clause in (compressor_clause(study), forecast_clause(study.scores)) if clause]
    if not clauses:
        return "Nothing was forecast, and no best model has been held against a compressor yet."
    if len(clauses) == 1 and study.scores is not None and forecast_clause(study.scores) is None:
        clauses.append("no forecast was put to the test")
    return _sentence(clauses)


def _sentence(clauses: list[str]) -> str:
    text = "; ".join(clauses)
    return f"{text[:1].upper()}{text[1:]}."
