"""Cards, whole, as a reader and the Hub get them; and what a title may not do to them."""

import json
import re
import shutil

import pytest
from huggingface_hub import DatasetCard, ModelCard
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from hf_scaling.hub.markdown import code_block, inert, one_line
from hf_scaling.laws.plots import scaling_figure
from hf_scaling.records import content_hash, finished_rows, read_json, read_jsonl, write_json, write_jsonl

N, NUMBER, PM = r"[\d,]+", r"\d\.\d{4}", r"\d\.\d{4} ± \d\.\d{4}"
MODEL = rf"""---
library_name: transformers
license: apache-2\.0
pipeline_tag: text-generation
(.*\n)*?---
# me/folk-RUN_ID

A character-level language model of folk tunes in \[ABC notation\]\(https://abcnotation\.com\): LABEL with
{N} parameters, from the scaling study \*tiny\* made with
hf\\_scaling\. It is one point of a ladder of sizes, trained to be compared with the others
and not to be the best model that its size allows\.

## How to use

```python
from transformers import pipeline
print\(pipeline\("text-generation", "me/folk-RUN_ID"REMOTE\)\("X:1\\n"\)\[0\]\["generated_text"\]\)
```

NOTEOne character is one token\..*
asked for .*
temperature 0\.9, top-p 0\.95, at most
{N} characters\.

## Intended use

(.*\n){{2}}
## Results

\| split \| nats per token \| bits per character \|
\|---\|--:\|--:\|
\| validation \| {PM} \| {NUMBER} \|

The ± is .*

!\[Validation loss .* this model is ringed\]\(scaling\.png\)

## Training data

\| split \| tunes \| characters \| tune families \|
\|---\|--:\|--:\|--:\|
\| train \| {N} \| {N} \| {N} \|
\| validation \| {N} \| {N} \| {N} \|
\| test \| {N} \| {N} \| {N} \|

Near-duplicates .* At a similarity of 0\.3
or more, 0 of {N} test tunes have a twin in
the training split; a random split of the same tunes would have {N}\.

\| source \| licence \| commercial use \| redistribution \| text \|
\|---\|---\|---\|---\|---\|
\| abc\\_files \| cc0\\-1\\\.0 \| yes \| yes \| .*creativecommons.* \|

- abc\\_files: Contains tunes from files of the user, .*

## Recipe

\| \| \|
\|---\|---\|
\| run \| `RUN_ID` \|
\| parameters N \| {N}, without embeddings {N} \|
\| training tokens D \| 10,240, 10,240 of them unique \|
\| training FLOPs C \| \d\.\d{{3}}e\+\d\d \|
\| context \| 64 tokens \|
\| batch \| 512 tokens, 20 updates \|
\| optimizer \| adamw, learning rate 0\.0\d+, weight decay 0\.1 \|
\| schedule \| wsd \|
\| precision \| fp32 \|
\| seed \| 0 \|
\| hardware \| .*, 1 thread \|
\| time \| \d+ s, {N} tokens per second \|
\| versions \| python .*, hf\\_scaling .*, torch .*, transformers .* \|
\| commit of hf\\_scaling \| .* \|

## Limits

(- .*\n){{3}}
## Licence

Weights and code are under Apache-2\.0\. The terms of the training data stand above\.

## Citation

```bibtex
@misc{{RUN_ID,
  title = {{.*RUN_ID}},
  year = {{20\d\d}},
  howpublished = {{\\url{{https?://.*/me/folk-RUN_ID}}}},
  note = {{Made with hf\\_scaling}}
}}
```
"""
TIERS = rf"""Of {N} tunes that it wrote for the prompts of the study, as written, without any constraint or repair:

\| tier \| tunes \| what it asks \|
\|---\|--:\|---\|
\| parses \| \d+ \| .* \|
\| strict \| \d+ \| .* \|
\| playable \| \d+ \| .* \|

Draws that were beyond repair count as failures: \d+ of them\.

"""
SAMPLES = r"""## Samples

The first 3 of the study's 10, not chosen; all are in `samples/`\.
Each was written held to the grammar of the notation \(strict\), the shares above are of what the model writes
without\.

(### .*

(Repaired in \d+ places? after it was written\.

)?(    .*\n|\n)+!\[The score\]\(samples/\d{3}\.svg\)

<audio controls src="http.*/me/folk/resolve/main/samples/\d{3}\.opus"></audio>

\[MIDI\]\(samples/\d{3}\.mid\)

){3}"""
BEST = [
    ("me/folk-RUN_ID", "me/folk"),
    ("one point of a ladder of sizes, trained to be compared with the others\nand not to be the best model that its "
     "size allows", r"the study's best model,\ntrained on from run gpt2.* for 6 passes"),
    ("\n\nThe ±", rf"\n\| test \| {PM} \| {NUMBER} \|\n\nThe ±"),
    ("!\\[Validation loss .* this model is ringed\\]\\(scaling\\.png\\)\n\n", ""),
    ("## Training data", f"{TIERS}## Training data"),
    ("10,240, 10,240", f"{N}, {N}"), ("20 updates", "\\d+ updates"), (r"seed \| 0", r"seed \| 1"),
    (r"(- .*\n){3}", r"(- .*\n){4}"), ("## Licence", f"{SAMPLES}## Licence"),
]  # fmt: skip
REMOTE_NOTE = r"transformers has no such LSTM, so .*\nimport torch and transformers only\.\n\n"


