"""One publisher: an MQTT client in a process of its own, and the handle that runs it for the demo.

The process connects, prints `ready` and waits for a line on its standard input. Then it publishes its
messages in bursts, and waits until the broker has acknowledged every one. At last it prints what it sent, as
one line of JSON.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import random
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from elasticq.demo import message, network
from elasticq.demo.child import READY, ChildProcess
from elasticq.demo.guard import end_with_parent
from elasticq.demo.message import MessageId

_WINDOW = 200  # how many messages may be on their way to the broker at a time
_PATIENCE_SECONDS = 60.0  # how long the broker may acknowledge nothing of a full window


class Shape(NamedTuple):
    """How a publisher's traffic comes: in bursts, with pauses between them."""

    bursts: int  # or fewer, if they would be smaller than this:
    smallest: int
    period: float  # seconds from one burst to the next, if the broker is fast enough
    pause: float  # seconds at least, between two bursts


_BURSTY = Shape(8, 50, 1.5, 0.4)
_STEADY = Shape(100, 5, 0.1, 0.02)  # something is on its way at any moment


@dataclasses.dataclass(frozen=True)
class Report:
    """What a publisher has sent: the sequence numbers by QoS, and those that the broker acknowledged."""

    publisher: int
    sent: dict[int, list[int]]
    acknowledged: dict[int, list[int]]

    def to_line(self) -> str:
        return json.dumps(dataclasses.asdict(self))

    @classmethod
    def from_line(cls, line: str) -> Report:
        fields = json.loads(line)
        return cls(
            publisher=fields["publisher"],
            sent={int(qos): numbers for qos, numbers in fields["sent"].items()},
            acknowledged={int(qos): numbers for qos, numbers in fields["acknowledged"].items()},
        )

    def ids(self) -> set[MessageId]:
        """The ids of everything sent."""
        return {MessageId(self.publisher, each, qos) for qos in self.sent for each in self.sent[qos]}


def sleep_until(due: float) -> None:
    """Sleeps until the monotonic clock shows `due`. It may show that, or more, already."""
    time.sleep(max(0.0, due - time.monotonic()))


class Publisher:
    """The MQTT client of one publisher process."""

    def __init__(self, number: int, port: int) -> None:
        self._number = number
        self._window = threading.BoundedSemaphore(_WINDOW)
        self._connected = threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=f"elasticq-demo-publisher-{number}", clean_session=False
        )
        self._client.max_inflight_messages = _WINDOW
        self._client.on_connect = lambda *_: self._connected.set()
        self._client.on_publish = lambda *_: self._window.release()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        if not self._connected.wait(_PATIENCE_SECONDS):
            self.close()
            raise TimeoutError(f"no connection to the broker on port {port} within {_PATIENCE_SECONDS:g} s")

    def publish(self, messages: int, payload: int, shape: Shape) -> Report:
        """Publishes `messages` messages of `payload` bytes each, and returns when all are acknowledged."""
        filler_size = payload - message.MIN_PAYLOAD
        noise = random.Random(self._number).randbytes(2 * filler_size)
        burst = max(shape.smallest, -(-messages // shape.bursts))
        sent: list[tuple[MessageId, mqtt.MQTTMessageInfo]] = []
        due = time.monotonic()
        for sequence in range(messages):
            if sequence and sequence % burst == 0:
                due = max(due + shape.period, time.monotonic() + shape.pause)
                sleep_until(due)
            qos = message.QOS_PATTERN[sequence % len(message.QOS_PATTERN)]
            message_id = MessageId(self._number, sequence, qos)
            self._enter_window()
            start = sequence % (filler_size + 1)
            data = message.encode(message_id, time.monotonic_ns(), noise[start : start + filler_size])
            info = self._client.publish(message.topic(message_id), data, qos)
            if qos == 0 and info.rc != mqtt.MQTT_ERR_SUCCESS:
                raise ConnectionError(f"message {sequence} could not be sent: {mqtt.error_string(info.rc)}")
            sent.append((message_id, info))
        for _ in range(_WINDOW):  # when the whole window is free, everything is acknowledged
            self._enter_window()
        return self._report(sent)

    def close(self) -> None:
        network.leave(self._client)

    def _enter_window(self) -> None:
        if not self._window.acquire(timeout=_PATIENCE_SECONDS):
            raise TimeoutError(f"no acknowledgement for any of {_WINDOW} messages in {_PATIENCE_SECONDS:g} s")

    def _report(self, sent: list[tuple[MessageId, mqtt.MQTTMessageInfo]]) -> Report:
        published: dict[int, list[int]] = {qos: [] for qos in message.QOS_LEVELS}
        acknowledged: dict[int, list[int]] = {qos: [] for qos in message.QOS_LEVELS}
        for message_id, info in sent:
            published[message_id.qos].append(message_id.sequence)
            info.wait_for_publish(_PATIENCE_SECONDS)
            if info.is_published():
                acknowledged[message_id.qos].append(message_id.sequence)
        return Report(self._number, published, acknowledged)


@dataclasses.dataclass(frozen=True)
class Load:
    """What is to be published."""

    publishers: int
    messages: int  # from each publisher
    payload: int  # bytes in each message
    steady: bool = False  # whether messages come all the time, not in a few bursts
    overloaded: bool = False  # whether more messages arrive than are processed, until all have arrived


class PublisherProcess(ChildProcess):
    """A publisher as the demo sees it."""

    def __init__(self, number: int, port: int, load: Load, folder: Path) -> None:
        self.number = number
        self.report: Report | None = None
        values = {
            "number": number,
            "port": port,
            "messages": load.messages,
            "payload": load.payload,
            "steady": int(load.steady),
        }
        program = ("-m", "elasticq.demo.publisher")
        super().__init__(f"publisher {number}", program, values, folder, self._keep_report)

    def go(self) -> None:
        """Lets the publisher publish."""
        self.say("go")

    def failure(self) -> str | None:
        """What went wrong in the publisher. None if nothing did, or if it hasn't ended."""
        if self.finished() and self.report is None:
            return f"{self.name}: {self._complaint()}"
        return super().failure()

    def _keep_report(self, line: str) -> None:
        self.report = Report.from_line(line)


def main() -> int:
    parser = argparse.ArgumentParser(description="one publisher of the demo; started by the demo")
    for name in ("number", "port", "messages", "payload", "steady", "parent"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    end_with_parent(options.parent)
    publisher = Publisher(options.number, options.port)
    print(READY, flush=True)
    if not sys.stdin.readline():
        return 1
    report = publisher.publish(options.messages, options.payload, _STEADY if options.steady else _BURSTY)
    publisher.close()
    print(report.to_line(), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
