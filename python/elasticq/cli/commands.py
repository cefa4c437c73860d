"""The commands by name. A command's module is imported only when it is run, or for completion."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

if TYPE_CHECKING:
    from elasticq.cli.manual import Manual


class Module(Protocol):
    """What each command's module has."""

    def parser(self, program: str) -> Manual:
        """The parser of its arguments, which is also its manual."""

    def main(self, arguments: Sequence[str], program: str) -> int:
        """Runs the command and returns its exit status."""


class Command(NamedTuple):
    """A command: where it is, and what for."""

    module: str
    purpose: str

    def load(self) -> Module:
        """Its module."""
        return cast(Module, importlib.import_module(self.module))


COMMANDS = {
    "demo": Command("elasticq.demo.cli", "run an MQTT ingest pipeline on real traffic"),
    "mqtt-proxy": Command("elasticq.mqtt.cli", "hand on MQTT messages to a broker that may be down"),
    "bench": Command("elasticq.bench.cli", "measure the queues beside others on this machine"),
    "top": Command("elasticq.cli.top", "watch the queues of a running process"),
    "inspect": Command("elasticq.cli.inspect", "look at a durable queue, also at one that is in use"),
    "verify": Command("elasticq.cli.verify", "check every record of a durable queue"),
    "repair": Command("elasticq.cli.repair", "make a damaged durable queue open again"),
    "compact": Command("elasticq.cli.compact", "make the files of a durable queue small"),
    "export": Command("elasticq.cli.export", "print the items of a durable queue, also of a damaged one"),
    "completion": Command("elasticq.cli.completion", "print a script that completes the command line"),
}


def program() -> str:
    """How the program was called: by its name, or as a module."""
    called = PurePath(sys.argv[0]).name
    return "python -m elasticq" if called == "__main__.py" else "elasticq"
