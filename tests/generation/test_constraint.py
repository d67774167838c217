"""Constrained decoding: whatever a model says, what comes out is legal and ends in time."""

import string

import pytest
import symusic
import torch
from transformers import LogitsProcessorList

from hf_scaling.generation import AbcLogitsProcessor, generate_tunes
from hf_scaling.models import FAMILIES, Size, Vocabulary, build_config, build_model, generation_limit
from hf_scaling.notation import check
from hf_scaling.records import UserError
from hf_scaling.tokenization import build_tokenizer

CONTEXT = 100
PROMPTS = ["", "X:1\nT:Slow\nM:6/8\nL:1/8\nK:D\n", "X:1\nM:9/8\nL:1/16\nK:Em\n|:(3ABc d>", "X:1\nM:none\nK:G\nA[1B:|2"]
BARS = {"bar-long", "bar-short"}


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer([string.printable + "éß漢"], CONTEXT)


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tokenizer):
    """A model that has learnt nothing, with opinions of its own."""
    vocabulary = Vocabulary(len(tokenizer), tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    config = build_config(request.param, Size.parse("a=16x1x2x32"), vocabulary, CONTEXT)
    config.initializer_range = 0.5
    return build_model(config, 0).eval()


def wrong(text, constrain):
    found = {diagnostic.code for diagnostic in check(text).diagnostics}
    return found - BARS if constrain == "legal" else found


@pytest.mark.parametrize("constrain", ["strict", "legal"])
@pytest.mark.parametrize("temperature", [1.0, 1e6])  # as the model says, and any character as likely as any other
def test_whatever_the_model_says_every_tune_is_legal_and_ends_in_time(model, tokenizer, constrain, temperature):
    options = {"temperature": temperature, "top_p": 1.0, "constrain": constrain}
    drawn = generate_tunes(model, tokenizer, PROMPTS * 6, range(24), **options)
    for one in drawn:
        assert wrong(one.text, constrain) == set(), one.text
        assert one.complete
        assert one.text.startswith(one.prompt)
        assert 1 + len(one.text) < generation_limit(model.config)
    assert len({one.text for one in drawn}) == 24


def test_a_constrained_sample_depends_on_its_prompt_and_its_seed_alone(model, tokenizer):
    together = generate_tunes(model, tokenizer, PROMPTS * 2, range(8), constrain="strict")
    alone = [
        generate_tunes(model, tokenizer, [prompt], [seed], constrain="strict")[0]
        for seed, prompt in enumerate(PROMPTS * 2)
    ]
    assert together == alone


def test_tunes_by_chance_play(model, tokenizer, tmp_path):
    drawn = generate_tunes(model, tokenizer, PROMPTS[:3] * 2, range(6), temperature=1e6, top_p=1.0, constrain="strict")
    for one in drawn:
        path = tmp_path / f"{one.seed}.abc"
        path.write_text(one.text, encoding="utf-8")
        assert symusic.Score(path).note_num() > 0


@pytest.mark.parametrize("beams", [1, 3])
def test_the_processor_serves_the_generate_of_transformers(model, tokenizer, beams):
    torch.manual_seed(0)
    inputs = tokenizer([PROMPTS[1]] * 4, return_tensors="pt", return_token_type_ids=False)
    written = model.generate(
        **inputs,
        do_sample=beams == 1,
        num_beams=beams,
        max_length=CONTEXT,
        logits_processor=LogitsProcessorList([AbcLogitsProcessor(tokenizer, CONTEXT)]),
    )
    for row in written.tolist():
        assert tokenizer.eos_token_id in row[1:]
        text = tokenizer.decode(row[1 : row.index(tokenizer.eos_token_id, 1)])
        assert check(text).strict, text


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("X:1\nM:4/4\nL:1/8\nK:D\nA9|", "prompt: .* is not how a legal tune goes on; mend it, or do not constrain"),
        ("A tune", "is not how a legal tune goes on"),
        (
            "X:1\nT:" + "a" * (CONTEXT - 10),
            "prompt: a legal tune takes .* more tokens and the model may write",
        ),
    ],
)
def test_a_prompt_that_no_legal_tune_begins_with_is_refused(tokenizer, prompt, message):
    vocabulary = Vocabulary(len(tokenizer), tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    model = build_model(build_config("gpt2", Size.parse("a=16x1x2x32"), vocabulary, CONTEXT), 0)
    with pytest.raises(UserError, match=message):
        generate_tunes(model, tokenizer, [prompt], [0], constrain="strict")


def test_an_unknown_constraint_is_refused(model, tokenizer):
    with pytest.raises(UserError, match="constrain: got 'some', expected one of none, legal, strict"):
        generate_tunes(model, tokenizer, [""], [0], constrain="some")
