"""The examples `mqtt_ingest` and `web_ingest`: all that was accepted is stored, and too much is refused."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import examples
import pytest
from demos import need_the_extra
from support import PATIENCE, unix_only, wait_until

if TYPE_CHECKING:
    import paho.mqtt.client as mqtt

    from elasticq.demo.broker import Broker

has_sigterm = unix_only("SIGTERM that a program handles")


@contextmanager
def held(database: Path) -> Iterator[None]:
    """Nobody else can write the database meanwhile."""
    with closing(sqlite3.connect(database, timeout=PATIENCE, isolation_level=None)) as connection:
        connection.execute("begin exclusive")
        yield
        connection.execute("rollback")


def rows(database: Path, query: str) -> list[Any]:
    with closing(sqlite3.connect(database, timeout=PATIENCE)) as connection:
        return connection.execute(query).fetchall()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    need_the_extra()
    from elasticq.demo.broker import Broker, find_program

    program = find_program()
    assert program
    with Broker(program, tmp_path / "broker") as running:
        yield running


@contextmanager
def connected(client: mqtt.Client, broker: Broker) -> Iterator[mqtt.Client]:
    """Runs a client's network loop in a thread meanwhile."""
    client.connect("127.0.0.1", broker.port)
    network = threading.Thread(target=client.loop_forever)
    network.start()
    try:
        yield client
    finally:
        client.disconnect()
        network.join()


