"""The queues of the module asyncio, for programs that change an import: `from elasticq.asyncio import Queue`.

They have the semantics of Python 3.13 on every Python, and serve any number of event loops and threads at
once. `QueueEmpty` and `QueueFull` are asyncio's own classes, and so is `QueueShutDown` where Python has it.
So a handler catches what these queues raise and what asyncio's raise. What these queues raise is also one of
elasticq's errors.
"""

from __future__ import annotations

import sys
from asyncio import QueueEmpty, QueueFull
from typing import Any, TypeVar

from . import _core, _queue
from ._public import publish as _publish
from ._views import AsyncQueue

if sys.version_info >= (3, 13):
    from asyncio import QueueShutDown
else:
    from ._errors import ShutDown as QueueShutDown

__all__ = ["LifoQueue", "PriorityQueue", "Queue", "QueueEmpty", "QueueFull", "QueueShutDown"]

T = TypeVar("T")


class Queue(AsyncQueue[T]):
    """A first-in, first-out queue with the interface of `asyncio.Queue`.

    It may be made outside of any event loop, outlive a loop, and be used by several loops and by threads at
    once. Threads use the calls that don't wait. If threads wait, too, make an `elasticq.Queue` for them, and
    give the tasks its `async_q`. A subclass may override `_init`, `_put` and `_get`, whose container is
    `_queue`.

    Args:
        maxsize: The most items that the queue may hold. Zero or below means no limit.

    Raises:
        TypeError: `maxsize` is not a number.

    Example:
        >>> import asyncio
        >>> from elasticq.asyncio import Queue
        >>> async def main():
        ...     queue = Queue(maxsize=2)
        ...     await queue.put("a")
        ...     print(str(queue))
        ...     return await queue.get()
        >>> asyncio.run(main())
        <Queue maxsize=2 _queue=['a'] tasks=1>
        'a'
    """

    def __init__(self, maxsize: int = 0) -> None:
        super().__init__(maxsize)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {_state(self)}>"

    def __str__(self) -> str:
        return f"<{type(self).__name__} {_state(self)}>"


class LifoQueue(Queue[T]):
    """A last-in, first-out queue with the interface of `asyncio.LifoQueue`. `_queue` is a list.

    Args:
        maxsize: The most items that the queue may hold. Zero or below means no limit.

    Example:
        >>> from elasticq.asyncio import LifoQueue
        >>> queue = LifoQueue()
        >>> queue.put_nowait("a")
        >>> queue.put_nowait("b")
        >>> queue.get_nowait()
        'b'
    """

    _AsyncQueue__made_of = _queue.LifoQueue

    def _init(self, maxsize: int) -> None:
        self._queue = []

    def _get(self) -> T:
        item: T = self._queue.pop()
        return item


class PriorityQueue(Queue[T]):
    """A queue that gives its smallest item first, with the interface of `asyncio.PriorityQueue`.

    `_queue` is a list, a heap as `heapq` keeps it. Items are compared as in `elasticq.PriorityQueue`: if a
    comparison raises, the queue stays as it was.

    Args:
        maxsize: The most items that the queue may hold. Zero or below means no limit.

    Example:
        >>> from elasticq.asyncio import PriorityQueue
        >>> queue = PriorityQueue()
        >>> queue.put_nowait((2, "later"))
        >>> queue.put_nowait((1, "first"))
        >>> queue.get_nowait()
        (1, 'first')
    """

    _AsyncQueue__made_of = _queue.PriorityQueue

    def _init(self, maxsize: int) -> None:
        self._queue = []

    def _put(self, item: T) -> None:
        _core._heap_push(self._queue, item)

    def _get(self) -> T:
        item: T = _core._heap_pop(self._queue)
        return item


def _state(queue: Queue[Any]) -> str:
    """Say what `repr` says: the limit, the items, who waits, and what is not done."""
    compiled = queue.__elasticq__()
    said = [f"maxsize={queue.maxsize!r}"]
    items = _items(compiled)
    if items is None:
        said.append("_queue=busy")
    elif items:
        said.append(f"_queue={items!r}")
    waiters = _core.Elastic.waiters(compiled)
    for name, waiting in (("_getters", waiters.item), ("_putters", waiters.room)):
        if count := waiting.threads + waiting.tasks:
            said.append(f"{name}[{count}]")
    if unfinished := compiled.unfinished_tasks:
        said.append(f"tasks={unfinished}")
    if compiled.is_shutdown:
        said.append("shutdown")
    return " ".join(said)


def _items(compiled: Any) -> list[Any] | None:
    """Return the items as the container has them; None if another thread holds the lock."""
    moved = _core._moved_of(compiled)
    if moved is None:
        items = list(_core.Elastic.__iter__(compiled))
        return items[::-1] if isinstance(compiled, _queue.LifoQueue) else items
    if not moved.mutex.acquire(blocking=False):
        return None
    try:
        return [] if moved.queue is None else list(moved.queue)
    finally:
        moved.mutex.release()


_publish(globals())
