"""`BufferChannel`: what is its own beside what all queues promise."""

from __future__ import annotations

import asyncio
import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from support import PATIENCE, Message, Threads, check_messages, settle, wait_until_asleep

import elasticq
from elasticq import BufferChannel, Config, Empty, Full, MaxCapacityReached, ShutDown


def small(limit: int) -> BufferChannel[Any]:
    return BufferChannel(max_capacity=limit)


def test_sending_waits_for_room_and_receiving_for_an_item() -> None:
    channel = small(1)
    threads = Threads()
    sent: list[int] = []

    def send() -> None:
        for number in range(3):
            channel.send(number)
            sent.append(number)

    sending = threads.start(send)
    wait_until_asleep(sending)
    assert sent == [0]
    assert [channel.recv() for _ in range(3)] == [0, 1, 2]
    threads.join()
    receiving = threads.start(lambda: sent.append(channel.recv()))
    wait_until_asleep(receiving)
    channel.send(3)
    threads.join()
    assert sent == [0, 1, 2, 3]


@pytest.mark.parametrize("timeout", [0, 0.001, timedelta(milliseconds=1)])
def test_what_takes_too_long_says_so(timeout: Any) -> None:
    channel = small(1)
    with pytest.raises(Empty, match="the channel is empty"):
        channel.recv(timeout)
    with pytest.raises(Empty):
        channel.recv_many(timeout=timeout)
    channel.send("a", timeout)
    with pytest.raises(MaxCapacityReached, match="the channel is full: max_capacity = 1"):
        channel.send("b", timeout)
    with pytest.raises(Full) as cut_short:
        channel.send_many("bc", timeout)
    assert cut_short.value.remaining == ["b", "c"]
    assert channel.recv() == "a"


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_a_timeout_that_is_none_is_named(timeout: float) -> None:
    channel = small(1)
    for call in (
        lambda: channel.send(1, timeout),
        lambda: channel.recv(timeout),
        lambda: channel.send_many([1], timeout),
        lambda: channel.recv_many(1, timeout),
    ):
        with pytest.raises(ValueError, match="'timeout' must be a non-negative number"):
            call()
    assert len(channel) == 0


def test_try_never_waits() -> None:
    channel = small(2)
    with pytest.raises(Empty):
        channel.try_recv()
    channel.try_send(1)
    channel.try_send(2)
    with pytest.raises(MaxCapacityReached):
        channel.try_send(3)
    assert [channel.try_recv(), channel.try_recv()] == [1, 2]


def test_after_closing_what_is_inside_comes_and_then_the_end() -> None:
    with BufferChannel[int]() as channel:
        channel.send_many([1, 2, 3])
        assert not channel.is_closed
    assert channel.is_closed
    for refused in (lambda: channel.send(4), lambda: channel.try_send(4)):
        with pytest.raises(ShutDown, match="the channel is closed"):
            refused()
    with pytest.raises(ShutDown) as many:
        channel.send_many([4, 5])
    assert many.value.remaining == [4, 5]
    assert channel.recv() == 1
    assert list(channel.consume()) == [2, 3]
    for ended in (channel.recv, channel.try_recv, channel.recv_many):
        with pytest.raises(ShutDown):
            ended()
    channel.close()


def test_a_channel_closes_although_its_block_raises() -> None:
    channel = BufferChannel[int]()
    with pytest.raises(LookupError), channel:
        raise LookupError
    assert channel.is_closed


def test_whoever_waits_is_told_of_the_end() -> None:
    full, empty = small(1), small(1)
    full.send(0)
    threads = Threads()
    ended: list[str] = []

    def wait(name: str, call: Any) -> None:
        with pytest.raises(ShutDown):
            call()
        ended.append(name)

    for name, call in [
        ("send", lambda: full.send(1)),
        ("asend", lambda: asyncio.run(full.asend(1))),
        ("recv", empty.recv),
        ("arecv", lambda: asyncio.run(empty.arecv())),
    ]:
        wait_until_asleep(threads.start(wait, name, call))
    full.close()
    empty.close()
    threads.join()
    assert sorted(ended) == ["arecv", "asend", "recv", "send"]