@pytest.fixture
def card(push, study):
    """The card that a dry run writes."""

    def write(what="models", family="gpt2", repository="me/folk"):
        ended = push(what, study, "--repository", repository, "--dry-run")
        assert (ended.code, ended.err) == (0, [])
        names = {"models": f"model/{repository}-{family}-a-*", "best": f"model/{repository}"}
        names |= {"ledger": f"dataset/{repository}-ledger"}
        (found,) = (study / "hub").glob(names[what])
        return (found / "README.md").read_text()

    return write


def alter(path, **changes):
    write_json(path, read_json(path) | changes)


@pytest.mark.parametrize(("family", "label"), [("gpt2", "GPT\\-2"), ("folk_lstm", "LSTM"), ("llama", "LLaMA")])
def test_the_card_of_a_run_whole(card, figured, family, label):
    runs = finished_rows(figured / "runs.jsonl")
    write_jsonl(figured / "runs.jsonl", [row for row in runs if row["family"] == family])
    (run_id,) = (row["run_id"] for row in runs if row["family"] == family)
    remote, note = (", trust_remote_code=True", REMOTE_NOTE) if family == "folk_lstm" else ("", "")
    pattern = MODEL.replace("RUN_ID", re.escape(run_id)).replace("LABEL", re.escape(label))
    text = card(family=family)
    assert re.fullmatch(pattern.replace("REMOTE", remote).replace("NOTE", note), text), text


def test_the_card_of_the_best_model_whole(card, study):
    pattern = MODEL
    for plain, best in BEST:
        pattern = pattern.replace(plain, best)
    run_id = re.escape(read_json(study / "best.json")["run_id"])
    pattern = pattern.replace("RUN_ID", run_id).replace("LABEL", re.escape("GPT\\-2"))
    text = card("best")
    assert re.fullmatch(pattern.replace("REMOTE", "").replace("NOTE", ""), text), text


def test_the_hub_reads_the_metrics_each_with_its_data_set_and_split(card, study):
    results = ModelCard(card("best", repository="me/best")).data.eval_results
    best = read_json(study / "best.json")
    samples = read_jsonl(study / "samples" / "samples.jsonl")
    draws = len(samples) + sum(sample["redraws"] for sample in samples)
    found = {(result.dataset_split, result.metric_type): result.metric_value for result in results}
    losses = {("validation", "loss"): best["val_loss"], ("test", "loss"): best["test_loss"]}
    losses |= {("validation", "bits_per_character"): best["val_bpc"], ("test", "bits_per_character"): best["test_bpc"]}
    tiers = ("parses", "strict", "playable")
    shares = {("generated", tier): sum(one["raw_verdict"][tier] for one in samples) / draws for tier in tiers}
    assert found == pytest.approx(losses | shares, abs=5e-5)
    assert {result.dataset_name for result in results} == {
        "tunes of the study tiny (abc_files)",
        f"{draws} tunes that this model wrote",
    }


def test_the_best_model_shows_its_test_loss_and_its_samples_with_score_and_sound(card, study):
    text = card("best")
    assert re.search(rf"\| test \| {PM} \| {NUMBER} \|", text)
    assert text.count("![The score](samples/00") == 3
    assert '<audio controls src="http' in text
    assert "/me/folk/resolve/main/samples/001.opus" in text
    first = read_jsonl(study / "samples" / "samples.jsonl")[0]
    assert "\n".join(f"    {line}".rstrip() for line in first["abc"].strip().split("\n")) in text


