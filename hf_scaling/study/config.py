"""StudyConfig: every choice of a study, and what each may be."""

from dataclasses import asdict, dataclass, field, fields
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from hf_scaling.data.augment import MOST_SEMITONES
from hf_scaling.data.clean import OPTIONAL_FIELDS, TIERS, CleanOptions
from hf_scaling.data.corpus import parse_sources
from hf_scaling.data.dataset import DataOptions
from hf_scaling.data.sources import SOURCES, SourceOptions
from hf_scaling.models import FAMILIES, Size, parse_ladder
from hf_scaling.records import UserError, content_hash
from hf_scaling.training.precision import PRECISIONS
from hf_scaling.training.spec import OPTIMIZERS, SCHEDULES

# what changes where a study lies or how it is carried out, but none of its numbers
NOT_HASHED = ("output_dir", "report_to")
TRACKERS = ("trackio", "tensorboard", "wandb")
_STEEPEST = 2.0  # exponent of a rule for learning rates
# field -> the only source that reads it
_OF_SOURCE = {
    "the_session_path": "the_session",
    "abc_files": "abc_files",
    "midi_files": "midi_files",
    "hub_dataset": "hub",
}


def no_doubles(values: list[Any]) -> bool:
    """Whether each value stands once."""
    return len(set(values)) == len(values)


def _help(text: str, default: Any) -> Any:
    if isinstance(default, list):
        return field(default_factory=lambda: list(default), metadata={"help": text})
    return field(default=default, metadata={"help": text})


