"""Loops over queues, as trials: each checks that every item came out, and that nothing stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future
from threading import Thread
from typing import Any, Generic, TypeVar

from elasticq.bench.contest import unshared
from elasticq.bench.ends import Ends, FromThread, Plain, Tasks, ToThread
from elasticq.bench.loops import aget_sum, aput_range, get_sum, put_range

BATCH = 1_000

E = TypeVar("E", bound=Ends[Any, Any])
T = TypeVar("T")


class Daemons(Executor):
    """Each call runs in a thread of its own. If the user interrupts the measurement, nobody waits for it."""

    def submit(self, call: Callable[..., T], /, *arguments: Any, **named: Any) -> Future[T]:
        """Starts the call."""
        outcome = Future[T]()

        def run() -> None:
            try:
                outcome.set_result(call(*arguments, **named))
            except BaseException as error:
                outcome.set_exception(error)

        Thread(target=run, daemon=True).start()
        return outcome


class Pairs:
    """A loop over a queue's ends. Checks that the item put last comes out last, and that nothing stays."""

    def __init__(self, loop: Callable[..., int], make: Callable[[], Plain], items: int) -> None:
        self._loop = unshared(loop)
        self._queue = make()
        self._items = items
        self._last = -1
        # The loop checks only its last item, so that it measures nothing but the queue. Here all are checked.
        some = [object() for _ in range(BATCH)]
        for item in some:
            self._queue.put(item)
            assert self._queue.get() is item
        # In order, which is the same to a heap. A stack gives them back in reverse.
        for number in range(BATCH):
            self._queue.put(number)
        taken = [self._queue.get() for _ in range(BATCH)]
        assert taken in (list(range(BATCH)), list(range(BATCH))[::-1])

    def run(self) -> None:
        self._last = self._loop(self._queue.put, self._queue.get, self._items)

    def check(self) -> None:
        assert self._last == self._items - 1
        assert self._queue.size() == 0


class Streams:
    """Producers with consecutive numbers each. Checks how many items come out, and their sum."""

    def __init__(self, producers: int, make: Callable[[], Plain], rows: int) -> None:
        self._produce, self._consume = unshared(put_range), unshared(get_sum)
        self._producers = producers
        self._rows = rows
        self._queue = make()
        self._total = 0
        self._threads = Daemons()

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
        assert self._total == sum(range(self._rows * self._producers))
        assert self._queue.size() == 0


class Bridge(Generic[E]):
    """A queue with a task at one end or both. Checks the number of items that come out, and their sum."""

    threads = 2
    """The threads of one trial."""

    def __init__(self, make: Callable[[asyncio.AbstractEventLoop], E], items: int) -> None:
        self._threads = Daemons()
        self._loop = asyncio.new_event_loop()
        self._queue = self._loop.run_until_complete(self._made(make))
        self._items = items
        self._total = 0

    async def _made(self, make: Callable[[asyncio.AbstractEventLoop], E]) -> E:
        return make(self._loop)  # some queues can be made only where their loop runs

    def run(self) -> None:
        self._total = self._loop.run_until_complete(self.transfer())

    async def transfer(self) -> int:
        """Passes all items through the queue, and returns the sum of those that came out."""
        raise NotImplementedError

    def check(self) -> None:
        assert self._total == sum(range(self._items))
        assert self._queue.size() == 0
        self._loop.run_until_complete(self._close())
        self._loop.close()

    async def _close(self) -> None:
        await self._queue.close()


class FromThreadToTask(Bridge[FromThread]):
    """A thread puts, a task takes."""

    async def transfer(self) -> int:
        put, get = unshared(put_range), unshared(aget_sum)
        producer = self._loop.run_in_executor(self._threads, put, self._queue.put, 0, self._items)
        total = await get(self._queue.get, self._items)
        await producer
        return total


class FromTaskToThread(Bridge[ToThread]):
    """A task puts, a thread takes."""

    async def transfer(self) -> int:
        put, get = unshared(aput_range), unshared(get_sum)
        consumer = self._loop.run_in_executor(self._threads, get, self._queue.get, self._items)
        await put(self._queue.put, 0, self._items)
        return await consumer


class FromTaskToTask(Bridge[Tasks]):
    """A task puts, another one of the same loop takes."""

    threads = 1

    async def transfer(self) -> int:
        put, get = unshared(aput_range), unshared(aget_sum)
        consumer = self._loop.create_task(get(self._queue.get, self._items))
        await put(self._queue.put, 0, self._items)
        return await consumer
