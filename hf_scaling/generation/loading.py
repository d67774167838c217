"""Models to write with, from a folder or the Hub."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from hf_scaling.models import to_device
from hf_scaling.records import UserError, check_vouched


def load_model_and_tokenizer(name: str, revision: str | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """A model with its tokenizer, from a folder or the Hub. Code that comes with a model is not run.

    Raises:
        UserError: there is no such model, or it is damaged.
    """
    check_vouched(Path(name))
    place: dict[str, Any] = {"revision": revision, "trust_remote_code": False}
    try:
        model = to_device(AutoModelForCausalLM.from_pretrained(name, use_safetensors=True, **place))
        tokenizer = AutoTokenizer.from_pretrained(name, **place)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"model: {name!r} cannot be loaded ({str(error).splitlines()[0]})") from None
    for token in ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id"):
        if getattr(tokenizer, token) is None:
            raise UserError(f"model: the tokenizer of {name!r} has no {token}; expected a model of this project")
    return model, tokenizer