def publish(broker: Broker, each: int) -> None:
    """Publishes so many messages of QoS 0, then as many of QoS 1 and of QoS 2."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    with connected(mqtt.Client(CallbackAPIVersion.VERSION2), broker) as sensor:
        sent = [
            sensor.publish(f"sensors/{qos}", f"{number}", qos) for qos in range(3) for number in range(each)
        ]
        for message in sent:
            message.wait_for_publish(PATIENCE)


@has_sigterm
def test_every_mqtt_message_is_stored_with_its_qos(broker: Broker, tmp_path: Path) -> None:
    database = tmp_path / "messages.db"
    options = ("--port", broker.port, "--topic=sensors/#", "--database", database, "127.0.0.1")
    with examples.killed_at_the_end(examples.start("mqtt_ingest", *options)) as ingest:
        assert ingest.stdout
        assert ingest.stdout.readline() == "receiving sensors/#\n"
        publish(broker, 100)
        wait_until(lambda: rows(database, "select * from sqlite_master"), "there is a table")
        wait_until(lambda: len(rows(database, "select * from messages")) == 300, "all are stored")
        output, errors = examples.ended(ingest, signal.SIGTERM)
    assert not errors
    assert output.splitlines() == [f"QoS {qos}: 100 stored, 0 refused" for qos in (2, 1, 0)]
    stored = rows(database, "select topic, qos, cast(payload as text) from messages")
    assert sorted(stored) == sorted((f"sensors/{qos}", qos, f"{n}") for qos in range(3) for n in range(100))


@has_sigterm
def test_without_a_broker_it_says_so_waits_and_can_be_ended(tmp_path: Path) -> None:
    need_the_extra()
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    options = ("--port", port, "--database", tmp_path / "messages.db", "127.0.0.1")
    with examples.killed_at_the_end(examples.start("mqtt_ingest", *options)) as ingest:
        assert ingest.stderr
        assert ingest.stderr.readline() == f"no broker at 127.0.0.1:{port} yet\n"
        output, errors = examples.ended(ingest, signal.SIGTERM)
    assert set(errors.splitlines()) <= {f"no broker at 127.0.0.1:{port} yet"}
    assert output.splitlines() == [f"QoS {qos}: 0 stored, 0 refused" for qos in (2, 1, 0)]


def test_a_signal_that_comes_just_before_the_wait_ends_it() -> None:
    class Late(threading.Event):
        """Such a signal has come: its handler runs after the next wait."""

        def wait(self, timeout: float | None = None) -> bool:
            assert timeout is not None, "this wait has no end"
            told = self.is_set()
            self.set()
            return told

    need_the_extra()
    examples.load("mqtt_ingest").wait_for(Late())


def test_what_is_published_while_it_is_away_comes_when_it_is_back(broker: Broker) -> None:
    example = examples.load("mqtt_ingest")
    queue = example.new_queue()
    client = example.new_client(queue, "sensors/#", "ingest")
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    with closing(queue):
        with connected(client, broker):
            assert subscribed.wait(PATIENCE)
        publish(broker, 10)
        with connected(client, broker):
            wait_until(lambda: len(queue) >= 20, "those of QoS 1 and 2 have come")
        assert {message.qos for message in queue} == {1, 2}


def test_while_the_database_is_slow_higher_qos_goes_first_and_qos_0_is_limited(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    example = examples.load("mqtt_ingest")
    monkeypatch.setattr(example, "MOST_OF_QOS_0", 10)
    queue, database = example.new_queue(), tmp_path / "messages.db"
    client = example.new_client(queue, "sensors/#", "ingest")
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    storing = threading.Thread(target=example.store, args=(queue, str(database), threading.Event()))
    with closing(queue), connected(client, broker), held(database):
        storing.start()
        assert subscribed.wait(PATIENCE)
        publish(broker, 50)
        wait_until(lambda: queue.stats().total_pushed + queue.stats().total_refused == 150, "all have come")
        stats, in_order = queue.stats(), list(queue)
    storing.join(PATIENCE)
    assert not storing.is_alive()
    assert stats.pushed_per_priority == [10, 50, 50]
    assert stats.refused_per_priority == [40, 0, 0]
    assert [message.qos for message in in_order[:10]] == [2] * 10
    assert rows(database, "select * from messages order by rowid") == [tuple(message) for message in in_order]


class Service:
    """The web service, run by uvicorn."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self.process = process
        address = re.compile(r"running on http://127\.0\.0\.1:(\d+)")

        def said() -> str:
            return log.read_text(encoding="utf-8")

        wait_until(lambda: address.search(said()) or process.poll() is not None, "the server runs")
        found = address.search(said())
        assert found, said()
        self.port = int(found[1])

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any, str | None]:
        """The status, what was answered, and the header `Retry-After`."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, body if isinstance(body, str) else json.dumps(body))
            answer = connection.getresponse()
            return answer.status, json.load(answer), answer.getheader("Retry-After")

    def post(self, *events: object) -> int:
        return self.ask("POST", "/events", events)[0]

    def waiting(self) -> int:
        return int(self.ask("GET", "/state")[1]["waiting"])


@contextmanager
def service(database: Path) -> Iterator[Service]:
    """Runs the service with room for ten events."""
    log = database.with_suffix(".log")
    with log.open("w", encoding="utf-8") as output:
        process = examples.python(
            *("-m", "uvicorn", "--app-dir", examples.FOLDER, "--port=0", "web_ingest:app"),
            env={"INGEST_DATABASE": str(database), "INGEST_QUEUE": "10"},
            stdout=output,
            stderr=output,
        )
    with examples.killed_at_the_end(process):
        yield Service(process, log)


def stored(database: Path) -> list[Any]:
    return [json.loads(event) for (event,) in rows(database, "select event from events order by rowid")]


def test_the_web_service_refuses_what_does_not_fit_and_stores_what_it_accepts(tmp_path: Path) -> None:
    database = tmp_path / "events.db"
    holding = ExitStack()
    holding.enter_context(held(database))  # before the thread has made its table: it takes no events yet
    with holding, service(database) as web:
        assert web.post(*range(9)) == 202
        assert web.waiting() == 9
        assert web.ask("POST", "/events", [9, 10])[::2] == (503, "1")
        assert web.post(9) == 202
        assert web.ask("POST", "/events", [10])[::2] == (503, "1")
        assert web.post(*range(11)) == 413
        assert web.ask("POST", "/events", "no JSON")[0] == 400
        assert web.ask("POST", "/events", {"no": "list"})[0] == 400
        assert web.ask("POST", "/events", "[" * 200_000)[0] == 400
        assert web.waiting() == 10
        holding.close()
        wait_until(lambda: web.waiting() == 0, "there is room again")
        assert web.post(10, "eleven") == 202
        wait_until(lambda: stored(database) == [*range(11), "eleven"], "all are stored")


@has_sigterm
def test_the_web_service_stores_all_that_it_has_accepted_before_it_ends(tmp_path: Path) -> None:
    database = tmp_path / "events.db"
    with service(database) as web:
        with held(database):
            assert web.post(*range(5)) == 202
            web.process.send_signal(signal.SIGTERM)
            with pytest.raises(subprocess.TimeoutExpired):
                web.process.wait(0.5)  # it can't end before it has stored them
        web.process.wait(PATIENCE)
        assert web.process.returncode in (0, -signal.SIGTERM)
    assert stored(database) == list(range(5))
