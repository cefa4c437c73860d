"""`elasticq mqtt-proxy`: arguments, what must be installed, and how it ends."""

from __future__ import annotations

import argparse
import importlib.util
import re
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from elasticq import SyncMode
from elasticq.cli.common import CommandError, statuses, terminated_as_exit, text_of
from elasticq.cli.manual import Manual, Place, Text

from . import _address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._proxy import Proxy, Side

_VERSIONS = ("3.1.1", "5")
_OVERFLOWS = ("block", "drop-oldest", "drop-newest")
_SYNCS = {"every-write": "every_write", "periodic": SyncMode.periodic(1.0), "none": "no_sync"}
_LEAST_DISK, _MOST_DISK = 4 * 1024**2, 2**63
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_MOST_INFLIGHT = 16_384
_MOST_FILTER = 65_535


def main(arguments: Sequence[str], program: str) -> int:
    """Runs the proxy and returns its exit status."""
    made = parser(program)
    options = made.parse_args(arguments)
    missing = [name for name, module in _needed(options) if not _importable(module)]
    if missing:
        extras = "mqtt,prometheus" if options.metrics is not None else "mqtt"
        raise CommandError(
            f"not installed: {', '.join(missing)}; pip install 'elasticq[{extras}]' installs what is missing"
        )
    with terminated_as_exit():
        return _run(options, program)


def _needed(options: argparse.Namespace) -> list[tuple[str, str]]:
    needed = [("paho-mqtt", "paho.mqtt.client")]
    if options.metrics is not None:
        needed.append(("prometheus-client", "prometheus_client"))
    return needed


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):
        return False


def _run(options: argparse.Namespace, program: str) -> int:
    # Imported only now, since these need the package whose absence `main` reports.
    from ._proxy import Proxy, Settings
    from ._told import Teller

    source, target = _side(options, "from"), _side(options, "to")
    if _address.are_the_same(source.address, target.address):
        raise CommandError(
            f"--from and --to are the same broker, {source.address}: each message would come back for ever"
        )
    settings = Settings(
        source,
        target,
        Path(options.queue),
        options.topic or ["#"],
        options.topic_prefix,
        options.keepalive,
        options.max_inflight,
        options.max_tries,
        options.max_disk,
        options.overflow,
        _SYNCS[options.sync],  # type: ignore[arg-type]
        options.bridge,
        options.retry_dead,
    )
    teller = Teller(program, options.json)
    with ExitStack() as running:
        listening = running.enter_context(_listening(options.metrics))
        proxy = Proxy(settings, teller)
        running.callback(proxy.close)
        running.enter_context(_shown(proxy, options, listening))
        return proxy.run(threading.Event())


def _side(options: argparse.Namespace, name: str) -> Side:
    from ._proxy import Side

    given = {key: getattr(options, f"{name}_{key}") for key in _SIDE_OPTIONS}
    address = _address.with_credentials(
        getattr(options, f"{name}_"), name.upper(), given["user"], given["pass_file"]
    )
    files = {key: given[key] for key in ("ca", "cert", "key")}
    if not address.tls:
        if chosen := [key for key, value in files.items() if value is not None]:
            raise CommandError(f"--{name}-{chosen[0]} is for mqtts://, and --{name} is {address}")
        context = None
    else:
        context = _address.tls_context(**files)
    return Side(address, given["id"], given["protocol"] or options.protocol, context)


@contextmanager
def _listening(port: int | None) -> Iterator[Any]:
    """The socket for the metrics, if they are wanted."""
    if port is None:
        yield None
        return
    from elasticq.demo import DemoError
    from elasticq.demo.exporter import listen

    try:
        listening = listen(port)
    except DemoError as error:
        raise CommandError(str(error)) from error
    with listening:
        yield listening


@contextmanager
def _shown(proxy: Proxy, options: argparse.Namespace, listening: Any) -> Iterator[None]:
    """Serves the figures as long as it is entered."""
    with ExitStack() as serving:
        if options.live is not None:
            from elasticq.metrics import live

            try:
                serving.enter_context(live.serve(options.live))
            except OSError as error:
                raise CommandError(text_of(error)) from error
        if listening is not None:
            from elasticq.demo.exporter import Exporter, address_of

            from ._told import collector

            serving.enter_context(Exporter(listening, {}, [collector(proxy.figures)]))
            proxy.tell_metrics(address_of(listening))
        yield


