"""The finding of a study in three sentences, put together from what the modules of its chapters say."""

from hf_scaling.report.corpus import compressor_clause
from hf_scaling.report.families import families_clause
from hf_scaling.report.finding import fall_clause, matched_clause
from hf_scaling.report.forecasts import forecast_clause
from hf_scaling.report.reading import Study

# finding of the linter -> what it says of the runs
_OF_A_RECIPE = {"single-learning-rate": "learning rates that were not tuned", "missing-seeds": "one seed each"}


def headline(study: Study) -> list[tuple[str, str]]:
    """(lead, sentence): three of them as soon as a run has finished."""
    if not study.finished:
        return [("", "No run has finished yet, so there is nothing to report.")]
    return [("Size.", _size(study)), ("Families.", _families(study)), ("Tested.", _tested(study))]


def _size(study: Study) -> str:
    return _sentence([clause for family in study.families if (clause := fall_clause(study, family))])


def _families(study: Study) -> str:
    if len(study.families) < 2:
        return "One family was trained, so none is compared."
    clause = families_clause(study.comparisons) or matched_clause(study)
    return _sentence([f"{_recipes(study)}{clause}"])


def _recipes(study: Study) -> str:
    """That runs rank recipes rather than families, where the linter found why."""
    codes = {found["code"] for found in (study.lint or {"findings": []})["findings"]}
    if reasons := [words for code, words in _OF_A_RECIPE.items() if code in codes]:
        return f"these runs rank recipes, not families ({' and '.join(reasons)}): "
    return ""


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
