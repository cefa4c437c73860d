"""What a queue does if there is no room for an item: wait, refuse it, drop the oldest or the new one."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
import weakref
from collections import Counter
from collections.abc import Callable
from typing import Any, Literal

import pytest
from support import PATIENCE, Threads, background, moved, wait_until_asleep

from elasticq import Full, InvalidConfiguration, LifoQueue, PriorityQueue, Queue, ShutDown

Policy = Literal["block", "error", "drop_oldest", "drop_newest"]

WAYS: dict[str, Callable[[Queue[int], int], object]] = {
    "put": lambda q, item: q.put(item),
    "put_nowait": lambda q, item: q.put_nowait(item),
    "put_many": lambda q, item: q.put_many([item]),
    "put_many of an iterator": lambda q, item: q.put_many(iter([item])),
    "_offer": lambda q, item: q._offer(item),
    "aput": lambda q, item: asyncio.run(q.aput(item)),
    "aput_many": lambda q, item: asyncio.run(q.aput_many([item])),
    "async_q.put": lambda q, item: asyncio.run(q.async_q.put(item)),
    "async_q.put_nowait": lambda q, item: q.async_q.put_nowait(item),
}


# Several ways to get a limit of three items.
LIMITS: dict[str, Callable[[Policy], Queue[int]]] = {
    "maxsize": lambda overflow: Queue(3, overflow=overflow),
    "maxsize of a moved queue": lambda overflow: moved(Queue(3, overflow=overflow)),
    "max_weight": lambda overflow: Queue(overflow=overflow, max_weight=3, weigh=lambda _: 1),
}

each_way = pytest.mark.parametrize("put", WAYS.values(), ids=WAYS)
each_limit = pytest.mark.parametrize("limited", LIMITS.values(), ids=LIMITS)


def test_the_default_is_to_wait(threads: Threads) -> None:
    q: Queue[int] = Queue(1)
    assert q.overflow == "block"
    q.put(1)
    producer = threads.start(q.put, 2)
    wait_until_asleep(producer)
    assert q.get() == 1
    threads.join()
    assert q.get() == 2


@each_limit
@each_way
def test_error_refuses_at_once(
    limited: Callable[[Policy], Queue[int]], put: Callable[[Queue[int], int], object]
) -> None:
    q = limited("error")
    q.put_many([1, 2, 3])
    with pytest.raises(Full):
        put(q, 4)
    assert q.drain() == [1, 2, 3]
    assert (q.unfinished_tasks, q.stats().messages_refused, q.stats().messages_dropped) == (3, 1, 0)


@each_limit
@each_way
def test_drop_oldest_keeps_the_newest_in_order(
    limited: Callable[[Policy], Queue[int]], put: Callable[[Queue[int], int], object]
) -> None:
    q = limited("drop_oldest")
    for item in range(10):
        put(q, item)
        assert list(q) == list(range(10))[max(0, item - 2) : item + 1]
    stats = q.stats()
    assert (stats.messages_enqueued, stats.messages_dequeued, stats.messages_dropped) == (10, 0, 7)
    assert q.unfinished_tasks == 3


@each_limit
@each_way
def test_drop_newest_keeps_the_oldest(
    limited: Callable[[Policy], Queue[int]], put: Callable[[Queue[int], int], object]
) -> None:
    q = limited("drop_newest")
    for item in range(10):
        put(q, item)
    assert list(q) == [0, 1, 2]
    stats = q.stats()
    assert (stats.messages_enqueued, stats.messages_dequeued, stats.messages_dropped) == (10, 0, 7)
    assert stats.messages_refused == 0
    assert q.unfinished_tasks == 3


@each_limit
@pytest.mark.parametrize("kind", [list, tuple, iter])
@pytest.mark.parametrize("inside", range(4))
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 100])
def test_a_batch_of_any_size_does_what_as_many_puts_do(
    limited: Callable[[Policy], Queue[int]], kind: Callable[[list[int]], Any], inside: int, count: int
) -> None:
    for overflow in ("drop_oldest", "drop_newest"):
        one, many = limited(overflow), limited(overflow)
        for q in one, many:
            q.put_many(range(inside))
        batch = [100 + item for item in range(count)]
        for item in batch:
            one.put(item)
        many.put_many(kind(batch))
        assert list(many) == list(one)
        assert many.unfinished_tasks == one.unfinished_tasks == len(one)
        for name in ("messages_enqueued", "messages_dequeued", "messages_dropped", "messages_refused"):
            assert getattr(many.stats(), name) == getattr(one.stats(), name), name


@each_limit
def test_a_refused_batch_tells_what_remains(limited: Callable[[Policy], Queue[int]]) -> None:
    q = limited("error")
    q.put(1)
    with pytest.raises(Full) as refused:
        q.put_many([2, 3, 4])
    assert refused.value.remaining == [2, 3, 4]
    assert list(q) == [1]


@each_limit
@pytest.mark.parametrize("overflow", ["block", "error", "drop_oldest", "drop_newest"])
@each_way
def test_a_queue_that_was_shut_down_refuses_whatever_the_policy(
    limited: Callable[[Policy], Queue[int]], overflow: Policy, put: Callable[[Queue[int], int], object]
) -> None:
    q = limited(overflow)
    q.put_many([1, 2, 3])
    q.shutdown()
    with pytest.raises(ShutDown):
        put(q, 4)
    with pytest.raises(ShutDown) as refused:
        q.put_many([4, 5])
    assert refused.value.remaining == [4, 5]
    assert q.drain() == [1, 2, 3]
    assert (q.stats().messages_refused, q.stats().messages_dropped) == (3, 0)


@each_limit
def test_join_does_not_wait_for_what_was_evicted(
    limited: Callable[[Policy], Queue[int]], threads: Threads
) -> None:
    q = limited("drop_oldest")
    q.put_many([1, 2, 3])
    joined = threads.start(q.join)
    wait_until_asleep(joined)
    q.put_many([4, 5, 6, 7])
    for expected in (5, 6, 7):
        assert q.get() == expected
        q.task_done()
    threads.join()
    with pytest.raises(ValueError, match="too many times"):
        q.task_done()


@each_limit
def test_who_waits_for_an_item_gets_a_forced_one(
    limited: Callable[[Policy], Queue[int]], threads: Threads
) -> None:
    q = limited("drop_oldest")
    got: list[int] = []
    consumer = threads.start(lambda: got.append(q.get()))
    wait_until_asleep(consumer)
    q.put(1)
    threads.join()
    assert got == [1]

    async def task() -> int:
        waiting = asyncio.ensure_future(q.aget())
        await asyncio.sleep(0)
        q.put_many([2])
        return await waiting

    assert asyncio.run(task()) == 2


class Restless:
    """An item that uses the queue when it is dropped."""

    def __init__(self, q: Queue[Any], log: list[int]) -> None:
        self.q, self.log = q, log

    def __del__(self) -> None:
        self.log.append(len(self.q))
        self.q.stats()
        if len(self.log) < 5:
            self.q.put(None)


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest"])
@pytest.mark.parametrize("max_weight", [None, 2])
def test_a_dropped_item_may_use_the_queue(overflow: Policy, max_weight: int | None) -> None:
    weigh = None if max_weight is None else (lambda _: 1)
    q: Queue[Any] = Queue(2, overflow=overflow, max_weight=max_weight, weigh=weigh)
    log: list[int] = []
    for _ in range(3):
        q.put(Restless(q, log))
    q.put_many([Restless(q, log) for _ in range(5)])
    gc.collect()
    assert log
    assert set(log) <= {1, 2}
    assert len(q) == 2
    assert q.unfinished_tasks == 2


def test_what_is_dropped_is_gone_at_once() -> None:
    class Thing:
        pass

    for overflow, kept in (("drop_oldest", 1), ("drop_newest", 0)):
        q: Queue[Thing] = Queue(1, overflow=overflow)  # type: ignore[arg-type]
        things = [Thing(), Thing()]
        seen = [weakref.ref(thing) for thing in things]
        while things:
            q.put(things.pop(0))
        gc.collect()
        assert [look() is not None for look in seen] == [kept == 0, kept == 1]


@pytest.mark.parametrize("overflow", ["error", "drop_oldest", "drop_newest"])
def test_without_a_limit_nothing_overflows(overflow: Policy) -> None:
    q: Queue[int] = Queue(overflow=overflow)
    q.put_many(range(10_000))
    for item in range(1000):
        q.put(item)
    assert len(q) == 11_000
    assert q.stats().messages_dropped == 0


@pytest.mark.parametrize("overflow", ["error", "drop_oldest", "drop_newest"])
def test_a_put_with_a_policy_never_waits(overflow: Policy) -> None:
    q: Queue[int] = Queue(1, overflow=overflow)
    q.put(0)
    began = time.monotonic()
    try:
        q.put(1, timeout=PATIENCE)
        q.put_many([1, 2, 3], timeout=PATIENCE)
    except Full:
        assert overflow == "error"
    assert time.monotonic() - began < PATIENCE / 2


def test_the_oldest_of_a_stack_is_at_its_bottom() -> None:
    q: LifoQueue[int] = LifoQueue(3, overflow="drop_oldest")
    q.put_many([1, 2, 3, 4])
    q.put(5)
    assert q.drain() == [5, 4, 3]
    assert q.stats().messages_dropped == 2


def test_a_heap_does_not_know_its_oldest_item() -> None:
    with pytest.raises(InvalidConfiguration, match="'block', 'error', 'drop_newest' in a PriorityQueue"):
        PriorityQueue(3, overflow="drop_oldest")  # type: ignore[arg-type]
    q: PriorityQueue[int] = PriorityQueue(2, overflow="drop_newest")
    q.put_many([3, 2, 1])
    assert q.drain() == [2, 3]
    with pytest.raises(Full) as full:
        PriorityQueue[int](2, overflow="error").put_many([3, 2, 1])
    assert full.value.remaining == [3, 2, 1]


def test_a_hook_that_raises_cuts_a_dropping_batch_short() -> None:
    class Picky(Queue[int]):
        def _put(self, item: int) -> None:
            if item < 0:
                raise ArithmeticError(item)
            super()._put(item)

    q = Picky(2, overflow="drop_oldest")
    with pytest.raises(ArithmeticError) as raised:
        q.put_many([1, 2, 3, -1, 4])
    assert raised.value.remaining == [-1, 4]  # type: ignore[attr-defined]
    assert q.unfinished_tasks == len(q)


@pytest.mark.parametrize("kind", [Queue, LifoQueue])
def test_an_item_is_refused_where_a_subclass_puts_back_what_should_make_room(kind: Any) -> None:
    class PutsBack(kind):  # type: ignore[misc]
        evictions = 0

        def _evict(self) -> Any:
            self.evictions += 1
            assert self.evictions <= 100
            item = super()._evict()
            self._put(item)
            return item

    q = PutsBack(3, overflow="drop_oldest")
    with q.mutex:  # moves the queue, so that its hook is called
        pass
    q.put_many([1, 2, 3, 4])
    q.put(5)
    assert (sorted(q), q.evictions) == ([1, 2, 3], 6)


def test_beginning_again_changes_the_policy() -> None:
    q: Queue[int] = Queue(1, overflow="drop_newest")
    q.put_many([1, 2])
    q.__init__(1, overflow="error")  # type: ignore[misc]
    q.put(1)
    with pytest.raises(Full):
        q.put(2)
    assert q.overflow == "error"


@pytest.mark.parametrize("overflow", ["", "Block", "drop-oldest", 1, b"block", object, ["block"]])
def test_an_unknown_policy_is_named_with_the_choices(overflow: Any) -> None:
    with pytest.raises(InvalidConfiguration) as broken:
        Queue(1, overflow=overflow)
    for part in (repr(overflow), "'block'", "'error'", "'drop_oldest'", "'drop_newest'"):
        assert part in str(broken.value)


def test_the_policy_is_a_keyword() -> None:
    with pytest.raises(TypeError):
        Queue(1, "block")  # type: ignore[call-arg, arg-type]


@each_limit
@pytest.mark.parametrize("overflow", ["block", "error", "drop_oldest", "drop_newest"])
def test_under_threads_whatever_was_put_is_taken_dropped_or_there(
    limited: Callable[[Policy], Queue[int]], overflow: Policy, threads: Threads, seeded: random.Random
) -> None:
    q = limited(overflow)
    producers, count = 4, 2000
    refused: list[int] = []
    got: list[list[int]] = [[], []]

    def produce(number: int, choices: random.Random) -> None:
        left = list(range(number * count, (number + 1) * count))
        while left:
            size = choices.choice([1, 1, 1, 2, 5])
            batch, left = left[:size], left[size:]
            try:
                if size == 1:
                    q.put(batch[0])
                else:
                    q.put_many(batch)
            except Full as full:
                refused.extend(getattr(full, "remaining", batch))

    def consume(into: list[int]) -> None:
        into.extend(q.consume())

    def look() -> None:
        assert len(q) <= 3
        assert q.unfinished_tasks >= 0

    for into in got:
        threads.start(consume, into)
    with background(look):
        running = [threads.start(produce, n, random.Random(seeded.random())) for n in range(producers)]
        for thread in running:
            thread.join(PATIENCE)
    q.shutdown()
    threads.join()

    taken = Counter(got[0] + got[1])
    stats = q.stats()
    assert max(taken.values()) == 1
    assert len(taken) + stats.messages_dropped + stats.messages_refused == producers * count
    assert stats.messages_enqueued == stats.messages_dequeued + stats.messages_dropped
    assert not set(taken) & set(refused)
    if overflow == "block":
        assert (stats.messages_dropped, stats.messages_refused) == (0, 0)
    if overflow == "error":
        assert (stats.messages_dropped, stats.messages_refused) == (0, len(refused))
    for into in got:  # each producer's items in its order
        for number in range(producers):
            mine = [item for item in into if item // count == number]
            assert mine == sorted(mine)
    assert q.unfinished_tasks == len(taken)


def test_evicting_and_adding_are_one_step(threads: Threads) -> None:
    """A queue for one item, into which items are put one at a time, is never found empty."""
    q: Queue[int] = Queue(1, overflow="drop_oldest")
    q.put(0)
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            assert len(q) == 1

    threads.start(look)

    def put() -> None:
        for n in range(5000):
            q.put(n)

    putters = [threads.start(put) for _ in range(2)]
    for putter in putters:
        putter.join(PATIENCE)
    stop.set()
    threads.join()
    assert q.stats().messages_dropped == 10_000


@each_limit
@pytest.mark.parametrize("overflow", ["error", "drop_oldest", "drop_newest"])
def test_a_task_never_suspends(limited: Callable[[Policy], Queue[int]], overflow: Policy) -> None:
    q = limited(overflow)
    q.put_many([1, 2, 3])
    for coroutine in (q.aput(4), q.aput_many([5]), q.async_q.put(6)):
        with pytest.raises(Full if overflow == "error" else StopIteration):
            coroutine.send(None)
    assert list(q) == ([4, 5, 6] if overflow == "drop_oldest" else [1, 2, 3])


@each_limit
def test_a_batch_of_a_task_is_one_step(limited: Callable[[Policy], Queue[int]]) -> None:
    kept: dict[Policy, list[int]] = {"drop_oldest": [4, 5, 6], "drop_newest": [1, 2, 3]}
    for overflow, expected in kept.items():
        q = limited(overflow)
        q.put(1)
        asyncio.run(q.aput_many([2, 3, 4, 5, 6]))
        assert q.drain() == expected
    q = limited("error")
    q.put(1)
    with pytest.raises(Full) as full:
        asyncio.run(q.aput_many([2, 3, 4]))
    assert full.value.remaining == [2, 3, 4]
    assert q.drain() == [1]


@each_limit
def test_the_refusal_of_the_view_is_of_both_kinds(limited: Callable[[Policy], Queue[int]]) -> None:
    q = limited("error")
    q.put_many([1, 2, 3])
    with pytest.raises(asyncio.QueueFull) as full:
        asyncio.run(q.async_q.put(4))
    assert isinstance(full.value, Full)
    assert q.stats().messages_refused == 1
