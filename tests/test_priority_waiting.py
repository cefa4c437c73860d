"""Threads and tasks that wait at a buffer with levels: the right ones are woken, and closing ends all."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import weakref
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from kinds import small_levels as small
from support import PATIENCE, Threads, check_for_leaks, settle, wait_until_asleep

from elasticq import Empty, Full, PriorityCircularBuffer, ShutDown, Timeout

Buffer = PriorityCircularBuffer


def patiently(future: asyncio.Future[Any]) -> asyncio.Future[Any]:
    """The same future, except that it fails after PATIENCE."""
    return asyncio.ensure_future(asyncio.wait_for(future, PATIENCE))


class Waiters:
    """Starts threads and tasks, and lets each run until it waits."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads

    async def put(self, buffer: Buffer[Any], item: Any, priority: int, kind: str) -> Awaitable[Any]:
        """A waiter for room at a level."""
        if kind == "task":
            return await self.task(buffer.aput_with_priority(item, priority))
        return self.thread(lambda: buffer.sync_q.put(item, priority=priority))

    async def put_many(
        self, buffer: Buffer[Any], items: list[Any], priority: int, kind: str
    ) -> Awaitable[Any]:
        """A waiter for room for several items, which puts them in pieces."""
        if kind == "task":
            return await self.task(buffer.aput_many_with_priority(items, priority))
        return self.thread(lambda: buffer.sync_q.put_many(items, priority=priority))

    async def get(self, buffer: Buffer[Any], kind: str) -> Awaitable[Any]:
        """A waiter for an item."""
        if kind == "task":
            return await self.task(buffer.aget())
        return self.thread(buffer.sync_q.get)

    async def task(self, coroutine: Coroutine[Any, Any, Any]) -> Awaitable[Any]:
        """A task."""
        task = asyncio.ensure_future(coroutine)
        await settle()
        assert not task.done()
        return patiently(task)

    def thread(self, call: Callable[[], Any]) -> Awaitable[Any]:
        """A thread. The loop is told of its end."""
        loop = asyncio.get_running_loop()
        ended = loop.create_future()

        def run() -> None:
            try:
                result = call()
            except Exception as error:
                loop.call_soon_threadsafe(ended.set_exception, error)
            else:
                loop.call_soon_threadsafe(ended.set_result, result)

        wait_until_asleep(self.threads.start(run))
        return patiently(ended)


@pytest.fixture
def waiters(threads: Threads) -> Waiters:
    """Starts the waiters."""
    return Waiters(threads)


KINDS = ["thread", "task"]
each_pair = pytest.mark.parametrize(("low", "high"), list(itertools.product(KINDS, KINDS)))


@each_pair
async def test_who_waits_at_a_full_level_keeps_no_other_from_going_on(
    waiters: Waiters, low: str, high: str
) -> None:
    buffer = small(3, level_capacities={0: 1})
    buffer.push_with_priority("low", 0)
    first = await waiters.put(buffer, "low 2", 0, low)
    buffer.push_with_priority("high", 2)  # a push that needn't wait, while others wait
    await buffer.aput_with_priority("high 2", 2)
    second = await waiters.put(buffer, "high 3", 2, high)
    # A place comes free that the first waiter has no use for.
    assert buffer.pop() == "high"
    await second
    assert list(buffer) == ["high 2", "high 3", "low"]
    assert buffer.pop() == "high 2"
    assert buffer.pop_from_priority(0) == "low"
    await first
    assert list(buffer) == ["high 3", "low 2"]


@each_pair
async def test_a_place_at_each_level_goes_to_who_waits_for_it(waiters: Waiters, low: str, high: str) -> None:
    """This holds for each level, and for any order in which places come free."""
    for take in itertools.permutations((0, 1, 2)):
        buffer = small(3, level_capacities={0: 1, 1: 1, 2: 1})
        waiting: dict[int, Awaitable[Any]] = {}
        for priority in (0, 1, 2):
            buffer.push_with_priority("old", priority)
            waiting[priority] = await waiters.put(buffer, "new", priority, low if priority != 1 else high)
        for priority in take:
            assert buffer.pop_from_priority(priority) == "old"
            await waiting[priority]
        assert buffer.drain() == ["new"] * 3