def test_the_methods_that_are_awaited_pass_for_async_def() -> None:
    for name in ("asend", "arecv", "asend_many", "arecv_many"):
        assert inspect.iscoroutinefunction(getattr(BufferChannel, name))


def test_tasks_wait_for_room_and_for_items() -> None:
    async def main() -> None:
        channel = small(2)
        sending = asyncio.create_task(channel.asend_many(range(6)))
        await settle()
        assert len(channel) == 2
        assert await channel.arecv_many(2) == [0, 1]
        assert [await channel.arecv() for _ in range(4)] == [2, 3, 4, 5]
        await sending
        receiving = asyncio.create_task(channel.arecv())
        await settle()
        await channel.asend(6)
        assert await receiving == 6

    asyncio.run(asyncio.wait_for(main(), PATIENCE))


def test_a_batch_that_is_cut_short_says_what_is_left() -> None:
    async def main() -> None:
        channel = small(2)
        sending = asyncio.create_task(channel.asend_many("abcd"))
        await settle()
        channel.close()
        with pytest.raises(ShutDown) as cut_short:
            await sending
        assert cut_short.value.remaining == ["c", "d"]
        assert [item async for item in channel] == ["a", "b"]

    asyncio.run(main())


def test_threads_and_loops_send_and_receive_at_once() -> None:
    channel = small(16)
    count = 2000
    taken: list[list[Message]] = [[] for _ in range(4)]

    def send(sender: int) -> None:
        for number in range(count):
            channel.send(Message(sender, number))

    async def asend(sender: int) -> None:
        for number in range(count):
            await channel.asend(Message(sender, number))

    def receive(into: list[Message]) -> None:
        into.extend(channel.consume())

    async def areceive(into: list[Message]) -> None:
        async for message in channel:
            into.append(message)

    with ThreadPoolExecutor(8) as pool:
        receivers = [pool.submit(receive, into) for into in taken[:2]]
        receivers += [pool.submit(lambda into: asyncio.run(areceive(into)), into) for into in taken[2:]]
        senders = [pool.submit(send, 0), pool.submit(send, 1)]
        senders += [pool.submit(lambda sender: asyncio.run(asend(sender)), sender) for sender in (2, 3)]
        for sender in senders:
            sender.result(PATIENCE)
        channel.close()
        for receiver in receivers:
            receiver.result(PATIENCE)
    check_messages(taken, dict.fromkeys(range(4), count))


def test_its_settings_are_those_of_the_crate() -> None:
    channel = BufferChannel[int](Config(max_capacity=8, initial_capacity=4, min_capacity=2), max_capacity=6)
    assert (channel.max_capacity, channel.capacity) == (6, 4)
    with pytest.raises(elasticq.InvalidConfiguration, match="max_capacity"):
        BufferChannel(max_capacity=0)
    with pytest.raises(
        TypeError, match=r"BufferChannel.__init__\(\) got an unexpected keyword argument 'maxsize'"
    ):
        BufferChannel(maxsize=1)  # type: ignore[call-arg]
    with pytest.raises(elasticq.InvalidOperation):
        channel.__init__()  # type: ignore[misc]


def test_an_empty_channel_is_true_and_says_what_it_is() -> None:
    channel = small(3)
    assert channel
    channel.send(1)
    assert repr(channel) == "<elasticq.BufferChannel 1 item, max_capacity=3>"
    channel.close()
    assert "closed" in repr(channel)
    assert channel.clear() == 1
    assert channel.is_empty()


def test_a_thread_that_works_for_an_event_loop() -> None:
    async def main() -> list[int]:
        numbers, squares = BufferChannel[int](), BufferChannel[int]()

        def square() -> None:
            with squares:
                for number in numbers.consume():
                    squares.send(number * number)

        threading.Thread(target=square, daemon=True).start()
        with numbers:
            await numbers.asend_many(range(5))
        return [square async for square in squares]

    assert asyncio.run(asyncio.wait_for(main(), PATIENCE)) == [0, 1, 4, 9, 16]
