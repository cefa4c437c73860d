"""Shutting down: puts are refused, the items inside are taken or dropped as told, and all waiters wake up."""

from __future__ import annotations

import asyncio
import queue
import sys
from collections.abc import Callable
from typing import Any

import pytest
from kinds import DROP_INS
from support import Threads, wait_until, wait_until_asleep

from elasticq import Queue, QueueError, ShutDown

CLOSING: dict[str, Callable[[Queue[Any]], None]] = {
    "shutdown()": Queue.shutdown,
    "shutdown(False)": lambda q: q.shutdown(False),
    "close()": Queue.close,
}
closings = pytest.mark.parametrize("close", CLOSING.values(), ids=CLOSING)


@closings
def test_what_is_inside_can_still_be_taken(close: Callable[[Queue[Any]], None]) -> None:
    q: Queue[int] = Queue(10)
    q.put_many(range(6))
    assert not q.is_shutdown
    close(q)
    close(q)
    assert q.is_shutdown
    for put in (
        lambda: q.put(9),
        lambda: q.put_nowait(9),
        lambda: q.put(9, timeout=1),
        lambda: q.put_many([9]),
    ):
        with pytest.raises(ShutDown):
            put()
    assert (q.peek(), q.get(), q.get_nowait(), q.get(timeout=1), q.get_many(2)) == (0, 0, 1, 2, [3, 4])
    assert list(q.consume()) == [5]
    for get in (q.get, q.get_nowait, q.get_many, q.peek, lambda: q.get(timeout=1)):
        with pytest.raises(ShutDown):
            get()
    assert list(q.consume()) == q.drain() == []
    assert q.clear() == 0


def test_immediately_means_that_what_is_inside_is_dropped_and_done() -> None:
    q: Queue[int] = Queue()
    q.put_many(range(5))
    q.get()
    q.shutdown(immediate=True)
    assert (len(q), q.unfinished_tasks) == (0, 1)
    with pytest.raises(ShutDown):
        q.get()
    q.task_done()
    q.join()


@pytest.mark.parametrize("kind", DROP_INS)
def test_it_ends_where_a_subclass_puts_back_what_it_takes(kind: Any) -> None:
    class PutsBack(kind):  # type: ignore[misc]
        gets = 0

        def _get(self) -> Any:
            self.gets += 1
            assert self.gets <= 100
            item = super()._get()
            self._put(item)
            return item

    q = PutsBack()
    q.put_many(range(5))
    q.shutdown(immediate=True)
    assert (q.gets, q.qsize(), q.unfinished_tasks) == (5, 5, 0)
    q.join()


@pytest.mark.parametrize("kind", DROP_INS)
def test_what_a_hook_raises_ends_it_only_where_it_takes_nothing(kind: Any) -> None:
    class RaisesOnce(kind):  # type: ignore[misc]
        gets = 0

        def _get(self) -> Any:
            self.gets += 1
            if self.gets == 3:
                raise LookupError
            return super()._get()

    q = RaisesOnce()
    q.put_many(range(5))
    q.shutdown(immediate=True)
    assert (q.gets, q.qsize(), q.unfinished_tasks) == (6, 0, 0)


def test_a_full_queue_is_rather_shut_down_than_full() -> None:
    q: Queue[int] = Queue(1)
    q.put(1)
    q.shutdown()
    with pytest.raises(ShutDown):
        q.put_nowait(2)


@closings
def test_blocked_getters_wake_up(close: Callable[[Queue[Any]], None], threads: Threads) -> None:
    q: Queue[int] = Queue()

    def get(call: Callable[[], object]) -> None:
        with pytest.raises(ShutDown):
            call()

    waiting = [q.get, lambda: q.get(timeout=600), q.get_many, lambda: next(q.consume())] * 2
    getters = [threads.start(get, call) for call in waiting[:3] + waiting[4:7]]
    consumers = [threads.start(lambda: list(q.consume())) for _ in range(2)]
    for thread in getters + consumers:
        wait_until_asleep(thread)
    close(q)
    threads.join()


@pytest.mark.parametrize("immediate", [False, True])
def test_blocked_putters_wake_up_and_have_added_nothing(immediate: bool, threads: Threads) -> None:
    q: Queue[int] = Queue(1)
    q.put(0)

    def put(call: Callable[[], object]) -> None:
        with pytest.raises(ShutDown):
            call()

    waiting = [lambda: q.put(1), lambda: q.put(1, timeout=600), lambda: q.put_many([1, 1])] * 2
    putters = [threads.start(put, call) for call in waiting]
    for thread in putters:
        wait_until_asleep(thread)
    q.shutdown(immediate)
    threads.join()
    assert q.drain() == ([] if immediate else [0])


def take_all(q: Queue[Any]) -> None:
    for _ in q.consume():
        q.task_done()


LETTING_GO: dict[str, Callable[[Queue[Any]], object]] = {
    "taking and reporting": take_all,
    "clear()": Queue.clear,
    "shutdown(immediate=True)": lambda q: q.shutdown(immediate=True),
}


@closings
@pytest.mark.parametrize("let_go", LETTING_GO.values(), ids=LETTING_GO)
@pytest.mark.parametrize("kind", DROP_INS, ids=lambda kind: kind.__name__)
def test_who_joins_a_closed_queue_goes_when_all_is_done_or_dropped(
    close: Callable[[Queue[Any]], None],
    let_go: Callable[[Queue[Any]], object],
    kind: Any,
    threads: Threads,
) -> None:
    q = kind()
    q.put_many([1, 2])
    joiner = threads.start(q.join)
    tasks = threads.start(lambda: asyncio.run(q.ajoin()))
    wait_until_asleep(joiner)
    close(q)
    wait_until_asleep(tasks)
    assert (joiner.is_alive(), tasks.is_alive(), q.unfinished_tasks) == (True, True, 2)
    let_go(q)
    threads.join()
    q.join()  # who comes now does not wait at all
    assert q.unfinished_tasks == 0


def test_join_returns_when_shutting_down_drops_the_last_tasks(threads: Threads) -> None:
    q: Queue[int] = Queue()
    q.put_many(range(5))
    joiner = threads.start(q.join)
    wait_until_asleep(joiner)
    q.shutdown()
    wait_until_asleep(joiner)
    assert joiner.is_alive()
    q.shutdown(immediate=True)
    threads.join()


def test_the_error_is_ours_and_the_standard_librarys() -> None:
    q: Queue[int] = Queue()
    q.shutdown()
    with pytest.raises(ShutDown) as error:
        q.get()
    assert isinstance(error.value, QueueError)
    assert not error.value.is_retriable
    if sys.version_info >= (3, 13):
        assert isinstance(error.value, queue.ShutDown)


def test_shutting_down_amid_traffic_loses_nothing_that_was_accepted(threads: Threads) -> None:
    for _ in range(20):
        q: Queue[int] = Queue(8)
        accepted: list[int] = []
        taken: list[int] = []

        def produce(q: Queue[int] = q, accepted: list[int] = accepted) -> None:
            try:
                for number in range(1_000_000):
                    q.put(number)
                    accepted.append(number)
            except ShutDown:
                pass

        def consume(q: Queue[int] = q, taken: list[int] = taken) -> None:
            taken.extend(q.consume())

        for run in (produce, produce, consume, consume):
            threads.start(run)
        wait_until(lambda q=q: q.stats().messages_enqueued >= 500, "traffic")  # type: ignore[misc]
        q.shutdown()
        threads.join()
        assert sorted(taken) == sorted(accepted)
