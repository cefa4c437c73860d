"""The public classes: the compiled ones, with what Python does better, hooks, orders and views."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeVar, cast

from . import _core
from ._errors import InvalidConfiguration
from ._standard import Hooks
from ._views import AsyncQueue, wait_closed

if TYPE_CHECKING:
    from typing_extensions import Self

T = TypeVar("T")


class Queue(Hooks[T]):
    """A first-in, first-out queue for threads and tasks alike, with the interface of `queue.Queue`.

    It grows as items come and gives the memory back when they are gone. Every method may be called from any
    thread; those that wait release the interpreter, use no processor time and can be interrupted.

    What shows the inside of `queue.Queue` works, too: `mutex`, the three conditions, `queue`, setting
    `maxsize`, `unfinished_tasks` or `is_shutdown`, and in subclasses `_init`, `_qsize`, `_put` and `_get`.
    The first use moves that one queue for good to a lock and a deque of Python's, which is much slower. To
    read the attributes is no use of them, but to take the lock or to touch the container is. A queue with
    `max_weight` can't be moved: InvalidOperation, which is an AttributeError there.

    A subclass that overrides `_get` tells by `_peek()` which item that would give now, and by
    `_in_order(items)` in which order it would give all of them; `items` is a list of what is in `queue`.
    Without them `peek`, `iter` and `list` raise InvalidOperation; everything else goes by the four hooks.
    They are called under the lock. A signal handler that interrupts one may use the queue, and finds it as if
    the hook had done its work; so it should not wait for that.

    **Subclasses that override `put` or `get`** see what comes and goes by them: `put_nowait` calls
    `put(item, block=False)` and `get_nowait` calls `get(block=False)`, as in `queue.Queue`, and in the same
    way `put_many`, `get_many`, `consume` and the `_nowait` calls of `async_q` call them for each item. (So an
    override goes on to `super().put` and `super().get`, not to these.) What is awaited doesn't, since it must
    not block: override `aput`, `aget` and their batches, or better `_put` and `_get`, which everything goes
    through. Nor do `drain`, `clear` and looking. A class is asked once what it overrides, when a queue is
    made.

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
            For one whose loop is busy also other loops and threads wait: that is the price of the order.
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

    @_core._computed
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

    @_core._computed
    def sync_q(self) -> Self:
        """The queue with the interface of `queue.Queue`: itself."""
        return self

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
        self.shutdown()
        await wait_closed(self)


class LifoQueue(Queue[T]):
    """A last-in, first-out queue, with the interface of `queue.LifoQueue` and all that `Queue` has beside it.

    It stands on a lock and a list of Python's: see the moved `Queue`. `iter()` and `peek()` look in the order
    in which the items will be taken, `get_many` and `drain` take in it.

    Args:
        maxsize: The most items it may hold. Zero or below: no limit.
        overflow: What becomes of an item that there is no room for, as in `Queue`. "drop_oldest" drops the
            one that would be taken last.

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

    It stands on a lock and a list of Python's, a heap as `heapq` keeps it: see the moved `Queue`. When
    comparing two items raises, the queue stays as it was: what was being put is not in it, what was being
    taken still is. Numbers, strings and tuples that begin with them are compared under the lock. All other
    items are compared without it, and once more if the queue has changed meanwhile, so a comparison may use
    the queue, and may wait for another thread that does.

    `iter()` and `peek()` look in the order in which the items will be taken, `get_many` and `drain` take in
    it.

    Args:
        maxsize: The most items it may hold. Zero or below: no limit.
        overflow: What becomes of an item that there is no room for, as in `Queue`; not "drop_oldest", as a
            heap does not know which item that is.

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

    `put` never blocks and may be called by a `__del__` or a signal handler at any moment. Tasks use `aput`,
    `aget` and `async for`; `close` ends it. As in the standard library, nothing calls a `put` or
    `get` that a subclass overrides.

    Example:
        >>> queue = SimpleQueue()
        >>> queue.put("a")
        >>> queue.get(), queue.empty()
        ('a', True)
    """

    __slots__ = ()


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

    Any thread may put in. One thread at a time may take: a second one that comes at the same moment tries
    again where it may wait, and else gets InvalidOperation, and nothing has happened. That can only be on a
    Python without a GIL. A queue is false when it is empty.

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

    One thread at a time may put in, and one may take: a second one that does the same at the same moment
    tries again where it may wait, and else gets InvalidOperation, and nothing has happened. That can only be
    on a Python without a GIL. A queue is false when it is empty.

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
