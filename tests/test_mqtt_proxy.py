"""The promises of `elasticq mqtt-proxy` between two real brokers, whatever is killed on the way.

Every message of QoS 1 and 2 arrives, whole, in the order of its topic and QoS. Repetitions are allowed, and
counted. ELASTICQ_PROXY_MESSAGES and ELASTICQ_PROXY_OUTAGE (seconds) make the fault tests longer.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from command_line import elasticq
from demos import need_the_extra
from mqtt_servers import (
    KINDS,
    Mosquitto,
    Nats,
    Proxy,
    Publisher,
    Server,
    Subscriber,
    check_order,
    numbers_of,
    program,
    two_brokers,
)
from support import wait_until

MESSAGES = int(os.environ.get("ELASTICQ_PROXY_MESSAGES", "10000"))
OUTAGE = float(os.environ.get("ELASTICQ_PROXY_OUTAGE", "3"))
KILLS = 5
QOS_PATTERN = (1, 2, 1, 2, 0)
TERMINATED = 143

pytestmark = pytest.mark.timeout(300 + MESSAGES / 50)

one_python_is_enough = pytest.mark.checkout
each_way = pytest.mark.parametrize(("source", "target"), [("mosquitto", "nats"), ("nats", "mosquitto")])


@pytest.fixture(autouse=True)
def _tools() -> None:
    need_the_extra()
    program("mosquitto")


def payload_of(number: int) -> bytes:
    """The payload of a message: its number, and bytes of any value that follow from it."""
    return b"%d " % number + random.Random(number).randbytes(number % 90)


def qos_of(number: int) -> int:
    """The QoS of a message."""
    return QOS_PATTERN[number % len(QOS_PATTERN)]


def publish_all(publisher: Publisher, numbers: Iterable[int]) -> None:
    """Publishes the messages of these numbers, to ten topics."""
    for number in numbers:
        publisher.publish(f"load/{number % 7}", payload_of(number), qos_of(number))


def check_all(subscriber: Subscriber, count: int) -> None:
    """Every message of QoS 1 and 2 is there, in order and unchanged. Tells how many came twice."""
    for _, topic, payload, _ in subscriber.got:
        number = int(payload.partition(b" ")[0])
        assert (topic, payload) == (f"load/{number % 7}", payload_of(number))
    repeated = check_order(subscriber.got)
    for qos in (1, 2):
        expected = {number for number in range(count) if qos_of(number) == qos}
        missing = expected - numbers_of(subscriber.got, qos)
        assert not missing, f"QoS {qos}: {len(missing):,} are lost: {sorted(missing)[:10]}"
    zero = len(numbers_of(subscriber.got, 0))
    print(f"repeated: {dict(repeated)}; of QoS 0 arrived: {zero:,} of {count // len(QOS_PATTERN):,}")


def wait_for_all(subscriber: Subscriber, count: int) -> None:
    """Returns when all messages of QoS 1 and 2 have come, or when nothing more comes for a long time."""
    with contextlib.suppress(AssertionError):  # `check_all` says what is missing
        subscriber.wait_for(sum(qos_of(number) > 0 for number in range(count)), lambda each: each[0] > 0)


# Faults.


@one_python_is_enough
@each_way
def test_nothing_is_lost_when_the_target_is_down(source: str, target: str, tmp_path: Path) -> None:
    with two_brokers(tmp_path, source, target) as (one, other), Proxy(one, other, tmp_path / "q") as proxy:
        proxy.wait_until_connected()
        with Subscriber(other.port):
            pass  # from now on the target keeps messages for it
        with Publisher(one.port) as publisher:
            first, early = range(MESSAGES // 2), []
            if target == "nats":  # it may lose what it releases of QoS 2 while it is killed
                early = [number for number in first if qos_of(number) == 2]
                publish_all(publisher, early)
                proxy.wait_until_forwarded(len(early))
            publish_all(publisher, sorted(set(first).difference(early)))
            other.fail()
            sending = threading.Thread(target=publish_all, args=(publisher, range(MESSAGES // 2, MESSAGES)))
            sending.start()
            time.sleep(OUTAGE)  # this is the outage
            other.start()
            sending.join()
            publisher.finish()
        # A subscriber that were there all the time would see how nats-server delivers again what it had sent
        # to it before it was killed: behind newer messages. That is not what is tested here.
        with Subscriber(other.port) as subscriber:
            wait_for_all(subscriber, MESSAGES)
            check_all(subscriber, MESSAGES)
        proxy.wait_for("lost", side="to")
        assert proxy.stop() == TERMINATED


def reached(proxy: Proxy, moment: int) -> Callable[[], bool]:
    """Whether the proxy has received so many messages since it was started."""
    return lambda: proxy.received() >= moment


@one_python_is_enough
@each_way
def test_nothing_is_lost_when_the_proxy_is_killed(
    source: str, target: str, tmp_path: Path, seeded: random.Random
) -> None:
    count = MESSAGES if source == "mosquitto" else MESSAGES // 10  # one message at a time takes long
    part = count // (KILLS + 1)
    folder = tmp_path / "source"
    with (
        Nats(folder, is_strict=True) if source == "nats" else Mosquitto(folder) as one,
        KINDS[target](tmp_path / "target") as other,
        Proxy(one, other, tmp_path / "q") as proxy,
    ):
        proxy.wait_until_connected()
        with Subscriber(other.port) as subscriber, Publisher(one.port) as publisher:
            for begin in range(0, part * KILLS, part):
                sending = threading.Thread(target=publish_all, args=(publisher, range(begin, begin + part)))
                sending.start()
                wait_until(reached(proxy, seeded.randrange(1, part // 2)), "so many are received")
                proxy.kill()  # while it receives and hands on
                sending.join()
                proxy.start()
            publish_all(publisher, range(part * KILLS, count))
            publisher.finish()
            wait_for_all(subscriber, count)
            check_all(subscriber, count)
        assert proxy.stop() == TERMINATED


def test_what_is_stored_survives_a_kill_while_the_target_is_down(tmp_path: Path) -> None:
    count = 500
    with two_brokers(tmp_path, "mosquitto", "nats") as (one, other), Subscriber(other.port) as subscriber:
        other.stop()
        with Proxy(one, other, tmp_path / "q") as proxy:
            proxy.wait_for("subscribed")
            proxy.wait_for("unreachable", side="to")
            with Publisher(one.port) as publisher:
                publish_all(publisher, range(count))
                publisher.finish()
            wait_until(lambda: stored(tmp_path / "q") >= count * 4 // 5, "all of QoS 1 and 2 is stored")
            proxy.kill()
            one.stop()  # nobody else has the messages now
            other.start()
            proxy.start()
            wait_for_all(subscriber, count)
            check_all(subscriber, count)


def stored(folder: Path) -> int:
    """How many messages of QoS 1 and 2 the files hold, as `elasticq inspect` says."""
    count = 0
    for qos in (1, 2):
        contents = json.loads(elasticq("inspect", "--json", folder / f"qos{qos}").stdout)["contents"]
        count += contents["ready"] + contents["leased"]
    return count


# What stays as it is.


@pytest.mark.parametrize(
    ("options", "version"), [(["--protocol", "5"], "5"), (["--bridge"], "3.1.1")], ids=["5", "bridge"]
)
def test_the_retain_flag_stays(options: list[str], version: str, tmp_path: Path) -> None:
    with (
        two_brokers(tmp_path, "mosquitto", "mosquitto") as (one, other),
        Proxy(one, other, tmp_path / "q", *options) as proxy,
    ):
        proxy.wait_until_connected()
        with Publisher(one.port) as publisher:
            publisher.publish("kept", b"1", 1, retain=True)
            publisher.publish("not kept", b"2", 1)
            publisher.finish()
        proxy.wait_until_forwarded(2)
        with Subscriber(other.port) as early:
            early.wait_for(1)
        assert early.got[0] == (1, "kept", b"1", True)


def test_properties_of_mqtt_5_stay_and_those_of_a_connection_do_not(tmp_path: Path) -> None:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    sent: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    sent.UserProperty = [("unit", "°C"), ("unit", "K")]
    sent.ContentType = "text/plain"
    sent.ResponseTopic = "answers"
    sent.CorrelationData = b"\x00\xff"
    sent.PayloadFormatIndicator = 1
    sent.MessageExpiryInterval = 3_600
    with (
        two_brokers(tmp_path, "mosquitto", "mosquitto") as (one, other),
        Proxy(one, other, tmp_path / "q", "--protocol", "5") as proxy,
    ):
        proxy.wait_until_connected()
        with Subscriber(other.port, version="5") as subscriber, Publisher(one.port, "5") as publisher:
            publisher.publish("t", b"21", 2, properties=sent)
            subscriber.wait_for(1)
        (got,) = subscriber.properties
        for name in ("UserProperty", "ContentType", "ResponseTopic", "CorrelationData"):
            assert getattr(got, name) == getattr(sent, name)
        assert 3_590 <= got.MessageExpiryInterval <= 3_600


def test_a_message_that_expires_while_it_is_stored_is_dropped_and_counted(tmp_path: Path) -> None:
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    soon: Any = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
    soon.MessageExpiryInterval = 1
    with (
        two_brokers(tmp_path, "mosquitto", "mosquitto") as (one, other),
        Subscriber(other.port, version="5") as subscriber,
    ):
        other.stop()
        with Proxy(one, other, tmp_path / "q", "--protocol", "5") as proxy:
            proxy.wait_for("subscribed")
            with Publisher(one.port, "5") as publisher:
                publisher.publish("t", b"1 early", 1, properties=soon)
                publisher.publish("t", b"2 lasts", 1)
                publisher.finish()
            wait_until(lambda: proxy.metric("elasticq_mqtt_oldest_age_seconds") > 2.0, "2 s are over")
            other.start()
            subscriber.wait_for(1)
            assert [payload for _, _, payload, _ in subscriber.got] == [b"2 lasts"]
            assert proxy.metric('elasticq_mqtt_dropped_total{reason="expired"}') == 1


def test_retained_messages_are_not_sent_again_after_each_reconnect(tmp_path: Path) -> None:
    with two_brokers(tmp_path, "mosquitto", "mosquitto") as (one, other):
        with Publisher(one.port) as publisher:
            publisher.publish("kept", b"1", 1, retain=True)
            publisher.finish()
        with Subscriber(other.port) as subscriber, Proxy(one, other, tmp_path / "q") as proxy:
            subscriber.wait_for(1)
            proxy.stop()
            proxy.start()
            one_more(one, subscriber, 2)
            one.stop()
            one.start()
            one_more(one, subscriber, 3)
        assert [payload for _, topic, payload, _ in subscriber.got if topic == "kept"] == [b"1"]


def one_more(source: Server, subscriber: Subscriber, expected: int) -> None:
    """Sends one more message through the proxy, and waits for it."""
    with Publisher(source.port) as publisher:
        publisher.publish("more", b"%d" % expected, 1)
        publisher.finish()
        subscriber.wait_for(expected)


def test_filters_and_the_prefix_choose_what_goes_where(tmp_path: Path) -> None:
    options = ("--topic", "a/+", "--topic", "b/#", "--topic-prefix", "site7/")
    with (
        two_brokers(tmp_path, "nats", "mosquitto") as (one, other),
        Proxy(one, other, tmp_path / "q", *options) as proxy,
    ):
        proxy.wait_until_connected()
        with Subscriber(other.port) as subscriber, Publisher(one.port) as publisher:
            for number, topic in enumerate(["a/1", "a/1/2", "c", "b", "b/1/2"]):
                publisher.publish(topic, b"%d" % number, 1)
            publisher.finish()
            subscriber.wait_for(3)
        # A source keeps no order between topics.
        assert sorted(topic for _, topic, _, _ in subscriber.got) == ["site7/a/1", "site7/b", "site7/b/1/2"]


def test_other_filters_take_the_place_of_the_old_ones(tmp_path: Path) -> None:
    with two_brokers(tmp_path, "mosquitto", "nats") as (one, other), Subscriber(other.port) as subscriber:
        for before, filters in ((0, ["a", "b"]), (2, ["b", "c"])):
            options = [word for each in filters for word in ("--topic", each)]
            with Proxy(one, other, tmp_path / "q", *options) as proxy:
                proxy.wait_until_connected()
                proxy.wait_for("subscribed", filters=filters)
                with Publisher(one.port) as publisher:
                    for topic in ("a", "b", "c"):
                        publisher.publish(topic, f"{topic} of {filters}".encode(), 1)
                    publisher.finish()
                    subscriber.wait_for(before + 2)
                proxy.stop()
    assert {payload for _, _, payload, _ in subscriber.got} == {
        f"{topic} of {filters}".encode() for filters in (["a", "b"], ["b", "c"]) for topic in filters
    }


# What the target never takes.


def test_a_message_that_is_too_large_for_the_target_does_not_block_the_others(tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path / "source") as one,
        Nats(tmp_path / "target", "max_payload: 4096") as other,
        Proxy(one, other, tmp_path / "q", "--max-tries", 2) as proxy,
    ):
        proxy.wait_until_connected()
        with Subscriber(other.port) as subscriber, Publisher(one.port) as publisher:
            for number in range(20):
                publisher.publish("load", b"%d " % number + bytes(10_000 if number == 5 else 10), 1)
            publisher.finish()
            subscriber.wait_for(19)
            dead = proxy.wait_for("given_up")
            assert (dead["topic"], dead["bytes"]) == ("load", 10_002)
            assert "alone" in dead["reason"]
            assert numbers_of(subscriber.got, 1) == set(range(20)) - {5}
            check_order(subscriber.got)
        proxy.stop()
        assert [line for line in exported(tmp_path / "q/qos1") if line["state"] == "dead"]


@pytest.mark.parametrize("qos", [1, 2])
def test_what_the_target_does_not_authorise_is_given_up_and_can_be_tried_again(
    qos: int, tmp_path: Path
) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic readwrite allowed/#\ntopic read #\n")
    with (
        Mosquitto(tmp_path / "source") as one,
        Mosquitto(tmp_path / "target", f"allow_anonymous true\nacl_file {rules}") as other,
    ):
        with (
            Subscriber(other.port) as subscriber,
            Proxy(one, other, tmp_path / "q", "--protocol", "5") as proxy,
        ):
            proxy.wait_until_connected()
            with Publisher(one.port) as publisher:
                publisher.publish("forbidden", b"1", qos)
                publisher.publish("allowed/x", b"2", qos)
                publisher.finish()
            subscriber.wait_for(1)
            dead = proxy.wait_for("given_up")
            proxy.stop()
        assert (dead["topic"], dead["qos"]) == ("forbidden", qos)
        assert "Not authorized (0x87)" in dead["reason"]
        assert [topic for _, topic, _, _ in subscriber.got] == ["allowed/x"]
        other.stop()
        rules.write_text("topic readwrite #\n")
        other.start()
        with (
            Subscriber(other.port) as subscriber,
            Proxy(one, other, tmp_path / "q", "--protocol", "5", "--retry-dead") as proxy,
        ):
            subscriber.wait_for(1)
            assert subscriber.got == [(qos, "forbidden", b"1", False)]
            assert proxy.stop() == TERMINATED


def exported(queue: Path) -> list[dict[str, Any]]:
    """All items of a queue."""
    return [json.loads(line) for line in elasticq("export", queue).stdout.splitlines()]


def test_a_topic_that_the_prefix_makes_too_long_is_given_up(tmp_path: Path) -> None:
    with (
        two_brokers(tmp_path, "mosquitto", "nats") as (one, other),
        Proxy(one, other, tmp_path / "q", "--topic-prefix", "p" * 1_000) as proxy,
    ):
        proxy.wait_until_connected()
        with Publisher(one.port) as publisher:
            publisher.publish("/".join(["t" * 400] * 162), b"1", 1)
            publisher.finish()
        assert "too long" in proxy.wait_for("given_up")["reason"]


# The limit of the disk.


def fill(publisher: Publisher, count: int) -> None:
    """Publishes messages of 1,000 bytes with QoS 1."""
    for number in range(count):
        publisher.publish("load", b"%d " % number + bytes(1_000), 1)
    publisher.finish()


@pytest.mark.parametrize("overflow", ["block", "drop-oldest", "drop-newest"])
def test_the_disk_limit_holds_and_what_is_dropped_is_counted(overflow: str, tmp_path: Path) -> None:
    count, limit = 8_000, 4 * 1024 * 1024
    options = ("--max-disk", "4M", "--overflow", overflow)
    with two_brokers(tmp_path, "mosquitto", "nats") as (one, other), Subscriber(other.port) as subscriber:
        other.stop()
        with Proxy(one, other, tmp_path / "q", *options) as proxy, Publisher(one.port) as publisher:
            proxy.wait_for("subscribed")
            dropped = partial(proxy.metric, 'elasticq_mqtt_dropped_total{reason="disk"}')
            depth = partial(proxy.metric, "elasticq_mqtt_depth")
            fill(publisher, count)
            if overflow == "block":
                assert "max_disk" in proxy.wait_for("paused", side="from")["text"]
            else:
                # What is received counts before it is stored.
                wait_until(lambda: dropped() + depth() == count, "each is stored or dropped")
            assert proxy.metric("elasticq_mqtt_disk_bytes") <= limit * 1.1
            lost, kept = dropped(), int(depth())
            other.start()
            if overflow == "block":
                assert lost == 0
                subscriber.wait_for(count)
            else:
                assert lost > 0
                subscriber.wait_for(kept)
    numbers = sorted(numbers_of(subscriber.got, 1))
    check_order(subscriber.got)
    if overflow == "drop-newest":  # a small batch may find room after a large one did not
        assert numbers[:1_000] == list(range(1_000))
    else:
        assert numbers == list(range(count - len(numbers), count))


@pytest.mark.parametrize("overflow", ["block", "drop-oldest", "drop-newest"])
def test_a_message_larger_than_the_disk_limit_stands_in_nobodys_way(overflow: str, tmp_path: Path) -> None:
    options = ("--max-disk", "4M", "--overflow", overflow)
    with (
        two_brokers(tmp_path, "mosquitto", "nats") as (one, other),
        Subscriber(other.port) as subscriber,
        Proxy(one, other, tmp_path / "q", *options) as proxy,
        Publisher(one.port) as publisher,
    ):
        proxy.wait_for("subscribed", side="from")
        publisher.publish("large", bytes(5_000_000), 1)
        publisher.finish()
        if overflow == "block":
            assert proxy.wait_for_end() == 2
            assert "larger than --max-disk allows; it stays with the source" in proxy.errors
        else:
            assert proxy.wait_for("too_large", side="from")["topic"] == "large"
            assert proxy.metric('elasticq_mqtt_dropped_total{reason="disk"}') == 1
            fill(publisher, 10)
            subscriber.wait_for(10)


# Watching it, and its end.


def test_the_page_and_the_socket_tell_what_goes_through(tmp_path: Path) -> None:
    socket = tmp_path / "live"
    with (
        two_brokers(tmp_path, "mosquitto", "nats") as (one, other),
        Proxy(one, other, tmp_path / "q", "--live", socket) as proxy,
    ):
        proxy.wait_until_connected()
        with Subscriber(other.port) as subscriber, Publisher(one.port) as publisher:
            publish_all(publisher, range(100))
            publisher.finish()
            wait_for_all(subscriber, 100)
        wait_until(lambda: proxy.metric("elasticq_mqtt_depth") == 0, "all is acknowledged")
        for qos, count in ((1, 40), (2, 40)):
            assert proxy.metric(f'elasticq_mqtt_received_total{{qos="{qos}"}}') == count
            assert proxy.metric(f'elasticq_mqtt_forwarded_total{{qos="{qos}"}}') == count
        assert proxy.metric('elasticq_mqtt_connected{side="to"}') == 1
        assert proxy.metric("elasticq_mqtt_given_up_total") == 0
        assert proxy.metric('elasticq_messages_enqueued_total{queue="mqtt qos 1"}') == 40
        rows = [json.loads(line) for line in elasticq("top", "--once", "--json", socket).stdout.splitlines()]
        assert [row["queue"] for row in rows] == ["mqtt qos 0", "mqtt qos 1", "mqtt qos 2"]
        assert proxy.stop() == TERMINATED
    stopped = proxy.wait_for("stopped")
    assert (stopped["depth"], stopped["forwarded"]["1"]) == (0, 40)
    assert not socket.exists()


@pytest.mark.parametrize("kind", KINDS)
def test_it_waits_for_brokers_that_are_not_there_yet_and_says_so_once(kind: str, tmp_path: Path) -> None:
    one, other = Mosquitto(tmp_path / "source"), KINDS[kind](tmp_path / "target")
    with Proxy(one, other, tmp_path / "q") as proxy:
        proxy.wait_for("unreachable", side="from")
        proxy.wait_for("unreachable", side="to")
        with one, other:
            proxy.wait_until_connected()
            proxy.stop()
    told = [event["side"] for event in proxy.events if event["event"] == "unreachable"]
    assert sorted(told) == ["from", "to"]
    assert proxy.errors == ""
