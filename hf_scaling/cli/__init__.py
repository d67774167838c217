"""The console script `hf-scaling`: what needs no accelerator.

A subcommand is two functions, one that declares its options and one that runs it, and a line in `COMMANDS` of its
module here. Whatever is heavy is imported where the command runs, so that `hf-scaling --help` stays instant.
"""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from hf_scaling.cli import compare, demo, forecasts, laws, lint, listening, notation, study
from hf_scaling.records import exit_code

_MODULES = (compare, demo, forecasts, laws, lint, listening, notation, study)
COMMANDS = dict(sorted((name, command) for module in _MODULES for name, command in module.COMMANDS.items()))


class _Parser(argparse.ArgumentParser):
    """Reports a wrong option in one line, like every other bad input."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the command's exit code, or 2 for bad input, told in one line on standard error."""
    parser = _Parser(prog="hf-scaling", description="Scaling laws of language models of symbolic music.")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for name, command in COMMANDS.items():
        layout = argparse.RawDescriptionHelpFormatter if command.more else argparse.HelpFormatter
        described = {"help": command.help, "description": command.help, "epilog": command.more}
        command.options(subparsers.add_parser(name, formatter_class=layout, **described))
    options = parser.parse_args(arguments)
    return exit_code("hf-scaling", lambda: COMMANDS[options.command].run(options) or 0)
