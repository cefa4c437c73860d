"""Timeouts use a clock that can't be stopped, since tests freeze Python's clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from freezegun import freeze_time
from support import PATIENCE

import elasticq
from elasticq import Empty, Full, LifoQueue, PriorityCircularBuffer, PriorityQueue, Queue, SimpleQueue


class Hooked(Queue[Any]):
    """A subclass with a hook."""

    def _put(self, item: Any) -> None:
        super()._put(item)


def moved(maxsize: int = 0) -> Queue[Any]:
    q: Queue[Any] = Queue(maxsize)
    with q.mutex:
        return q


QUEUES: dict[str, Callable[..., Any]] = {
    "Queue": Queue,
    "weighted": lambda maxsize=0: Queue(maxsize, max_weight=100, weigh=lambda _: 1),
    "moved": moved,
    "hooked": Hooked,
    "LifoQueue": LifoQueue,
    "PriorityQueue": PriorityQueue,
}

TIMEOUT = 0.01


def waits_in_vain(make: Callable[..., Any]) -> None:
    """Calls every method that has a timeout."""
    empty = make()
    gets: list[Callable[[], object]] = [
        lambda: empty.get(timeout=TIMEOUT),
        lambda: empty.get_many(timeout=TIMEOUT),
    ]
    for call in gets:
        with pytest.raises(Empty):
            call()
    full = make(1)
    full.put(1)
    puts: list[Callable[[], object]] = [
        lambda: full.put(2, timeout=TIMEOUT),
        lambda: full.put_many([2, 3], timeout=TIMEOUT),
        lambda: full.sync_q.put(2, True, timedelta(seconds=TIMEOUT)),
    ]
    for call in puts:
        with pytest.raises(Full):
            call()


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("make", QUEUES.values(), ids=QUEUES)
def test_timeouts_end_while_time_is_frozen(make: Callable[..., Any]) -> None:
    with freeze_time("2026-01-01"):
        before = time.monotonic()
        waits_in_vain(make)
        assert time.monotonic() == before


@pytest.mark.timeout(PATIENCE)
@pytest.mark.parametrize("make", QUEUES.values(), ids=QUEUES)
def test_timeouts_end_while_a_test_has_replaced_the_clocks(
    make: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for clock in ("monotonic", "time", "perf_counter"):
        monkeypatch.setattr(time, clock, lambda: 0.0)
    waits_in_vain(make)


@pytest.mark.timeout(PATIENCE)
def test_the_timeouts_of_the_others_end_as_well() -> None:
    with freeze_time("2026-01-01"):
        buffer = elasticq.DynamicCircularBuffer[int](
            push_timeout=TIMEOUT, pop_timeout=TIMEOUT, initial_capacity=1, min_capacity=1, max_capacity=1
        )
        levels = PriorityCircularBuffer[int](pop_timeout=TIMEOUT)
        for pop in (buffer.pop, levels.pop):
            with pytest.raises((Empty, elasticq.Timeout)):
                pop()
        buffer.push(1)
        with pytest.raises((Full, elasticq.Timeout)):
            buffer.push(2)
        lock_free: list[Any] = [
            elasticq.LockFreeMPSCQueue(),
            elasticq.LockFreeMPMCQueue(),
            elasticq.LockFreeSPSCQueue(),
        ]
        for queue in lock_free:
            with pytest.raises(Empty):
                queue.get(timeout=TIMEOUT)
        with pytest.raises(Empty):
            SimpleQueue[int]().get(timeout=TIMEOUT)
        view = levels.sync_q
        gets: list[Callable[[], object]] = [
            lambda: view.get(timeout=TIMEOUT),
            lambda: view.get(True, TIMEOUT),
        ]
        for call in gets:
            with pytest.raises(Empty):
                call()
