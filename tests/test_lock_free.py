"""The queues without locks in Python: interface, errors, waiting, looking and many threads."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from kinds import LOCK_FREE_CLASSES
from support import (
    FREE_THREADED,
    PATIENCE,
    Message,
    Threads,
    background,
    check_messages,
    wait_until_asleep,
)

from elasticq import (
    Config,
    Empty,
    Full,
    InvalidConfiguration,
    InvalidOperation,
    LockFreeMPMCQueue,
    LockFreeMPSCQueue,
    LockFreeSPSCQueue,
    MaxCapacityReached,
    ShutDown,
)

each = pytest.mark.parametrize("make", LOCK_FREE_CLASSES)
Make = Callable[..., Any]


def small(make: Make, largest: int = 4) -> Any:
    """A queue that holds few items."""
    return make(initial_capacity=2, min_capacity=2, max_capacity=largest)


# ---- one thread


@each
def test_the_first_steps(make: Make) -> None:
    q = make(Config(max_capacity=4096), min_capacity=4, initial_capacity=8)
    assert (q.capacity, q.max_capacity, len(q), bool(q), q.is_closed) == (8, 4096, 0, False, False)
    q.try_enqueue(10)
    q.put(20)
    q.enqueue_batch([30, 40])
    q.enqueue_batch((50,))
    q.enqueue_batch(iter([60, 70]))
    assert (len(q), bool(q), q.peek()) == (7, True, 10)
    assert (q.try_dequeue(), q.get(), q.dequeue_batch(2)) == (10, 20, [30, 40])
    assert (q.dequeue_batch(0), q.drain(), q.drain()) == ([], [50, 60, 70], [])
    stats = q.stats()
    assert (stats.messages_enqueued, stats.messages_dequeued, stats.current_size) == (7, 7, 0)
    assert stats.peak_size is None  # neither side sees every length
    q.enqueue_batch([80, 90])
    assert (q.clear(), q.stats().messages_dequeued, q.stats().messages_dropped) == (2, 7, 2)
    with pytest.raises(InvalidConfiguration, match="max_capacity"):
        make(max_capacity=1)
    with pytest.raises(ValueError, match="max_items"):
        q.dequeue_batch(-1)


@each
def test_nothing_to_take_is_none_or_the_default_and_none_is_an_item(make: Make) -> None:
    q = make()
    nothing = object()
    assert (q.try_dequeue(), q.try_dequeue(nothing), q.dequeue_batch(5)) == (None, nothing, [])
    q.try_enqueue(None)
    assert q.try_dequeue(nothing) is None
    with pytest.raises(Empty):
        q.get(block=False)
    with pytest.raises(Empty):
        q.get(timeout=0.001)
    with pytest.raises(Empty):
        q.peek()


@each
def test_what_is_refused_is_still_the_callers(make: Make) -> None:
    q = small(make)
    q.put(1)
    with pytest.raises(Full) as error:
        q.enqueue_batch(n for n in (2, 3, 4, 5))
    assert not isinstance(error.value, MaxCapacityReached)
    assert error.value.remaining == [2, 3, 4, 5]
    q.enqueue_batch([2, 3, 4])
    puts: list[Callable[[], None]] = [
        lambda: q.try_enqueue(5),
        lambda: q.put(5, block=False),
        lambda: q.put(5, timeout=0.001),
        lambda: q.enqueue_batch([5]),
    ]
    for put in puts:
        with pytest.raises(MaxCapacityReached, match="4"):
            put()
    assert list(q) == [1, 2, 3, 4]
    assert (q.stats().messages_refused, q.stats().messages_dropped) == (4 + 4, 0)


@each
def test_it_grows_and_shrinks(make: Make) -> None:
    q = make(initial_capacity=2, min_capacity=2, max_capacity=1000)
    for number in range(1000):
        q.put(number)
    assert q.capacity == 1000
    assert [q.get() for _ in range(1000)] == list(range(1000))
    for _ in range(50):
        q.put(0)
        q.get()
    assert q.capacity <= 4
    assert q.stats().grown > 0
    assert q.stats().shrunk > 0


@each
def test_a_closed_queue_gives_what_is_in_it_and_ends(make: Make) -> None:
    q = make()
    q.enqueue_batch([1, 2, 3, 4])
    q.close()
    q.close()
    assert (q.is_closed, q.is_shutdown) == (True, True)
    puts: list[Callable[[], None]] = [
        lambda: q.try_enqueue(5),
        lambda: q.put(5),
        lambda: q.enqueue_batch([5]),
    ]
    for put in puts:
        with pytest.raises(ShutDown):
            put()
    assert (q.try_dequeue(), q.dequeue_batch(1), list(q.consume())) == (1, [2], [3, 4])
    takes: list[Callable[[], object]] = [q.try_dequeue, q.get, lambda: q.dequeue_batch(1), q.peek]
    for take in takes:
        with pytest.raises(ShutDown):
            take()
    assert (list(q), q.drain(), q.clear()) == ([], [], 0)


@each
def test_iterating_looks_and_takes_nothing(make: Make) -> None:
    q = make(initial_capacity=1, min_capacity=1)
    for number in range(100):
        q.put(number)
        assert list(q) == list(range(number + 1))
    snapshot = iter(q)
    assert q.clear() == 100
    assert list(snapshot) == list(range(100))


@each
def test_subclasses_and_types(make: Make) -> None:
    class Named(make):  # type: ignore[misc, valid-type]
        pass

    q = Named(max_capacity=2000)
    q.name = "mine"
    assert weakref.ref(q)() is q
    assert make.__module__ == "elasticq"
    assert make[int].__origin__ is make  # type: ignore[index]


# ---- waiting


@each
def test_get_and_put_wait(make: Make, threads: Threads) -> None:
    q = small(make, 2)
    taken: list[int] = []
    getter = threads.start(lambda: taken.append(q.get()))
    wait_until_asleep(getter)
    q.put(1)
    threads.join()
    q.enqueue_batch([2, 3])
    putter = threads.start(q.put, 4)
    wait_until_asleep(putter)
    assert q.get() == 2
    threads.join()
    assert (taken, q.drain()) == ([1], [3, 4])


@each
def test_closing_wakes_everybody(make: Make, threads: Threads) -> None:
    full, empty = small(make, 2), make()
    full.enqueue_batch([1, 2])

    def refused(call: Callable[..., object], *arguments: object) -> None:
        with pytest.raises(ShutDown):
            call(*arguments)

    waiting = [threads.start(refused, full.put, 3), threads.start(refused, empty.get)]
    for thread in waiting:
        wait_until_asleep(thread)
    full.close()
    empty.close()
    threads.join()
    assert full.drain() == [1, 2]


@each
def test_several_may_wait_for_items_and_each_item_wakes_one(make: Make, threads: Threads) -> None:
    q = make()
    taken: list[int] = []
    for thread in [threads.start(lambda: taken.append(q.get())) for _ in range(3)]:
        wait_until_asleep(thread)
    for number in range(3):
        q.put(number)
        while len(taken) <= number:
            threading.Event().wait(0.001)
    threads.join()
    assert taken == [0, 1, 2]


@pytest.mark.parametrize("make", [LockFreeMPSCQueue, LockFreeMPMCQueue])
def test_two_places_that_come_free_in_a_row_reach_two_who_wait(make: Make, threads: Threads) -> None:
    q = small(make, 2)
    for _ in range(20):
        q.enqueue_batch([1, 2])
        for putter in [threads.start(q.put, 3), threads.start(q.put, 4)]:
            wait_until_asleep(putter)
        assert (q.get(), q.get()) == (1, 2)
        threads.join()
        assert sorted(q.drain()) == [3, 4]


def test_two_items_that_come_in_a_row_reach_two_who_wait(threads: Threads) -> None:
    q: Any = LockFreeMPMCQueue()
    for _ in range(20):
        for getter in [threads.start(q.get), threads.start(q.get)]:
            wait_until_asleep(getter)
        q.put(1)
        q.put(2)
        threads.join()


@each
def test_tasks_wait_for_items_and_for_room(make: Make) -> None:
    async def main() -> None:
        q = small(make, 2)

        async def produce() -> None:
            for number in range(100):
                await q.aput(number)
            q.close()

        producer = asyncio.ensure_future(produce())
        assert [number async for number in q] == list(range(100))
        await producer
        with pytest.raises(ShutDown):
            await q.aget()
        with pytest.raises(ShutDown):
            await q.aput(1)

    asyncio.run(main())


@each
def test_a_thread_and_a_task_at_the_two_ends(make: Make, threads: Threads) -> None:
    there, back = small(make, 8), small(make, 8)

    async def main() -> None:
        async for number in there:
            await back.aput(number)
        back.close()

    def produce() -> None:
        for number in range(3000):
            there.put(number)
        there.close()

    threads.start(asyncio.run, main())
    threads.start(produce)
    assert list(back.consume()) == list(range(3000))


# ---- many threads


def send(q: Any, me: int, count: int) -> None:
    """Sends this many messages, in every way that there is."""
    number = 0
    while number < count:
        batch = [Message(me, number + i) for i in range(min(number % 7 + 1, count - number))]
        number += len(batch)
        try:
            q.enqueue_batch(batch)
        except Full:
            for message in batch:
                q.put(message)


def receive(q: Any, taken: list[Message]) -> None:
    """Takes until the queue is closed and empty, in every way that there is."""
    with suppress(ShutDown):
        while True:
            taken.append(q.get())
            taken.extend(q.dequeue_batch(10))
            with suppress(Empty):
                taken.append(q.get(timeout=0.0001))
            if (message := q.try_dequeue()) is not None:
                taken.append(message)


def look(q: Any) -> None:
    """Checks that the items seen are whole and, for each sender, in their order."""
    last: defaultdict[int, int] = defaultdict(lambda: -1)
    for message in q:
        assert message.intact()
        assert message.number > last[message.sender]
        last[message.sender] = message.number
    with suppress(Empty, ShutDown):
        assert q.peek().intact()
    assert q.stats().current_size <= q.max_capacity


SIDES = {LockFreeMPSCQueue: (7, 1), LockFreeMPMCQueue: (4, 4), LockFreeSPSCQueue: (1, 1)}


@each
@pytest.mark.parametrize("largest", [2, 500])
def test_eight_threads_lose_double_and_change_nothing(make: Any, largest: int, threads: Threads) -> None:
    q = small(make, largest)
    # With a GIL each item of the smallest queue may cost a turn of each thread in the background: 15 ms.
    count = 3000 if largest > 2 else 100
    producers, consumers = SIDES[make]
    taken: list[list[Message]] = [[] for _ in range(consumers)]
    senders = Threads()
    with background(gc.collect, lambda: look(q), lambda: gc.get_referents(q)):
        for mine in taken:
            threads.start(receive, q, mine)
        for me in range(producers):
            senders.start(send, q, me, count)
        senders.join()
        q.close()
        threads.join()
    check_messages(taken, dict.fromkeys(range(producers), count))
    total = count * producers
    stats = q.stats()
    assert (stats.messages_enqueued, stats.messages_dequeued, stats.current_size) == (total, total, 0)


for_one_consumer = pytest.mark.parametrize("make", [LockFreeMPSCQueue, LockFreeSPSCQueue])

GETS: dict[str, Callable[[Any], object]] = {
    "get": lambda q: q.get(),
    "get in time": lambda q: q.get(timeout=PATIENCE),
    "consume": lambda q: next(q.consume()),
    "aget": lambda q: asyncio.run(q.aget()),
    "aget_many": lambda q: asyncio.run(q.aget_many(2)),
}
PUTS: dict[str, Callable[[Any], object]] = {
    "put": lambda q: q.put(0),
    "put in time": lambda q: q.put(0, timeout=PATIENCE),
    "aput": lambda q: asyncio.run(q.aput(0)),
    "aput_many": lambda q: asyncio.run(q.aput_many([0, 0])),
}


def amid_large_batches(make: Make, call: Callable[[Any], object]) -> None:
    """Repeats a call while another thread works at one end or the other most of the time.

    The batches leave items and room in the queue. Otherwise the threads that wait for these would starve.
    """
    q = make(max_capacity=1_000_000)
    items = [0] * 100_000
    worked = 0

    def work() -> None:
        nonlocal worked
        with suppress(InvalidOperation, Full):
            q.enqueue_batch(items)
        with suppress(InvalidOperation):
            q.dequeue_batch(max(0, len(q) - len(items)))
        worked += 1

    with background(work):
        while worked < 50:
            call(q)


@for_one_consumer
@pytest.mark.parametrize("get", GETS.values(), ids=GETS)
def test_who_waits_for_an_item_and_finds_another_thread_taking_tries_again(
    make: Make, get: Callable[[Any], object]
) -> None:
    amid_large_batches(make, get)


@pytest.mark.parametrize("put", PUTS.values(), ids=PUTS)
def test_who_waits_for_room_and_finds_another_thread_putting_in_tries_again(
    put: Callable[[Any], object],
) -> None:
    amid_large_batches(LockFreeSPSCQueue, put)


@for_one_consumer
def test_a_second_consumer_that_does_not_wait_is_told_so_and_nothing_breaks(
    make: Make, threads: Threads
) -> None:
    q = make()
    count, consumers = 20_000, 4
    taken: list[list[Message]] = [[] for _ in range(consumers)]
    told: list[int] = [0] * consumers

    def take(me: int) -> None:
        with suppress(ShutDown):
            while True:
                taken[me].append(q.get())
                try:
                    taken[me].extend(q.dequeue_batch(3))
                except InvalidOperation:
                    told[me] += 1

    for me in range(consumers):
        threads.start(take, me)
    for number in range(count):
        q.put(Message(0, number))
    q.close()
    threads.join()
    check_messages(taken, {0: count})
    if not FREE_THREADED:
        assert told == [0] * consumers


def test_a_second_producer_that_does_not_wait_is_told_so_and_nothing_breaks(threads: Threads) -> None:
    q: Any = LockFreeSPSCQueue(initial_capacity=8, min_capacity=8, max_capacity=64)
    taken: list[Message] = []
    told: list[Exception] = []
    count, producers = 4000, 4
    senders = Threads()

    def put(me: int) -> None:
        for number in range(count):
            message = Message(me, number)
            try:
                q.try_enqueue(message)
            except (InvalidOperation, Full) as error:
                told.append(error)
                q.put(message)

    threads.start(receive, q, taken)
    for me in range(producers):
        senders.start(put, me)
    senders.join()
    q.close()
    threads.join()
    check_messages([taken], dict.fromkeys(range(producers), count))
    assert FREE_THREADED or all(isinstance(error, Full) for error in told)


def test_tasks_in_several_loops_and_threads_share_one_queue(threads: Threads) -> None:
    q: Any = LockFreeMPMCQueue(initial_capacity=4, min_capacity=4, max_capacity=32)
    count, producers = 1000, 3
    taken: list[list[Message]] = [[] for _ in range(6)]

    async def consume(mine: list[Message]) -> None:
        async for message in q:
            mine.append(message)

    async def loop(first: int) -> None:
        await asyncio.gather(*(consume(mine) for mine in taken[first : first + 2]))

    async def produce(me: int) -> None:
        for number in range(count):
            await q.aput(Message(me, number))

    senders = Threads()
    threads.start(asyncio.run, loop(0))
    threads.start(asyncio.run, loop(2))
    threads.start(receive, q, taken[4])
    threads.start(receive, q, taken[5])
    senders.start(asyncio.run, produce(0))
    senders.start(asyncio.run, produce(1))
    senders.start(send, q, 2, count)
    senders.join()
    q.close()
    threads.join()
    check_messages(taken, dict.fromkeys(range(producers), count))