def test_what_is_pushed_together_is_linked_and_what_is_not_is_not(push, hub, study):
    push("best", "ledger", "dataset", "space", study, "--repository", "me/folk")
    together = hub.repositories["models/me/folk"].files["README.md"].decode()
    assert f"{hub.url}/datasets/me/folk-ledger" in together
    assert f"[me/folk]({hub.url}/spaces/me/folk)" in together
    assert ModelCard(together).data.datasets == ["me/folk"]
    push("best", study, "--repository", "me/alone")
    alone = hub.repositories["models/me/alone"].files["README.md"].decode()
    assert "/datasets/" not in alone
    assert "/spaces/" not in alone
    assert ModelCard(alone).data.datasets is None


def test_a_model_of_closed_data_says_so_and_links_no_data_set(card, study):
    statistics = read_json(study / "dataset" / "statistics.json")
    statistics["licences"][0] |= {"commercial_use": False, "redistributable": False, "notice": "Not to be sold."}
    write_json(study / "dataset" / "statistics.json", statistics)
    data = ModelCard(text := card("best")).data
    assert (data.license, data.license_name) == ("other", "terms-of-the-training-data")
    assert data.license_link.endswith("/me/folk#licence")
    assert "Not to be sold" in text
    assert "use the weights only as those terms allow" in text


def test_the_figure_rings_the_model_in_every_panel(figured):
    fits = read_json(figured / "fits.json")["fits"]
    place = {"total": 5_000, "non_embedding": 2_000}
    for axes, n in zip(scaling_figure(fits, mark=(place, 0.5)).axes, place.values(), strict=True):
        rings = [drawn.get_offsets().tolist() for drawn in axes.collections if drawn.get_label() == "this model"]
        assert rings == [[[n, 0.5]]]
        assert axes.get_ylim()[0] < 0.5


def sealed(run, **changes):
    record = {
        "run_id": run["run_id"], "sealed_at": "2020-01-01T00:00:00Z", "basis": ["a", "b"], "persistence": 3.5,
        "loss": 3.25, "form": "chinchilla", "intervals": {"0.5": [3.2, 3.3], "0.9": [3.1, None]}, **changes,
    }  # fmt: skip
    return record | {"seal": content_hash(record)}


def test_a_forecast_stands_beside_its_outcome(card, study):
    run = finished_rows(study / "runs.jsonl")[0]
    write_json(study / "forecasts" / f"{run['run_id']}.json", sealed(run))
    told = f"""Before this run began, its loss was forecast from 2 runs of smaller models, by the
form chinchilla:

| | nats per token |
|---|--:|
| forecast | 3.2500 |
| 50 % interval | 3.2000 to 3.3000 |
| 90 % interval | 3.1000 to – |
| **outcome** | {run["val_loss"]:.4f} |
"""
    assert f"{told}| next smaller model, as long a run | 3.5000 |\n\n" in card(family=run["family"])
    write_json(study / "forecasts" / f"{run['run_id']}.json", sealed(run, persistence=None))
    assert f"{told}\n" in card(family=run["family"])
    write_json(study / "forecasts" / f"{run['run_id']}.json", sealed(run, loss=None, reason="too few runs"))
    assert "forecast from" not in card(family=run["family"])


def test_a_run_that_is_not_of_the_points_says_why_it_stands_apart(card, figured):
    short, longest, *_ = finished_rows(figured / "runs.jsonl")
    write_jsonl(figured / "runs.jsonl", [short | {"n_tokens": 2560}, longest])
    text = card(family=short["family"])
    assert "runs with D = 10,240 training tokens; this model saw\n2,560, so that it stands apart" in text
    (other,) = (figured / "hub").glob(f"model/me/folk-{longest['run_id']}/README.md")
    assert "stands apart" not in other.read_text()


def test_a_single_place_is_no_places(card, study):
    samples = read_jsonl(study / "samples" / "samples.jsonl")
    repairs = [[{}], [{}, {}], []]
    write_jsonl(
        study / "samples" / "samples.jsonl",
        [sample | {"repairs": made} for sample, made in zip(samples, repairs, strict=False)],
    )
    text = card("best")
    assert re.findall("Repaired in .*", text) == [
        "Repaired in 1 place after it was written.", "Repaired in 2 places after it was written."
    ]  # fmt: skip


