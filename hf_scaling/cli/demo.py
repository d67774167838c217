"""`hf-scaling demo`: the page on which a study's models write tunes, over the study's folder."""

import argparse
import tempfile
from importlib.util import find_spec
from pathlib import Path

from hf_scaling.cli.command import Command, count
from hf_scaling.records import UserError


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")
    parser.add_argument("--port", type=count, help="of this machine (default: the first free one from 7860)")


def _demo(options: argparse.Namespace) -> int:
    if find_spec("gradio") is None:
        raise UserError("demo: needs the package gradio; pip install 'hf_scaling[demo]'")
    from hf_scaling.hub.reading import read_study
    from hf_scaling.hub.space_folder import exhibited, write_exhibit  # matplotlib

    study = read_study(options.study)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = [model for model in exhibited(study, []) if (study.run_folder(*model) / "model").is_dir()]
        write_exhibit(study, models, lambda *model: str(study.run_folder(*model) / "model"), folder)
        from hf_scaling.hub.space.serve import serve  # torch: not before the study is known to be one

        return serve(folder, options.port)


COMMANDS = {"demo": Command("a page on which a study's models write tunes, beside each other", _options, _demo)}
