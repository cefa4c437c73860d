"""The public classes: the compiled ones, with the views of `Queue`."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from . import _core
from ._views import AsyncQueue, wait_closed

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


class Queue(_core.Queue[T]):
    """A first-in, first-out queue for threads and tasks alike, with the interface of `queue.Queue`.

    It grows as items come and gives the memory back when they are gone. Every method may be called from any
    thread; those that wait release the interpreter, use no processor time and can be interrupted.

    Args:
        maxsize: The most items it may hold. Zero or below: no limit.
        initial_capacity: Items that fit before the first growth, from `min_capacity` to `maxsize`; the former
            if not given.
        min_capacity: The capacity below which it never shrinks, at least 1; 64 if not given.
        growth_factor: What the capacity is multiplied by when it is used up, above 1.
        shrink_threshold: The share of the capacity at or below which it shrinks, between 0 and 1.
        overflow: What becomes of an item that there is no room for. "block": its sender waits. "error": it is
            refused at once with Full. "drop_oldest": the oldest items go. "drop_newest": it goes itself. What
            is dropped counts as done for `join`, and in `stats().messages_dropped`.
        max_weight: The most that the items may weigh together, at least 1. None: no limit by weight. Whoever
            waits for room waits his turn then: no light item passes by a heavy one that came before it (a
            `put` that doesn't wait gets Full then). Only a task whose event loop doesn't run is passed by.
        weigh: Gives an item's weight, a non-negative integer; `len` if not given. It is called once for each
            item, in the thread that puts it and without any lock.

    Raises:
        InvalidConfiguration: A setting breaks its rule; also a ValueError.
        TypeError: A setting is of the wrong type.

    Example:
        >>> queue = Queue()
        >>> queue.put("a")
        >>> queue.put_many(["b", "c"])
        >>> queue.get(), queue.get_many(), len(queue)
        ('a', ['b', 'c'], 0)

        The last two lines of a log, and messages of 1 MB at the most in all:

        >>> tail = Queue(maxsize=2, overflow="drop_oldest")
        >>> tail.put_many(["one", "two", "three"])
        >>> list(tail), tail.stats().messages_dropped
        (['two', 'three'], 1)
        >>> messages = Queue(max_weight=1_000_000)
        >>> messages.put(b"x" * 400_000)
        >>> messages.weight, messages.max_weight
        (400000, 1000000)
    """

    __slots__ = ()

    @property
    def async_q(self) -> AsyncQueue[T]:
        """The queue with the interface of `asyncio.Queue` (AsyncQueue).

        Example:
            >>> import asyncio
            >>> queue = Queue()
            >>> async def main():
            ...     queue.sync_q.put("from a thread")
            ...     return await queue.async_q.get()
            >>> asyncio.run(main())
            'from a thread'
        """
        return AsyncQueue(self)

    @property
    def sync_q(self) -> Self:
        """The queue with the interface of `queue.Queue`: itself."""
        return self

    @property
    def closed(self) -> bool:
        """Whether the queue was shut down (bool): the name that janus has for `is_shutdown`."""
        return self.is_shutdown

    async def wait_closed(self) -> None:
        """Wait until whoever was woken by closing has had a turn in this event loop.

        Raises:
            RuntimeError: The queue was not shut down.
        """
        await wait_closed(self)

    async def aclose(self) -> None:
        """Do `close()`, then `wait_closed()`.

        Unlike that of janus, closing keeps what is inside for those who still take;
        `shutdown(immediate=True)` drops it.
        """
        self.close()
        await wait_closed(self)


class DynamicCircularBuffer(_core.DynamicCircularBuffer[T]):
    """A first-in, first-out buffer with the names of the Rust crate.

    Its plain calls answer at once unless `push_timeout` or `pop_timeout` is set. A buffer is false when it is
    empty.

    Args:
        config: The settings; keyword arguments of the same names as those of Config go before it.

    Raises:
        InvalidConfiguration: A setting breaks its rule; also a ValueError.

    Example:
        >>> buffer = DynamicCircularBuffer(initial_capacity=4, min_capacity=4, max_capacity=8)
        >>> buffer.push_batch([1, 2, 3, 4, 5])
        >>> buffer.capacity
        8
        >>> buffer.pop(), buffer.pop_batch(3), len(buffer), buffer.capacity
        (1, [2, 3, 4], 1, 4)
    """

    __slots__ = ()


ThreadSafeDynamicCircularBuffer = DynamicCircularBuffer
"""The same class: a Python object is shared between threads as it is."""


class LockFreeMPSCQueue(_core.LockFreeMPSCQueue[T]):
    """A first-in, first-out queue without locks, of many producers and one consumer.

    Any thread may put in. One thread at a time may take: a second one that takes at the same moment gets
    InvalidOperation, and nothing has happened. That can only be on a Python without a GIL. A queue is false
    when it is empty.

    Args:
        config: The settings; keyword arguments of the same names as those of Config go before it. Its
            timeouts are not looked at: `put` and `get` take one.

    Raises:
        InvalidConfiguration: A setting breaks its rule; also a ValueError.

    Example:
        >>> queue = LockFreeMPSCQueue(max_capacity=2048)
        >>> queue.put("a")
        >>> queue.enqueue_batch(["b", "c"])
        >>> queue.get(), queue.dequeue_batch(10), queue.try_dequeue("nothing")
        ('a', ['b', 'c'], 'nothing')
    """

    __slots__ = ()


class LockFreeMPMCQueue(_core.LockFreeMPMCQueue[T]):
    """A first-in, first-out queue without locks, of many producers and many consumers.

    Any thread may put in and take, and each item goes to one of them. A queue is false when it is empty.

    Args:
        config: The settings; keyword arguments of the same names as those of Config go before it. Its
            timeouts are not looked at: `put` and `get` take one.

    Raises:
        InvalidConfiguration: A setting breaks its rule; also a ValueError.

    Example:
        >>> queue = LockFreeMPMCQueue(max_capacity=2048)
        >>> queue.put("a")
        >>> queue.enqueue_batch(["b", "c"])
        >>> queue.get(), queue.dequeue_batch(10), queue.try_dequeue("nothing")
        ('a', ['b', 'c'], 'nothing')
    """

    __slots__ = ()


class LockFreeSPSCQueue(_core.LockFreeSPSCQueue[T]):
    """A first-in, first-out queue without locks, of one producer and one consumer.

    One thread at a time may put in, and one may take: a second one that does the same at the same moment gets
    InvalidOperation, and nothing has happened. That can only be on a Python without a GIL. A queue is false
    when it is empty.

    Args:
        config: The settings; keyword arguments of the same names as those of Config go before it. Its
            timeouts are not looked at: `put` and `get` take one.

    Raises:
        InvalidConfiguration: A setting breaks its rule; also a ValueError.

    Example:
        >>> queue = LockFreeSPSCQueue(max_capacity=2048)
        >>> queue.put("a")
        >>> queue.enqueue_batch(["b", "c"])
        >>> queue.get(), queue.dequeue_batch(10), queue.try_dequeue("nothing")
        ('a', ['b', 'c'], 'nothing')
    """

    __slots__ = ()


for _class in (
    Queue,
    DynamicCircularBuffer,
    LockFreeMPSCQueue,
    LockFreeMPMCQueue,
    LockFreeSPSCQueue,
):
    _class.__module__ = "elasticq"  # where users find it
