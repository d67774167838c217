"""What defines a run, and the id that follows from it."""

from dataclasses import asdict, dataclass

from transformers import PreTrainedConfig

from hf_scaling.models import Size, Vocabulary, build_config
from hf_scaling.records import UserError, content_hash


@dataclass(frozen=True)
class RunSpec:
    """Everything that decides a run's numbers. Equal specs give equal runs.

    Attributes:
        n_tokens: the horizon D asked for; the run does whole updates only, see `updates`.
        batch_size: sequences a micro-batch.
        warmup_fraction, decay_fraction: shares of the updates with rising and falling learning rate.
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
    learning_rate: float
    weight_decay: float
    warmup_fraction: float
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

    def model_config(self) -> PreTrainedConfig:
        """The transformers configuration of the run's model."""
        return build_config(self.family, self.size, self.vocabulary, self.context_length, self.dropout)
