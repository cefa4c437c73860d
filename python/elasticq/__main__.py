"""`python -m elasticq COMMAND ...` finds the command and hands it the rest of the command line."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from typing import cast

# Name -> (module, purpose). The module has `main(arguments, program) -> exit status`, and is imported only
# when its command is run.
_COMMANDS = {
    "demo": ("elasticq.demo.cli", "run an MQTT ingest pipeline on real traffic"),
    "inspect": ("elasticq._tool.inspect", "look at a durable queue, also at one that is in use"),
    "verify": ("elasticq._tool.verify", "check every record of a durable queue"),
    "repair": ("elasticq._tool.repair", "make a damaged durable queue open again"),
    "compact": ("elasticq._tool.compact", "make the files of a durable queue small"),
    "export": ("elasticq._tool.export", "print the items of a durable queue, also of a damaged one"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    program = "python -m elasticq"
    purposes = "\n".join(f"  {name:<8} {purpose}" for name, (_, purpose) in _COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog=program, epilog=f"commands:\n{purposes}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=_COMMANDS, metavar="COMMAND", help="one of those below")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="see COMMAND --help")
    options = parser.parse_args(arguments)
    module = importlib.import_module(_COMMANDS[options.command][0])
    run = cast(Callable[[Sequence[str], str], int], module.main)
    return run(options.arguments, f"{program} {options.command}")


if __name__ == "__main__":
    sys.exit(main())