@each_pair
async def test_batches_wait_beside_single_items(waiters: Waiters, low: str, high: str) -> None:
    buffer = small(4, level_capacities={0: 2})
    buffer.push_batch_with_priority("ab", 0)
    buffer.push_batch_with_priority("AB", 2)
    batch = await waiters.put_many(buffer, list("cdef"), 0, low)
    single = await waiters.put(buffer, "C", 2, high)
    assert buffer.pop() == "A"
    await single
    taken: list[str] = []
    while len(taken) < 6:
        taken.append(await asyncio.wait_for(buffer.aget(), PATIENCE))
        await settle()
    await batch
    assert sorted(taken + buffer.drain()) == list("BCabcdef")


@pytest.mark.parametrize("kind", KINDS)
async def test_all_or_nothing_waits_for_room_for_all_and_keeps_nobody_else_waiting(
    waiters: Waiters, kind: str
) -> None:
    buffer = small(4, push_timeout=600, level_capacities={0: 3})
    buffer.push_batch_with_priority([1, 2, 3], 0)
    batch = waiters.thread(lambda: buffer.push_batch_with_priority([5, 6], 0))
    single = await waiters.put(buffer, 4, 0, kind)
    assert buffer.pop() == 1
    await single
    assert list(buffer) == [2, 3, 4]
    assert buffer.pop_batch(2) == [2, 3]
    await batch
    assert list(buffer) == [4, 5, 6]


@each_pair
async def test_an_item_at_any_level_wakes_who_waits(waiters: Waiters, low: str, high: str) -> None:
    buffer: Buffer[int] = Buffer(levels=4, level_capacities={1: 2})
    add: list[Callable[[], object]] = [
        lambda: buffer.push_with_priority(1, 0),
        lambda: buffer.push(1),
        lambda: buffer.push_batch_with_priority([1], 3),
        lambda: buffer.sync_q.put(1, priority=1),
        lambda: buffer.async_q.put_nowait(1, priority=1),
        lambda: buffer.sync_q.put_many(iter([1]), priority=2),
    ]
    for push in add:
        getters = [await waiters.get(buffer, kind) for kind in (low, high)]
        push()
        push()
        assert [await getter for getter in getters] == [1, 1]
    assert len(buffer) == 0


async def test_tasks_are_served_first_come_first_served(waiters: Waiters) -> None:
    buffer: Buffer[int] = Buffer()
    getters = [await waiters.get(buffer, "task") for _ in range(3)]
    buffer.push_batch_with_priority([1, 0], 0)
    buffer.push_with_priority(2, 2)
    assert [await getter for getter in getters] == [2, 1, 0]


# Cancelling


async def test_a_cancelled_getter_has_taken_nothing_and_passes_its_hint_on() -> None:
    buffer: Buffer[int] = Buffer()
    getters = [asyncio.ensure_future(buffer.aget()) for _ in range(3)]
    await settle()
    buffer.push_with_priority(1, 2)
    getters[0].cancel()  # woken, but not resumed
    assert await asyncio.wait_for(getters[1], PATIENCE) == 1
    assert getters[0].cancelled()
    getters[2].cancel()
    await settle()
    buffer.push(2)
    assert list(buffer) == [2]


@pytest.mark.parametrize("limits", [{}, {0: 1, 1: 1, 2: 1}], ids=["", "with limits"])
async def test_a_cancelled_putter_has_added_nothing_and_passes_its_hint_on(limits: dict[int, int]) -> None:
    buffer = small(3, level_capacities=limits)
    for priority in range(3):
        buffer.push_with_priority("old", priority)
    putters = [asyncio.ensure_future(buffer.aput_with_priority(name, 1)) for name in "abc"]
    await settle()
    assert buffer.pop_from_priority(1) == "old"
    putters[0].cancel()
    await asyncio.wait_for(putters[1], PATIENCE)
    assert putters[0].cancelled()
    putters[2].cancel()
    await settle()
    assert list(buffer) == ["old", "b", "old"]
    assert buffer.stats().refused_per_priority == [0, 0, 0]


