"""The inside of `queue.Queue` is there to be used, and a queue that moves because of that loses nothing.

Elsewhere are CPython's own tests (test_conformance) and the orders of LifoQueue and PriorityQueue
(test_orders).
"""

from __future__ import annotations

import asyncio
import gc
import queue
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any, Literal

import pytest
from kinds import KINDS, Kind, by_name
from support import PATIENCE, Threads, enter, moved, settle, unix_only, wait_until, wait_until_asleep

from elasticq import Empty, Full, Queue, ShutDown
from elasticq._standard import Hooks, Standard

each = pytest.mark.parametrize("kind", [kind for kind in KINDS if "maxsize" in kind.settings(1, None)])


MOVES: dict[str, Callable[[Queue[Any]], object]] = {
    "mutex": lambda q: enter(q.mutex),
    "queue": lambda q: len(q.queue),
    "not_empty": lambda q: enter(q.not_empty),
    "not_full": lambda q: enter(q.not_full),
    "all_tasks_done": lambda q: enter(q.all_tasks_done),
    "maxsize": lambda q: setattr(q, "maxsize", q.maxsize),
    "unfinished_tasks": lambda q: setattr(q, "unfinished_tasks", q.unfinished_tasks),
    "is_shutdown": lambda q: setattr(q, "is_shutdown", q.is_shutdown),
}


@pytest.mark.parametrize("overflow", ["drop_oldest", "drop_newest", "error"])
def test_the_counters_go_along(overflow: Literal["drop_oldest", "drop_newest", "error"]) -> None:
    q: Queue[int] = Queue(2, overflow=overflow)

    def counts() -> tuple[int, int, int, int]:
        stats = q.stats()
        left = stats.messages_dequeued + stats.messages_dropped + stats.current_size
        assert stats.messages_enqueued == left
        return (
            stats.messages_enqueued,
            stats.messages_dequeued,
            stats.messages_dropped,
            stats.messages_refused,
        )

    def use() -> None:
        for number in range(3):
            with nullcontext() if number < 2 or overflow != "error" else pytest.raises(Full):
                q.put(number)
        q.get()
        q.clear()
        q.put_many([1, 2])
        q.drain()
        q.put(5)

    use()
    put, taken, dropped, refused = once = (5, 3, 1, 1) if overflow == "error" else (6, 3, 2, 0)
    assert counts() == once
    moved(q)
    assert counts() == once
    q.get()
    use()
    assert counts() == (2 * put, 2 * taken + 1, 2 * dropped, 2 * refused)
    q.shutdown(immediate=True)
    assert counts() == (2 * put, 2 * taken + 1, 2 * dropped + 1, 2 * refused)


@pytest.mark.parametrize("move", MOVES.values(), ids=MOVES)
@pytest.mark.parametrize("closed", [False, True])
def test_everything_is_as_it_was_after_moving(move: Callable[[Queue[Any]], object], closed: bool) -> None:
    q: Queue[int] = Queue(5)
    q.put_many([0, 1, 2, 3])
    assert q.get() == 0
    q.task_done()
    if closed:
        q.shutdown()
    move(q)
    assert (q.maxsize, q.unfinished_tasks, q.is_shutdown) == (5, 3, closed)
    assert (len(q), q.qsize(), q.empty(), q.full(), bool(q)) == (3, 3, False, False, True)
    assert (list(q), q.peek(), list(q.queue)) == ([1, 2, 3], 1, [1, 2, 3])
    stats = q.stats()
    assert (stats.messages_enqueued, stats.messages_dequeued, stats.current_size) == (4, 1, 3)
    assert (q.get(), q.get_many(2)) == (1, [2, 3])
    for _ in range(3):
        q.task_done()
    q.join()
    with pytest.raises(ValueError, match="task_done"):
        q.task_done()
    with pytest.raises(ShutDown if closed else Empty):
        q.get_nowait()


def test_the_idioms_of_the_standard_library_work() -> None:
    q: Queue[int] = Queue()
    q.put_many(range(10))
    with q.mutex:
        q.queue.clear()
        q.all_tasks_done.notify_all()
        q.unfinished_tasks = 0
    assert (q.empty(), q.unfinished_tasks) == (True, 0)
    q.join()
    q.put(1)
    with q.not_empty:
        q.queue.appendleft(0)
        q.not_empty.notify()
    assert q.get_many() == [0, 1]


