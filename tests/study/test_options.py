"""A study's options: the command line outranks the file, the file the defaults, and nothing unknown slips through."""

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from hf_scaling.records import UserError
from hf_scaling.study.config import StudyConfig
from hf_scaling.study.options import add_study_options, load_config, make_parser, parse_study

LADDER = ["a=8x1x1x16"]


@pytest.fixture
def load(tmp_path):
    """The study in a file of these values."""

    def from_values(overrides=None, **values):
        path = tmp_path / "study.yaml"
        path.write_text(yaml.safe_dump({"ladder": LADDER} | values), encoding="utf-8")
        return load_config(path, overrides or {})

    return from_values


@pytest.fixture
def parse(tmp_path):
    """The study of a file, as text, and a command line."""

    def from_text(text, *argv):
        path = tmp_path / "study.yaml"
        path.write_text(f"ladder: {LADDER}\n{text}", encoding="utf-8")
        parser = make_parser("test")
        add_study_options(parser, path)
        return parse_study(parser, argv)[0]

    return from_text


def test_the_command_line_outranks_the_file_and_the_file_the_default(parse):
    default = parse("")
    assert (default.batch_size, default.seed, default.dropout) == (8, 0, 0.0)
    config = parse("batch_size: 2\nseed: 7\n", "--seed", "9")
    assert (config.batch_size, config.seed, config.dropout) == (2, 9, 0.0)


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("learning_rate_exponent: 3e-1", "learning_rate_exponent", 0.3),  # PyYAML reads 3e-1 as text
        ("weight_decay: 1e-4", "weight_decay", 1e-4),
        ("weight_decay: 1", "weight_decay", 1.0),
        ("tokens_per_run: 1e6", "tokens_per_run", 1_000_000),
        ("tokens_per_run: 12345678901234567", "tokens_per_run", 12345678901234567),
        ("tokens_per_run: null", "tokens_per_run", None),
        ("tokens_per_run: none", "tokens_per_run", None),
        ("tokens_per_run:", "tokens_per_run", None),
        ("compile: true", "compile", True),
        ("compile: 'False'", "compile", False),
        ("families: [gpt2]", "families", ["gpt2"]),
        ("collections: []", "collections", []),
        ("best_sizes: [a]", "best_sizes", ["a"]),
        ("name: 2024", "name", "2024"),
    ],
)
def test_values_take_the_type_of_their_field(parse, text, name, expected):
    value = getattr(parse(text), name)
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("argv", "name", "expected"),
    [
        (["--tokens_per_run", "1e6"], "tokens_per_run", 1_000_000),
        (["--tokens_per_run", "null"], "tokens_per_run", None),
        (["--compile", "true"], "compile", True),
        (["--families", "folk_lstm", "gpt2"], "families", ["folk_lstm", "gpt2"]),
        (["--collections"], "collections", []),
        (["--ladder", "x=8x1x1x16", "y=16x1x1x32"], "ladder", ["x=8x1x1x16", "y=16x1x1x32"]),
        (["--learning_rates", "gpt2=1e-3", "folk_lstm=.5"], "learning_rates", ["gpt2=1e-3", "folk_lstm=.5"]),
        (["--dropout=.25"], "dropout", 0.25),
    ],
)
def test_the_command_line_takes_the_same_values(parse, argv, name, expected):
    assert getattr(parse("", *argv), name) == expected


def test_every_field_is_an_option_with_help(capsys):
    parser = make_parser("test")
    add_study_options(parser, Path("x.yaml"))
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(["--help"])
    assert stop.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    for field in fields(StudyConfig):
        assert f"--{field.name} " in shown
        assert " ".join(field.metadata["help"].split()) in shown


