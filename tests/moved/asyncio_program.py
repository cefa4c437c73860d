"""A program for asyncio's queues: workers, joining, cancelling, other orders, and subclasses with hooks.

`tests/test_moved_programs.py` runs it as it is, and with the module asyncio in place of ours.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict

from elasticq.asyncio import LifoQueue, PriorityQueue, Queue, QueueEmpty, QueueFull


class Newest(Queue[int]):
    """Holds each number once. Putting it again makes it the newest."""

    _queue: OrderedDict[int, None]

    def _init(self, maxsize: int) -> None:
        self._queue = OrderedDict()

    def _put(self, item: int) -> None:
        self._queue[item] = None
        self._queue.move_to_end(item)

    def _get(self) -> int:
        return self._queue.popitem(last=False)[0]

    def look(self) -> list[int]:
        return list(self._queue)


class Stable(PriorityQueue[tuple[int, int, str]]):
    """Serves equal priorities in the order in which they came."""

    count = 0

    def _put(self, item: tuple[int, int, str]) -> None:
        self.count += 1
        super()._put((item[0], self.count, item[2]))


class Logged(LifoQueue[str]):
    """Says what goes through it."""

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)
        self.closed = False

    async def put(self, item: str) -> None:
        print("put", item)
        await super().put(item)

    async def get(self) -> str:
        item = await super().get()
        print("got", item)
        return item


async def worker(name: str, jobs: Queue[int], squares: Queue[tuple[str, int]]) -> None:
    """Square numbers, for ever."""
    while True:
        number = await jobs.get()
        try:
            await squares.put((name, number * number))
        finally:
            jobs.task_done()


async def share_work() -> None:
    """Three workers, a producer that is slowed down by the limit, and the end by cancelling."""
    jobs: Queue[int] = Queue(maxsize=4)
    squares: Queue[tuple[str, int]] = Queue()
    workers = [asyncio.create_task(worker(f"worker {number}", jobs, squares)) for number in range(3)]
    for number in range(50):
        await jobs.put(number)
    await jobs.join()
    for task in workers:
        task.cancel()
    ends = await asyncio.gather(*workers, return_exceptions=True)
    print([type(end).__name__ for end in ends], jobs.empty(), squares.qsize())
    print(sum(squares.get_nowait()[1] for _ in range(50)))


async def run_full_and_empty() -> None:
    """The calls that don't wait, and waiting with a time limit."""
    queue: Queue[str] = Queue(1)
    try:
        queue.get_nowait()
    except QueueEmpty:
        print("empty")
    queue.put_nowait("a")
    try:
        queue.put_nowait("b")
    except asyncio.QueueFull:
        print("full", queue.full(), queue.maxsize, str(queue))
    try:
        await asyncio.wait_for(queue.put("c"), 0.01)
    except TimeoutError:
        print("no room in time", queue.qsize())
    waiting = asyncio.create_task(queue.put("d"))
    await asyncio.sleep(0)
    print(await queue.get(), await queue.get(), waiting.done())
    getter = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    getter.cancel()
    await asyncio.gather(getter, return_exceptions=True)
    await queue.put("e")
    print(await queue.get())
    for _ in range(3):
        queue.task_done()
    await queue.join()
    try:
        queue.task_done()
    except ValueError as error:
        print(error)


async def use_other_orders() -> None:
    """Last in, first out; the smallest first; and the orders of the subclasses."""
    lifo: LifoQueue[int] = LifoQueue()
    smallest: PriorityQueue[int] = PriorityQueue(maxsize=5)
    newest = Newest(maxsize=3)
    stable = Stable()
    for number in (1, 3, 1, 2):
        await lifo.put(number)
        await smallest.put(number)
        await newest.put(number)
        await stable.put((number % 2, 0, f"number {number}"))
    print([lifo.get_nowait() for _ in range(4)], [await smallest.get() for _ in range(4)])
    print(newest.qsize(), newest.full(), newest.look())
    try:
        newest.put_nowait(4)
    except QueueFull:
        print([await newest.get() for _ in range(3)])
    print([(await stable.get())[2] for _ in range(4)])
    logged = Logged()
    await logged.put("first")
    await logged.put("second")
    print(await logged.get(), logged.closed, str(logged))


async def main() -> None:
    """Run all parts."""
    await share_work()
    await run_full_and_empty()
    await use_other_orders()


asyncio.run(main())