def test_the_limit_may_change(threads: Threads) -> None:
    q: Queue[int] = Queue()
    q.put_many(range(3))
    q.maxsize = 2
    assert q.full()
    with pytest.raises(Full):
        q.put(3, timeout=0.01)
    putter = threads.start(q.put, 3)
    wait_until_asleep(putter)
    q.maxsize = 4
    threads.join()
    assert (q.get_many(), q.capacity) == ([0, 1, 2, 3], 4)


@pytest.mark.parametrize("maxsize", [2.5, float("inf"), 0.0])
def test_a_limit_may_be_a_float(maxsize: Any) -> None:
    q: Queue[int] = Queue(maxsize)
    q.put_many(range(2))
    assert (q.maxsize, q.full()) == (maxsize, False)
    q.put(2)
    assert q.full() == (maxsize == 2.5)


def test_threads_that_wait_are_moved(threads: Threads) -> None:
    q: Queue[int] = Queue(1)
    taken: list[int] = []
    getters = [threads.start(lambda: taken.append(q.get())) for _ in range(3)]
    many = threads.start(lambda: taken.extend(q.get_many(1)))
    consumer = threads.start(lambda: taken.append(next(q.consume())))
    for thread in (*getters, many, consumer):
        wait_until_asleep(thread)
    moved(q)
    for number in range(5):
        q.put(number)
    threads.join()
    assert sorted(taken) == list(range(5))
    other: Queue[int] = Queue(1)
    other.put(0)
    putters = [threads.start(other.put, number) for number in (1, 2)]
    batch = threads.start(other.put_many, [3, 4, 5])
    joiner = threads.start(other.join)
    for thread in (*putters, batch, joiner):
        wait_until_asleep(thread)
    moved(other)
    got = [other.get(timeout=30) for _ in range(6)]
    assert got[0] == 0
    assert sorted(got) == list(range(6))
    assert [number for number in got if number >= 3] == [3, 4, 5]
    assert joiner.is_alive()
    for _ in range(6):
        other.task_done()
    threads.join()
    stats = other.stats()
    assert (stats.messages_enqueued, stats.messages_dequeued, stats.messages_dropped) == (6, 6, 0)


def test_time_that_was_waited_before_the_move_counts(
    threads: Threads, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float | None] = []
    standard_get = Standard.get

    def noting(self: Standard, owner: Hooks[Any], block: bool, timeout: float | None) -> Any:
        left.append(timeout)
        return standard_get(self, owner, block, timeout)

    monkeypatch.setattr(Standard, "get", noting)
    q: Queue[int] = Queue()
    getter = threads.start(q.get, True, PATIENCE)
    wait_until_asleep(getter)
    moved(q)
    q.put(1)
    threads.join()
    (seconds,) = left
    assert seconds is not None
    assert 0 < seconds < PATIENCE


def test_tasks_that_wait_are_moved() -> None:
    async def main() -> None:
        q: Queue[int] = Queue(1)
        taken: list[tuple[int, int]] = []

        async def get(name: int) -> None:
            taken.append((name, await q.aget()))

        getters = [asyncio.create_task(get(name)) for name in range(3)]
        await asyncio.sleep(0)
        moved(q)
        for number in range(3):
            await asyncio.wait_for(q.aput(number), 30)
        await asyncio.wait_for(asyncio.gather(*getters), 30)
        assert taken == [(0, 0), (1, 1), (2, 2)]
        await q.aput(3)
        putter = asyncio.create_task(q.aput(4))
        await asyncio.sleep(0)
        assert await asyncio.to_thread(q.get) == 3
        await asyncio.wait_for(putter, 30)
        # Now the condition itself is notified.
        assert q.get() == 4
        getter = asyncio.create_task(q.aget())
        await asyncio.sleep(0)
        with q.not_empty:
            q.queue.append(5)
            q.not_empty.notify()
        assert await asyncio.wait_for(getter, 30) == 5
        consumer = asyncio.create_task(anext(aiter(q), None))
        await asyncio.sleep(0)
        q.shutdown()
        assert await asyncio.wait_for(consumer, 30) is None

    asyncio.run(main())


