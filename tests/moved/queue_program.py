"""A program for the module queue: threads that work, joining, a sentinel, other orders, and subclasses.

`tests/test_moved_programs.py` runs it as it is, and with the module queue in place of ours.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import elasticq as queue


class Unique(queue.Queue[str]):
    """Holds each text once."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self.seen: set[str] = set()

    def _put(self, item: str) -> None:
        if item not in self.seen:
            self.seen.add(item)
            super()._put(item)


class Counted(queue.Queue[int]):
    """Counts what goes in, by whatever method."""

    def __init__(self, maxsize: int = 0) -> None:
        self.count = 0
        super().__init__(maxsize)

    def put(self, item: int, block: bool = True, timeout: float | None = None) -> None:
        super().put(item, block, timeout)
        self.count += 1


def in_threads(*functions: Callable[[], object]) -> None:
    """Run these side by side, to their ends."""
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def share_work() -> None:
    """A producer that is slowed down by the limit, three workers, and a sentinel for each of them."""
    jobs: queue.Queue[int | None] = queue.Queue(maxsize=4)
    squares: queue.SimpleQueue[int] = queue.SimpleQueue()

    def work() -> None:
        while (number := jobs.get()) is not None:
            squares.put(number * number)
            jobs.task_done()
        jobs.task_done()

    def produce() -> None:
        for number in range(50):
            jobs.put(number)
        jobs.join()
        for _ in range(3):
            jobs.put(None)

    in_threads(produce, work, work, work)
    jobs.join()
    print(jobs.empty(), squares.qsize(), sum(squares.get() for _ in range(50)), jobs.unfinished_tasks)


def run_full_and_empty() -> None:
    """The calls that don't wait, and waiting with a time limit."""
    tight: queue.Queue[str] = queue.Queue(1)
    for take in (tight.get_nowait, lambda: tight.get(timeout=0.01)):
        try:
            take()
        except queue.Empty:
            print("empty")
    tight.put("a")
    try:
        tight.put("b", timeout=0.01)
    except queue.Full:
        print("full", tight.full(), tight.maxsize)
    in_threads(lambda: tight.put("c"), lambda: print(tight.get(), tight.get()))
    tight.task_done()
    tight.task_done()
    try:
        tight.task_done()
    except ValueError as error:
        print(error)


def use_other_orders() -> None:
    """Last in, first out; the smallest first; the subclasses; and the inside under its lock."""
    lifo: queue.LifoQueue[int] = queue.LifoQueue()
    smallest: queue.PriorityQueue[tuple[int, str]] = queue.PriorityQueue(5)
    unique, counted = Unique(), Counted(3)
    for number in (3, 1, 2, 1):
        lifo.put(number)
        smallest.put((number, f"number {number}"))
        unique.put(f"number {number}")
    print([lifo.get() for _ in range(4)], [smallest.get()[1] for _ in range(4)])
    print(unique.qsize(), [unique.get() for _ in range(3)])
    counted.put_nowait(1)
    counted.put(2, timeout=1)
    print(counted.count, counted.qsize())
    with counted.mutex:
        counted.queue.clear()
        counted.not_full.notify_all()
    print(counted.empty())


share_work()
run_full_and_empty()
use_other_orders()
