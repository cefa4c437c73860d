"""Dead letters of work queues on NATS: what has to be kept of them, and in which stream."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from nats_servers import Server, bare

import elasticq
from elasticq import InvalidConfiguration, connect
from elasticq.backends import TooLarge, Unreachable

pytestmark = pytest.mark.usefixtures("nats_server")


def test_what_can_not_be_read_becomes_a_dead_letter(nats_server: Server) -> None:
    url = nats_server.url()
    stream = url.rpartition("/")[2]
    with connect(url) as queue:

        async def put(client: Any) -> None:
            for codec in ("plain", "future"):
                await client.jetstream().publish(stream, b"\xff\xff\xff", headers={"Elasticq-Codec": codec})

        bare(nats_server, put)
        queue.put("good")
        assert queue.lease().item == "good"
        letters = queue.dead_letters()
        assert [letter.item for letter in letters] == [b"\xff\xff\xff"] * 2
        assert all(letter.reason.startswith("can't be read: ") for letter in letters)
        assert "'future' is unknown" in letters[1].reason


def test_the_largest_item_can_die_for_any_reason(nats_server: Server) -> None:
    with connect(nats_server.url(), timeout=3) as queue:
        most = queue.native.max_payload
        size = most
        while queue.depth() == 0:
            size -= 1
            with suppress(TooLarge):
                queue.put(bytes(size), id="the largest")
        queue.lease(wait=60).term("much too long " * 10_000)
        (letter,) = queue.dead_letters()
        assert len(letter.item) == size
        assert "much too long".startswith(letter.reason[:13])
        assert (queue.retry_dead(), queue.depth()) == (1, 1)
        with queue.lease(wait=60) as lease:
            assert (len(lease.item), lease.id) == (size, "the largest")


def test_a_message_of_another_program_as_large_as_can_be_can_die(nats_server: Server) -> None:
    url = nats_server.url()
    with connect(url, timeout=3) as queue:
        most = queue.native.max_payload

        async def put(client: Any) -> None:
            await client.jetstream().publish(url.rpartition("/")[2], bytes(most))

        bare(nats_server, put)
        queue.lease(wait=60).term("no picture")
        (letter,) = queue.dead_letters()
        assert len(letter.item) == most
        assert queue.depth() == 0


def test_reasons_and_headers_of_dead_letters_are_any_text(nats_server: Server) -> None:
    url = nats_server.url()
    with connect(url) as queue:

        async def put(client: Any) -> None:
            headers = {"From": "Zo\u00eb"}
            await client.jetstream().publish(url.rpartition("/")[2], b"theirs", headers=headers)

        bare(nats_server, put)
        queue.lease(wait=60).term("\u00fc \U0001f600")
        (letter,) = queue.dead_letters()
        assert letter.reason == "\u00fc \U0001f600"
        assert queue.retry_dead() == 1
        with queue.lease(wait=60) as lease:
            assert lease.headers == {"From": "Zo\u00eb"}


def test_the_longest_name_stays_with_an_item_that_dies_and_is_tried_again(nats_server: Server) -> None:
    name = "x" * 32_768
    with connect(nats_server.url()) as queue:
        queue.put(b"", id=name)
        queue.lease().term("a reason " * 10_000)
        assert [letter.id for letter in queue.dead_letters()] == [name]  # type: ignore[attr-defined]
        assert queue.retry_dead() == 1
        queue.lease().ack()
        assert (queue.depth(), queue.dead_letters()) == (0, [])


def test_a_stream_that_is_no_place_for_dead_letters_is_refused_and_left_alone(nats_server: Server) -> None:
    url = nats_server.url()
    with connect(url) as queue, connect(f"{url}_dead") as other:
        queue.put("job")
        lease = queue.lease()
        other.put("somebody else's")
        calls: list[Callable[[], object]] = [
            lease.term,
            queue.dead_letters,
            queue.retry_dead,
            queue.purge_dead,
        ]
        for call in calls:
            with pytest.raises(
                InvalidConfiguration, match="where dead letters go, exists with other settings"
            ):
                call()
        lease.ack()
        assert (queue.depth(), other.depth()) == (0, 1)


def test_dead_letters_that_find_no_room_stay_dead(nats_server: Server) -> None:
    with connect(nats_server.url(), max_depth=2) as queue:
        queue.put_many([1, 2])
        for lease in queue.lease_many(2):
            lease.term("both")
        queue.put(3)
        with pytest.raises(elasticq.Full) as caught:
            queue.retry_dead()
        assert caught.value.remaining == [2]
        assert [letter.item for letter in queue.dead_letters()] == [2]
        assert queue.depth() == 2


def test_a_removed_stream_of_dead_letters_is_made_again(nats_server: Server) -> None:
    url = nats_server.url()
    with connect(url, timeout=1.5) as queue:
        queue.put_many([1, 2])
        queue.lease().term()

        async def remove(client: Any) -> None:
            await client.jetstream().delete_stream(url.rpartition("/")[2] + "_dead")

        bare(nats_server, remove)
        lease = queue.lease()
        with pytest.raises(Unreachable):
            lease.term()
        lease.term()
        assert [letter.item for letter in queue.dead_letters()] == [2]


def test_a_dead_letter_is_written_once_though_its_client_stops_in_between(nats_server: Server) -> None:
    url = nats_server.url()
    stream = url.rpartition("/")[2]
    with connect(url, max_deliveries=1, ttl=0.2) as queue:
        queue.put("job", id="7")
        lease = queue.lease(ttl=60)
        stored = lease._message.reply.split(".")[7]  # type: ignore[attr-defined]
        lease.term("first")

        async def again(client: Any) -> None:  # what a client does that has not yet ended the item
            headers = {"Nats-Msg-Id": f"_eq.{stream}:1:{stored}"}
            ack = await client.jetstream().publish(f"{stream}_dead", b"", headers=headers)
            assert ack.duplicate

        bare(nats_server, again)
        assert [letter.id for letter in queue.dead_letters()] == ["7"]  # type: ignore[attr-defined]


def test_a_stream_that_is_made_anew_has_dead_letters_of_its_own(nats_server: Server) -> None:
    url = nats_server.url()

    async def remove(client: Any) -> None:
        await client.jetstream().delete_stream(url.rpartition("/")[2])

    for item in ("before", "after"):
        with connect(url) as queue:
            queue.put(item)
            queue.lease(wait=60).term()
            letters = [letter.item for letter in queue.dead_letters()]
        bare(nats_server, remove)
    assert letters == ["before", "after"]