_SIDE_OPTIONS = ("user", "pass_file", "id", "protocol", "ca", "cert", "key")


def parser(program: str) -> Manual:
    """The parser of its arguments, which is also its manual."""
    about = [
        "Takes messages from one MQTT broker, keeps them on the disk, and hands them on to another one.",
        "Use it where the target, or the way to it, is not always there: at the edge, on a ship, behind a "
        "mobile network. Nothing of QoS 1 and 2 is lost while the disk has room: neither when a broker is "
        "down nor when this program is killed. It needs pip install 'elasticq[mqtt]'.",
    ]
    sections: dict[str, Sequence[Text]] = {
        "examples": [
            f"$ {program} --from mqtt://127.0.0.1 --to mqtts://broker.example.com --queue /var/lib/proxy",
            f"$ {program} --from mqtt://127.0.0.1 --to mqtt://10.0.0.1 --queue q --topic 'sensors/#' "
            "--topic-prefix site7/ --max-disk 10G",
            f"$ {program} --from mqtt://a --to mqtt://b --queue q --metrics 9464 --live /run/proxy/q",
        ],
        "what holds": [
            "QoS, topic and payload stay as they are, and the order of each topic and QoS. Higher QoS goes "
            "first. A message is acknowledged to the source when it is on the disk, and leaves the disk when "
            "the target has acknowledged it.",
            "QoS 1 arrives at least once, and QoS 0 at most once. QoS 2 arrives once unless this program is "
            "killed, or stopped while the target takes longer than 2 s to acknowledge.",
            "The source tells whether a message was retained only with MQTT 5, or to a --bridge.",
        ],
        "overflow": [
            ("block", "disconnect from the source until there is room; it keeps QoS 1 and 2 meanwhile"),
            ("drop-oldest", "drop stored messages, the oldest of the lowest QoS first"),
            ("drop-newest", "drop what comes, of every QoS"),
            "What is dropped is counted, and told in the metrics.",
        ],
        "environment": [
            ("ELASTICQ_FROM_USER, ELASTICQ_FROM_PASSWORD", "who we are at the source"),
            ("ELASTICQ_TO_USER, ELASTICQ_TO_PASSWORD", "and at the target. Options and the URL come first"),
        ],
        "exit status": [
            *statuses(
                "the stored messages are damaged, or the disk fails",
                two="it could not be done: wrong usage, the queue is in use, or a broker that was never "
                "connected refuses us: wrong password, certificate or version of MQTT",
                fine="it never ends with that",
            ),
            ("143", "SIGTERM has ended it in good order"),
        ],
    }
    made = Manual(program, about, sections)
    for name, what in (("from", "the source"), ("to", "the target")):
        made.add_argument(
            f"--{name}",
            dest=f"{name}_",
            type=_url,
            required=True,
            metavar="URL",
            help=f"{what}: mqtt:// or mqtts://, with [USER[:PASSWORD]@]HOST[:PORT]",
        )
    made.path(
        "--queue", completed=Place.FOLDER, required=True, metavar="PATH", help="the folder for the messages"
    )
    made.add_argument(
        "--topic", action="append", type=_filter, metavar="FILTER", help="what to take; may be repeated (#)"
    )
    made.add_argument(
        "--topic-prefix", type=_prefix, default="", metavar="TEXT", help="put before each topic"
    )
    for name, what in (("from", "the source"), ("to", "the target")):
        _add_side(made, name, what)
    made.add_argument(
        "--protocol",
        choices=_VERSIONS,
        default="3.1.1",
        help="the version of MQTT on both sides (%(default)s)",
    )
    made.add_argument(
        "--bridge",
        action="store_true",
        help="tell a source of MQTT 3.1.1 that this is a bridge, so that it keeps the retain flag; mosquitto "
        "knows that, nats-server refuses it",
    )
    made.add_argument(
        "--keepalive",
        type=_whole(5, 65_535),
        default=60,
        metavar="SECONDS",
        help="how soon a dead connection is found (%(default)s)",
    )
    made.add_argument(
        "--max-inflight",
        type=_whole(1, _MOST_INFLIGHT),
        default=200,
        metavar="N",
        help="the most messages on their way to the target, and from a source of MQTT 5 (%(default)s)",
    )
    made.add_argument(
        "--max-tries",
        type=_whole(1, 1_000),
        default=5,
        metavar="N",
        help="after how many tries a message is given up that the target does not take (%(default)s)",
    )
    made.add_argument(
        "--max-disk", type=_size, metavar="SIZE", help="the most bytes of the files, such as 500M or 10G"
    )
    made.add_argument(
        "--overflow",
        choices=_OVERFLOWS,
        default="block",
        metavar="POLICY",
        help=f"what to do at that limit: {', '.join(_OVERFLOWS)} (%(default)s)",
    )
    made.add_argument(
        "--sync",
        choices=_SYNCS,
        default="every-write",
        metavar="WHEN",
        help="when messages reach the disk itself: every-write, before they are acknowledged; periodic, "
        "every second; none, as the system likes. A kill costs nothing with any of them (%(default)s)",
    )
    made.add_argument(
        "--metrics",
        type=_whole(0, 65_535),
        metavar="PORT",
        help="serve metrics to Prometheus on this port of 127.0.0.1; 0 is any free port",
    )
    made.add_argument(
        "--retry-dead", action="store_true", help="try the messages again that were given up before"
    )
    made.path("--live", completed=Place.FILE, metavar="SOCKET", help="serve a socket for elasticq top")
    made.add_argument("--json", action="store_true", help="print events as JSON lines to stdout")
    return made


