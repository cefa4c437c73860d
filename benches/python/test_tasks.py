"""From a thread to a task, from a task to a thread, and from task to task. The consumer adds up the items."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Generic, TypeVar

import pytest
from ends import (
    OURS,
    Ends,
    FromThread,
    Tasks,
    ToThread,
    asyncio_lifo,
    asyncio_priority,
    asyncio_tasks,
    call_soon_from_thread,
    culsans_from_thread,
    culsans_tasks,
    culsans_to_thread,
    elastic_asyncio_lifo,
    elastic_asyncio_priority,
    elastic_asyncio_tasks,
    elastic_from_thread,
    elastic_tasks,
    elastic_to_thread,
    janus_from_thread,
    janus_tasks,
    janus_to_thread,
)
from loops import aget_sum, aput_range, get_sum, put_range
from versus import Contender, Contest, Target, unshared

pytest_plugins = ["versus.plugin"]

E = TypeVar("E", bound=Ends[Any, Any])

Maker = Callable[[int, asyncio.AbstractEventLoop], Ends[Any, Any]]


class Bridge(Generic[E]):
    """A queue with a task at one end or both. Checks the number of items that come out, and their sum."""

    threads = 2
    """The threads of one trial."""

    def __init__(self, make: Callable[[asyncio.AbstractEventLoop], E], items: int) -> None:
        self._threads = ThreadPoolExecutor(1)
        self._loop = asyncio.new_event_loop()
        self._queue = make(self._loop)
        self._items = items
        self._total = 0

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
        self._threads.shutdown()

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


def bridge(
    name: str,
    maxsize: int,
    trial: type[Bridge[Any]],
    makers: Sequence[tuple[str, Maker]],
    target: Target,
) -> Contest:
    """With a limit, the two ends wake each other. Without one, no task waits for room."""
    limit = f"room for {maxsize:,}" if maxsize else "no limit"
    contenders = [Contender(label, partial(trial, partial(make, maxsize))) for label, make in makers]
    return Contest(f"{name}, {limit}", contenders, [target], trial.threads)


@pytest.mark.parametrize("maxsize", [0, 1_000])
def test_thread_to_task(compete: Callable[[Contest], None], maxsize: int) -> None:
    makers: list[tuple[str, Maker]] = [
        (OURS, elastic_from_thread),
        ("janus", janus_from_thread),
        ("culsans", culsans_from_thread),
    ]
    if maxsize == 0:
        makers.append(("call_soon_threadsafe", call_soon_from_thread))
    compete(bridge("thread to task", maxsize, FromThreadToTask, makers, Target("janus", 15)))


@pytest.mark.parametrize("maxsize", [0, 1_000])
def test_task_to_thread(compete: Callable[[Contest], None], maxsize: int) -> None:
    makers = [(OURS, elastic_to_thread), ("janus", janus_to_thread), ("culsans", culsans_to_thread)]
    compete(bridge("task to thread", maxsize, FromTaskToThread, makers, Target("janus", 15)))


@pytest.mark.parametrize("maxsize", [0, 100, 1])
def test_task_to_task(compete: Callable[[Contest], None], maxsize: int) -> None:
    makers = [
        (OURS, elastic_tasks),
        ("asyncio.Queue", asyncio_tasks),
        ("janus", janus_tasks),
        ("culsans", culsans_tasks),
    ]
    compete(bridge("task to task", maxsize, FromTaskToTask, makers, Target("asyncio.Queue", 3)))


@pytest.mark.parametrize("maxsize", [0, 100])
@pytest.mark.parametrize(
    ("name", "ours", "standard"),
    [
        ("Queue", elastic_asyncio_tasks, asyncio_tasks),
        ("LifoQueue", elastic_asyncio_lifo, asyncio_lifo),
        ("PriorityQueue", elastic_asyncio_priority, asyncio_priority),
    ],
)
def test_asyncio_names(
    compete: Callable[[Contest], None], name: str, ours: Maker, standard: Maker, maxsize: int
) -> None:
    """Programs that have moved by their import alone."""
    makers = [(f"elasticq.asyncio.{name}", ours), (f"asyncio.{name}", standard)]
    target = Target(f"asyncio.{name}", 5 if name == "Queue" else 1)
    compete(bridge(f"task to task, {name} of asyncio", maxsize, FromTaskToTask, makers, target))
