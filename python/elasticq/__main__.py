"""`elasticq COMMAND ...` finds the command and hands it the rest of the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from elasticq import __version__
from elasticq.cli.commands import COMMANDS, program
from elasticq.cli.common import run, statuses
from elasticq.cli.manual import Manual


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    name = program()
    return run(name, lambda: _run(arguments, name))


def _run(arguments: Sequence[str] | None, name: str) -> int:
    options = parser(name).parse_args(arguments)
    whole = f"{name} {options.command}"
    return run(whole, lambda: COMMANDS[options.command].load().main(options.arguments, whole))


def parser(name: str) -> Manual:
    """The parser that finds the command, and the manual that lists them."""
    made = Manual(
        name,
        ["Elastic, thread-safe queues: what to do with them from a shell."],
        {
            "commands": [(command, purpose) for command, (_, purpose) in COMMANDS.items()],
            "examples": [
                f"$ {name} bench",
                f"$ {name} top /run/app/queues",
                f"$ {name} verify /var/lib/app/jobs",
                f"$ {name} export --help",
            ],
            "exit status": [
                *statuses("what was looked at is damaged, lost or gone: each command says what 1 means"),
            ],
            "environment": [
                ("COLUMNS", "how wide the output may be; otherwise as wide as the terminal"),
                ("NO_COLOR", "no colours, whatever its value. There are none in a pipe or a file, either"),
            ],
        },
    )
    made.add_argument("--version", action="version", version=f"elasticq {__version__}")
    made.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="one of those below")
    rest = made.add_argument(
        "arguments", nargs=argparse.REMAINDER, metavar="...", help=f"see {name} COMMAND --help"
    )
    rest.required = False  # without a command, only the command is missing
    return made


if __name__ == "__main__":
    sys.exit(main())