def test_moving_under_load_loses_and_doubles_nothing(threads: Threads) -> None:
    for _ in range(20):
        q: Queue[int] = Queue(8)
        start = threading.Barrier(6)
        taken: list[list[int]] = [[], []]

        def produce(first: int, q: Queue[int] = q, start: threading.Barrier = start) -> None:
            start.wait()
            for number in range(first, first + 300):
                q.put(number)

        def consume(into: list[int], q: Queue[int] = q, start: threading.Barrier = start) -> None:
            start.wait()
            while (number := q.get()) is not None:
                into.append(number)
                q.task_done()
            q.task_done()

        def move(q: Queue[int] = q, start: threading.Barrier = start) -> None:
            start.wait()
            with q.mutex:
                assert len(q.queue) <= 8

        producers = [threads.start(produce, first) for first in (0, 1000)]
        for into in taken:
            threads.start(consume, into)
        for _mover in range(2):
            threads.start(move)
        for producer in producers:
            wait_until(lambda producer=producer: not producer.is_alive(), "all is put")  # type: ignore[misc]
        q.put_many([None, None])  # type: ignore[list-item]
        threads.join()
        assert sorted(taken[0] + taken[1]) == [*range(300), *range(1000, 1300)]
        for each in taken:
            assert [number for number in each if number < 1000] == sorted(n for n in each if n < 1000)
        q.join()
        assert q.unfinished_tasks == 0


class Unique(Queue[int]):
    """A widespread recipe: a queue that holds each item once."""

    def _init(self, maxsize: int) -> None:
        self.queue = {}

    def _put(self, item: int) -> None:
        self.queue[item] = None

    def _get(self) -> int:
        item: int = next(iter(self.queue))
        del self.queue[item]
        return item

    def _peek(self) -> int:
        item: int = next(iter(self.queue))
        return item

    def _in_order(self, items: list[int]) -> list[int]:
        return items


def test_hooks_are_called() -> None:
    q = Unique(3)
    for number in (1, 2, 1, 2, 3):
        q.put(number)
    assert (len(q), q.full(), list(q), q.peek(), q.unfinished_tasks) == (3, True, [1, 2, 3], 1, 5)
    assert (q.get(), q.get_many(), q.empty()) == (1, [2, 3], True)
    q.put_many([5, 5])
    assert (q.drain(), q.drain()) == ([5], [])


class Wheel(Queue[int]):
    """Nothing ever leaves this queue: `_get` puts back what it takes, until it breaks."""

    turns = 100

    def _get(self) -> int:
        self.turns -= 1
        assert self.turns
        item = super()._get()
        self._put(item)
        return item


@pytest.mark.parametrize("take", [Wheel.get_many, Wheel.drain, lambda q: q.get_many(9, block=False)])
def test_a_call_that_takes_all_ends_where_a_hook_puts_in_what_it_takes(
    take: Callable[[Wheel], list[int]],
) -> None:
    q = Wheel()
    q.put_many([1, 2, 3])
    assert (take(q), len(q)) == ([1, 2, 3], 3)
    assert (q.clear(), len(q)) == (3, 3)


def test_an_initialiser_of_its_own_takes_what_it_likes() -> None:
    class Named(Queue[str]):
        def __init__(self, name: str, *, size: int) -> None:
            self.name = name
            Queue.__init__(self, size)

        def _put(self, item: str) -> None:
            Queue._put(self, f"{self.name}:{item}")

    class Plain(Queue[str]):
        def __init__(self, name: str, size: int) -> None:
            super().__init__(maxsize=size, initial_capacity=1)
            self.name = name

    q, plain = Named("a", size=1), Plain("b", 1)
    for each in (q, plain):
        each.put("x")
        assert (each.maxsize, each.full()) == (1, True)
    assert (q.get(), plain.get(), plain.name) == ("a:x", "x", "b")
    Queue.__init__(q, 2)
    Queue.__init__(plain, 2)
    again: Queue[str] = Queue(1)
    Queue.__init__(again)
    again.put_many("ab")
    assert (again.maxsize, len(again)) == (0, 2)
    moved_again = moved(Queue[str](1))
    Queue.__init__(moved_again)
    moved_again.put_many("ab")
    assert (moved_again.maxsize, len(moved_again), list(moved_again)) == (0, 2, ["a", "b"])
    assert (q.maxsize, plain.maxsize, q.unfinished_tasks, plain.unfinished_tasks) == (2, 2, 0, 0)


