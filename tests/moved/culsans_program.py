"""A program as users of culsans write it. Only its import names elasticq.

It prints what each of its parts has seen. With culsans itself under that name it prints the same.
"""

# pyright: strict

from __future__ import annotations

import asyncio
import threading

import elasticq.culsans as culsans


def produce(queue: culsans.SyncQueue[int]) -> None:
    for number in range(100):
        queue.put(number)
    queue.join()


async def consume(queue: culsans.AsyncQueue[int]) -> int:
    total = 0
    for _ in range(100):
        total += await queue.get()
        queue.task_done()
    return total


async def through_both_sides() -> None:
    queue: culsans.Queue[int] = culsans.Queue(maxsize=10)
    producer = asyncio.create_task(asyncio.to_thread(produce, queue.sync_q))
    print("sum", await consume(queue.async_q))
    await producer
    queue.shutdown()
    try:
        await queue.async_q.get()
    except culsans.AsyncQueueShutDown as error:
        print("over", isinstance(error, culsans.SyncQueueShutDown), queue.unfinished_tasks)


async def growing_and_shrinking() -> None:
    queue: culsans.Queue[int] = culsans.Queue(1)
    puts = [asyncio.create_task(queue.async_q.put(number)) for number in range(4)]
    while queue.putting < 3:
        await asyncio.sleep(0)
    sizes = [queue.qsize()]
    queue.maxsize = 2
    while queue.qsize() < 2:
        await asyncio.sleep(0)
    sizes.append(queue.qsize())
    queue.sync_q.maxsize = 0
    await asyncio.gather(*puts)
    sizes.append(queue.qsize())
    print("sizes", sizes, sorted(queue.get_nowait() for _ in range(4)))


async def looking() -> None:
    queue: culsans.LifoQueue[str] = culsans.LifoQueue()
    peek = asyncio.create_task(queue.async_q.peek())
    while not queue.getting:
        await asyncio.sleep(0)
    queue.sync_q.put("first")
    print("peek", await peek, queue.sync_q.peek(), queue.peek_nowait(), len(queue))
    queue.clear()
    try:
        queue.sync_q.peek(block=False)
    except culsans.QueueEmpty:
        print("cleared", queue.unfinished_tasks, bool(queue))


class Unique(culsans.Queue[int]):
    """Each number is in it once. It can't tell which one is next."""

    def _init(self, maxsize: int) -> None:
        self.numbers: set[int] = set()

    def _qsize(self) -> int:
        return len(self.numbers)

    def _put(self, item: int) -> None:
        self.numbers.add(item)

    def _get(self) -> int:
        return self.numbers.pop()

    def _peekable(self) -> bool:
        return False

    def _clear(self) -> None:
        self.numbers.clear()


def unique() -> None:
    queue = Unique()
    for number in (23, 42, 23):
        queue.sync_q.put(number)
    print("unique", queue.qsize(), queue.unfinished_tasks, queue.peekable(), queue.clearable())
    try:
        queue.sync_q.peek()
    except ValueError:
        print("no peek")
    queue.clear()
    queue.sync_q.join()
    print("cleared", queue.empty())


def sizes() -> None:
    queue: culsans.PriorityQueue[str] = culsans.PriorityQueue(10, sizer=len)
    queue.put_nowait("four")
    queue.put_nowait("seven")
    try:
        queue.sync_put("no", timeout=0.01)
    except culsans.QueueFull:
        print("full", queue.size, queue.full(), queue.isize("no"))
    thread = threading.Thread(target=queue.green_proxy.put, args=("eight",))
    thread.start()
    print(queue.sync_q.get())
    thread.join()
    print(queue.green_get(blocking=True), queue.get_nowait(), queue.size)


async def closing() -> None:
    queue: culsans.Queue[str] = culsans.Queue()
    queue.put_nowait("dropped")
    join = asyncio.create_task(queue.async_q.join())
    await asyncio.sleep(0)
    await queue.aclose()
    await join
    print("closed", queue.closed, queue.qsize(), queue.waiting)


async def main() -> None:
    await through_both_sides()
    await growing_and_shrinking()
    await looking()
    unique()
    sizes()
    await closing()


if __name__ == "__main__":
    asyncio.run(main())
