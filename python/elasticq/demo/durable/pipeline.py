"""The pipeline of --durable: it can be killed at any moment, and is then started again on the same queue.

    broker -> Ingest -> PersistentCircularBuffer -> leases -> Processor -> SQLite
           <- acknowledgement, when stored       <- acknowledgement, when committed

A message is acknowledged only when it is on disk one step further on. So whenever the process ends, each
message that was not is delivered again, by the broker or by the queue: nothing is missing, and some of it
comes twice. That holds for QoS 1 and 2. The broker forgets a message of QoS 0 once it has sent it.

The program writes what it does to its standard output, as lines of JSON, for the ledger of its parent:
`received`, before messages are stored, and `stored`, after; `committed`; `opened` and `closed`, with what the
queue says of itself; `scraped`, with what its page of metrics says at the end. A line on its standard input
says that no more messages will come.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import socket
import sqlite3
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt

import elasticq
from elasticq.demo import message
from elasticq.demo.child import READY
from elasticq.demo.exporter import INBOX, INGEST, exported
from elasticq.demo.guard import end_with_parent
from elasticq.demo.subscription import Subscription

_BATCH = 4000  # the most messages that are stored, or leased, at a time
_WORK_SECONDS = 0.25  # what the processor's work on a batch takes, so that a kill finds it at work

_Buffer = elasticq.PersistentCircularBuffer[bytes]

SCHEMA = """\
CREATE TABLE message (
    publisher INTEGER NOT NULL, sequence INTEGER NOT NULL, qos INTEGER NOT NULL,
    intact INTEGER NOT NULL, number INTEGER NOT NULL, deliveries INTEGER NOT NULL
)"""


class Parent:
    """The parent process, which gets lines. Any thread may tell it something."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def tell(self, **facts: Any) -> None:
        """Writes facts as a line. When this returns, the line outlives this process."""
        self.say(json.dumps(facts))

    def say(self, line: str) -> None:
        """Writes a line."""
        with self._lock:
            print(line, flush=True)


class Ingest(threading.Thread):
    """Stores what the broker hands over, batch by batch, and then acknowledges it to the broker.

    The client's network thread only hands the messages to this thread. So all that arrive while a batch is
    synced become the next batch.
    """

    def __init__(self, queue: _Buffer, port: int, parent: Parent) -> None:
        super().__init__(name="ingest", daemon=True)
        self._queue = queue
        self._parent = parent
        self.inbox: elasticq.Queue[mqtt.MQTTMessage] = elasticq.Queue()
        self.error: Exception | None = None
        # QoS 1 for all: with QoS 2, the client library acknowledges a message before it hands it over.
        self._subscription = Subscription(port, 1, self.inbox.put, manual_ack=True)

    def wait_until_subscribed(self) -> None:
        """Returns when the broker has granted the subscription."""
        self._subscription.wait_until_granted()

    def close(self) -> None:
        """Takes no more messages from the broker. Those that have arrived will be stored."""
        self._subscription.close()
        self.inbox.shutdown()

    def run(self) -> None:
        try:
            while True:
                self.store(self.inbox.get_many(_BATCH))
        except elasticq.ShutDown:
            pass
        except Exception as error:
            self.error = error
        finally:
            self._queue.shutdown()

    def store(self, batch: Sequence[mqtt.MQTTMessage]) -> None:
        """Stores a batch, and acknowledges it."""
        payloads = [bytes(delivery.payload) for delivery in batch]
        self._parent.tell(received=[message.identify(payload) for payload in payloads])
        self._queue.push_batch(payloads)
        self._parent.tell(stored=len(payloads), inside=self._queue.stats().current_size)
        for delivery in batch:
            self._subscription.acknowledge(delivery)


class Processor:
    """Takes leases, works, commits the outcome to the database, and then ends the leases."""

    def __init__(self, queue: _Buffer, database: Path, parent: Parent) -> None:
        self._queue = queue
        self._database = database
        self._parent = parent
        self._hurry = threading.Event()

    def hurry(self) -> None:
        """Tells the processor that no more messages will come."""
        self._hurry.set()

    def work(self) -> None:
        """Works until the queue is shut down and empty."""
        with contextlib.closing(sqlite3.connect(self._database, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = FULL")
            while True:
                try:
                    leases = self._queue.lease_batch(_BATCH)
                except elasticq.ShutDown:
                    return
                self._hurry.wait(_WORK_SECONDS)
                self.commit(database, leases)
                self._queue.ack_batch(leases)
                self._parent.tell(committed=len(leases), inside=self._queue.stats().current_size)

    def commit(self, database: sqlite3.Connection, leases: Sequence[elasticq.Lease[bytes]]) -> None:
        """Writes the outcome of a batch: durable when this returns."""
        database.execute("BEGIN")
        database.executemany(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?)",
            (
                (*identity, intact, lease.number, lease.deliveries)
                for lease in leases
                for identity, _, intact in [message.decode(lease.item)]
            ),
        )
        database.execute("COMMIT")


def main(ingest_type: type[Ingest] = Ingest, processor_type: type[Processor] = Processor) -> int:
    """Runs the pipeline until it is told that no more messages will come, and nothing is left to do."""
    parser = argparse.ArgumentParser(description="the durable pipeline of the demo; started by the demo")
    for name, kind in {"port": int, "parent": int, "queue": Path, "database": Path}.items():
        parser.add_argument(f"--{name}", type=kind, required=True)
    parser.add_argument("--metrics", type=int, help="the number of a socket that listens")
    options = parser.parse_args()
    end_with_parent(options.parent)
    parent = Parent()
    listening = None if options.metrics is None else socket.socket(fileno=options.metrics)
    with contextlib.ExitStack() as stack:
        queue = stack.enter_context(_Buffer(options.queue, sync_mode="every_write"))
        found = queue.stats()
        parent.tell(opened=[found.recovered_entries, found.torn_bytes, found.current_size])
        ingest = ingest_type(queue, options.port, parent)
        processor = processor_type(queue, options.database, parent)
        exporter = stack.enter_context(exported(listening, {INGEST: queue, INBOX: ingest.inbox}))
        ingest.start()
        ingest.wait_until_subscribed()
        parent.say(READY)

        def finish() -> None:
            os.read(sys.stdin.fileno(), 1)  # with no lock, so that an error elsewhere can end the process
            ingest.close()
            processor.hurry()

        threading.Thread(target=finish, name="finish", daemon=True).start()
        processor.work()
        ingest.join()
        if ingest.error is not None:
            raise ingest.error
        if exporter is not None:
            parent.tell(scraped=exporter.final())
        left = queue.stats()
        parent.tell(closed=[left.messages_enqueued, left.messages_dequeued, left.current_size])
    return 0


if __name__ == "__main__":
    sys.exit(main())