@pytest.mark.parametrize("room", range(4))
async def test_a_cancelled_batch_keeps_what_is_in_and_tells_the_rest(room: int) -> None:
    buffer = small(8, level_capacities={2: 2})
    remaining: list[int] = []

    async def produce() -> None:
        try:
            await buffer.aput_many_with_priority([1, 2, 3, 4, 5, 6], 2)
        except asyncio.CancelledError as cancelled:
            remaining.extend(cancelled.remaining)  # type: ignore[attr-defined]
            raise

    producer = asyncio.ensure_future(produce())
    await settle()
    taken = [buffer.pop() for _ in range(min(room, 2))]
    if room == 3:
        await settle()
    producer.cancel()
    await asyncio.gather(producer, return_exceptions=True)
    assert taken + buffer.drain() + remaining == [1, 2, 3, 4, 5, 6]


# Closing


CLOSING: list[Callable[[Buffer[Any]], object]] = [
    lambda buffer: buffer.close(),
    lambda buffer: buffer.sync_q.shutdown(),
    lambda buffer: buffer.async_q.close(),
]


@pytest.mark.parametrize("close", CLOSING, ids=["close", "sync_q.shutdown", "async_q.close"])
@pytest.mark.parametrize("kind", KINDS)
async def test_closing_wakes_all_who_wait_for_room(
    waiters: Waiters, kind: str, close: Callable[[Buffer[Any]], object]
) -> None:
    buffer = small(3, level_capacities={0: 1})
    buffer.push_batch_with_priority([2, 2], 2)
    buffer.push_with_priority(0, 0)
    waiting = [await waiters.put(buffer, "new", priority, kind) for priority in (0, 1, 2)]
    waiting.append(await waiters.put_many(buffer, ["new"], 2, kind))
    close(buffer)
    for waiter in waiting:
        with pytest.raises(ShutDown):
            await waiter
    assert buffer.is_closed
    assert buffer.stats().refused_per_priority == [1, 1, 2]
    assert [buffer.pop(), buffer.pop_batch(1), buffer.pop_from_priority(0)] == [2, [2], 0]
    ended: list[Callable[[], object]] = [
        buffer.pop,
        lambda: buffer.pop_batch(1),
        lambda: buffer.pop_from_priority(1),
        buffer.sync_q.get,
        buffer.sync_q.get_many,
        lambda: buffer.push(1),
        lambda: buffer.push_batch_with_priority([1], 2),
    ]
    for call in ended:
        with pytest.raises(ShutDown):
            call()
    for coroutine in (buffer.aget(), buffer.aget_many(), buffer.aput(1), buffer.aput_with_priority(1, 0)):
        with pytest.raises(ShutDown):
            await coroutine


@pytest.mark.parametrize("kind", KINDS)
async def test_closing_wakes_all_who_wait_for_an_item(waiters: Waiters, kind: str) -> None:
    buffer: Buffer[int] = Buffer(pop_timeout=600)
    waiting = [await waiters.get(buffer, kind) for _ in range(3)]
    waiting.append(waiters.thread(buffer.pop))
    waiting.append(waiters.thread(lambda: buffer.pop_batch(3)))
    waiting.append(await waiters.task(buffer.aget_many()))
    buffer.close()
    for waiter in waiting:
        with pytest.raises(ShutDown):
            await waiter


async def test_async_for_and_consume_end_with_what_was_inside() -> None:
    order = [("high", 2), ("middle", 1), ("low", 0)]

    def closed() -> Buffer[str]:
        buffer: Buffer[str] = Buffer()
        for name, priority in reversed(order):
            buffer.push_with_priority(name, priority)
        buffer.close()
        return buffer

    assert list(closed().consume()) == ["high", "middle", "low"]
    assert [name async for name in closed()] == ["high", "middle", "low"]


@pytest.mark.parametrize("kind", KINDS)
async def test_consumers_that_wait_end_at_the_closing(waiters: Waiters, kind: str) -> None:
    buffer: Buffer[int] = Buffer()

    async def consume() -> list[int]:
        return [item async for item in buffer]

    if kind == "task":
        consuming = await waiters.task(consume())
    else:
        consuming = waiters.thread(lambda: list(buffer.consume()))
    buffer.push_with_priority(1, 0)
    buffer.close()
    assert await consuming == [1]


# Many at once