class Unlucky(Queue[int]):
    """A queue whose hooks raise when they are told to."""

    fails: str = ""

    def _check(self, name: str) -> None:
        if self.fails == name:
            raise LookupError(name)

    def _put(self, item: int) -> None:
        self._check("_put")
        super()._put(item)

    def _get(self) -> int:
        self._check("_get")
        return super()._get()


def test_what_hooks_raise_comes_out_and_nothing_is_lost() -> None:
    q = Unlucky()
    q.put(1)
    q.fails = "_put"
    puts: list[Callable[[], object]] = [
        lambda: q.put(2),
        lambda: q.put_many([2]),
        lambda: asyncio.run(q.aput(2)),
    ]
    for put in puts:
        with pytest.raises(LookupError):
            put()
    q.fails = "_get"
    gets: list[Callable[[], object]] = [q.get, q.get_many, q.drain, q.clear, lambda: asyncio.run(q.aget())]
    for get in gets:
        with pytest.raises(LookupError):
            get()
    with pytest.raises(LookupError):
        q.shutdown(immediate=True)
    q.fails = ""
    assert (list(q.queue), q.unfinished_tasks, q.is_shutdown, q.get()) == ([1], 1, True, 1)


def refusals(kind: Kind) -> list[str]:
    """What a queue says when it refuses a call."""
    q = kind.make(2)
    said: list[str] = []

    def refused(call: Callable[[], object]) -> None:
        with pytest.raises(Exception) as raised:  # noqa: PT011 - of any class
            call()
        said.append(f"{type(raised.value)}: {raised.value}")

    refused(q.get_nowait)
    refused(q.peek)
    refused(q.task_done)
    refused(lambda: q.put_many([1, 2, 3], block=False))
    q.put(1)
    refused(lambda: q.put_many([2, 3], block=False))
    q.put(2)
    refused(lambda: q.put_nowait(3))
    refused(lambda: q.put(3, timeout=0))
    refused(lambda: q.put(3, timeout=-1))
    q.shutdown(immediate=True)
    refused(q.get)
    refused(q.peek)
    refused(lambda: q.put(3))
    refused(lambda: q.put_many([3]))
    return said


@each
def test_a_queue_that_has_moved_refuses_in_the_same_words(kind: Kind) -> None:
    assert refusals(kind) == refusals(by_name("Queue"))


@each
def test_errors_come_in_the_order_of_the_standard_library(kind: Kind) -> None:
    q: Queue[Any] = kind.make(1)
    unlimited: Queue[Any] = kind.make()
    for wrong, error in ((-1, ValueError), ("1", TypeError)):
        timeout: Any = wrong
        with pytest.raises(error):
            q.put(1, timeout=timeout)
        with pytest.raises(error):
            q.get(timeout=timeout)
        unlimited.put(1, timeout=timeout)
        with pytest.raises(Empty):
            q.get(False, timeout)
    unlimited.shutdown()
    with pytest.raises(ValueError, match="timeout"):
        unlimited.get(timeout=-1)
    q.shutdown()
    for call in (lambda: q.put(1, timeout=-1), lambda: q.get(timeout=-1), lambda: q.put_nowait(1)):
        with pytest.raises(ShutDown):
            call()


@unix_only("setitimer")
@each
def test_a_signal_handler_and_a_finalizer_may_use_the_queue(kind: Kind) -> None:
    q = kind.make()

    class Circular:
        def __init__(self) -> None:
            self.circular = self

        def __del__(self) -> None:
            q.put(1)

    def handler(*_: object) -> None:
        q.put(2)

    old = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    try:
        for _ in range(3000):
            Circular()
            q.put(0)
            q.get()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    gc.collect()
    got = q.drain()
    assert {0, 1, 2} >= set(got)
    assert q.unfinished_tasks == 3000 + len(got)