@pytest.mark.parametrize("change", [{"loss": 3.0}, {"seal": "0"}, {"sealed_at": "2999-01-01T00:00:00Z"}])
def test_a_forecast_that_proves_nothing_is_not_shown(push, study, change):
    run = finished_rows(study / "runs.jsonl")[0]
    record = sealed(run, **change) if "sealed_at" in change else sealed(run) | change
    write_json(study / "forecasts" / f"{run['run_id']}.json", record)
    ended = push("models", study, "--repository", "me/folk", "--dry-run")
    assert ended.code == 2
    assert len(ended.err) == 1
    assert "it proves nothing" in ended.err[0]


def test_the_ledgers_card(card):
    text = card("ledger")
    assert DatasetCard(text).data.configs == [
        {"config_name": "default", "data_files": [{"split": "train", "path": "data/runs.parquet"}]}
    ]
    assert 'load_dataset("me/folk-ledger", split="train")' in text
    assert "3\nfinished and 0 failed" in text


HOSTILE = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "[click](javascript:alert(1))",
    "![x](https://evil.example/track.png)",
    "# Heading | cell | `code` **bold** ~~gone~~",
    "---\nlicense: mit\n---",
    "```\n</code></pre><b>",
    "{{ 7 * 7 }}{% raw %}",
    "https://evil.example www.evil.example me@evil.example @somebody",
    "$$\\frac{1}{0}$$ \\(x\\)",
    "\u202eesrever\u2028\x1b[31m\x00\r\n\ttab",
    "&lt;b&gt; &#60;i&#62;",
    "*  item\n1. item\n> quote\n===\n\\",
]
PARSER = MarkdownIt("gfm-like", {"html": True, "linkify": False})


@given(st.one_of(st.sampled_from(HOSTILE), st.text(), st.text("\\`*_{}[]<>()#+-.!|~&:@=$^'\"/ \n1a", max_size=30)))
def test_nothing_in_a_title_is_markup(title):
    shown = one_line(title)
    (opened, inline, closed) = PARSER.parse(f"x {inert(title)} x")
    assert (opened.type, inline.type, closed.type) == ("paragraph_open", "inline", "paragraph_close")
    assert {child.type for child in inline.children} <= {"text"}
    assert "".join(child.content for child in inline.children).split() == ["x", *shown.split(), "x"]
    for line in (f"## {inert(title)}", f"- {inert(title)}: x", f"| {inert(title)} |\n|---|"):
        inside = [child for token in PARSER.parse(line) for child in token.children or []]
        assert {child.type for child in inside} <= {"text"}


@given(st.one_of(st.sampled_from(HOSTILE), st.text()))
def test_nothing_in_a_tune_ends_its_code_block(tune):
    tokens = PARSER.parse(f"before\n\n{code_block(f'X:1{chr(10)}{tune}')}\n\nafter")
    kinds = [token.type for token in tokens if token.type not in ("paragraph_open", "paragraph_close")]
    assert kinds == ["inline", "code_block", "inline"]


def test_hostile_text_in_every_place_leaves_a_card_as_it_was(card, study):
    hostile = "\n".join(HOSTILE)
    plain = card("best")
    samples = read_jsonl(study / "samples" / "samples.jsonl")
    write_jsonl(
        study / "samples" / "samples.jsonl",
        [sample | {"title": hostile, "abc": f"X:1\nT:{hostile}\n"} for sample in samples],
    )
    alter(study / "best.json", device=hostile, git_commit=hostile, from_run_id=hostile, versions={hostile: hostile})
    statistics = read_json(study / "dataset" / "statistics.json")
    statistics["licences"][0] |= {"source": hostile, "notice": hostile, "text": hostile, "identifier": hostile}
    statistics["sources"] = {hostile: 1}
    write_json(study / "dataset" / "statistics.json", statistics)
    rows = [row | {"study": hostile} for row in finished_rows(study / "runs.jsonl")]
    write_jsonl(study / "runs.jsonl", rows)
    shutil.rmtree(study / "hub")
    text = card("best")
    metadata, before = ModelCard(text).data.to_dict(), ModelCard(plain).data.to_dict()
    assert metadata.pop("model-index")[0]["results"][0]["dataset"]["name"] == one_line(
        f"tunes of the study {hostile} ({hostile})"
    )
    before.pop("model-index")
    assert metadata == before
    assert structure(text) == structure(plain)


def structure(card):
    """What a reader's program makes of a card, but for its words."""
    kinds = []
    for token in PARSER.parse(ModelCard(card).text):
        kinds.append((token.type, token.tag))
        for child in token.children or []:
            if child.type not in ("text", "softbreak"):
                kinds.append((child.type, child.tag, json.dumps(child.attrs)))
    return kinds
