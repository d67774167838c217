"""The musical worth of every model of a study: tunes drawn from each, measured, and set against N.

`music.jsonl` has a row a model, written as soon as it is measured; `music.json` gathers them with real tunes and
trends; `music/` has the tunes themselves and the figure.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from datasets import Dataset, load_from_disk
from tqdm import tqdm

from hf_scaling.generation import Generation, generate_tunes, load_model_and_tokenizer
from hf_scaling.music.estimate import LEVEL, Estimate
from hf_scaling.music.metrics import METRICS, Copying, Yardstick
from hf_scaling.music.novelty import NEAR
from hf_scaling.music.portrait import Portrait, portray
from hf_scaling.notation import melody
from hf_scaling.records import (
    LEDGER,
    UserError,
    content_hash,
    file_sha256,
    finished_rows,
    read_json,
    read_jsonl,
    write_jsonl,
)
from hf_scaling.study.evidence import longest, read_settings
from hf_scaling.study.worth_trends import TUNES, write_worth

ROWS = "music.jsonl"
_METHOD = 1  # raised when a number comes to mean something else: what was measured before is measured again
_MOST_REAL = 500  # tunes of a split; more would narrow no interval that matters, and distances grow with their square
_AT_ONCE = 16
_OVERHEAD = 100_000  # parameters' worth of time that every tune costs, whatever the model
_OF_ROW = ("run_id", "family", "size", "n_params", "n_params_non_embedding", "n_tokens", "val_loss", "seed")


@dataclass(frozen=True)
class Drawing:
    """How tunes are drawn: `seed` + i for the i-th of each model. At 1 and 1 it is the model's own distribution."""

    n_tunes: int = 100
    seed: int = 0
    temperature: float = 1.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be; temperature and top_p are judged by `generate_tunes`."""
        if not 2 <= self.n_tunes <= 100_000:
            raise UserError(f"--number: got {self.n_tunes}, expected 2 to 100,000")
        if not 0 <= self.seed < 2**62:
            raise UserError(f"--seed: got {self.seed}, expected at least 0 and below 2^62")


def evaluate_music(study: Path, drawing: Drawing) -> dict[str, Any]:
    """Measure every model of the longest horizon that is not measured yet; write and return `music.json`.

    Raises:
        UserError: `study` is no study folder, has no finished run with a model, or a setting is wrong.
    """
    data = study / "dataset" / "statistics.json"
    if not (study / LEDGER).is_file() or not data.is_file():
        raise UserError(f"{study}: holds no {LEDGER} and dataset; expected the folder of a study that has been run")
    models = list(_models(study))
    if not models:
        raise UserError(f"{study}: no finished run with its model; train some first")
    keys = {
        row["run_id"]: content_hash([_METHOD, asdict(drawing), file_sha256(data), file_sha256(weights)])
        for row, weights in models
    }
    rows = _read_rows(study, keys)
    waiting = [(row, weights.parent) for row, weights in models if row["run_id"] not in rows]
    print(f"music: {len(rows)} of {len(models)} models measured{'' if waiting else ', nothing to do'}", flush=True)
    yardstick = _yardstick(study)
    with _bar([row for row, _ in waiting], drawing.n_tunes) as advance:
        for row, folder in waiting:
            tunes = _draw(folder, drawing, lambda count, row=row: advance(row, count))
            portraits = [portray(tune.text) for tune in tunes]
            copying = yardstick.copying(portraits)
            write_jsonl(study / TUNES / f"{row['run_id']}.jsonl", map(_tune_row, tunes, portraits, copying))
            rows[row["run_id"]] = {
                "key": keys[row["run_id"]],
                **{name: row.get(name) for name in _OF_ROW},
                "best": row["best"],
                "n_tunes": len(tunes),
                "complete": sum(tune.complete for tune in tunes) / len(tunes),
                "metrics": as_records(yardstick.measure(portraits, copying)),
            }
            write_jsonl(study / ROWS, [rows[model["run_id"]] for model, _ in models if model["run_id"] in rows])
    ordered = [rows[model["run_id"]] for model, _ in models]
    write_jsonl(study / ROWS, ordered)
    record = {
        "drawing": asdict(drawing),
        "level": LEVEL,
        "metrics": {name: metric._asdict() for name, metric in METRICS.items()},
        "real": as_records(yardstick.measure_real(drawing.n_tunes)),
        "n_real": min(len(yardstick.real), drawing.n_tunes),
        "n_reference": yardstick.n_reference,
        "longest_human": yardstick.longest_human,
        "models": [{name: value for name, value in row.items() if name != "key"} for row in ordered],
    }
    return write_worth(record, study)


def as_records(estimates: dict[str, Estimate]) -> dict[str, dict[str, float]]:
    """Estimates as JSON."""
    return {name: estimate._asdict() for name, estimate in estimates.items()}


def _models(study: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """Ledger rows of the runs of the longest horizon, which trends are read off, smallest first within a family, and of
    the best model; with its weights. Families stand as the configuration has them, like in all other figures.
    """
    rows = finished_rows(study / LEDGER)
    families = list(dict.fromkeys([*read_settings(study)[0], *(row["family"] for row in rows)]))
    rows = [
        row | {"best": False, "folder": f"runs/{row['run_id']}/model"}
        for row in (longest(rows, families) if rows else [])
    ]
    if (study / "best.json").exists():
        best = read_json(study / "best.json")
        rows.append(best | {"run_id": f"best-{best['run_id']}", "best": True, "folder": best["model_path"]})
    for row in sorted(rows, key=lambda row: (row["best"], families.index(row["family"]), row["n_params"])):
        weights = study / row["folder"] / "model.safetensors"
        if weights.is_file():
            yield row, weights


def _read_rows(study: Path, keys: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What was measured earlier in the same way of the same weights."""
    earlier = read_jsonl(study / ROWS) if (study / ROWS).exists() else []
    found = {row["run_id"]: row for row in earlier if isinstance(row, dict) and row.get("key") is not None}
    return {
        run_id: row
        for run_id, row in found.items()
        if row["key"] == keys.get(run_id) and (study / TUNES / f"{run_id}.jsonl").exists()
    }