def test_a_moved_queue_is_freed_at_once_and_its_cycles_are_collected() -> None:
    q: Queue[Any] = moved(Queue())
    gone = weakref.ref(q)
    del q
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        gc.collect()
    assert gone() is None
    q = moved(Queue())
    q.put([q])
    gone = weakref.ref(q)
    del q
    gc.collect()
    assert gone() is None


@each
def test_a_batch_goes_in_by_the_same_rules_after_moving(kind: Kind) -> None:
    q = kind.make(3)
    q.put(0)
    with pytest.raises(Full) as refused:
        q.put_many([1, 2, 3], block=False)
    assert (refused.value.remaining, len(q)) == ([1, 2, 3], 1)
    with pytest.raises(queue.Full) as late:
        q.put_many([1, 2, 3], timeout=0.01)
    assert (late.value.remaining, len(q)) == ([3], 3)  # type: ignore[attr-defined]
    assert (q.clear(), q.unfinished_tasks, len(q)) == (3, 0, 0)
    q.shutdown()
    with pytest.raises(ShutDown) as ended:
        q.put_many([1])
    assert ended.value.remaining == [1]


def test_batches_and_views_of_tasks_are_moved() -> None:
    async def main() -> None:
        q: Queue[int] = Queue(2)
        getter = asyncio.create_task(q.aget_many(2))
        joined: list[asyncio.Task[None]] = []
        await asyncio.sleep(0)
        moved(q)
        putter = asyncio.create_task(q.aput_many(range(6)))
        assert await asyncio.wait_for(getter, 30) == [0, 1]
        joined += [asyncio.create_task(q.ajoin()), asyncio.create_task(q.async_q.join())]
        assert [await asyncio.wait_for(q.async_q.get(), 30) for _ in range(4)] == [2, 3, 4, 5]
        await asyncio.wait_for(putter, 30)
        for _ in range(6):
            assert not any(task.done() for task in joined)
            q.task_done()
            await asyncio.sleep(0)
        await asyncio.wait_for(asyncio.gather(*joined), 30)
        # Two calls are cut short: by the shutdown, and by a cancellation.
        late = asyncio.create_task(q.aput_many(range(3)))
        for _ in range(3):
            await asyncio.sleep(0)
        q.shutdown()
        with pytest.raises(ShutDown) as ended:
            await asyncio.wait_for(late, 30)
        assert (ended.value.remaining, q.get_many(), q.stats().messages_refused) == ([2], [0, 1], 1)
        with pytest.raises(ShutDown) as theirs:
            await q.async_q.get()
        assert isinstance(theirs.value, getattr(asyncio, "QueueShutDown", ShutDown))
        with pytest.raises(ShutDown):
            await q.aget_many()

    asyncio.run(main())


@pytest.mark.parametrize("early", [False, True])
def test_tasks_that_join_are_told_by_the_condition(early: bool) -> None:
    """This holds even if the count is set afterwards, under the lock, as a widespread recipe does."""

    async def main() -> None:
        q = moved(Queue[int]()) if early else Queue[int]()
        q.put_many([1, 2])
        joins = [asyncio.create_task(q.ajoin()) for _ in range(2)]
        for _ in range(3):
            await asyncio.sleep(0)

        def clear() -> None:
            with q.mutex:
                q.queue.clear()
                q.all_tasks_done.notify_all()
                q.unfinished_tasks = 0

        await asyncio.to_thread(clear)
        await asyncio.wait_for(asyncio.gather(*joins), 30)

    asyncio.run(main())


def test_a_batch_that_is_cancelled_after_moving_says_what_is_left() -> None:
    async def main() -> list[int]:
        q: Queue[int] = moved(Queue(2))
        batch = q.aput_many([1, 2, 3, 4])
        batch.send(None)
        with pytest.raises(asyncio.CancelledError) as cancelled:
            batch.throw(asyncio.CancelledError())
        assert list(q) == [1, 2]
        remaining: list[int] = cancelled.value.remaining  # type: ignore[attr-defined]
        return remaining

    assert asyncio.run(main()) == [3, 4]


