"""The queues: culsans' names for what a queue of elasticq does.

A queue here consists of one queue of elasticq, `__elastic`, which has the items, the lock and the waiters.
Only where a subclass overrides a hook, or items have sizes, that queue is an `Adapter`: it calls the hooks of
this one under its lock. The errors are those of this module, which are elasticq's, too.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeVar, cast

from .. import _queue as elasticq
from .._errors import Empty, Full, ShutDown
from .._views import wait_closed
from ._adapters import Adapter, SizedAdapter
from ._calls import Waiting, check_loop, check_thread, check_timeout, one, only, waiting
from ._errors import UnsupportedOperation, as_culsans
from ._protocols import UNSET, MixedQueue
from ._proxies import AsyncQueueProxy, GreenQueueProxy, SyncQueueProxy

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable


class _SupportsLT(Protocol):
    def __lt__(self, other: Any, /) -> Any: ...


class _SupportsGT(Protocol):
    def __gt__(self, other: Any, /) -> Any: ...


T = TypeVar("T")
R = TypeVar("R", bound="_SupportsLT | _SupportsGT")

_ENDS = (Empty, Full, ShutDown)

_HOOKS = ("_init", "_qsize", "_put", "_get", "_peekable", "_peek", "_clearable", "_clear")
"""What a subclass may override."""


class Queue(MixedQueue[T]):
    """A first-in, first-out queue with the interface of `culsans.Queue`, for threads and tasks at once.

    It belongs to no event loop. Any thread may call any method. A call that is cancelled or fails has put
    nothing and taken nothing.

    **Subclasses** may override `_init`, `_qsize`, `_put`, `_get`, `_peekable`, `_peek`, `_clearable` and
    `_clear`. These are called under the lock, `mutex`, which is re-entrant. Such a queue consists of Python's
    lock and container, and is slower. So is one whose `maxsize` is set, whose items have sizes, or whose
    lock or conditions are used.

    Args:
        maxsize: The most that the items may measure together. Zero or below means no limit.
        sizer: Gives an item's size, a non-negative integer. It is called several times, with the lock or
            without. Without one (and without an attribute `_isize` of the subclass, which is the same) each
            item counts as 1.

    Example:
        >>> import asyncio
        >>> queue = Queue(maxsize=2)
        >>> queue.sync_q.put("from a thread")
        >>> async def main():
        ...     return await queue.async_q.peek(), await queue.async_q.get()
        >>> asyncio.run(main())
        ('from a thread', 'from a thread')
        >>> queue.unfinished_tasks, queue.putting, queue.getting
        (1, 0, 0)

        Three items measure 6 bytes, and 2 are left:

        >>> messages = Queue(8, sizer=len)
        >>> for message in [b"one", b"t", b"oo"]:
        ...     messages.put_nowait(message)
        >>> messages.size, messages.full(), messages.qsize()
        (6, False, 3)
    """

    __slots__ = ("__elastic", "__getters", "__putters", "__weakref__", "_isize")

    __elastic: elasticq.Queue[T]
    __putters: deque[int]
    __getters: deque[int]
    _isize: Callable[[T], int]

    __kind: ClassVar[type[elasticq.Queue[Any]]] = elasticq.Queue
    """Which queue of elasticq has the order of this class."""

    __hooked: ClassVar[bool] = False
    """Whether the class overrides a hook."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.__hooked = _overrides(cls, _HOOKS)

    def __init__(self, maxsize: int = 0, *, sizer: Callable[[T], int] = UNSET) -> None:
        self.__putters, self.__getters = deque(), deque()
        if sizer is not UNSET:
            self._isize = sizer
        sized = hasattr(self, "_isize")
        if not sized:
            self._isize = one
        if sized or self.__hooked:
            kind: type[Adapter[T]] = SizedAdapter if sized else Adapter
            adapter = kind.__new__(kind)
            self.__elastic = adapter
            adapter._sees_next = not _overrides(type(self), ("_init", "_get", "_peek"))
            adapter.attach(self, maxsize)
        else:
            self.__elastic = self.__kind(maxsize)

    def __bool__(self) -> bool:
        return self.__elastic.qsize() > 0

    def __len__(self) -> int:
        return self.__elastic.qsize()

    def peekable(self) -> bool:
        """Tell whether `peek` is possible: what the hook `_peekable` says."""
        return self.__ask(self._peekable)

    def clearable(self) -> bool:
        """Tell whether `clear` is possible: what the hook `_clearable` says."""
        return self.__ask(self._clearable)

    def isize(self, item: T) -> int:
        """Give the size of an item (int): what the sizer says, or 1."""
        return self._isize(item)

    def qsize(self) -> int:
        """Give the number of items now (int)."""
        return self.__elastic.qsize()

    def empty(self) -> bool:
        """Tell whether there is no item now."""
        return self.__elastic.qsize() <= 0

    def full(self) -> bool:
        """Tell whether the limit is reached. False if there is none."""
        return self.__elastic.full()

    # Putting.

    def sync_put(
        self, item: T, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET
    ) -> None:
        """Put an item, and block until there is room if need be.

        Args:
            item: The item.
            block: Whether to wait for room. The default is True.
            timeout: For how many seconds to wait at the most, not negative. None: for ever.
            blocking: Another name of `block`. Only one of them may be given.

        Raises:
            QueueFull: There is no room, or none came in time.
            QueueShutDown: The queue was shut down, before the call or during it.
            ValueError: `timeout` is negative, or both `block` and `blocking` are given.
        """
        if blocking is not UNSET:
            block = only(block, blocking)
        elif block is UNSET:
            block = True
        if timeout is not None:
            check_timeout(timeout)
        try:
            if not self.__elastic._offer(item):
                with Waiting(self.__putters):
                    self.__elastic.put(item, block, timeout)
        except _ENDS as error:
            raise as_culsans(error) from None

    async def async_put(self, item: T) -> None:
        """Put an item, and wait for room if need be.

        Raises:
            QueueShutDown: The queue was shut down, before the call or during it.
        """
        try:
            if not self.__elastic._offer(item):
                check_loop("async_put")
                with Waiting(self.__putters):
                    await self.__elastic.aput(item)
        except _ENDS as error:
            raise as_culsans(error) from None

    def put_nowait(self, item: T) -> None:
        """Put an item if there is room now. Needs no event loop.

        Raises:
            QueueFull: There is no room.
            QueueShutDown: The queue was shut down.
        """
        try:
            self.__elastic.put_nowait(item)
        except _ENDS as error:
            raise as_culsans(error) from None

    # Taking.

    def sync_get(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Take the next item, and block until there is one if need be.

        Args:
            block: Whether to wait for an item. The default is True.
            timeout: For how many seconds to wait at the most, not negative. None: for ever.
            blocking: Another name of `block`. Only one of them may be given.

        Raises:
            QueueEmpty: There is no item, or none came in time.
            QueueShutDown: There is no item, and the queue was shut down.
            ValueError: `timeout` is negative, or both `block` and `blocking` are given.
        """
        if blocking is not UNSET:
            block = only(block, blocking)
        elif block is UNSET:
            block = True
        if timeout is not None:
            check_timeout(timeout)
        try:
            if (item := self.__elastic._poll(UNSET)) is UNSET:
                with Waiting(self.__getters):
                    item = self.__elastic.get(block, timeout)
        except _ENDS as error:
            raise as_culsans(error) from None
        return item

    async def async_get(self) -> T:
        """Take the next item, and wait for one if need be.

        Raises:
            QueueShutDown: There is no item, and the queue was shut down.
        """
        try:
            if (item := self.__elastic._poll(UNSET)) is UNSET:
                check_loop("async_get")
                with Waiting(self.__getters):
                    item = await self.__elastic.aget()
        except _ENDS as error:
            raise as_culsans(error) from None
        return item

    def get_nowait(self) -> T:
        """Take the next item if there is one. Needs no event loop.

        Raises:
            QueueEmpty: There is no item.
            QueueShutDown: There is no item, and the queue was shut down.
        """
        try:
            return self.__elastic.get_nowait()
        except _ENDS as error:
            raise as_culsans(error) from None

    # Looking.

    def sync_peek(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Return the next item and leave it in the queue; block until there is one if need be.

        Another thread or task may take it meanwhile.

        Args:
            block: Whether to wait for an item. The default is True.
            timeout: For how many seconds to wait at the most, not negative. None: for ever.
            blocking: Another name of `block`. Only one of them may be given.

        Raises:
            QueueEmpty: There is no item, or none came in time.
            QueueShutDown: There is no item, and the queue was shut down.
            UnsupportedOperation: The hook `_peekable` says no.
            ValueError: `timeout` is negative, or both `block` and `blocking` are given.
        """
        if blocking is not UNSET:
            block = only(block, blocking)
        elif block is UNSET:
            block = True
        if timeout is not None:
            check_timeout(timeout)
        self.__check("peek", "_peekable")
        try:
            try:
                return self.__elastic.peek()
            except Empty:
                with Waiting(self.__getters):
                    return self.__elastic.peek(block, timeout)
        except _ENDS as error:
            raise as_culsans(error) from None

    async def async_peek(self) -> T:
        """Return the next item and leave it in the queue; wait for one if need be.

        Raises:
            QueueShutDown: There is no item, and the queue was shut down.
            UnsupportedOperation: The hook `_peekable` says no.
        """
        self.__check("peek", "_peekable")
        try:
            try:
                return self.__elastic.peek()
            except Empty:
                check_loop("async_peek")
                with Waiting(self.__getters):
                    return await self.__elastic.apeek()
        except _ENDS as error:
            raise as_culsans(error) from None

    def peek_nowait(self) -> T:
        """Return the next item if there is one, and leave it in the queue. Needs no event loop.

        Raises:
            QueueEmpty: There is no item.
            QueueShutDown: There is no item, and the queue was shut down.
            UnsupportedOperation: The hook `_peekable` says no.
        """
        self.__check("peek", "_peekable")
        try:
            return self.__elastic.peek()
        except _ENDS as error:
            raise as_culsans(error) from None

    # Tasks done, and the end.

    def task_done(self) -> None:
        """Report that an item that was taken has been dealt with.

        Raises:
            ValueError: There were more such reports than items.
        """
        self.__elastic.task_done()

    def sync_join(self) -> None:
        """Block until every item that was put has been reported with `task_done`."""
        self.__elastic.join()

    async def async_join(self) -> None:
        """Wait until every item that was put has been reported with `task_done`."""
        if self.__elastic.unfinished_tasks:
            check_loop("async_join")
            await self.__elastic.ajoin()

    def clear(self) -> None:
        """Drop all items at once, and count them as done.

        Raises:
            UnsupportedOperation: The hook `_clearable` says no.
        """
        self.__check("clear", "_clearable")
        self.__elastic.clear()

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse items from now on, and wake all that wait for room, or for items that will not come.

        Args:
            immediate: Whether to drop the items inside, too. They then count as done for `join`.
        """
        self.__elastic.shutdown(immediate)

    def close(self) -> None:
        """Do `shutdown(immediate=True)`: the items inside are dropped."""
        self.shutdown(immediate=True)

    async def wait_closed(self) -> None:
        """Wait until the tasks of this event loop that closing has woken have had a turn.

        Raises:
            RuntimeError: The queue was not shut down.
        """
        await wait_closed(self.__elastic)

    async def aclose(self) -> None:
        """Do `close()`, then `wait_closed()`."""
        self.close()
        await self.wait_closed()

    # The names for green threads. In threads they do the same, and call no override of the others.

    def green_put(
        self, item: T, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET
    ) -> None:
        """Do `sync_put`. Raises UnsupportedOperation in a thread that runs gevent or eventlet."""
        check_thread("green_put")
        Queue.sync_put(self, item, block, timeout, blocking=blocking)

    def green_get(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Do `sync_get`. Raises UnsupportedOperation in a thread that runs gevent or eventlet."""
        check_thread("green_get")
        return Queue.sync_get(self, block, timeout, blocking=blocking)

    def green_peek(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Do `sync_peek`. Raises UnsupportedOperation in a thread that runs gevent or eventlet."""
        check_thread("green_peek")
        return Queue.sync_peek(self, block, timeout, blocking=blocking)

    def green_join(self) -> None:
        """Do `sync_join`. Raises UnsupportedOperation in a thread that runs gevent or eventlet."""
        check_thread("green_join")
        Queue.sync_join(self)

    # The proxies.

    @property
    def sync_q(self) -> SyncQueueProxy[T]:
        """The queue with the interface of `queue.Queue` (SyncQueueProxy)."""
        return SyncQueueProxy(self)

    @property
    def async_q(self) -> AsyncQueueProxy[T]:
        """The queue with the interface of `asyncio.Queue` (AsyncQueueProxy)."""
        return AsyncQueueProxy(self)

    @property
    def green_proxy(self) -> GreenQueueProxy[T]:
        """The queue with the interface of `queue.Queue` (GreenQueueProxy); in threads as `sync_q`."""
        return GreenQueueProxy(self)

    @property
    def async_proxy(self) -> AsyncQueueProxy[T]:
        """The same as `async_q` (AsyncQueueProxy)."""
        return AsyncQueueProxy(self)

    # Figures.

    @property
    def putting(self) -> int:
        """How many threads and tasks wait for room now (int)."""
        return waiting(self.__putters)

    @property
    def getting(self) -> int:
        """How many threads and tasks wait now to take an item or to look at one (int)."""
        return waiting(self.__getters)

    @property
    def waiting(self) -> int:
        """The sum of `putting` and `getting` (int)."""
        return self.putting + self.getting

    @property
    def unfinished_tasks(self) -> int:
        """How many items were put and are not yet reported as done (int)."""
        return self.__elastic.unfinished_tasks

    @property
    def is_shutdown(self) -> bool:
        """Whether the queue was shut down (bool)."""
        return self.__elastic.is_shutdown

    @property
    def closed(self) -> bool:
        """The same as `is_shutdown` (bool)."""
        return self.__elastic.is_shutdown

    @property
    def maxsize(self) -> int:
        """The most that the items may measure together (int). Zero or below means no limit.

        It may be set at any time. Items above a smaller limit stay. Those that wait for room look again.
        """
        if isinstance(self.__elastic, SizedAdapter):
            return self.__elastic.limit
        return self.__elastic.maxsize

    @maxsize.setter
    def maxsize(self, value: int) -> None:
        if isinstance(self.__elastic, SizedAdapter):
            self.__elastic.limit = value
        else:
            self.__elastic.maxsize = value

    @property
    def size(self) -> int:
        """The sizes of all items together (int): their number, if there is no sizer."""
        if isinstance(self.__elastic, SizedAdapter):
            return self.__elastic.size
        return self.__elastic.qsize()

    # The inside.

    @property
    def mutex(self) -> threading.RLock:
        """The re-entrant lock around everything (threading.RLock). Its first use slows the queue down."""
        return self.__elastic.mutex

    @property
    def not_empty(self) -> threading.Condition:
        """An item was added (threading.Condition). Its first use slows the queue down."""
        return self.__elastic.not_empty

    @property
    def not_full(self) -> threading.Condition:
        """An item was taken (threading.Condition). Its first use slows the queue down."""
        return self.__elastic.not_full

    @property
    def all_tasks_done(self) -> threading.Condition:
        """No task is unfinished (threading.Condition). Its first use slows the queue down."""
        return self.__elastic.all_tasks_done

    # The hooks.

    def _init(self, maxsize: int) -> None:
        self.__kind._init(self.__elastic, maxsize)

    def _qsize(self) -> int:
        return self.__kind._qsize(self.__elastic)

    def _put(self, item: T) -> None:
        self.__kind._put(self.__elastic, item)

    def _get(self) -> T:
        return cast("T", self.__kind._get(self.__elastic))

    def _peekable(self) -> bool:
        return True

    def _peek(self) -> T:
        return cast("T", self.__kind._peek(self.__elastic))

    def _clearable(self) -> bool:
        return True

    def _clear(self) -> None:
        self.__elastic.queue.clear()

    def __ask(self, hook: Callable[[], bool]) -> bool:
        if not self.__hooked:
            return True
        with self.__elastic.mutex:
            return hook()

    def __check(self, call: str, hook: str) -> None:
        if self.__hooked and not self.__ask(getattr(self, hook)):
            raise UnsupportedOperation(
                f"{call} of {type(self).__name__}: its {hook} says that it can't do this"
            )


def _overrides(cls: type[Queue[Any]], hooks: tuple[str, ...]) -> bool:
    return any(getattr(cls, hook) is not getattr(Queue, hook) for hook in hooks)


class LifoQueue(Queue[T]):
    """A last-in, first-out queue with the interface of `culsans.LifoQueue`, and otherwise as `Queue`.

    Example:
        >>> queue = LifoQueue().sync_q
        >>> queue.put("a")
        >>> queue.put("b")
        >>> queue.peek(), queue.get(), queue.get()
        ('b', 'b', 'a')
    """

    __slots__ = ()

    _Queue__kind = elasticq.LifoQueue


class PriorityQueue(Queue[R]):
    """A queue that gives its smallest item first, with the interface of `culsans.PriorityQueue`.

    It consists of Python's lock and a list, which is a heap.

    Example:
        >>> queue = PriorityQueue().sync_q
        >>> queue.put((2, "later"))
        >>> queue.put((1, "first"))
        >>> queue.peek(), queue.get(), queue.get()
        ((1, 'first'), (1, 'first'), (2, 'later'))
    """

    __slots__ = ()

    _Queue__kind = elasticq.PriorityQueue
