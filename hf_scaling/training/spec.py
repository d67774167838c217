"""What defines a run, and the id that follows from it."""

from dataclasses import asdict, dataclass, replace

from transformers import PreTrainedConfig

from hf_scaling.models import Size, Vocabulary, build_config
from hf_scaling.records import UserError, content_hash

OPTIMIZERS = ("adamw", "muon")
SCHEDULES = ("wsd", "cosine")


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's numbers. Equal specs give equal runs.

    Attributes:
        n_tokens: the horizon D asked for; the run does whole updates only, see `updates`.
        batch_size: sequences a micro-batch.
        learning_rate: of every parameter with `adamw`, of the hidden matrices with `muon`.
        rest_rate_ratio: with `muon`, AdamW's rate for all other parameters over `learning_rate`.
        schedule: `wsd` (constant, then linear to 0) or `cosine` (to 0); both end exactly at the horizon.
        warmup_updates: updates with rising rate; a number and not a share, so that horizons can share a trunk.
        decay_fraction: with `wsd`, the share of updates with falling rate.
        data_hash: of the token streams.
        pool_tokens: how much of the training split is seen, from its beginning; all of it if 0.
        parent: run id whose final weights this run starts from; empty for a fresh start.
    """

    family: str
    size: Size
    vocabulary: Vocabulary
    context_length: int
    n_tokens: int
    batch_size: int
    gradient_accumulation_steps: int
    optimizer: str
    learning_rate: float
    rest_rate_ratio: float
    weight_decay: float
    schedule: str
    warmup_updates: int
    decay_fraction: float
    max_grad_norm: float
    dropout: float
    precision: str
    compile: bool
    seed: int
    data_hash: str
    pool_tokens: int = 0
    parent: str = ""

    def __post_init__(self) -> None:
        if self.updates < 2:
            raise UserError(
                f"tokens_per_run: got {self.n_tokens}, but one update takes {self.batch_tokens} tokens; a run needs at "
                "least two: use more tokens, or a smaller batch_size or context_length"
            )

    @property
    def run_id(self) -> str:
        """Readable, and a hash of what defines the run."""
        return f"{self.family}-{self.size.name}-{content_hash(asdict(self))[:8]}"

    @property
    def batch_tokens(self) -> int:
        """Tokens of one update."""
        return self.batch_size * self.gradient_accumulation_steps * self.context_length

    @property
    def updates(self) -> int:
        """Optimizer steps of the run."""
        return self.n_tokens // self.batch_tokens

    @property
    def decay_updates(self) -> int:
        """The last updates, with falling rate."""
        return round(self.decay_fraction * self.updates)

    @property
    def trunk(self) -> str:
        """The same for runs that differ in nothing but their horizon; empty where a horizon shapes all of a run.

        Under `wsd` such runs are equal, to the bit, until the shorter one's cooldown begins (Hägele et al. 2024).
        """
        return content_hash(asdict(replace(self, n_tokens=2 * self.batch_tokens)))[:8] if self.schedule == "wsd" else ""

    @property
    def trunk_end(self) -> int:
        """Updates before the cooldown."""
        return self.updates - self.decay_updates

    def model_config(self) -> PreTrainedConfig:
        """The transformers configuration of the run's model."""
        return build_config(self.family, self.size, self.vocabulary, self.context_length, self.dropout)
