"""`hf-scaling data`, `figures`, `keep` and `report`: what a study's folder holds."""

import argparse
from pathlib import Path

from hf_scaling.cli.command import Command, count
from hf_scaling.records import UserError


def _report_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")


def _report(options: argparse.Namespace) -> None:
    from hf_scaling.report import write_report

    print(f"report: {write_report(options.study)}")


def _figures_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a study folder, or what was kept of one, such as results/laptop")


def _figures(options: argparse.Namespace) -> None:
    from hf_scaling.study.evidence import derive

    derive(options.study)
    print(f"figures: {options.study / 'figures'}")


def _keep_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")
    parser.add_argument("folder", type=Path, help="where to, such as results/laptop")
    parser.add_argument("--overwrite", action="store_true", help="replace what the folder holds")


def _keep(options: argparse.Namespace) -> None:
    from hf_scaling.study.keep import keep

    kept = keep(options.study, options.folder, options.overwrite)
    print(f"kept: {len(kept)} files in {options.folder}, and no tunes, weights or audio")


def _data_options(parser: argparse.ArgumentParser) -> None:
    parts = parser.add_subparsers(dest="part", metavar="WHAT", required=True)
    rejects = parts.add_parser("rejects", help="list the tunes that a study left out, and why")
    rejects.add_argument("study", type=Path, help="a study folder, such as outputs/laptop")
    rejects.add_argument("--reason", metavar="REASON", help="only these, as in --reason 'too long'")
    rejects.add_argument("--limit", type=count, metavar="N", help="how many (default 20, or all with --json; 0: all)")
    rejects.add_argument("--json", action="store_true", help="one JSON object a line, whole")
    parts.add_parser("sources", help="the licence register: each source of tunes, and what may be done with them")


def _data(options: argparse.Namespace) -> None:
    if options.part == "sources":
        from hf_scaling.data.register import describe_sources

        print(describe_sources())
        return
    from hf_scaling.data.register import describe_rejects

    listed = options.study / "dataset" / "rejects.jsonl"
    if not listed.is_file():
        raise UserError(f"{options.study}: holds no dataset/rejects.jsonl; expected the folder of a prepared study")
    for line in describe_rejects(listed, options.reason, options.limit, options.json):
        print(line)


COMMANDS = {
    "data": Command("what a study left out and why, and the licences of the sources", _data_options, _data),
    "figures": Command("fit a study's laws and draw its figures anew, from its ledger", _figures_options, _figures),
    "keep": Command("copy what of a study belongs under version control", _keep_options, _keep),
    "report": Command("write report.html of a study anew, from what its folder holds", _report_options, _report),
}