@pytest.mark.parametrize(
    "limits", [{}, dict.fromkeys(range(4), 1), {0: 1}], ids=["", "all limited", "one limited"]
)
def test_no_wake_up_is_missed_among_threads_and_tasks(
    limits: dict[int, int], threads: Threads, seeded: random.Random
) -> None:
    """There is room for only a few items. So all wait all the time, at all levels, singly and in batches."""
    buffer = small(4, levels=4, level_capacities=limits)
    each, producers = 300, 4
    taken: list[list[tuple[int, int]]] = []

    def chosen(chance: random.Random) -> tuple[int, int]:
        return chance.randrange(4), chance.choice((1, 1, 3))

    def produce(me: int, seed: int) -> None:
        chance, number = random.Random(seed), 0
        while number < each:
            priority, count = chosen(chance)
            items = [(me, number + i) for i in range(min(count, each - number))]
            if count == 1:
                buffer.sync_q.put(items[0], priority=priority)
            else:
                buffer.sync_q.put_many(items, priority=priority)
            number += len(items)

    def produce_in_a_loop(me: int, seed: int) -> None:
        async def run() -> None:
            chance, number = random.Random(seed), 0
            while number < each:
                priority, count = chosen(chance)
                items = [(me, number + i) for i in range(min(count, each - number))]
                if count == 1:
                    await buffer.aput_with_priority(items[0], priority)
                else:
                    await buffer.aput_many_with_priority(items, priority)
                number += len(items)

        asyncio.run(run())

    def consume(mine: list[tuple[int, int]]) -> None:
        mine.extend(buffer.consume())

    def consume_in_a_loop(mine: list[tuple[int, int]]) -> None:
        async def run() -> None:
            async def one() -> None:
                async for item in buffer:
                    mine.append(item)

            await asyncio.gather(one(), one())

        asyncio.run(run())

    for run in (consume, consume_in_a_loop, consume, consume_in_a_loop):
        taken.append([])
        threads.start(run, taken[-1])
    consumers = list(threads.running)
    threads.running.clear()
    for me in range(producers):
        threads.start(produce_in_a_loop if me % 2 else produce, me, seeded.randrange(1 << 32))
    threads.join()
    buffer.close()
    threads.running = consumers
    threads.join()
    everything = sorted(itertools.chain.from_iterable(taken))
    assert everything == [(me, number) for me in range(producers) for number in range(each)]
    assert buffer.stats().total_popped == buffer.stats().total_pushed == producers * each
    assert buffer.stats().total_refused == 0


def test_threads_that_give_up_all_the_time_lose_nothing(threads: Threads, seeded: random.Random) -> None:
    """There are waiters with a timeout of zero beside patient threads, at levels with limits of their own."""
    buffer = small(3, push_timeout=0.00005, pop_timeout=0.00005, level_capacities={0: 1, 1: 1})
    each = 400

    def pushed(item: Any, priority: int) -> bool:
        try:
            buffer.push_with_priority(item, priority)
        except Timeout:
            return False
        return True

    def produce(me: int, seed: int) -> None:
        chance = random.Random(seed)
        for number in range(each):
            priority = chance.randrange(3)
            while not pushed((me, number), priority):
                pass

    def produce_patiently(me: int, seed: int) -> None:
        chance = random.Random(seed)
        for number in range(each):
            buffer.sync_q.put((me, number), priority=chance.randrange(3))

    for me, run in enumerate((produce, produce_patiently, produce, produce_patiently)):
        threads.start(run, me, seeded.randrange(1 << 32))
    taken: list[tuple[int, int]] = []
    while len(taken) < 4 * each:
        try:
            taken.append(buffer.pop())
        except Timeout:
            assert not threads.errors
    threads.join()
    assert sorted(taken) == list(itertools.product(range(4), range(each)))


