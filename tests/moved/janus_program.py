"""A program that was written for janus 2.0 and has moved: its import is all that was changed.

`tests/test_janus.py` runs it, and runs it again with the import changed back.
"""

# pyright: strict

from __future__ import annotations

import asyncio
import queue
import threading
from heapq import heappop
from typing import TypeVar

import elasticq.janus as janus

NUMBERS = 100
T = TypeVar("T")


def send(outgoing: janus.SyncQueue[int]) -> None:
    for number in range(NUMBERS):
        outgoing.put(number)
    outgoing.join()


async def receive(incoming: janus.AsyncQueue[int]) -> int:
    total = 0
    for _ in range(NUMBERS):
        total += await incoming.get()
        incoming.task_done()
    return total


async def traffic() -> None:
    """A thread sends to a task, and the task answers a thread."""
    there: janus.Queue[int] = janus.Queue(maxsize=10)
    sender = asyncio.get_running_loop().run_in_executor(None, send, there.sync_q)
    total = await receive(there.async_q)
    await sender
    await there.aclose()
    back: janus.Queue[str] = janus.Queue()
    await back.async_q.put(f"the sum is {total}")
    answer: str = await asyncio.to_thread(back.sync_q.get)
    print(answer, there.closed, back.closed, back.sync_q.unfinished_tasks)


def figures(side: janus.BaseQueue[str]) -> tuple[int, int, int, bool, bool, bool]:
    return (side.maxsize, side.qsize(), side.unfinished_tasks, side.empty(), side.full(), side.closed)


async def limits() -> None:
    """Each side raises the errors of its own world."""
    one: janus.Queue[str] = janus.Queue(1)
    try:
        one.async_q.get_nowait()
    except janus.AsyncQueueEmpty:
        print("nothing for a task")
    try:
        one.sync_q.get_nowait()
    except queue.Empty:
        print("nothing for a thread")
    one.sync_q.put("a")
    for side in (one.sync_q, one.async_q):
        try:
            side.put_nowait("b")
        except janus.AsyncQueueFull:
            print("no room for a task", figures(side))
        except janus.SyncQueueFull:
            print("no room for a thread", figures(side))
    try:
        one.sync_q.put("b", timeout=0.01)
    except queue.Full:
        print("none in time")


async def orders() -> None:
    stack: janus.LifoQueue[int] = janus.LifoQueue()
    heap: janus.PriorityQueue[tuple[int, str]] = janus.PriorityQueue()
    for number in (2, 1, 3):
        stack.sync_q.put(number)
        await heap.async_q.put((number, str(number)))
    print([await stack.async_q.get() for _ in range(3)], [heap.sync_q.get() for _ in range(3)])


class Unique(janus.Queue[str]):
    """Each item once, oldest first."""

    def _init(self, maxsize: int) -> None:
        self.items: dict[str, None] = {}

    def _qsize(self) -> int:
        return len(self.items)

    def _put(self, item: str) -> None:
        self.items[item] = None

    def _get(self) -> str:
        item = next(iter(self.items))
        del self.items[item]
        return item

    def put(self, *items: str) -> None:
        """A convenience of this program. No janus queue has such a method."""
        for item in items:
            self.sync_q.put(item)


class Latest(janus.Queue[T]):
    """Holds the latest items, and gives the oldest of these."""

    def _put(self, item: T) -> None:
        while len(self._queue) >= 2:
            self._queue.popleft()
        self._queue.append(item)

    def _get(self) -> T:
        return self._queue.popleft()


class Cheapest(janus.PriorityQueue[int]):
    """Says what it has."""

    def _get(self) -> int:
        print("of", sorted(self._heap_queue))
        return heappop(self._heap_queue)


async def hooks() -> None:
    words = Unique()
    words.put("a", "b", "a")
    print(words.sync_q.qsize(), await words.async_q.get(), words.sync_q.get(), words.items)
    latest: Latest[str] = Latest()
    cheapest = Cheapest()
    for number in (3, 1, 2):
        latest.sync_q.put(f"number {number}")
        await cheapest.async_q.put(number)
    print(latest.sync_q.get(), await latest.async_q.get(), latest.sync_q.qsize())
    print(cheapest.sync_q.get(), await cheapest.async_q.get())


async def closing() -> None:
    """Closing drops what is inside, and lets those go who wait for it."""
    jobs: janus.Queue[int] = janus.Queue()
    jobs.sync_q.put(1)
    joins = threading.Thread(target=jobs.sync_q.join)
    joins.start()
    joining = asyncio.create_task(jobs.async_q.join())
    await asyncio.sleep(0)
    try:
        await jobs.wait_closed()
    except RuntimeError:
        print("not closed yet")
    await jobs.aclose()
    await joining
    await asyncio.to_thread(joins.join)
    print(figures_after(jobs), jobs.closed)
    for call in (jobs.sync_q.get, jobs.async_q.get_nowait):
        try:
            call()
        except (janus.SyncQueueShutDown, janus.AsyncQueueShutDown):
            print("over")


def figures_after(jobs: janus.Queue[int]) -> tuple[int, int]:
    return jobs.sync_q.qsize(), jobs.async_q.unfinished_tasks


def two_loops() -> None:
    """The tasks of one event loop may use a queue."""
    shared: janus.Queue[int] = janus.Queue()
    asyncio.run(shared.async_q.put(1))
    try:
        asyncio.run(shared.async_q.get())
    except RuntimeError as error:
        print(str(error).partition(" is ")[2])
    print(shared.sync_q.get())


async def main() -> None:
    for part in (traffic, limits, orders, hooks, closing):
        await part()


asyncio.run(main())
two_loops()
