"""The promises of `elasticq.mqtt.Outbox`: what `publish` has returned for arrives, in order, whatever ends.

Real brokers where it matters what they do; one of ours where a connection has to end between two packets.
"""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from mqtt_fake import PUBLISH, PUBREL, FakeBroker
from mqtt_outboxes import Watched, made_client
from mqtt_servers import KINDS, Mosquitto, Subscriber, check_order, leave, numbers_of
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from support import KILLED, PATIENCE, python, wait_until, wait_until_asleep

import elasticq
from elasticq.mqtt import DeadMessage, Message, Outbox, OutboxFailed
from elasticq.mqtt._entry import Entry
from elasticq.mqtt._handover import Sent
from elasticq.mqtt._handover import _size as packet_size


@pytest.fixture
def client() -> Iterator[mqtt.Client]:
    """A client that is disconnected at the end."""
    made = made_client()
    made.reconnect_delay_set(1, 1)
    yield made
    leave(made)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    """mosquitto."""
    with Mosquitto(tmp_path / "broker") as started:
        assert isinstance(started, Mosquitto)
        yield started


@pytest.fixture
def fake() -> Iterator[FakeBroker]:
    """The broker that does what it is told."""
    with FakeBroker() as started:
        yield started


# Nothing is lost.

_KILLED = """
import sys
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from elasticq.mqtt import Outbox
client = mqtt.Client(CallbackAPIVersion.VERSION2, "outbox", clean_session=False)
outbox = Outbox(client, sys.argv[1])
for number in range(100):
    outbox.publish("t", str(number), 1 + number % 2, retain=number == 99)
print("published", flush=True)
sys.stdin.read()
"""