BAD = [
    ({"batch_size": "four"}, "batch_size: got 'four', expected a whole number"),
    ({"batch_size": 2.5}, "batch_size: got 2.5, expected a whole number"),
    ({"batch_size": True}, "batch_size: got True, expected a whole number"),
    ({"batch_size": None}, "batch_size: got None, expected a whole number"),
    ({"batch_size": [4]}, r"batch_size: got \[4\], expected a whole number"),
    ({"batch_size": 0}, "batch_size: got 0, expected at least 1"),
    ({"batch_size": "1e999"}, "batch_size: got '1e999', expected a whole number"),
    ({"dropout": "much"}, "dropout: got 'much', expected a number"),
    ({"dropout": 1.0}, "dropout: got 1.0, expected a number from 0 to below 1"),
    ({"dropout": "nan"}, "dropout: got 'nan', expected a number"),
    ({"epochs": ".inf"}, "epochs: got '.inf', expected a number"),
    ({"epochs": float("inf")}, "epochs: got inf, expected a number"),
    ({"max_grad_norm": "inf"}, "max_grad_norm: got 'inf', expected a number"),
    ({"compile": 1}, "compile: got 1, expected true or false"),
    ({"compile": "yes please"}, "compile: got 'yes please', expected true or false"),
    ({"families": "gpt2"}, "families: got 'gpt2', expected a list"),
    ({"families": ["gpt3"]}, r"families: got \['gpt3'\], expected .*gpt2, folk_lstm"),
    ({"families": []}, r"families: got \[\], expected some of gpt2, folk_lstm"),
    ({"families": ["gpt2", "gpt2"]}, r"families: got \['gpt2', 'gpt2'\], expected each once"),
    ({"sources": []}, r"sources: got \[\], expected at least one"),
    ({"sources": ["napster"]}, "sources: got 'napster', expected some of music21, the_session"),
    ({"name": "../up"}, "name: got '../up', expected letters, digits"),
    ({"name": ""}, "name: got '', expected letters, digits"),
    ({"ladder": []}, "ladder: got no size, expected at least one"),
    ({"ladder": ["30k"]}, "ladder: got '30k', expected NAME=D_MODELxN_LAYERSxN_HEADSxD_FF"),
    ({"ladder": ["a=8x1x1"]}, "ladder: got 'a=8x1x1', expected NAME="),
    ({"ladder": ["../a=8x1x1x16"]}, "ladder: got '../a=8x1x1x16', expected NAME="),
    ({"ladder": ["a=8x0x1x16"]}, "ladder: size a has n_layers 0; it must be at least 1"),
    ({"ladder": ["a=10x1x4x16"]}, "ladder: size a has d_model 10, which its n_heads 4 do not divide"),
    ({"ladder": ["a=8x1x1x16", "a=16x1x1x16"]}, "ladder: the name 'a' stands twice"),
    ({"best_sizes": ["z"]}, r"best_sizes: got \['z'\], expected some of a"),
    ({"optimizer": "sgd"}, "optimizer: got 'sgd', expected one of adamw, muon"),
    ({"schedule": "linear"}, "schedule: got 'linear', expected one of wsd, cosine"),
    ({"horizons": [0.5]}, r"horizons: got \[0.5\], expected shares above 0 and at most 1, each once, 1 among them"),
    ({"horizons": [0, 1]}, r"horizons: got \[0.0, 1.0\], expected shares above 0"),
    ({"horizons": [1, 1]}, r"horizons: got \[1.0, 1.0\], expected shares above 0"),
    ({"replicates": 0}, "replicates: got 0, expected at least 1"),
    ({"rest_rate_ratio": 0}, "rest_rate_ratio: got 0.0, expected a number above 0"),
    ({"tune_sizes": ["a"]}, r"tune_sizes: got \['a'\], expected none, or 3 of a"),
    ({"tune_factors": [1, 2]}, r"tune_factors: got \[1.0, 2.0\], expected at least 3 numbers above 0"),
    ({"report_to": ["mlflow"]}, r"report_to: got \['mlflow'\], expected some of trackio, tensorboard, wandb"),
    ({"side_by_side": -1}, "side_by_side: got -1, expected at least 0"),
    ({"precision": "fp8"}, "precision: got 'fp8', expected one of auto, fp32, bf16, fp16"),
    ({"context_length": 4}, "context_length: got 4, expected at least 8"),
    ({"min_chars": 100, "max_chars": 100}, "max_chars: got 100, expected more than min_chars, 100"),
    ({"tokens_per_run": 0}, "tokens_per_run: got 0, expected at least 1"),
    ({"temperature": 0}, "temperature: got 0.0, expected a number above 0"),
    ({"top_p": 1.1}, "top_p: got 1.1, expected a number above 0 and at most 1"),
    ({"validation_fraction": 0}, "validation_fraction: got 0.0, expected a number between 0 and 1"),
    ({"validation_fraction": 0.5, "test_fraction": 0.4}, "test_fraction: got 0.4, expected to leave 10 %"),
    ({"warmup_fraction": 0.6, "decay_fraction": 0.5}, "decay_fraction: got 0.5, expected at most 1 - warmup_fraction"),
    ({"seed": -1}, "seed: got -1, expected"),
    ({"seed": 2**32}, "seed: got 4294967296, expected"),  # numpy's generator takes no more
    ({"threads": -1}, "threads: got -1, expected at least 0"),
    ({"learning_rates": ["gpt2=1e-3"]}, "learning_rates: .*expected FAMILY=RATE for each family, as in folk_lstm=3e-3"),
    ({"learning_rates": ["gpt2:1e-3", "folk_lstm=1"]}, "learning_rates: .*expected FAMILY=RATE"),
    ({"learning_rates": ["gpt2=1e-3", "gpt2=1", "folk_lstm=1"]}, "learning_rates: .*expected each of gpt2, .* once"),
    ({"learning_rates": ["gpt2=1", "folk_lstm=1", "gpt3=1"]}, "learning_rates: .*expected each of gpt2, .* once"),
    ({"learning_rates": ["gpt2=fast", "folk_lstm=1"]}, "learning_rates: .*expected FAMILY=RATE"),
    ({"learning_rates": ["gpt2=1", "folk_lstm=1", "llama=fast"]}, "learning_rates: .*expected FAMILY=RATE"),
    ({"learning_rates": [{"gpt2=1": 0.5}, "folk_lstm=1"]}, "learning_rates: .*a colon with a space behind it"),
    ({"learning_rates": ["gpt2=1:", "folk_lstm=1"]}, "learning_rates: .*or FAMILY=RATE:EXPONENT"),
    ({"learning_rates": ["gpt2=1:steep", "folk_lstm=1"]}, "learning_rates: .*or FAMILY=RATE:EXPONENT"),
    ({"learning_rates": ["gpt2=1:2.5", "folk_lstm=1"]}, "learning_rates: .*expected exponents from -2 to 2"),
    ({"learning_rates": ["gpt2=1:nan", "folk_lstm=1"]}, "learning_rates: .*expected exponents from -2 to 2"),
    ({"learning_rates": ["gpt2=0", "folk_lstm=1"]}, "learning_rates: .*expected rates above 0"),
    ({"learning_rates": ["gpt2=nan", "folk_lstm=1"]}, "learning_rates: .*expected rates above 0"),
    ({"batchsize": 4}, "unknown key 'batchsize'; did you mean 'batch_size'"),
    ({"zzz": 4}, "unknown key 'zzz'; expected some of name, output_dir, seed"),
]