def _yardstick(study: Path) -> Yardstick:
    """The real tunes of a study: distributions are compared with the validation split, and the test split, which no
    model is held against, says how far real tunes are from it.
    """
    splits = load_from_disk(str(study / "dataset"))
    train = splits["train"]
    own = [text for text, moved in zip(train["text"], train["transposed"], strict=True) if not moved]
    held_out = [_some(splits[name]) for name in ("validation", "test")]
    with tqdm(total=len(own) + sum(map(len, held_out)), desc="real tunes", unit=" tunes", leave=False) as bar:

        def counted(texts: list[str]) -> Iterator[str]:
            for text in texts:
                yield text
                bar.update()

        melodies = [melody(text) for text in counted(own)]
        reference, real = ([portray(text) for text in counted(texts)] for texts in held_out)
    return Yardstick(melodies, reference, real)


def _some(split: Dataset) -> list[str]:
    """At most `_MOST_REAL` texts, from all over the split."""
    return list(split.shuffle(seed=0).select(range(min(len(split), _MOST_REAL)))["text"])


@contextmanager
def _bar(rows: list[dict[str, Any]], n_tunes: int) -> Iterator[Any]:
    """A bar that counts time by model size, so that the time left holds from small models to large ones."""
    cost = {row["run_id"]: row["n_params"] + _OVERHEAD for row in rows}
    with tqdm(
        total=sum(cost.values()) * n_tunes,
        desc="tunes",
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed} gone, {remaining} left{postfix}",
        disable=not rows,
    ) as bar:

        def advance(row: dict[str, Any], count: int) -> None:
            bar.set_postfix_str(row["run_id"], refresh=False)
            bar.update(cost[row["run_id"]] * count)

        yield advance


def _draw(folder: Path, drawing: Drawing, advance: Any) -> list[Generation]:
    """The tunes of one model, unconstrained and without a prompt: what it writes by itself."""
    model, tokenizer = load_model_and_tokenizer(str(folder))
    tunes: list[Generation] = []
    for start in range(0, drawing.n_tunes, _AT_ONCE):
        seeds = range(drawing.seed + start, drawing.seed + min(start + _AT_ONCE, drawing.n_tunes))
        tunes += generate_tunes(model, tokenizer, [""] * len(seeds), seeds, drawing.temperature, drawing.top_p)
        advance(len(seeds))
    return tunes


def _tune_row(tune: Generation, portrait: Portrait, copying: Copying) -> dict[str, Any]:
    tiers = {name: getattr(portrait, name) for name in ("parses", "strict", "playable", "repaired_strict")}
    near = {"longest_shared": copying.longest_shared, "similarity": round(copying.similarity, 4)}
    known = copying.similarity >= NEAR
    return (
        {"seed": tune.seed, "complete": tune.complete, **tiers, **near}
        | ({"near_duplicate_of": copying.nearest} if known else {})
        | {"text": tune.text}
    )
