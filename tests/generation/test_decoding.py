"""Prompts, and decoding in batches in which a sample does not know its neighbours."""

import random
import string

import pytest
import torch
from transformers import DynamicCache

from hf_scaling.data.clean import CleanOptions, CleanTune, clean
from hf_scaling.generation import Generation, build_prompt, generate_tunes
from hf_scaling.generation.cache import empty_cache
from hf_scaling.models import FAMILIES, Size, Vocabulary, build_config, build_model, generation_limit
from hf_scaling.records import UserError
from hf_scaling.tokenization import SPECIAL_TOKENS, build_tokenizer

CONTEXT = 20
PROMPTS = ["", "X:1\n", "X:1\nT:A Reel\n", "AB", "X:1\nK:D\nABc|"]


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer([string.printable], CONTEXT)


@pytest.fixture(scope="module", params=FAMILIES)
def model(request, tokenizer):
    """A model that has learnt nothing, and so ends a tune after a hundred characters or so."""
    vocabulary = Vocabulary(len(tokenizer), tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    config = build_config(request.param, Size.parse("a=16x2x2x32"), vocabulary, CONTEXT)
    config.initializer_range = 0.5  # large enough that what comes next depends on what came before
    return build_model(config, 0).eval()


def test_a_prompt_is_a_header_in_the_order_that_models_were_trained_on():
    every = {"key": "Ador", "length": "1/4", "meter": "3/4", "rhythm": "waltz", "title": "Ó Néill's"}
    assert build_prompt(**every) == "X:1\nT:Ó Néill's\nR:waltz\nM:3/4\nL:1/4\nK:Ador\n"
    tune = clean(build_prompt(**every) + "ABc|\n", CleanOptions(1, 999))
    assert isinstance(tune, CleanTune)
    assert tune.text == build_prompt(**every) + "ABc|\n"


@pytest.mark.parametrize(
    ("fields", "prompt"),
    [
        ({}, ""),
        ({"title": None, "key": None}, ""),
        ({"title": " The Reel "}, "X:1\nT:The Reel\n"),
        ({"rhythm": "reel"}, "X:1\nT:Untitled\nR:reel\n"),
        ({"meter": "6/8"}, "X:1\nT:Untitled\nM:6/8\n"),
        ({"length": "1/16"}, "X:1\nT:Untitled\nM:4/4\nL:1/16\n"),
        ({"key": "D"}, "X:1\nT:Untitled\nM:4/4\nL:1/8\nK:D\n"),
        ({"key": "D", "rhythm": "Slip Jig"}, "X:1\nT:Untitled\nR:Slip Jig\nM:9/8\nL:1/8\nK:D\n"),
        ({"key": "D", "rhythm": "jig", "meter": "12/8"}, "X:1\nT:Untitled\nR:jig\nM:12/8\nL:1/8\nK:D\n"),
        ({"title": "K:C", "key": "D"}, "X:1\nT:K:C\nM:4/4\nL:1/8\nK:D\n"),
    ],
)
def test_fields_left_out_are_left_to_the_model_or_to_custom(fields, prompt):
    assert build_prompt(**fields) == prompt


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"title": "A\nK:C"}, r"title: got 'A\\nK:C', expected text on a single line"),
        ({"key": "D\r"}, "key: got"),
        ({"rhythm": "a\u2028b"}, "rhythm: got"),
        ({"meter": "\x85"}, "meter: got"),
        ({"length": "1/8\x00"}, "length: got"),
        ({"title": ""}, "title: got '', expected text"),
        ({"title": "  "}, "title: got '  ', expected text"),
        ({"composer": "me"}, "prompt: got the field 'composer', expected some of title, rhythm, meter, length, key"),
    ],
)
def test_a_value_that_would_smuggle_in_a_line_and_an_unknown_field_are_refused(fields, message):
    with pytest.raises(UserError, match=message) as caught:
        build_prompt(**fields)
    assert len(str(caught.value).splitlines()) == 1


def test_a_sample_depends_on_its_prompt_and_its_seed_alone(model, tokenizer):
    jobs = [(prompt, seed) for prompt in PROMPTS for seed in range(3)]
    alone = {job: generate_tunes(model, tokenizer, [job[0]], [job[1]])[0] for job in jobs}
    assert not all(one.complete for one in alone.values())  # where the limit cuts, neighbours must not move it
    shuffler = random.Random(0)
    for batch_size in (3, 100):
        shuffler.shuffle(jobs)
        together = generate_tunes(model, tokenizer, *zip(*jobs, strict=True), batch_size=batch_size)
        assert together == [alone[job] for job in jobs]


def test_a_sample_is_a_function_of_its_seed(model, tokenizer):
    first = generate_tunes(model, tokenizer, [""] * 12, range(12))
    torch.manual_seed(1)  # the library's own generator has no say
    assert generate_tunes(model, tokenizer, [""] * 12, range(12)) == first
    assert [one.seed for one in first] == list(range(12))
    assert len({one.text for one in first}) == 12


