"""The public classes. They add to the compiled ones what Python does better: hooks, orders and views."""

from __future__ import annotations

from . import _core
from ._errors import InvalidConfiguration
from ._standard import Hooks
from ._typing import TYPE_CHECKING, T, cast
from ._views import AsyncQueue, wait_closed

if TYPE_CHECKING:
    from typing import Literal, Self


class Queue(Hooks[T]):
    """A first-in, first-out queue for threads and tasks alike, with the interface of `queue.Queue`.

    It grows as items come, and gives the memory back when they are gone. Any thread may call any method. The
    methods that wait release the interpreter, use no processor time and can be interrupted.

    **The inside of `queue.Queue`** is there, too: `mutex`, the three conditions, `queue`, setting `maxsize`,
    `unfinished_tasks` or `is_shutdown`, and in subclasses `_init`, `_qsize`, `_put` and `_get`. The first use
    moves that one queue for good to a lock and a deque of Python's, which are much slower. Reading these
    attributes is not a use, but taking the lock or touching the container is. A queue with `max_weight` can't
    move: such a use raises InvalidOperation, which is an AttributeError there.

    **Subclasses that override `_get`** need two more methods for looking. `_peek()` gives the item that
    `_get` would take now. `_in_order(items)` gives all items in the order in which `_get` would take them;
    `items` is a list of what is in `queue`. Without these two `peek`, `iter` and `list` raise
    InvalidOperation. Everything else uses the four hooks, and calls them under the lock. A signal handler
    that interrupts a hook may use the queue, and finds it as if the hook had done its work. So the handler
    should not wait for that work.

    **Subclasses that override `put` or `get`** see the items that come and go. `put_nowait` calls
    `put(item, block=False)` and `get_nowait` calls `get(block=False)`, as in `queue.Queue`. `put_many`,
    `get_many`, `consume` and the `_nowait` calls of `async_q` call them in the same way for each item. (So an
    override calls `super().put` or `super().get`, and none of these.) Methods that are awaited must not
    block, so they don't call `put` or `get`: override `aput`, `aget` and their batches, or better `_put` and
    `_get`, which all methods use. `drain`, `clear` and looking don't call them either. A queue looks for
    overrides once, when it is made.

    Args:
        maxsize: The most items that the queue may hold. Zero or below means no limit.
        initial_capacity: How many items fit before the first growth, from `min_capacity` to `maxsize`. The
            default is `min_capacity`.
        min_capacity: The capacity below which the queue never shrinks, at least 1. The default is 64.
        growth_factor: What the capacity is multiplied by when it is used up, above 1.
        shrink_threshold: The share of the capacity at or below which it shrinks, between 0 and 1.
        overflow: What a put does if there is no room. "block": it waits. "error": it is refused at once with
            Full. "drop_oldest": the oldest items are dropped. "drop_newest": the new item is dropped. Dropped
            items count as done for `join`, and in `stats().messages_dropped`.
        max_weight: The most that the items may weigh together, at least 1. None means no limit by weight.
            With a limit, puts that wait for room are served first come, first served: no light item passes a
            heavy one that came before it. (A `put` that doesn't wait gets Full then.) Only a task whose event
            loop doesn't run is passed. If its loop is merely busy, other loops and threads wait for the task:
            that is the price of the order.
        weigh: Gives an item's weight, a non-negative integer. The default is `len`. It is called once for
            each item, in the thread that puts it, without any lock.

    Raises:
        InvalidConfiguration: A setting breaks its rule. It is also a ValueError.
        TypeError: A setting is of the wrong type.

    Example:
        >>> queue = Queue()
        >>> queue.put("a")
        >>> queue.put_many(["b", "c"])
        >>> queue.get(), queue.get_many(), len(queue)
        ('a', ['b', 'c'], 0)

        The last two lines of a log, and messages of at most 1 MB in all:

        >>> tail = Queue(maxsize=2, overflow="drop_oldest")
        >>> tail.put_many(["one", "two", "three"])
        >>> list(tail), tail.stats().messages_dropped
        (['two', 'three'], 1)
        >>> messages = Queue(max_weight=1_000_000)
        >>> messages.put(b"x" * 400_000)
        >>> messages.weight, messages.max_weight
        (400000, 1000000)
    """

    def __elasticq__(self) -> Self:
        return self

    @_core._computed
    def async_q(self) -> AsyncQueue[T]:
        """The queue as a view with the interface of `asyncio.Queue` (AsyncQueue).

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

    @_core._computed
    def sync_q(self) -> Self:
        """The queue with the interface of `queue.Queue`: itself."""
        return self

    async def wait_closed(self) -> None:
        """Wait until the tasks of this event loop that closing has woken have had a turn.

        Raises:
            RuntimeError: The queue was not shut down.
        """
        await wait_closed(self)

    async def aclose(self) -> None:
        """Do `close()`, then `wait_closed()`.

        Closing keeps the items that are inside, so they can still be taken, and `join` waits until they are
        done. `shutdown(immediate=True)` drops them and lets who joins go. (In janus and culsans closing
        does that; so it does in `elasticq.janus` and `elasticq.culsans`.)
        """
        self.shutdown()
        await wait_closed(self)


class LifoQueue(Queue[T]):
    """A last-in, first-out queue with the interface of `queue.LifoQueue`, and the other methods of `Queue`.

    It works as `Queue` does, and moves to a lock and a list of Python's for the same reasons. `iter()` and
    `peek()` look at the items in the order in which `get`, `get_many` and `drain` take them.

    Args:
        maxsize: The most items that the queue may hold. Zero or below means no limit.
        overflow: What a put does if there is no room, as in `Queue`. "drop_oldest" drops the item that would
            be taken last.

    Example:
        >>> queue = LifoQueue()
        >>> queue.put_many("abc")
        >>> queue.get(), queue.peek(), list(queue)
        ('c', 'b', ['b', 'a'])
    """

    _Hooks__order = "lifo"

    def __init__(
        self,
        maxsize: int = 0,
        *,
        overflow: Literal["block", "error", "drop_oldest", "drop_newest"] = "block",
    ) -> None:
        super().__init__(maxsize, overflow=overflow)

    def _init(self, maxsize: int) -> None:
        self.queue = []

    def _get(self) -> T:
        item: T = _core._standard_of(self).queue.pop()
        return item

    def _evict(self) -> T:
        item: T = _core._standard_of(self).queue.pop(0)
        return item

    def _peek(self) -> T:
        item: T = _core._standard_of(self).queue[-1]
        return item

    def _in_order(self, items: list[T]) -> list[T]:
        return items[::-1]


class PriorityQueue(Queue[T]):
    """A queue that gives its smallest item first, with the interface of `queue.PriorityQueue` and of `Queue`.

    It consists of a lock and a list of Python's, like a `Queue` that has moved. The list is a heap, as
    `heapq` keeps it. If a comparison of two items raises, the queue stays as it was: an item that was being
    put is not in it, and one that was being taken still is.

    Numbers, strings and tuples that begin with them are compared under the lock. All other items are compared
    without the lock, and once more if the queue has changed meanwhile. So a comparison may use the queue, and
    may wait for another thread that does.

    `iter()` and `peek()` look at the items in the order in which `get`, `get_many` and `drain` take them.

    Args:
        maxsize: The most items that the queue may hold. Zero or below means no limit.
        overflow: What a put does if there is no room, as in `Queue`. It can't be "drop_oldest", as a heap
            does not know which item is the oldest.

    Example:
        >>> queue = PriorityQueue()
        >>> queue.put_many([(2, "later"), (1, "first"), (3, "last")])
        >>> queue.get(), queue.peek(), list(queue)
        ((1, 'first'), (2, 'later'), [(2, 'later'), (3, 'last')])
    """

    _Hooks__order = "heap"

    def __init__(
        self, maxsize: int = 0, *, overflow: Literal["block", "error", "drop_newest"] = "block"
    ) -> None:
        if overflow == "drop_oldest":  # type: ignore[comparison-overlap]
            rule = "must be one of 'block', 'error', 'drop_newest' in a PriorityQueue"
            raise InvalidConfiguration(f"overflow = {overflow!r}: {rule}")
        super().__init__(maxsize, overflow=overflow)

    def _init(self, maxsize: int) -> None:
        self.queue = []

    def _put(self, item: T) -> None:
        _core._heap_push(_core._standard_of(self).queue, item)

    def _get(self) -> T:
        return cast("T", _core._heap_pop(_core._standard_of(self).queue))

    def _peek(self) -> T:
        item: T = _core._standard_of(self).queue[0]
        return item

    def _in_order(self, items: list[T]) -> list[T]:
        return cast("list[T]", _core._heap_in_order(items))


class SimpleQueue(_core.SimpleQueue[T]):
    """An unbounded first-in, first-out queue with the interface of `queue.SimpleQueue`.

    `put` never blocks. A `__del__` or a signal handler may call it at any moment. Tasks use `aput`, `aget`
    and `async for`. After `close` every put is refused. As in the standard library, no other method calls a
    `put` or `get` that a subclass overrides.

    Example:
        >>> queue = SimpleQueue()
        >>> queue.put("a")
        >>> queue.get(), queue.empty()
        ('a', True)
    """

    __slots__ = ()


class DynamicCircularBuffer(_core.DynamicCircularBuffer[T]):
    """A first-in, first-out buffer with the names of the Rust crate.

    The plain calls answer at once unless `push_timeout` or `pop_timeout` is set. An empty buffer is false.

    Args:
        config: The settings. Keyword arguments with Config's names take precedence over it.

    Raises:
        InvalidConfiguration: A setting breaks its rule. It is also a ValueError.

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
"""The same class: threads share a Python object as it is."""