@pytest.mark.parametrize(("values", "message"), BAD, ids=[f"{values}" for values, _ in BAD])
def test_a_wrong_value_is_refused_by_name_with_what_would_be_accepted(load, values, message):
    with pytest.raises(UserError, match=message) as error:
        load(**values)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- a\n- b\n", "got list, expected keys and values"),
        ("just text", "got str, expected keys and values"),
        ("", "got NoneType, expected keys and values"),
        ("a: [1, 2\nb: }", "not valid YAML"),
        ("a: !!python/object/apply:os.system ['touch pwned']", "not valid YAML .*python/object"),
        ("a: !!python/name:os.system", "not valid YAML .*python/name"),
        ("\x00", "not valid YAML"),
        ("1: 2", "unknown key 1"),
        ("seed: *nowhere", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
    ],
)
def test_a_file_that_is_no_study_is_refused(tmp_path, monkeypatch, text, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "study.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message) as error:
        load_config(tmp_path / "study.yaml", {})
    assert "study.yaml" in str(error.value)
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_a_file_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "study.yaml").write_bytes("name: stüdy".encode("latin-1"))
    with pytest.raises(UserError, match="not valid YAML"):
        load_config(tmp_path / "study.yaml", {})


def test_what_does_not_change_the_numbers_does_not_change_the_hash(load):
    assert load(output_dir="elsewhere").config_hash == load().config_hash
    assert load(seed=1).config_hash != load().config_hash
    assert load(temperature=0.5).config_hash != load().config_hash


def test_a_study_lies_where_it_says(load):
    assert load(name="jigs").folder == Path("outputs/jigs")
    assert load(name="jigs", output_dir="/data/x y").folder == Path("/data/x y")
