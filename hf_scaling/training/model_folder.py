"""The model folder of a finished run: what `pipeline("text-generation")` loads as it stands."""

from pathlib import Path
from typing import Any

from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from hf_scaling.models import ATTENTION, generation_limit, to_device
from hf_scaling.records import atomic_dir, check_vouched


def save_model(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: Path,
    generation: dict[str, Any],
    state: dict[str, Any] | None = None,
) -> None:
    """Write the folder; `state` has the weights where the model itself holds but a part of them."""
    model.config.use_cache = True  # Trainer switches it off while it trains
    model.generation_config = GenerationConfig(
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        max_length=generation_limit(model.config),
        do_sample=True,
        **generation,
    )
    with atomic_dir(folder) as temporary:
        model.save_pretrained(temporary, state_dict=state)
        tokenizer.save_pretrained(temporary)


def load_model(folder: Path | str) -> PreTrainedModel:
    """The model that `save_model` wrote (or one from the Hub), on the GPU where there is one; safetensors only.

    Raises:
        UserError: the folder is that of a run, and a file in it is not what it was.
    """
    check_vouched(Path(folder))
    return to_device(
        AutoModelForCausalLM.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, attn_implementation=ATTENTION
        )
    )
