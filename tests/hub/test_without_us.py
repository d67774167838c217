"""What was pushed, used by somebody who has never heard of this package: no network but the loopback Hub."""

import hashlib
import json
import os
import subprocess
import sys

import pytest
import torch

from hf_scaling.data.dataset import load_splits
from hf_scaling.records import finished_rows, read_json, read_jsonl
from hf_scaling.tokenization import load_tokenizer
from hf_scaling.training.model_folder import load_model

SEEN = "X:1\nM:4/4\nL:1/8\nK:G\nGABc dedB|"
STRANGER = '''
import contextlib, hashlib, io, json, re, sys


class NotInstalled:
    """As where nobody has installed us: what a checkout or a .pth file would find is not found."""

    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "hf_scaling":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, NotInstalled())
import torch
from datasets import load_dataset
from huggingface_hub import hf_hub_download
from transformers import AutoModelForCausalLM, AutoTokenizer, TextIteratorStreamer, pipeline, set_seed

seen, families = json.loads(sys.argv[1])
found = {}
for family, name in families.items():
    trusted = {"trust_remote_code": True} if family == "folk_lstm" else {}
    model = AutoModelForCausalLM.from_pretrained(name, **trusted)
    tokenizer = AutoTokenizer.from_pretrained(name, **trusted)  # it reads the configuration first, and would ask
    ids = tokenizer(seen, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = model(ids).logits
    cached = {"use_cache": model.config.use_cache, "class": type(model).__module__}
    greedy = pipeline("text-generation", model=model, tokenizer=tokenizer)
    few = {"do_sample": False, "max_new_tokens": 12, "max_length": None}
    prompts = ["X:1\\n", "X:1\\nM:6/8\\nK:D\\n", "X:1\\nT:A\\n"]
    alone = [greedy(prompt, **few)[0]["generated_text"] for prompt in prompts]
    together = [one[0]["generated_text"] for one in greedy(prompts, batch_size=3, **few)]
    streamer = TextIteratorStreamer(tokenizer)
    model.generate(**tokenizer(prompts[1], return_tensors="pt"), streamer=streamer, **few)
    pieces = [piece for piece in streamer if piece]
    card = open(hf_hub_download(name, "README.md"), encoding="utf-8").read()
    two_lines = re.search("```python\\n(.*?)```", card, re.DOTALL)[1]
    set_seed(0)
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        exec(two_lines, {})
    found[family] = {
        "ids": ids.tolist(), "logits": hashlib.sha256(logits.numpy().tobytes()).hexdigest(), **cached,
        "alone": alone, "together": together, "pieces": pieces, "lines": two_lines, "shown": shown.getvalue(),
    }
tokenizer = AutoTokenizer.from_pretrained("me/folk-tokenizer")
found["tokenizer"] = {"ids": tokenizer(seen)["input_ids"], "text": tokenizer.decode(tokenizer(seen)["input_ids"])}
data = load_dataset("me/folk")
found["data"] = {split: data[split]["text"][:] for split in data}
runs = load_dataset("me/folk-ledger", split="train")
found["runs"] = runs.to_list()
assert not [name for name in sys.modules if name.startswith("hf_scaling")]
print(json.dumps(found))
'''


@pytest.fixture(scope="module")
def local(open_study):
    """Folder of each family's model."""
    return {row["family"]: open_study / "runs" / row["run_id"] for row in finished_rows(open_study / "runs.jsonl")}


@pytest.fixture(scope="module")
def stranger(pushed, local, tmp_path_factory):
    """What a process found that has neither this package nor a cache."""
    home = tmp_path_factory.mktemp("stranger")
    asked = json.dumps([SEEN, {family: f"me/folk-{path.name}" for family, path in local.items()}])
    ended = subprocess.run(
        [sys.executable, "-c", STRANGER, asked],
        cwd=home,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | pushed.environment(home),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


FAMILIES = ["gpt2", "folk_lstm", "llama"]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_logits_are_those_of_the_local_model_to_the_bit(stranger, local, family):
    model = load_model(local[family] / "model").cpu()
    ids = load_tokenizer(local[family] / "model")(SEEN, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        logits = model(ids).logits
    assert stranger[family]["ids"] == ids.tolist()
    assert stranger[family]["logits"] == hashlib.sha256(logits.numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("family", FAMILIES)
def test_the_two_lines_of_the_card_write_a_tune(stranger, family):
    found = stranger[family]
    assert found["lines"].count("\n") == 2
    assert ("trust_remote_code=True" in found["lines"]) == (family == "folk_lstm")
    assert found["class"].startswith("transformers_modules." if family == "folk_lstm" else "transformers.models.")
    assert found["shown"].startswith("X:1\n")
    assert len(found["shown"]) > len("X:1\n\n")
    assert found["use_cache"] is True


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_writes_what_each_prompt_writes_alone(stranger, family):
    assert stranger[family]["together"] == stranger[family]["alone"]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_tune_is_streamed_as_it_is_written(stranger, family):
    pieces = stranger[family]["pieces"]
    assert len(pieces) > 1
    assert "".join(pieces).replace("<|bos|>", "") == stranger[family]["alone"][1]


def test_the_tokenizer_opens_with_the_tune_mark_and_gives_the_text_back(stranger, open_study):
    tokenizer = load_tokenizer(open_study / "tokenizer")
    assert stranger["tokenizer"]["ids"] == tokenizer(SEEN)["input_ids"]
    assert stranger["tokenizer"]["ids"][0] == tokenizer.bos_token_id
    assert stranger["tokenizer"]["text"] == f"<|bos|>{SEEN}"


def test_the_data_set_is_the_studys(stranger, open_study):
    splits = load_splits(open_study / "dataset")
    assert stranger["data"] == {split: rows["text"][:] for split, rows in splits.items()}


def test_the_ledger_has_every_run_with_all_that_is_known_of_it(stranger, open_study):
    rows = finished_rows(open_study / "runs.jsonl")
    assert len(stranger["runs"]) == len(rows) == 3
    for found, row in zip(stranger["runs"], rows, strict=True):
        folder = open_study / "runs" / row["run_id"]
        assert {name: found[name] for name in row if name != "versions"} == {
            name: value for name, value in row.items() if name != "versions"
        }
        assert json.loads(found["versions"]) == row["versions"]
        assert json.loads(found["configuration"]) == read_json(folder / "config.json")
        curve = read_jsonl(folder / "metrics.jsonl")
        assert found["metrics"] == curve
        losses = read_json(folder / "validation.json")
        assert {name: found[name] for name in losses} == losses