class BufferChannel(_core.BufferChannel[T]):
    """A channel between threads and tasks: sending waits for room, receiving for an item.

    Any number of threads and event loops may send and receive; each item goes to one receiver. `async for`
    and `consume()` receive until the channel is closed and empty. In a `with` block it is closed at the end:
    what is inside can still be received. `aput` and `aget` of the other queues work, too. A channel is always
    true, also an empty one.

    Args:
        config: The settings. Keyword arguments with Config's names take precedence over it. `max_capacity` is
            the most items that are under way, 65,536 if it is not named. Without a `config`, the smaller
            capacities that are not named follow it. Timeouts are not used: the methods have an argument.

    Raises:
        InvalidConfiguration: A setting breaks its rule. It is also a ValueError.

    Example:
        A thread that works for an event loop:

        >>> import asyncio, threading
        >>> def double(numbers, doubled):
        ...     with doubled:
        ...         for number in numbers.consume():
        ...             doubled.send(2 * number)
        >>> async def main():
        ...     numbers, doubled = BufferChannel(), BufferChannel()
        ...     threading.Thread(target=double, args=(numbers, doubled)).start()
        ...     await numbers.asend_many([1, 2, 3])
        ...     numbers.close()
        ...     return [number async for number in doubled]
        >>> asyncio.run(main())
        [2, 4, 6]
    """

    __slots__ = ()


