"""Eight threads at once, with and without the GIL: every item arrives once, intact and in its order."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from kinds import KINDS, Kind
from support import FREE_THREADED, Message, Threads, background, check_messages, python

from elasticq import DynamicCircularBuffer, Empty, Full, Queue, ShutDown

THREADS = 8


@pytest.mark.skipif(not FREE_THREADED, reason="this build always has a GIL")
def test_importing_leaves_the_gil_off() -> None:
    output = python(
        """
    import sys
    import elasticq
    import elasticq._core
    print(sys._is_gil_enabled())
    """,
        "-E",
    )
    assert output == "False\n"


ITERABLES: list[Callable[[Any], Any]] = [list, tuple, iter]


def send(q: Queue[Message], me: int, seed: int, count: int) -> None:
    """Sends this many messages, in every way that there is."""
    chosen = random.Random(seed)
    number = 0
    while number < count:
        size = chosen.choice([1, 1, 1, 2, 10, 100])
        batch = [Message(me, number + i) for i in range(min(size, count - number))]
        number += len(batch)
        way = chosen.randrange(6)
        kind = chosen.choice(ITERABLES)
        if way == 0:
            q.put_many(kind(batch))
        elif way == 1:
            while batch:
                try:
                    q.put_many(kind(batch), timeout=0.001)
                    batch = []
                except Full as error:
                    batch = error.remaining  # type: ignore[assignment]
        else:
            for message in batch:
                try:
                    if way in (2, 3):
                        q.put(message, way == 2, 0.0001)
                        continue
                except Full:
                    pass
                q.put(message)


def receive(q: Queue[Message], taken: list[Message], seed: int) -> None:
    """Takes until the queue is shut down and empty, in every way that there is."""
    chosen = random.Random(seed)
    consumer = q.consume()
    while True:
        try:
            way = chosen.randrange(7)
            if way == 0:
                taken.append(q.get())
            elif way == 1:
                taken.append(q.get_nowait())
            elif way == 2:
                taken.append(q.get(timeout=0.0001))
            elif way == 3:
                taken.extend(q.get_many(chosen.choice([1, 2, 10, 1000])))
            elif way == 4:
                taken.extend(q.get_many(5, block=False))
            elif way == 5:
                for message in consumer:
                    taken.append(message)
                    break
            else:
                taken.extend(q.drain())
        except Empty:
            pass
        except ShutDown:
            return


def look(q: Queue[Message]) -> None:
    """Calls every method that only looks."""
    stats = q.stats()
    assert stats.messages_enqueued == stats.messages_dequeued + stats.messages_dropped + stats.current_size
    assert stats.peak_size is not None
    assert stats.current_size <= stats.peak_size
    assert stats.current_size <= stats.current_capacity
    assert all(message.intact() for message in q)
    assert len(q) >= 0
    assert q.qsize() >= 0
    assert q.capacity > 0
    assert q.unfinished_tasks >= 0
    assert (q.empty(), q.full()) != (True, True) or q.maxsize
    with suppress(Empty, ShutDown):
        assert q.peek().intact()


@pytest.mark.parametrize("maxsize", [0, 1, 50])
def test_every_method_at_once_loses_doubles_and_changes_nothing(
    maxsize: int, threads: Threads, seeded: random.Random
) -> None:
    q: Queue[Message] = Queue(maxsize, min_capacity=1)
    count = 300 if maxsize == 1 else 2000
    taken: list[list[Message]] = [[] for _ in range(THREADS // 2)]
    with background(gc.collect, lambda: look(q)):
        senders = Threads()
        for me in range(THREADS // 2):
            threads.start(receive, q, taken[me], seeded.randrange(1 << 32))
            senders.start(send, q, me, seeded.randrange(1 << 32), count)
        senders.join()
        q.shutdown()
        threads.join()
    check_messages(taken, dict.fromkeys(range(THREADS // 2), count))
    total = count * THREADS // 2
    stats = q.stats()
    assert (stats.messages_enqueued, stats.messages_dequeued, stats.current_size) == (total, total, 0)
    assert q.unfinished_tasks == total


def test_one_taker_sees_all_messages_of_each_sender_in_their_order(
    threads: Threads, seeded: random.Random
) -> None:
    q: Queue[Message] = Queue(1000)
    count = 2000
    taken: list[Message] = []
    senders = Threads()
    threads.start(receive, q, taken, seeded.randrange(1 << 32))
    for me in range(THREADS - 1):
        senders.start(send, q, me, seeded.randrange(1 << 32), count)
    senders.join()
    q.shutdown()
    threads.join()
    check_messages([taken], dict.fromkeys(range(THREADS - 1), count))


def test_buffers_too(threads: Threads) -> None:
    buffer: DynamicCircularBuffer[Message] = DynamicCircularBuffer(
        initial_capacity=2, min_capacity=2, max_capacity=500, push_timeout=0.0005, pop_timeout=0.0005
    )
    count = 200
    taken: list[list[Message]] = [[] for _ in range(THREADS // 2)]

    def push(me: int) -> None:
        for number in range(0, count * 10, 10):
            batch = [Message(me, number + i) for i in range(10)]
            _retry(buffer.push, batch[0])
            _retry(buffer.push_batch, batch[1:])

    def pop(mine: list[Message]) -> None:
        try:
            for size in itertools.cycle([1, 7, 0, 20]):
                mine.extend(buffer.pop_batch(size))
                mine.append(_retry(buffer.pop))
        except ShutDown:
            pass

    senders = Threads()
    with background(gc.collect, lambda: list(buffer), buffer.stats):
        for me in range(THREADS // 2):
            threads.start(pop, taken[me])
            senders.start(push, me)
        senders.join()
        buffer.close()
        threads.join()
    check_messages(taken, dict.fromkeys(range(THREADS // 2), count * 10))


def _retry(call: Callable[..., Any], *arguments: Any) -> Any:
    while True:
        try:
            return call(*arguments)
        except (TimeoutError, Empty, Full):
            pass


def test_dropping_everything_amid_traffic_drops_each_item_once(threads: Threads) -> None:
    dropped: Queue[int] = Queue()

    class Counted:
        def __init__(self, number: int) -> None:
            self.number = number

        def __del__(self) -> None:
            dropped.put(self.number)

    q: Queue[Counted] = Queue()
    count = 3000

    def put(me: int) -> None:
        for number in range(me * count, (me + 1) * count, 3):
            q.put(Counted(number))
            q.put_many([Counted(number + 1), Counted(number + 2)])

    with background(q.clear, q.drain, lambda: list(q), gc.collect):
        for me in range(4):
            threads.start(put, me)
        threads.join()
    q.clear()
    gc.collect()
    assert sorted(dropped) == list(range(4 * count))


def test_a_list_may_change_while_it_is_put(threads: Threads) -> None:
    """The items that arrive are the list's at one moment: whole objects, and never a mixture."""
    q: Queue[Message] = Queue()
    shared: list[Message] = []

    def change() -> None:
        for number in range(30):
            shared.append(Message(0, number))
        shared.reverse()
        shared[5:10] = []
        shared.extend(shared[:3])
        shared.clear()

    def put() -> None:
        for _ in range(2000):
            q.put_many(shared)

    with background(change, change, gc.collect):
        for _ in range(4):
            threads.start(put)
        threads.join()
    for message in q.drain():
        assert message.intact()