def test_what_was_published_before_a_kill_is_delivered_by_the_next_process(
    broker: Mosquitto, client: mqtt.Client, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _KILLED, str(tmp_path / "outbox")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as publishing:
        assert publishing.stdout
        assert publishing.stdout.readline().split() == [b"published"]
        publishing.kill()
    assert publishing.returncode == KILLED
    with Subscriber(broker.port) as subscriber, Outbox(client, tmp_path / "outbox") as outbox:
        assert outbox.depth == 100
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        assert outbox.flush(PATIENCE)
        subscriber.wait_for(100)
        check_order(subscriber.got)
        assert numbers_of(subscriber.got, 1) | numbers_of(subscriber.got, 2) == set(range(100))
    assert len(subscriber.got) == 100


@pytest.mark.parametrize("loop", ["loop_start", "loop_forever", "loop"])
def test_it_works_with_each_loop_of_the_client(
    loop: str, broker: Mosquitto, client: mqtt.Client, tmp_path: Path
) -> None:
    ended = threading.Event()

    def keep_looping() -> None:
        while not ended.is_set():
            client.loop(0.1)

    with Subscriber(broker.port) as subscriber, Outbox(client, tmp_path / "outbox") as outbox:
        client.connect("127.0.0.1", broker.port)
        if loop == "loop_start":
            client.loop_start()
        else:
            run = client.loop_forever if loop == "loop_forever" else keep_looping
            threading.Thread(target=run, daemon=True).start()
        for number in range(300):
            outbox.publish(f"t/{number % 2}", str(number), number % 3)
        assert outbox.flush(PATIENCE)
        subscriber.wait_for(300)
        ended.set()
    assert check_order(subscriber.got) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_order_holds_while_the_broker_comes_and_goes(kind: str, client: mqtt.Client, tmp_path: Path) -> None:
    count = 3_000
    with KINDS[kind](tmp_path / "broker") as broker:
        with Subscriber(broker.port):
            pass
        with Outbox(client, tmp_path / "outbox", sync_mode="no_sync") as outbox:
            client.connect("127.0.0.1", broker.port)
            client.loop_start()
            for number in range(count):
                # What nats-server releases of QoS 2 while it is killed, it may lose.
                outbox.publish("t", str(number), 1 if kind == "nats" else 1 + number % 2)
                if number % 1_000 == 500:
                    broker.fail()
                    broker.start()
            assert outbox.flush(PATIENCE)
        with Subscriber(broker.port) as subscriber:
            subscriber.wait_for(count)
    check_order(subscriber.got)
    assert numbers_of(subscriber.got, 1) | numbers_of(subscriber.got, 2) == set(range(count))


def test_nothing_new_overtakes_what_is_sent_again(
    fake: FakeBroker, client: mqtt.Client, tmp_path: Path
) -> None:
    reached: list[int] = []
    with Outbox(client, tmp_path / "outbox") as outbox:

        def dawdle(*_: object) -> None:
            """Gives what is new all the time to come first: paho sends again after this callback."""
            deadline = time.monotonic() + 0.3
            while reached and outbox._hand_over.on_the_way <= 5 and time.monotonic() < deadline:
                time.sleep(0.01)
            reached.append(outbox._hand_over.on_the_way)

        client.on_connect = dawdle
        client.connect("127.0.0.1", fake.port)
        client.loop_start()
        outbox.publish("t", "first")
        assert outbox.flush(PATIENCE)
        fake.acknowledges = False
        outbox.publish_batch([Message("t", str(number)) for number in range(5)])
        fake.wait_for(PUBLISH, 6)
        fake.drop()
        wait_until(lambda: not client.is_connected(), "the connection is lost")
        outbox.publish_batch([Message("t", str(number)) for number in range(5, 10)])
        fake.acknowledges = True
        assert outbox.flush(PATIENCE)
    again = [packet for packet in fake.published() if packet.connection > 1]
    assert [int(packet.payload) for packet in again] == list(range(10))
    assert [packet.dup for packet in again] == [True] * 5 + [False] * 5
    assert reached == [0, 5]


def test_a_message_of_qos_2_keeps_its_identifier_over_a_restart(fake: FakeBroker, tmp_path: Path) -> None:
    fake.completes = False
    for _ in range(2):
        client = made_client()
        with Outbox(client, tmp_path / "outbox") as outbox:
            if not outbox.depth:
                outbox.publish_batch([Message("t", str(number), 2) for number in range(3)])
            before = len(fake.published())
            client.connect("127.0.0.1", fake.port)
            client.loop_start()
            fake.wait_for(PUBREL, before + 3)
        leave(client)
    named = {(packet.payload, packet.mid) for packet in fake.published()}
    assert len(fake.published()) == 6
    assert len(named) == 3
    assert all(mid >= 0x8000 for _, mid in named)


@pytest.mark.parametrize(("keeps_sessions", "published"), [(True, 1), (False, 2)])
def test_what_the_broker_has_received_is_sent_again_only_if_it_lost_the_session(
    keeps_sessions: bool, published: int, fake: FakeBroker, client: mqtt.Client, tmp_path: Path
) -> None:
    fake.completes = False
    with Outbox(client, tmp_path / "outbox") as outbox:
        client.connect("127.0.0.1", fake.port)
        client.loop_start()
        outbox.publish("t", "x", 2)
        fake.wait_for(PUBREL, 1)
        fake.completes, fake.keeps_sessions = True, keeps_sessions
        fake.drop()
        assert outbox.flush(PATIENCE)
    assert len(fake.published()) == published
    assert sum(packet.kind == PUBREL for packet in fake.packets) == 2


def test_the_callbacks_of_version_1_do_as_well(fake: FakeBroker, tmp_path: Path) -> None:
    with pytest.warns(DeprecationWarning, match="version 1"):
        client = mqtt.Client(CallbackAPIVersion.VERSION1, "outbox", clean_session=False)
    heard: list[int] = []
    client.on_publish = lambda _client, _data, mid: heard.append(mid)
    with Outbox(client, tmp_path / "outbox") as outbox:
        client.connect("127.0.0.1", fake.port)
        client.loop_start()
        outbox.publish_batch([Message("t", "x", qos) for qos in (0, 1, 2)])
        assert outbox.flush(PATIENCE)
    leave(client)
    assert len(heard) == 3


def test_the_program_s_own_messages_have_other_identifiers(
    fake: FakeBroker, client: mqtt.Client, tmp_path: Path
) -> None:
    with Outbox(client, tmp_path / "outbox") as outbox:
        client._last_mid = 0x7FFE
        client.connect("127.0.0.1", fake.port)
        client.loop_start()
        mids = [client.publish("own", "x", 1).mid for _ in range(3)]
        outbox.publish("t", "y", 2)
        assert outbox.flush(PATIENCE)
    assert mids == [0x7FFF, 1, 2]
    assert client.publish("own", "x", 1).mid == 3


# What a broker never takes.


def test_a_message_that_ends_each_connection_is_found_and_buried(
    fake: FakeBroker, client: mqtt.Client, tmp_path: Path
) -> None:
    fake.poison = b"3"
    dead: list[DeadMessage] = []
    with Outbox(client, tmp_path / "outbox", max_tries=2, on_dead=dead.append) as outbox:
        numbers = outbox.publish_batch([Message("t", str(number)) for number in range(8)])
        client.connect("127.0.0.1", fake.port)
        client.loop_start()
        assert outbox.flush(PATIENCE)
        assert [(one.id, one.topic, one.payload, one.qos) for one in dead] == [(numbers[3], "t", b"3", 1)]
        assert outbox.dead_messages() == dead
        fake.poison = None
        assert outbox.retry_dead() == 1
        assert outbox.flush(PATIENCE)
    arrived = list(dict.fromkeys(packet.payload for packet in fake.published()))
    assert sorted(arrived) == [b"%d" % number for number in range(8)]


def test_a_broker_that_takes_nothing_does_not_make_dead_letters_of_everything(
    fake: FakeBroker, client: mqtt.Client, tmp_path: Path
) -> None:
    fake.poison = b"same"
    with Outbox(client, tmp_path / "outbox", max_tries=1) as outbox:
        outbox.publish_batch([Message("t", "same")] * 10)
        client.connect("127.0.0.1", fake.port)
        client.loop_start()
        wait_until(lambda: len({packet.connection for packet in fake.published()}) >= 6, "six connections")
        assert len(outbox.dead_messages()) <= 3


def test_what_is_not_authorised_says_so_and_can_be_purged(tmp_path: Path) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic readwrite allowed\n")
    client = made_client(version="5")
    with (
        Mosquitto(tmp_path / "broker", f"allow_anonymous true\nacl_file {rules}") as broker,
        Outbox(client, tmp_path / "outbox") as outbox,
    ):
        client.connect("127.0.0.1", broker.port, clean_start=False)
        client.loop_start()
        outbox.publish("forbidden", "x")
        outbox.publish("allowed", "y")
        assert outbox.flush(PATIENCE)
        (dead,) = outbox.dead_messages()
        assert "Not authorized (0x87)" in dead.reason
        assert outbox.purge_dead() == 1
        assert outbox.dead_messages() == []
        leave(client)


def test_each_qos_counts_its_own_tries(fake: FakeBroker, client: mqtt.Client, tmp_path: Path) -> None:
    with Outbox(client, tmp_path / "outbox", max_tries=2) as outbox:
        outbox.publish_batch([Message("t", "x", qos) for qos in (1, 2)])
        entries = [Sent(outbox._queues[qos].lease(block=False), qos) for qos in (1, 2)]
        for sent in entries:
            outbox._hand_over._refuse(sent, ReasonCode(PacketTypes.PUBACK, identifier=0x97))
        assert outbox.dead_messages() == []
        assert outbox.depth == 2


def test_a_program_that_disconnects_makes_no_dead_message(
    fake: FakeBroker, client: mqtt.Client, tmp_path: Path
) -> None:
    fake.acknowledges = False
    with Outbox(client, tmp_path / "outbox", max_tries=1) as outbox:
        outbox.publish("t", "x")
        for round_ in range(3):
            client.connect("127.0.0.1", fake.port)
            client.loop_start()
            fake.wait_for(PUBLISH, round_ + 1)
            leave(client)
        assert outbox.dead_messages() == []
        assert outbox.depth == 1


@pytest.mark.parametrize("size", [0, 1, 118, 119, 122, 123, 16_374, 16_375, 16_378, 16_379])
def test_a_packet_is_as_large_as_is_reckoned(size: int, client: mqtt.Client) -> None:
    made = made_client(version="5")
    packets: list[bytes] = []
    made._sock = object()  # type: ignore[assignment]
    made._packet_queue = lambda _command, packet, *_: packets.append(packet)  # type: ignore
    made._send_publish(1, b"ttt", bytes(size), 1)
    made._sock = None
    assert packet_size(Entry(1, b"ttt", bytes(size), False, b"")) == len(packets[0])


# The client stays the program's.


@pytest.mark.parametrize("when", ["before", "between"])
def test_callbacks_that_are_set_just_before_the_broker_answers_hold_nothing_up(
    when: str, fake: FakeBroker, client: mqtt.Client, tmp_path: Path
) -> None:
    def nothing(*_: object) -> None:
        pass

    with Outbox(client, tmp_path / "outbox") as outbox:
        outbox.publish("t")
        time.sleep(0.1)  # the thread of the outbox waits by now
        if when == "before":
            client.on_pre_connect = client.on_connect = nothing
            client.connect("127.0.0.1", fake.port)
        else:
            client.connect("127.0.0.1", fake.port)
            time.sleep(0.05)
            client.on_connect = nothing
        client.loop_start()
        assert outbox.flush(PATIENCE)


def test_the_program_s_callbacks_are_called_whenever_it_sets_them(
    broker: Mosquitto, client: mqtt.Client, tmp_path: Path
) -> None:
    heard: list[str] = []

    def hear(name: str) -> Any:
        return lambda *_: heard.append(name)

    client.on_connect = on_connect = hear("connected")
    with Outbox(client, tmp_path / "outbox") as outbox:
        client.connect("127.0.0.1", broker.port)
        client.loop_start()
        outbox.publish("t", "1")
        assert outbox.flush(PATIENCE)
        client.on_publish = hear("published")
        for number in range(5):
            outbox.publish("t", str(number))
        assert outbox.flush(PATIENCE)
        wait_until(lambda: heard.count("published") >= 5, "five were published")
    assert heard[0] == "connected"
    assert client.on_connect is on_connect
    assert client.on_pre_connect is None
    assert "_mid_generate" not in vars(client)


def test_a_limit_of_the_client_s_own_queue_holds_nothing_up(
    fake: FakeBroker, client: mqtt.Client, tmp_path: Path
) -> None:
    client.max_queued_messages_set(3)
    with Outbox(client, tmp_path / "outbox") as outbox:
        outbox.publish_batch([Message("t", str(number)) for number in range(50)])
        client.connect("127.0.0.1", fake.port)
        client.loop_start()
        assert outbox.flush(PATIENCE)
    assert [int(packet.payload) for packet in fake.published()] == list(range(50))


# Its calls.


def test_flush_says_whether_something_is_left(client: mqtt.Client, tmp_path: Path) -> None:
    with Outbox(client, tmp_path / "outbox") as outbox:
        assert outbox.flush(0.01)
        outbox.publish("t")
        assert not outbox.flush(0.01)
        assert (outbox.depth, outbox.closed, outbox.path) == (1, False, tmp_path / "outbox")
    assert outbox.closed
    assert outbox.depth == 1
    assert not outbox.flush(0.01)
    outbox.close()


def test_flush_ends_when_it_is_closed_and_does_not_say_that_nothing_is_left(
    client: mqtt.Client, tmp_path: Path
) -> None:
    said: list[bool] = []
    outbox = Outbox(client, tmp_path / "outbox")
    outbox.publish("t")
    waiting = threading.Thread(target=lambda: said.append(outbox.flush()))
    waiting.start()
    wait_until_asleep(waiting)
    outbox.close()
    waiting.join(PATIENCE)
    assert said == [False]


def test_the_depth_is_right_if_the_outbox_is_closed_meanwhile(
    client: mqtt.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(client, tmp_path / "outbox")
    outbox.publish("t", qos=2)

    def close() -> None:
        monkeypatch.undo()
        outbox.close()

    monkeypatch.setitem(outbox._queues, 0, Watched(outbox._queues[0], "stats", close))
    assert (outbox.depth, outbox.closed) == (1, True)


def test_messages_that_have_expired_are_gone_at_once_and_flush_hears_of_it(
    fake: FakeBroker, client: mqtt.Client, tmp_path: Path
) -> None:
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.MessageExpiryInterval = 1
    said: list[bool] = []
    with Outbox(client, tmp_path / "outbox", max_inflight=1) as outbox:
        outbox.publish_batch([Message("t", "x", properties=properties)] * 50)
        time.sleep(1.1)
        waiting = threading.Thread(target=lambda: said.append(outbox.flush()), daemon=True)
        waiting.start()
        client.connect("127.0.0.1", fake.port)
        client.loop_start()
        waiting.join(10)  # at two a second it would take 25
        assert said == [True]
    assert fake.published() == []


def test_at_its_end_a_proxy_publishes_nothing_new(
    fake: FakeBroker, client: mqtt.Client, tmp_path: Path
) -> None:
    fake.completes = False
    with Outbox(client, tmp_path / "outbox", max_inflight=5) as outbox:
        outbox.publish_batch([Message("t", str(number), 2) for number in range(20)])
        client.connect("127.0.0.1", fake.port)
        client.loop_start()
        fake.wait_for(PUBREL, 5)
        outbox._hand_over.publish_no_more()
        fake.completes = True
        fake.drop()
        wait_until(lambda: outbox._hand_over.on_the_way == 0, "all is confirmed")
        assert outbox.depth == 15


def test_nothing_is_on_the_way_only_when_the_queue_knows_it(
    fake: FakeBroker, client: mqtt.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever waits for that, as the proxy does at its end, may then tell how many were forwarded."""
    with Outbox(client, tmp_path / "outbox") as outbox:
        seen: list[int] = []
        queue = Watched(outbox._queues[2], "ack_batch", lambda: seen.append(outbox._hand_over.on_the_way))
        monkeypatch.setitem(outbox._queues, 2, queue)
        outbox.publish("t", "one", 2)
        client.connect("127.0.0.1", fake.port)
        client.loop_start()
        wait_until(lambda: seen and outbox._hand_over.on_the_way == 0, "it is confirmed")
        assert (seen, outbox.depth) == ([1], 0)


async def test_tasks_publish_without_blocking(client: mqtt.Client, tmp_path: Path) -> None:
    with Outbox(client, tmp_path / "outbox") as outbox:
        ids = [await outbox.apublish("t", number) for number in range(3)]
        assert outbox.depth == 3
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        (("",), ValueError, "0 bytes: must be from 1 to 65,535"),
        (("t" * 65_536,), ValueError, "65,536 bytes"),
        (("a/+",), ValueError, "'+', which only a filter may have"),
        (("a\0b",), ValueError, "which only a filter may have"),
        ((b"t",), TypeError, "must be a text, not bytes"),
        (("t", ["x"]), TypeError, "not list"),
        (("t", "x", 3), ValueError, "qos is 3: must be 0, 1 or 2"),
    ],
)
def test_a_wrong_argument_is_refused_at_once(
    arguments: tuple[Any, ...], error: type[Exception], text: str, client: mqtt.Client, tmp_path: Path
) -> None:
    with Outbox(client, tmp_path / "outbox") as outbox:
        with pytest.raises(error) as raised:
            outbox.publish(*arguments)
        assert text in str(raised.value)
        assert outbox.depth == 0


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"max_tries": 0}, "max_tries is 0: must be at least 1"),
        ({"max_inflight": 0}, "max_inflight is 0: must be from 1 to 16,384"),
        ({"max_disk": 1_000}, "max_disk is 1000: must be at least 4194304"),
        ({"overflow": "wait"}, "overflow is 'wait'"),
    ],
)
def test_a_wrong_setting_is_refused(
    settings: dict[str, Any], text: str, client: mqtt.Client, tmp_path: Path
) -> None:
    with pytest.raises(elasticq.InvalidConfiguration) as raised:
        Outbox(client, tmp_path / "outbox", **settings)
    assert text in str(raised.value)


def test_a_topic_alias_is_refused(client: mqtt.Client, tmp_path: Path) -> None:
    properties: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    properties.TopicAlias = 1
    with Outbox(client, tmp_path / "outbox") as outbox, pytest.raises(ValueError, match="TopicAlias"):
        outbox.publish("t", properties=properties)


def test_a_client_serves_one_outbox_at_a_time(client: mqtt.Client, tmp_path: Path) -> None:
    with (
        Outbox(client, tmp_path / "one"),
        pytest.raises(elasticq.AlreadyOpen, match="'outbox' serves another"),
    ):
        Outbox(client, tmp_path / "two")
    with Outbox(client, tmp_path / "two"), Outbox(made_client("other"), tmp_path / "one"):
        pass


def test_it_is_open_once_and_refuses_when_closed(client: mqtt.Client, tmp_path: Path) -> None:
    with Outbox(client, tmp_path / "outbox") as outbox, pytest.raises(elasticq.AlreadyOpen):
        Outbox(made_client("other"), tmp_path / "outbox")
    with pytest.raises(elasticq.ShutDown):
        outbox.publish("t")


def test_a_client_is_free_again_after_an_outbox_that_could_not_be_opened(
    client: mqtt.Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            Outbox(client, tmp_path / "outbox")
    assert client.on_publish is None
    with Outbox(client, tmp_path / "outbox"):
        pass


def test_an_error_in_its_thread_is_told_to_the_callers(client: mqtt.Client, tmp_path: Path) -> None:
    with Outbox(client, tmp_path / "outbox") as outbox:
        outbox._hand_over._events.append((3, None, None))  # no such answer can be unpacked from this
        outbox._hand_over._flying = None  # type: ignore[assignment]
        outbox._hand_over.nudge()
        wait_until(lambda: outbox._hand_over.failure is not None, "it has failed")
        with pytest.raises(OutboxFailed, match="hands nothing on any more"):
            outbox.publish("t")
        outbox._hand_over._flying = {}


def test_the_import_needs_no_paho() -> None:
    assert python("import sys; sys.modules['paho'] = None; import elasticq.mqtt; print('fine')") == "fine\n"