class LockFreeMPSCQueue(_core.LockFreeMPSCQueue[T]):
    """A first-in, first-out queue without locks, for many producers and one consumer.

    Any thread may put. One thread at a time may take. A second thread that takes at the same moment tries
    again if its call may wait. Otherwise the call raises InvalidOperation, and nothing has happened. This
    occurs only on a Python without a GIL. An empty queue is false.

    Args:
        config: The settings. Keyword arguments with Config's names take precedence over it. Its timeouts are
            not used: `put` and `get` have an argument `timeout`.

    Raises:
        InvalidConfiguration: A setting breaks its rule. It is also a ValueError.

    Example:
        >>> queue = LockFreeMPSCQueue(max_capacity=2048)
        >>> queue.put("a")
        >>> queue.enqueue_batch(["b", "c"])
        >>> queue.get(), queue.dequeue_batch(10), queue.try_dequeue("nothing")
        ('a', ['b', 'c'], 'nothing')
    """

    __slots__ = ()


class LockFreeMPMCQueue(_core.LockFreeMPMCQueue[T]):
    """A first-in, first-out queue without locks, for many producers and many consumers.

    Any thread may put and take. Each item goes to one consumer. An empty queue is false.

    Args:
        config: The settings. Keyword arguments with Config's names take precedence over it. Its timeouts are
            not used: `put` and `get` have an argument `timeout`.

    Raises:
        InvalidConfiguration: A setting breaks its rule. It is also a ValueError.

    Example:
        >>> queue = LockFreeMPMCQueue(max_capacity=2048)
        >>> queue.put("a")
        >>> queue.enqueue_batch(["b", "c"])
        >>> queue.get(), queue.dequeue_batch(10), queue.try_dequeue("nothing")
        ('a', ['b', 'c'], 'nothing')
    """

    __slots__ = ()


class LockFreeSPSCQueue(_core.LockFreeSPSCQueue[T]):
    """A first-in, first-out queue without locks, for one producer and one consumer.

    One thread at a time may put, and one may take. A second thread that does the same at the same moment
    tries again if its call may wait. Otherwise the call raises InvalidOperation, and nothing has happened.
    This occurs only on a Python without a GIL. An empty queue is false.

    Args:
        config: The settings. Keyword arguments with Config's names take precedence over it. Its timeouts are
            not used: `put` and `get` have an argument `timeout`.

    Raises:
        InvalidConfiguration: A setting breaks its rule. It is also a ValueError.

    Example:
        >>> queue = LockFreeSPSCQueue(max_capacity=2048)
        >>> queue.put("a")
        >>> queue.enqueue_batch(["b", "c"])
        >>> queue.get(), queue.dequeue_batch(10), queue.try_dequeue("nothing")
        ('a', ['b', 'c'], 'nothing')
    """

    __slots__ = ()
