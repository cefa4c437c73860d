"""MQTT ingest: messages of QoS 0, 1 and 2 wait in a queue with a level for each, and go to a database.

pip install paho-mqtt
python examples/mqtt_ingest.py --topic 'sensors/#' --database readings.db localhost

The network thread only puts messages into the queue. The database gets them in large transactions. When it
can't keep up, QoS 2 goes before QoS 1 and QoS 0, and of QoS 0 only so much is kept as its level may hold.
Ctrl-C and SIGTERM end it when all that has arrived is stored. Under its name, `--client`, the broker keeps
messages of QoS 1 and 2 while it is away, also between two runs. Each program needs a name of its own.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sqlite3
import sys
import threading
from typing import Any, NamedTuple

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from elasticq import Full, PriorityCircularBuffer, ShutDown

BATCH = 4_000
MOST_MESSAGES = 1_000_000
MOST_OF_QOS_0 = 10_000


class Message(NamedTuple):
    topic: str
    qos: int
    payload: bytes | bytearray


def new_queue() -> PriorityCircularBuffer[Message]:
    return PriorityCircularBuffer(levels=3, max_capacity=MOST_MESSAGES, level_capacities={0: MOST_OF_QOS_0})


def new_client(queue: PriorityCircularBuffer[Message], topic: str, name: str) -> mqtt.Client:
    """A client that subscribes whenever it is connected, and puts what comes into the queue."""
    messages = queue.sync_q  # the interface of queue.Queue, with a priority

    def on_connect(client: mqtt.Client, *_: Any) -> None:
        client.subscribe(topic, qos=2)  # so each message comes with the QoS that its sender gave it

    def on_message(client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        received = Message(message.topic, message.qos, message.payload)
        with contextlib.suppress(Full):  # of QoS 0, which promises nothing; queue.stats() counts it
            messages.put(received, block=message.qos > 0, priority=message.qos)

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
    client.on_connect, client.on_message = on_connect, on_message
    client.on_subscribe = lambda *_: print("receiving", topic, flush=True)
    return client


def store(queue: PriorityCircularBuffer[Message], database: str, stopping: threading.Event) -> None:
    """A thread: it stores batches, highest level first, until the queue is closed and empty."""
    try:
        with contextlib.closing(sqlite3.connect(database, timeout=60)) as connection:
            with connection:
                connection.execute("create table if not exists messages (topic, qos, payload)")
            while True:
                batch = queue.sync_q.get_many(BATCH)
                with connection:  # one transaction
                    connection.executemany("insert into messages values (?, ?, ?)", batch)
    except ShutDown:
        pass
    finally:  # after an error, say of the disk, nothing more is received
        queue.close()
        stopping.set()


def wait_for(stopping: threading.Event) -> None:
    while not stopping.wait(1):  # Python calls no handler during a wait that begins just after the signal
        pass


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("host", metavar="HOST")
    arguments.add_argument("--port", type=int, default=1883)
    arguments.add_argument("--topic", default="#")
    arguments.add_argument("--client", default="mqtt_ingest", metavar="NAME")
    arguments.add_argument("--database", default="messages.db")
    given = arguments.parse_args()

    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    queue = new_queue()
    client = new_client(queue, given.topic, given.client)
    client.on_connect_fail = lambda *_: print(f"no broker at {given.host}:{given.port} yet", file=sys.stderr)
    client.connect_async(given.host, given.port)
    forever = {"retry_first_connection": True}
    network = threading.Thread(target=client.loop_forever, kwargs=forever)  # connects again by itself
    storing = threading.Thread(target=store, args=(queue, given.database, stopping))
    network.start()
    storing.start()
    wait_for(stopping)
    while network.is_alive():  # an attempt to connect that has just begun forgets that it is to end
        client.disconnect()
        network.join(1)
    queue.close()  # what is inside is still stored
    storing.join()
    stats = queue.stats()
    for qos in (2, 1, 0):
        print(
            f"QoS {qos}: {stats.popped_per_priority[qos]} stored, {stats.refused_per_priority[qos]} refused"
        )


if __name__ == "__main__":
    main()