@pytest.mark.parametrize("maxsize", [sys.maxsize, sys.maxsize + 1, 10**30])
def test_a_limit_too_large_to_count_to_is_none(maxsize: int) -> None:
    q: Queue[int] = Queue()
    q.maxsize = maxsize
    q.put(1)
    assert q.maxsize == maxsize
    assert repr(q).startswith("<elasticq.Queue 1 item")
    assert (q.stats().current_size, q.capacity >= 1) == (1, True)


def test_a_hook_that_cannot_tell_the_size_yet_spoils_no_repr() -> None:
    shown: list[str] = []

    class Shown(Queue[int]):
        def _init(self, maxsize: int) -> None:
            shown.append(repr(self))
            super()._init(maxsize)

    q = Shown()
    q.put(1)
    assert shown[0].endswith("busy>")
    assert repr(q).endswith("1 item>")


def test_the_counters_agree_while_items_are_dropped_on_arrival(threads: Threads) -> None:
    """Nothing is ever taken, so any other number shows two counts of different moments."""
    q: Queue[int] = Queue(1, overflow="drop_newest")
    moved(q).put(0)
    stop = threading.Event()

    def put() -> None:
        while not stop.is_set():
            q.put(1)

    threads.start(put)
    for _ in range(20_000):
        assert q.stats().messages_dequeued == 0
    stop.set()
    threads.join()


@pytest.mark.parametrize("prepare", [lambda q: None, moved], ids=["at home", "moved"])
def test_a_queue_that_begins_again_ends_every_join(
    prepare: Callable[[Queue[Any]], object], threads: Threads
) -> None:
    q: Queue[int] = Queue()
    q.put(1)
    prepare(q)
    wait_until_asleep(threads.start(q.join))
    q.__init__()  # type: ignore[misc]
    threads.join()
    assert q.unfinished_tasks == 0


@pytest.mark.parametrize("prepare", [lambda q: None, moved], ids=["at home", "moved"])
def test_a_queue_that_begins_again_has_room_for_a_thread_that_waits(
    prepare: Callable[[Queue[Any]], object], threads: Threads
) -> None:
    q: Queue[int] = Queue(1)
    q.put(0)
    prepare(q)
    wait_until_asleep(threads.start(q.put, 1))
    q.__init__(1)  # type: ignore[misc]
    threads.join()
    assert q.drain() == [1]


@pytest.mark.parametrize("prepare", [lambda q: None, moved], ids=["at home", "moved"])
async def test_a_queue_that_begins_again_has_room_for_tasks_that_wait(
    prepare: Callable[[Queue[Any]], object],
) -> None:
    q: Queue[int] = Queue(1)
    q.put(0)
    prepare(q)
    waiting = [asyncio.ensure_future(q.aput(1)), asyncio.ensure_future(q.aput_many([2, 3]))]
    await settle()
    q.__init__(3)  # type: ignore[misc]
    await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE)
    assert q.drain() == [1, 2, 3]


# Each wait by itself: a put that comes before `join` has looked again gives it something to wait for.
@pytest.mark.parametrize(
    ("wait", "left"), [(Queue.join, []), (partial(Queue.put, item=1), [1])], ids=["join", "put"]
)
def test_a_queue_whose_hook_fails_as_it_begins_again_ends_every_wait(
    wait: Callable[[Queue[int]], object], left: list[int], threads: Threads
) -> None:
    class Fussy(Queue[int]):
        def _init(self, maxsize: int) -> None:
            super()._init(maxsize)
            if maxsize == 2:
                raise ValueError(maxsize)

    q = Fussy(1)
    q.put(0)
    wait_until_asleep(threads.start(partial(wait, q)))
    with pytest.raises(ValueError, match="2"):
        q.__init__(2)  # type: ignore[misc]
    threads.join()
    assert q.drain() == left


def test_what_is_dropped_when_a_queue_begins_again_finds_it_begun() -> None:
    found: list[int] = []

    class Item:
        def __del__(self) -> None:
            q.put(self.__class__)
            q.get()
            q.task_done()
            found.append(q.unfinished_tasks)

    q: Queue[Any] = Queue()
    for _ in range(3):
        q.put(None)
        q.get()
        q.task_done()
    q.put(Item())
    q.__init__()  # type: ignore[misc]
    gc.collect()
    assert found == [0]