def _add_side(made: Manual, name: str, what: str) -> None:
    made.add_argument(f"--{name}-user", metavar="NAME", help=f"who we are at {what}")
    made.path(
        f"--{name}-pass-file",
        completed=Place.FILE,
        metavar="FILE",
        help="a file with the password, which the command line would show to everybody",
    )
    made.add_argument(
        f"--{name}-id", metavar="ID", help="the client id; one is made and kept if it is not given"
    )
    made.add_argument(
        f"--{name}-protocol",
        choices=_VERSIONS,
        metavar="V",
        help=f"the version of MQTT at {what} (--protocol)",
    )
    made.path(
        f"--{name}-ca",
        completed=Place.FILE,
        metavar="FILE",
        help="the authorities that may have signed its certificate (the system's)",
    )
    made.path(f"--{name}-cert", completed=Place.FILE, metavar="FILE", help="our certificate")
    made.path(f"--{name}-key", completed=Place.FILE, metavar="FILE", help="its key, if not in the same file")


def _url(text: str) -> _address.Address:
    try:
        return _address.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _filter(text: str) -> str:
    levels = text.split("/")
    if not 1 <= len(text.encode("utf-8")) <= _MOST_FILTER or "\0" in text:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is no filter: must have from 1 to {_MOST_FILTER:,} bytes and no zero"
        )
    if any(len(level) > 1 and set(level) & set("+#") for level in levels) or "#" in levels[:-1]:
        raise argparse.ArgumentTypeError(
            f"{text[:80]!r} is no filter: + must be a level of its own, and # the last one"
        )
    return text


def _prefix(text: str) -> str:
    if set(text) & set("+#\0") or len(text.encode("utf-8")) > 1_000:
        raise argparse.ArgumentTypeError(
            f"{text[:40]!r} is no prefix: must have no wildcard and at most 1,000 bytes"
        )
    return text


def _size(text: str) -> int:
    match = _SIZE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: must be like 500M or 10G")
    value = float(match[1]) * 1024 ** _UNITS[match[2].upper()]
    if not _LEAST_DISK <= value < _MOST_DISK:
        raise argparse.ArgumentTypeError(
            f"{text[:40]} is out of range: must be from 4M to {_MOST_DISK >> 40}T"
        )
    return int(value)


def _whole(lowest: int, highest: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number") from None
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"{value} is out of range: must be from {lowest} to {highest}")
        return value

    return parse