def test_tasks_that_are_cancelled_all_the_time_lose_nothing(threads: Threads, seeded: random.Random) -> None:
    """The tasks run in several event loops. The levels have limits of their own."""
    buffer = small(3, level_capacities={0: 1, 1: 1})
    each = 300
    taken: list[tuple[int, int]] = []

    async def impatiently(chance: random.Random, make: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        """Begins a wait again and again, and gives it up after a turn of the loop or two."""
        while True:
            task = asyncio.ensure_future(make())
            for _ in range(chance.randrange(5)):
                await asyncio.sleep(0)
            task.cancel()
            try:
                return await task
            except asyncio.CancelledError:
                continue

    async def produce(me: int, seed: int) -> None:
        chance = random.Random(seed)
        for number in range(each):
            priority = chance.randrange(3)
            await impatiently(chance, lambda: buffer.aput_with_priority((me, number), priority))  # noqa: B023

    async def consume(seed: int) -> None:
        chance = random.Random(seed)
        while True:
            try:
                taken.append(await impatiently(chance, buffer.aget))
            except ShutDown:
                return

    async def all_of(loop: int, seed: int) -> None:
        consumer = asyncio.ensure_future(consume(seed))
        await asyncio.gather(*(produce(2 * loop + me, seed + me) for me in range(2)))
        ended.append(loop)
        if len(ended) == 2:
            buffer.close()
        await consumer

    ended: list[int] = []
    for loop in range(2):
        threads.start(asyncio.run, all_of(loop, seeded.randrange(1 << 32)))
    threads.join()
    assert sorted(taken) == list(itertools.product(range(4), range(each)))


def test_eight_threads_at_all_levels_and_one_consumer(threads: Threads, seeded: random.Random) -> None:
    """Nothing is lost or doubled, and each producer's items of a level arrive in their order."""
    levels, each = 8, 2000
    buffer: Buffer[tuple[int, int, int]] = Buffer(levels=levels, max_consecutive=3)
    sent = [[0] * levels for _ in range(8)]

    def produce(me: int, seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(each):
            priority = chance.randrange(levels)
            item = (me, priority, sent[me][priority])
            if chance.random() < 0.5:
                buffer.push_with_priority(item, priority)
            else:
                buffer.push_batch_with_priority([item], priority)
            sent[me][priority] += 1

    for me in range(8):
        threads.start(produce, me, seeded.randrange(1 << 32))
    arrived = [[0] * levels for _ in range(8)]
    for _ in range(8 * each):
        producer, priority, number = buffer.sync_q.get(timeout=PATIENCE)
        assert number == arrived[producer][priority]
        arrived[producer][priority] += 1
    threads.join()
    assert arrived == sent
    stats = buffer.stats()
    assert stats.pushed_per_priority == stats.popped_per_priority
    assert stats.pushed_per_priority == [sum(column) for column in zip(*sent, strict=True)]
    with pytest.raises(Empty):
        buffer.pop()


# References


def test_a_cycle_through_items_of_all_levels_is_collected() -> None:
    buffer: Buffer[Any] = Buffer(levels=64)
    for priority in range(64):
        buffer.push_with_priority([buffer, buffer.sync_q, buffer.async_q], priority)
    gone = weakref.ref(buffer)
    gc.collect()
    assert len(buffer) == 64
    del buffer
    gc.collect()
    assert gone() is None


def test_a_cycle_through_tasks_that_wait_for_room_at_a_level_is_collected() -> None:
    buffer = small(1)
    buffer.push("there")
    loop = asyncio.new_event_loop()

    async def use(buffer: Buffer[Any]) -> None:
        await buffer.aput_many_with_priority([buffer, buffer], 2)

    task = loop.create_task(use(buffer))
    loop.run_until_complete(settle())
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
    gone: list[Any] = [weakref.ref(buffer), weakref.ref(task), weakref.ref(loop)]
    del buffer, task, loop
    gc.collect()
    assert [reference() for reference in gone] == [None] * 3


def test_no_call_leaves_references_behind() -> None:
    item = object()
    items = [item] * 10
    buffer: Any = small(20, level_capacities={0: 10})

    def refuse() -> None:
        buffer.push_batch_with_priority(items, 0)
        with pytest.raises(Full):
            buffer.push_with_priority(item, 0)
        with pytest.raises(Full):
            buffer.sync_q.put_nowait(item, priority=0)
        with pytest.raises(Full):
            buffer.push_batch_with_priority(iter(items), 0)
        buffer.clear()

    check_for_leaks(
        item,
        [
            lambda: (buffer.push_with_priority(item, 2), buffer.pop()),
            lambda: (buffer.push(item), buffer.pop_from_priority(1)),
            lambda: (buffer.push_batch_with_priority(items, 0), buffer.pop_batch(100)),
            lambda: (buffer.push_batch_with_priority(tuple(items), 1), list(buffer), buffer.drain()),
            lambda: (buffer.push_batch_with_priority(iter(items), 2), buffer.peek(), buffer.clear()),
            lambda: (buffer.sync_q.put_many(items, priority=2), buffer.sync_q.get_many(), buffer.stats()),
            lambda: buffer.aput_with_priority(item, 1).close(),
            lambda: buffer.aput_many_with_priority(items, 1).close(),
            refuse,
        ],
    )
