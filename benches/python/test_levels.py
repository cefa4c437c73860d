"""Priorities, one thread: `PriorityCircularBuffer` against `queue.PriorityQueue` with a tuple per item."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from versus import Contest, Target

import elasticq
from elasticq.bench.contest import Contender, unshared

pytest_plugins = ["versus.plugin"]

LEVELS = 3


class Leveled(Protocol):
    """A queue with levels, and a loop that passes items through it at all levels in turn."""

    def run(self, items: int) -> int: ...
    def size(self) -> int: ...


class Ours:
    """Our queue, with levels."""

    def __init__(self, **settings: Any) -> None:
        self._buffer: elasticq.PriorityCircularBuffer[int] = elasticq.PriorityCircularBuffer(
            levels=LEVELS, **settings
        )
        self._loop = unshared(push_and_pop)

    def run(self, items: int) -> int:
        return self._loop(self._buffer.push_with_priority, self._buffer.pop, items)

    def size(self) -> int:
        return len(self._buffer)


class Standard:
    """A heap. The counter keeps the order within a level, which the heap alone would not keep."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._queue = make()
        self._loop = unshared(put_and_get_tuples)

    def run(self, items: int) -> int:
        return self._loop(self._queue.put, self._queue.get, itertools.count(), items)

    def size(self) -> int:
        return int(self._queue.qsize())


def push_and_pop(push: Callable[[int, int], object], pop: Callable[[], int], items: int) -> int:
    item = -1
    for number in range(items):
        push(number, number % LEVELS)
        item = pop()
    return item


def put_and_get_tuples(
    put: Callable[[tuple[int, int, int]], object],
    get: Callable[[], tuple[int, int, int]],
    counter: itertools.count[int],
    items: int,
) -> int:
    item = -1
    for number in range(items):
        put((-(number % LEVELS), next(counter), number))
        item = get()[2]
    return item


class Pairs:
    """Runs a queue's loop. Checks that the item put last comes out last, and that nothing stays."""

    def __init__(self, make: Callable[[], Leveled], items: int) -> None:
        self._queue, self._items, self._last = make(), items, -1

    def run(self) -> None:
        self._last = self._queue.run(self._items)

    def check(self) -> None:
        assert self._last == self._items - 1
        assert self._queue.size() == 0


def test_push_and_pop(compete: Callable[[Contest], None]) -> None:
    compete(
        Contest(
            "push + pop, 3 levels, 1 thread",
            [
                Contender("elasticq, fair", partial(Pairs, Ours)),
                Contender("elasticq, strict", partial(Pairs, partial(Ours, fair=False))),
                Contender("queue.PriorityQueue", partial(Pairs, partial(Standard, queue.PriorityQueue))),
                Contender(
                    "elasticq.PriorityQueue", partial(Pairs, partial(Standard, elasticq.PriorityQueue))
                ),
            ],
            [Target("queue.PriorityQueue", 15)],
        )
    )
