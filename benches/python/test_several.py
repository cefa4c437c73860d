"""One consumer of two busy queues. Without `select` a thread for each queue forwards into a third one."""

from __future__ import annotations

import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

from versus import Contest, Target

import elasticq
from elasticq.bench.contest import Contender, unshared
from elasticq.bench.loops import put_range

pytest_plugins = ["versus.plugin"]

QUEUES = 2
OURS = "elasticq.select"
THEIRS = "queue.Queue, forwarded"


def get_sum_of_pairs(get: Callable[[], tuple[object, int]], count: int) -> int:
    """Takes this many numbers, each with the queue that it comes from, in a thread."""
    total = 0
    for _ in range(count):
        _, number = get()
        total += number
    return total


class Busy:
    """A producer for each queue, with consecutive numbers. Checks the sum of what the consumer takes."""

    puts: list[Callable[[Any], object]]
    take: Callable[[], tuple[Any, int]]

    def __init__(self, rows: int) -> None:
        self._produce, self._consume = unshared(put_range), unshared(get_sum_of_pairs)
        self._rows = rows
        self._total = 0
        self._threads = ThreadPoolExecutor(2 * QUEUES + 1)

    def run(self) -> None:
        consumer = self._threads.submit(self._consume, self.take, self._rows * QUEUES)
        others = self.forward()
        producers = [
            self._threads.submit(self._produce, put, index * self._rows, self._rows)
            for index, put in enumerate(self.puts)
        ]
        for ended in [*producers, *others]:
            ended.result()
        self._total = consumer.result()

    def forward(self) -> list[Future[None]]:
        """The threads that bring the items to where the consumer takes them."""
        return []

    def check(self) -> None:
        self._threads.shutdown()
        assert self._total == sum(range(self._rows * QUEUES))


class Selecting(Busy):
    """Ours."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        queues = [elasticq.Queue[int]() for _ in range(QUEUES)]
        self.puts = [each.put for each in queues]
        self.take = partial(elasticq.select, queues)


class Forwarding(Busy):
    """What users of the standard library do."""

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self._queues = [queue.Queue[int]() for _ in range(QUEUES)]
        self._both = queue.Queue[tuple[Any, int]]()
        self.puts = [each.put for each in self._queues]
        self.take = self._both.get

    def forward(self) -> list[Future[None]]:
        def run(source: queue.Queue[int]) -> None:
            for _ in range(self._rows):
                self._both.put((source, source.get()))

        return [self._threads.submit(run, source) for source in self._queues]


def test_two_busy_queues(compete: Callable[[Contest], None]) -> None:
    contenders = [Contender(OURS, Selecting, QUEUES), Contender(THEIRS, Forwarding, QUEUES)]
    compete(Contest("select, two busy queues", contenders, [Target(THEIRS, 10.0)], threads=QUEUES + 1))
