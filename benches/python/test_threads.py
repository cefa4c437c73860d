"""Producers put, and one consumer takes and adds up all items. The queues have no limit."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from ends import OURS, Plain, elastic_queue, simple_queue, standard_queue
from loops import get_sum, put_range
from versus import Contender, Contest, Target, unshared

pytest_plugins = ["versus.plugin"]


class Streams:
    """Producers with consecutive numbers each. Checks how many items come out, and their sum."""

    def __init__(self, producers: int, make: Callable[[], Plain], rows: int) -> None:
        self._produce, self._consume = unshared(put_range), unshared(get_sum)
        self._producers = producers
        self._rows = rows
        self._queue = make()
        self._total = 0
        self._threads = ThreadPoolExecutor(producers + 1)

    def run(self) -> None:
        put, rows = self._queue.put, self._rows
        consumer = self._threads.submit(self._consume, self._queue.get, rows * self._producers)
        producers = [
            self._threads.submit(self._produce, put, index * rows, rows) for index in range(self._producers)
        ]
        for producer in producers:
            producer.result()
        self._total = consumer.result()

    def check(self) -> None:
        self._threads.shutdown()
        assert self._total == sum(range(self._rows * self._producers))
        assert self._queue.size() == 0


def contest(producers: int, targets: list[Target]) -> Contest:
    """The contest with that many producers. A batch has one item from each."""
    makers: list[tuple[str, Callable[[], Plain]]] = [
        (OURS, elastic_queue),
        ("queue.Queue", standard_queue),
        ("queue.SimpleQueue", simple_queue),
    ]
    contenders = [Contender(name, partial(Streams, producers, make), producers) for name, make in makers]
    return Contest(f"threads, {producers}P/1C", contenders, targets, threads=producers + 1)


def test_one_producer(compete: Callable[[Contest], None]) -> None:
    compete(contest(1, []))


def test_four_producers(compete: Callable[[Contest], None]) -> None:
    compete(contest(4, [Target("queue.SimpleQueue", 1.1)]))