def test_a_tune_that_the_model_did_not_end_says_so_and_fills_the_limit(model, tokenizer):
    limit = generation_limit(model.config)
    drawn = generate_tunes(model, tokenizer, PROMPTS * 10, range(50), batch_size=50)
    assert {one.complete for one in drawn} == {True, False}
    for one in drawn:
        assert isinstance(one, Generation)
        assert one.text.startswith(one.prompt)
        length = 1 + len(one.text)  # the opening <|bos|> counts
        assert length <= limit
        assert one.complete or length == limit


def test_special_tokens_never_show(model, tokenizer):
    # at this temperature every token is as likely as every other
    drawn = generate_tunes(model, tokenizer, ["", "A漢B"] * 20, range(40), temperature=50.0, top_p=1.0)
    text = "".join(one.text.removeprefix(one.prompt) for one in drawn)
    assert not any(token in text for token in SPECIAL_TOKENS)
    assert set(text) == set(tokenizer.get_vocab()) - set(SPECIAL_TOKENS)
    assert all(one.text.startswith(one.prompt) for one in drawn)  # as it was asked, the unknown character included


def test_samples_follow_the_distribution_of_the_model(model, tokenizer):
    prompt = "A" * (generation_limit(model.config) - 2)  # which leaves room for one character
    with torch.no_grad():
        logits = model(**tokenizer([prompt], return_tensors="pt", verbose=False)).logits[0, -1]
    logits[[tokenizer.pad_token_id, tokenizer.unk_token_id]] = -torch.inf
    expected = torch.softmax(logits / 0.7, dim=-1)
    n = 1000
    drawn = generate_tunes(model, tokenizer, [prompt] * n, range(n), temperature=0.7, top_p=1.0, batch_size=n)
    found = torch.zeros(len(tokenizer))
    for one in drawn:
        character = one.text.removeprefix(prompt)
        found[tokenizer.convert_tokens_to_ids(character) if character else tokenizer.eos_token_id] += 1
    error = (expected * (1 - expected) / n).sqrt()
    assert ((found / n - expected).abs() <= 4 * error + 1 / n).all()


def test_a_low_temperature_and_a_low_top_p_leave_the_likeliest_text(model, tokenizer):
    likeliest = {generate_tunes(model, tokenizer, ["AB"], [0], top_p=1e-6)[0].text}
    for options in ({"top_p": 1e-6}, {"temperature": 1e-6, "top_p": 1.0}, {"temperature": 1, "top_p": 1e-6}):
        assert {one.text for one in generate_tunes(model, tokenizer, ["AB"] * 4, range(4), **options)} == likeliest


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature: got 0.0, expected a number above 0"),
        ({"temperature": -1.0}, "temperature: got -1.0"),
        ({"temperature": float("nan")}, "temperature: got nan"),
        ({"temperature": float("inf")}, "temperature: got inf"),
        ({"top_p": 0.0}, "top_p: got 0.0, expected a number above 0 and at most 1"),
        ({"top_p": 1.1}, "top_p: got 1.1"),
        ({"top_p": float("nan")}, "top_p: got nan"),
    ],
)
def test_sampling_options_out_of_range_are_refused(model, tokenizer, options, message):
    with pytest.raises(UserError, match=message):
        generate_tunes(model, tokenizer, [""], [0], **options)


def test_a_prompt_that_leaves_no_room_is_refused_before_anything_is_drawn(model, tokenizer, monkeypatch):
    limit = generation_limit(model.config)
    assert len(generate_tunes(model, tokenizer, ["A" * (limit - 2)], [0])[0].text) in (limit - 2, limit - 1)
    monkeypatch.setattr(type(model), "forward", lambda *_, **__: pytest.fail("something was drawn"))
    with pytest.raises(UserError, match=rf"prompt: got {limit} characters, the model writes at most {limit}"):
        generate_tunes(model, tokenizer, ["", "A" * (limit - 1)], [0, 1], batch_size=1)


def test_no_prompts_give_no_tunes(model, tokenizer):
    assert generate_tunes(model, tokenizer, [], []) == []


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_room_for_what_is_to_come_changes_no_number(family, tokenizer):
    vocabulary = Vocabulary(len(tokenizer), tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    model = build_model(build_config(family, Size.parse("a=16x2x2x32"), vocabulary, 200), 0).eval()
    ids = torch.randint(len(tokenizer), (5, 150), generator=torch.Generator().manual_seed(0))
    ours, theirs = empty_cache(model)["past_key_values"], DynamicCache(config=model.config)
    parts = [ids[:, :3], *(ids[:, place : place + 1] for place in range(3, 150))]
    rows = torch.arange(5)
    for step, part in enumerate(parts):
        with torch.inference_mode():
            found = [
                model(input_ids=part[rows], past_key_values=cache, use_cache=True).logits for cache in (ours, theirs)
            ]
        assert torch.equal(*found)
        if step in (40, 100):  # rows end and leave
            rows, going = rows[[0, 2, -1]], torch.tensor([0, 2, len(rows) - 1])
            ours.reorder_cache(going)
            theirs.reorder_cache(going)
    assert ours.get_seq_length() == 150
