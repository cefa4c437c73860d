"""One thread: pairs of put and get, and batches. Times are per item, and include the loop's own cost."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sized
from functools import partial
from typing import Generic, TypeVar

import pytest
from ends import (
    elastic_heap,
    elastic_queue_nowait,
    elastic_stack,
    moved_queue,
    plain_deque,
    standard_heap,
    standard_stack,
)
from versus import Contest, Target

import elasticq
from elasticq.bench.contest import Contender, unshared
from elasticq.bench.ends import OURS, elastic_queue, simple_queue, standard_queue
from elasticq.bench.loops import put_and_get
from elasticq.bench.machine import with_gil
from elasticq.bench.trials import BATCH, Pairs

pytest_plugins = ["versus.plugin"]

Q = TypeVar("Q", bound=Sized)


def nothing(_put: object, _get: object, items: int) -> int:
    """The loop without a queue."""
    item = -1
    for number in range(items):
        item = number
    return item


def test_put_and_get(compete: Callable[[Contest], None]) -> None:
    compete(
        Contest(
            "put + get, 1 thread",
            [
                Contender(OURS, partial(Pairs, put_and_get, elastic_queue)),
                Contender(f"{OURS}, nowait calls", partial(Pairs, put_and_get, elastic_queue_nowait)),
                Contender("queue.Queue", partial(Pairs, put_and_get, standard_queue)),
                Contender("queue.SimpleQueue", partial(Pairs, put_and_get, simple_queue)),
                Contender("deque append + popleft", partial(Pairs, put_and_get, plain_deque)),
                Contender("the bare loop", partial(Pairs, nothing, plain_deque)),
            ],
            [
                Target("queue.Queue", 20),
                Target("queue.SimpleQueue", 1 / 1.5 if with_gil() else 1 / 1.1),
            ],
        )
    )


def test_put_and_get_of_a_stack(compete: Callable[[Contest], None]) -> None:
    compete(
        Contest(
            "put + get, 1 thread, the newest first",
            [
                Contender("elasticq.LifoQueue", partial(Pairs, put_and_get, elastic_stack)),
                Contender("queue.LifoQueue", partial(Pairs, put_and_get, standard_stack)),
            ],
            [Target("queue.LifoQueue", 15)],
        )
    )


def test_put_and_get_of_a_heap(compete: Callable[[Contest], None]) -> None:
    compete(
        Contest(
            "put + get, 1 thread, the smallest first",
            [
                Contender("elasticq.PriorityQueue", partial(Pairs, put_and_get, elastic_heap)),
                Contender("queue.PriorityQueue", partial(Pairs, put_and_get, standard_heap)),
                Contender(f"{OURS} that has moved", partial(Pairs, put_and_get, moved_queue)),
                Contender("queue.Queue", partial(Pairs, put_and_get, standard_queue)),
            ],
            [Target("queue.PriorityQueue", 1.0)],
        )
    )


def all_at_once(queue: elasticq.Queue[str], batch: list[str], times: int) -> list[str]:
    """A queue that moves batches."""
    put_many, get_many = queue.put_many, queue.get_many
    size = len(batch)
    taken: list[str] = []
    for _ in range(times):
        put_many(batch)
        taken = get_many(size)
    return taken


def extend_and_clear(plain: deque[str], batch: list[str], times: int) -> list[str]:
    """The nearest to batches that a deque has."""
    extend, clear = plain.extend, plain.clear
    taken: list[str] = []
    for _ in range(times):
        extend(batch)
        taken = list(plain)
        clear()
    return taken


def one_by_one(queue: elasticq.Queue[str], batch: list[str], times: int) -> list[str]:
    """The same batches, by single calls."""
    put, get = queue.put, queue.get
    taken: list[str] = []
    for _ in range(times):
        for item in batch:
            put(item)
        taken = [get() for _ in batch]
    return taken


class Batches(Generic[Q]):
    """A loop over a queue and a batch. Checks that the last batch comes out whole, and that nothing stays."""

    def __init__(
        self, loop: Callable[[Q, list[str], int], list[str]], make: Callable[[], Q], size: int, times: int
    ) -> None:
        self._loop = unshared(loop)
        self._queue = make()
        self._batch = [f"message {number}" for number in range(size)]
        self._times = times
        self._taken: list[str] = []

    def run(self) -> None:
        self._taken = self._loop(self._queue, self._batch, self._times)

    def check(self) -> None:
        assert self._taken == self._batch
        assert len(self._queue) == 0


@pytest.mark.parametrize("size", [10, 100, BATCH])
def test_batches(compete: Callable[[Contest], None], size: int) -> None:
    ours, plain = elasticq.Queue[str], deque[str]
    goals = [Target("deque extend + list + clear", 1.0), Target(f"{OURS}, one by one", 8)]
    compete(
        Contest(
            f"batches of {size:,}, 1 thread",
            [
                Contender(OURS, partial(Batches, all_at_once, ours, size), size),
                Contender(f"{OURS}, one by one", partial(Batches, one_by_one, ours, size), size),
                Contender(
                    "deque extend + list + clear", partial(Batches, extend_and_clear, plain, size), size
                ),
            ],
            goals if size == BATCH else [],
        )
    )