def test_queues_come_and_go_while_others_use_them(threads: Threads) -> None:
    """Any thread may drop the last reference to a queue, waiting or not."""

    def serve(q: Queue[Any]) -> None:
        for answer in q.consume():
            answer.put(q)

    for _ in range(200):
        q: Queue[Any] = Queue(4)
        answers: Queue[Any] = Queue()
        for _ in range(2):
            threads.start(serve, q)
        q.put_many([answers] * 8)
        q.shutdown()
        del q
        assert len({id(answers.get()) for _ in range(8)}) == 1
    threads.join()


def test_task_done_and_join_at_once(threads: Threads) -> None:
    q: Queue[int] = Queue()

    def work() -> None:
        for _ in range(10):
            q.get()
            q.task_done()

    for _ in range(100):
        q.put_many(range(40))
        for _ in range(4):
            threads.start(work)
            threads.start(q.join)
        threads.join()
        assert q.unfinished_tasks == 0


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if hasattr(kind.cls, "task_done")], ids=lambda kind: kind.name
)
def test_task_done_after_get_is_never_one_too_many(kind: Kind, threads: Threads) -> None:
    """Others may put, take and report many items while one thread reports its own."""
    q = kind.make()

    def work() -> None:
        for number in range(300 if kind.standard else 20_000):
            q.put(number)
            q.get()
            q.task_done()

    for _ in range(8):
        threads.start(work)
    threads.join()
    assert q.unfinished_tasks == 0
    q.join()


def test_what_is_evicted_or_cleared_is_done_once(threads: Threads) -> None:
    q: Queue[int] = Queue(2, overflow="drop_oldest")

    def work() -> None:
        for number in range(20_000):
            q.put(number)
            if number % 7 == 0:
                q.clear()

    for _ in range(8):
        threads.start(work)
    threads.join()
    assert q.unfinished_tasks == len(q)
    q.clear()
    q.join()


@pytest.mark.parametrize("kept", [0, 1, 3], ids="each {}th is kept by its maker".format)
def test_items_for_a_task_elsewhere_go_when_the_last_reference_goes(kept: int, threads: Threads) -> None:
    """On free-threaded builds the queue's reference to such items is counted in another way."""
    count = 20_000
    q: Queue[Message] = Queue(1000)
    gone = [0, 0]  # by the maker's thread and by the taker's

    class Told(Message):
        __slots__ = ()

        def __del__(self) -> None:
            gone[threading.get_ident() == taker] += 1

    taker = threading.get_ident()

    def make() -> None:
        mine = []
        for number in range(count):
            message = Told(0, number)
            q.put(message)
            if kept and number % kept == 0:
                mine.append(message)
        for message in mine:
            assert message.intact()
        q.shutdown()

    async def take() -> int:
        taken = 0
        async for message in q:
            assert message.intact()
            taken += 1
        return taken

    threads.start(make)
    assert asyncio.run(take()) == count
    threads.join()
    gc.collect()
    assert sum(gone) == count