@dataclass(frozen=True)
class StudyConfig:
    """The choices of a study. Fields are YAML keys and command-line options alike.

    Raises:
        UserError: a value that no study could run with; the message names the field and what is accepted.
    """

    name: str = _help("name of the study, and of its folder", "study")
    output_dir: str | None = _help("the study folder; outputs/<name> if left out", None)
    seed: int = _help("of splits, initial weights, order of blocks and samples", 0)
    # the corpus
    sources: list[str] = _help(f"where tunes come from, NAME or NAME=WEIGHT, of {', '.join(SOURCES)}", ["music21"])
    collections: list[str] = _help("of the source music21; all five if left out", [])
    accept_licence: str | None = _help("identifier of a licence that you have read and accept", None)
    the_session_path: str | None = _help("adactio/TheSession-data as folder, zip or file; downloaded if left out", None)
    the_session_revision: str | None = _help("its commit; the last one under ODbL if left out", None)
    abc_files: str | None = _help("of the source abc_files: a file, folder, zip or pattern of ABC tune books", None)
    midi_files: str | None = _help("of the source midi_files: a folder of MIDI files", None)
    files_licence: str | None = _help("identifier of the licence of your own files, such as mit", None)
    hub_dataset: str | None = _help("of the source hub: a data set; sander-wood/irishman if left out", None)
    hub_revision: str | None = _help("its commit, tag or branch", None)
    hub_split: str = _help("its split", "train")
    hub_column: str | None = _help("its column of ABC text, where it cannot be told", None)
    min_chars: int = _help("shorter tunes are left out", 64)
    max_chars: int = _help("longer tunes are left out", 2000)
    notation: str = _help(f"what the checker must say of a tune: {' or '.join(TIERS)}", "parses")
    keep_fields: list[str] = _help(f"header fields that stay beside X T R M L K, of {' '.join(OPTIONAL_FIELDS)}", [])
    transpositions: list[int] = _help("semitones of further copies of the training split, as -2 3", [])
    validation_fraction: float = _help("share of tunes for validation", 0.01)
    test_fraction: float = _help("share of tunes for the test, opened once, for the best model", 0.01)
    family_threshold: float = _help("Jaccard similarity from which two tunes are one tune family", 0.3)
    # the models
    families: list[str] = _help("of models", ["gpt2", "folk_lstm"])
    ladder: list[str] = _help("sizes as NAME=D_MODELxN_LAYERSxN_HEADSxD_FF", [])
    context_length: int = _help("tokens of a block", 256)
    dropout: float = _help("in attention, and but for llama everywhere else", 0.0)
    # the runs
    tokens_per_run: int | None = _help("the longest horizon D; if left out, `epochs` over the training split", None)
    epochs: float = _help("passes over the training split where tokens_per_run is left out", 1.0)
    horizons: list[float] = _help("shares of the longest horizon at which runs end, each by a decay of its own", [1.0])
    replicates: int = _help("runs of each kind, with seeds seed, seed + 1, ...", 1)
    batch_size: int = _help("blocks of a micro-batch", 8)
    gradient_accumulation_steps: int = _help("micro-batches of an update", 1)
    optimizer: str = _help(f"{' or '.join(OPTIMIZERS)}; muon leaves all but hidden matrices to AdamW", "adamw")
    learning_rates: list[str] = _help(
        "FAMILY=RATE or FAMILY=RATE:EXPONENT; N parameters have RATE * (N / 100,000) ** -EXPONENT",
        ["gpt2=3e-3", "folk_lstm=1e-2"],
    )
    learning_rate_exponent: float = _help("EXPONENT of families that give none", 0.0)
    rest_rate_ratio: float = _help("with muon, AdamW's rate as a share of the hidden matrices'", 0.2)
    tune_sizes: list[str] = _help("sizes, at least 3, whose best rates replace the rule above; none if left out", [])
    tune_factors: list[float] = _help("of the rule's rate, tried at each of them", [0.25, 0.5, 1.0, 2.0, 4.0])
    tune_tokens: int | None = _help("horizon of these trials; the shortest horizon if left out", None)
    weight_decay: float = _help("of both optimizers", 0.1)
    schedule: str = _help("wsd (constant, then linear to 0) or cosine", "wsd")
    warmup_fraction: float = _help("share of the shortest horizon with rising learning rate", 0.02)
    decay_fraction: float = _help("last share of a wsd run, with the learning rate falling to 0", 0.5)
    max_grad_norm: float = _help("gradients are clipped to this norm", 1.0)
    precision: str = _help("auto, fp32, bf16 or fp16; auto measures bf16 on a CPU and takes the faster", "auto")
    compile: bool = _help("compile models that gain by it", False)
    threads: int = _help(
        "CPU threads of a run; 0 takes all cores where they beat one, or a share of them for runs side by side", 0
    )
    side_by_side: int = _help("runs at a time; 0 measures what is faster", 0)
    report_to: list[str] = _help(f"trackers beside metrics.jsonl, of {', '.join(TRACKERS)}", [])
    # the best model, and its music
    best_sizes: list[str] = _help("sizes that the best model is chosen from; all if left out", [])
    best_epochs: int = _help("passes of the best model over its tokens", 3)
    best_tokens: int | None = _help("tokens of one such pass; the training split if left out", None)
    temperature: float = _help("of sampling", 0.9)
    top_p: float = _help("of sampling", 0.95)
    level: float = _help("of the fits' intervals", 0.9)

    def __post_init__(self) -> None:
        weights = parse_sources(self.sources)
        for name, source in _OF_SOURCE.items():
            value = getattr(self, name)
            if value is not None and source not in weights:  # else other tunes than meant would be read
                raise UserError(f"{name}: got {value!r}, but sources do not name {source}; add it, or leave {name} out")
        self._need(no_doubles(self.collections), "collections", "each once")
        try:
            names = [size.name for size in self.sizes]
        except ValueError as error:
            raise UserError(str(error)) from None
        self._need(bool(self.sources), "sources", "at least one source")
        self._need(
            bool(self.name) and self.name.replace("-", "").replace("_", "").isalnum(),
            "name",
            "letters, digits, - and _",
        )
        for family in self.families:
            self._need(family in FAMILIES, "families", f"some of {', '.join(FAMILIES)}")
        self._need(bool(self.families), "families", f"some of {', '.join(FAMILIES)}")
        self._need(no_doubles(self.families), "families", "each once")
        self._need(set(self.best_sizes) <= set(names), "best_sizes", f"some of {', '.join(names)}, or none for all")
        self._need(self.notation in TIERS, "notation", f"one of {', '.join(TIERS)}")
        self._need(set(self.keep_fields) <= set(OPTIONAL_FIELDS), "keep_fields", f"some of {' '.join(OPTIONAL_FIELDS)}")
        far = max(map(abs, self.transpositions), default=1)
        self._need(
            0 not in self.transpositions and far <= MOST_SEMITONES and no_doubles(self.transpositions),
            "transpositions",
            f"numbers from -{MOST_SEMITONES} to {MOST_SEMITONES} other than 0, each once",
        )
        self._check_runs(names)
        for name in ("batch_size", "gradient_accumulation_steps", "best_epochs", "min_chars", "replicates"):
            self._need(getattr(self, name) >= 1, name, "at least 1")
        self._need(self.context_length >= 8, "context_length", "at least 8")
        self._need(self.max_chars > self.min_chars, "max_chars", f"more than min_chars, {self.min_chars}")
        for name in ("tokens_per_run", "best_tokens", "tune_tokens"):
            self._need(getattr(self, name) is None or getattr(self, name) >= 1, name, "at least 1")
        for name in ("epochs", "temperature", "max_grad_norm", "rest_rate_ratio"):
            self._need(getattr(self, name) > 0, name, "a number above 0")
        for name in ("validation_fraction", "test_fraction", "level"):
            self._need(0 < getattr(self, name) < 1, name, "a number between 0 and 1")
        self._need(self.validation_fraction + self.test_fraction < 0.9, "test_fraction", "to leave 10 % to train on")
        self._need(0 < self.top_p <= 1, "top_p", "a number above 0 and at most 1")
        # far below, all tunes are one family, and the search for pairs takes hours
        self._need(0.1 <= self.family_threshold <= 1, "family_threshold", "a number from 0.1 to 1")
        for name in ("dropout", "warmup_fraction", "decay_fraction"):
            self._need(0 <= getattr(self, name) < 1, name, "a number from 0 to below 1")
        self._need(self.warmup_fraction + self.decay_fraction <= 1, "decay_fraction", "at most 1 - warmup_fraction")
        self._need(abs(self.learning_rate_exponent) <= _STEEPEST, "learning_rate_exponent", "a number from -2 to 2")
        for name in ("threads", "side_by_side", "seed", "weight_decay"):
            self._need(getattr(self, name) >= 0, name, "at least 0")
        self._need(
            self.seed < 2**32 - self.replicates, "seed", f"less than {2**32 - self.replicates}"
        )  # NumPy takes 32 bits; replicates and the best run have the next ones
        named = [text.partition("=")[0] for text in self.learning_rates]
        for family in dict.fromkeys((*self.families, *named)):
            self.rate_rule(family)
        self._need(
            set(named) <= FAMILIES.keys() and no_doubles(named), "learning_rates", f"each of {', '.join(FAMILIES)} once"
        )

    def _check_runs(self, sizes: list[str]) -> None:
        for name, accepted in (("precision", PRECISIONS), ("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            self._need(getattr(self, name) in accepted, name, f"one of {', '.join(accepted)}")
        self._need(set(self.report_to) <= set(TRACKERS), "report_to", f"some of {', '.join(TRACKERS)}")
        for tracker in self.report_to:
            self._need(find_spec(tracker) is not None, "report_to", f"what is installed; pip install {tracker}")
        self._need(
            bool(self.horizons) and max(self.horizons) == 1 and min(self.horizons) > 0 and no_doubles(self.horizons),
            "horizons",
            "shares above 0 and at most 1, each once, 1 among them",
        )
        few = 0 < len(set(self.tune_sizes)) < 3
        self._need(set(self.tune_sizes) <= set(sizes) and not few, "tune_sizes", f"none, or 3 of {', '.join(sizes)}")
        self._need(
            len(self.tune_factors) >= 3 and min(self.tune_factors) > 0 and no_doubles(self.tune_factors),
            "tune_factors",
            "at least 3 numbers above 0, each once",
        )

    def _need(self, met: bool, name: str, expected: str) -> None:
        if not met:
            raise UserError(f"{name}: got {getattr(self, name)!r}, expected {expected}")

    @property
    def folder(self) -> Path:
        """The study folder."""
        return Path(self.output_dir) if self.output_dir else Path("outputs") / self.name

    @property
    def sizes(self) -> list[Size]:
        """The rungs of the ladder."""
        return parse_ladder(self.ladder)

    def rate_rule(self, family: str) -> tuple[float, float]:
        """The family's learning rate at 100,000 parameters, and the exponent by which it falls with their number."""
        rules = dict(text.partition("=")[::2] for text in self.learning_rates)
        try:
            rate, given, slope = rules[family].partition(":")
            rule = float(rate), float(slope) if given else self.learning_rate_exponent
        except (KeyError, ValueError):
            raise UserError(
                f"learning_rates: got {self.learning_rates}, expected FAMILY=RATE for each family, as in "
                f"{family}=3e-3, or FAMILY=RATE:EXPONENT"
            ) from None
        self._need(0 < rule[0] < 10, "learning_rates", "rates above 0 and below 10")
        self._need(abs(rule[1]) <= _STEEPEST, "learning_rates", "exponents from -2 to 2")
        return rule

    @property
    def sampling(self) -> dict[str, float]:
        """How models of this study are sampled from."""
        return {"temperature": self.temperature, "top_p": self.top_p}

    @property
    def source_weights(self) -> dict[str, float]:
        """The sources and how often a tune of each stands in an epoch."""
        return parse_sources(self.sources)

    def source_options(self) -> SourceOptions:
        """The part that the sources are told."""
        return SourceOptions(**{f.name: getattr(self, f.name) for f in fields(SourceOptions)})

    def data_options(self) -> DataOptions:
        """The part that defines the data set."""
        return DataOptions(
            sources=tuple(self.sources),
            source_options=self.source_options(),
            clean_options=CleanOptions(self.min_chars, self.max_chars, self.notation, tuple(self.keep_fields)),
            transpositions=tuple(self.transpositions),
            validation_fraction=self.validation_fraction,
            test_fraction=self.test_fraction,
            family_threshold=self.family_threshold,
            seed=self.seed,
        )

    def hashed_data(self) -> dict[str, Any]:
        """`data_options` as JSON."""
        return asdict(self.data_options())

    def hashed(self) -> dict[str, Any]:
        """The fields that decide the study's numbers."""
        return {key: value for key, value in asdict(self).items() if key not in NOT_HASHED}

    @property
    def config_hash(self) -> str:
        """SHA-256 of `hashed`."""
        return content_hash(self.hashed())
