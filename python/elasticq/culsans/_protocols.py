"""What each kind of queue can do, as protocols for annotations.

`Queue` and the proxies have all that is here. They say more about each method where they do the work.
"""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

T = TypeVar("T")

UNSET: Any = object()
"""The default of arguments of which only one may be given."""


class BaseQueue(Protocol[T]):
    """What never waits, and is the same for threads and tasks."""

    __slots__ = ()

    def __bool__(self) -> bool: ...

    def __len__(self) -> int: ...

    def peekable(self) -> bool:
        """Tell whether `peek` is possible."""
        ...

    def clearable(self) -> bool:
        """Tell whether `clear` is possible."""
        ...

    def isize(self, item: T) -> int:
        """Give the size of an item (int): what the queue's sizer says, or 1."""
        ...

    def qsize(self) -> int:
        """Give the number of items (int)."""
        ...

    def empty(self) -> bool:
        """Tell whether there is no item now."""
        ...

    def full(self) -> bool:
        """Tell whether there is no room now."""
        ...

    def put_nowait(self, item: T) -> None:
        """Put an item if there is room now."""
        ...

    def get_nowait(self) -> T:
        """Take the next item if there is one."""
        ...

    def peek_nowait(self) -> T:
        """Return the next item if there is one, and leave it in the queue."""
        ...

    def task_done(self) -> None:
        """Report that an item that was taken has been dealt with."""
        ...

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse items from now on; with `immediate`, drop those inside, too."""
        ...

    def clear(self) -> None:
        """Drop all items at once, and count them as done."""
        ...

    @property
    def unfinished_tasks(self) -> int:
        """How many items were put and are not yet reported as done (int)."""
        ...

    @property
    def is_shutdown(self) -> bool:
        """Whether the queue was shut down (bool)."""
        ...

    @property
    def closed(self) -> bool:
        """The same as `is_shutdown` (bool)."""
        ...

    @property
    def maxsize(self) -> int:
        """The limit, which may be set (int). Zero or below means that there is none."""
        ...

    @maxsize.setter
    def maxsize(self, value: int) -> None: ...

    @property
    def size(self) -> int:
        """The sizes of all items together (int)."""
        ...


class SyncQueue(BaseQueue[T], Protocol[T]):
    """A queue as the module queue knows it: what waits blocks its thread."""

    __slots__ = ()

    def put(
        self, item: T, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET
    ) -> None:
        """Put an item, and wait for room if need be."""
        ...

    def get(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Take the next item, and wait for one if need be."""
        ...

    def peek(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Return the next item and leave it in the queue; wait for one if need be."""
        ...

    def join(self) -> None:
        """Block until every item that was put has been reported as done."""
        ...


class GreenQueue(SyncQueue[T], Protocol[T]):
    """The same as SyncQueue. elasticq serves threads and asyncio, and no green threads."""

    __slots__ = ()


class AsyncQueue(BaseQueue[T], Protocol[T]):
    """A queue as asyncio knows it: what waits is awaited."""

    __slots__ = ()

    async def put(self, item: T) -> None:
        """Put an item, and wait for room if need be."""
        ...

    async def get(self) -> T:
        """Take the next item, and wait for one if need be."""
        ...

    async def peek(self) -> T:
        """Return the next item and leave it in the queue; wait for one if need be."""
        ...

    async def join(self) -> None:
        """Wait until every item that was put has been reported as done."""
        ...


class MixedQueue(BaseQueue[T], Protocol[T]):
    """A queue for threads (`sync_...`) and tasks (`async_...`) at once."""

    __slots__ = ()

    def sync_put(
        self, item: T, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET
    ) -> None:
        """Put an item, and block until there is room if need be."""
        ...

    def sync_get(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Take the next item, and block until there is one if need be."""
        ...

    def sync_peek(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Return the next item and leave it in the queue; block until there is one if need be."""
        ...

    def sync_join(self) -> None:
        """Block until every item that was put has been reported as done."""
        ...

    def green_put(
        self, item: T, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET
    ) -> None:
        """Do `sync_put`, in a thread and not in a green thread."""
        ...

    def green_get(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Do `sync_get`, in a thread and not in a green thread."""
        ...

    def green_peek(self, block: bool = UNSET, timeout: float | None = None, *, blocking: bool = UNSET) -> T:
        """Do `sync_peek`, in a thread and not in a green thread."""
        ...

    def green_join(self) -> None:
        """Do `sync_join`, in a thread and not in a green thread."""
        ...

    async def async_put(self, item: T) -> None:
        """Put an item, and wait for room if need be."""
        ...

    async def async_get(self) -> T:
        """Take the next item, and wait for one if need be."""
        ...

    async def async_peek(self) -> T:
        """Return the next item and leave it in the queue; wait for one if need be."""
        ...

    async def async_join(self) -> None:
        """Wait until every item that was put has been reported as done."""
        ...

    @property
    def sync_q(self) -> SyncQueue[T]:
        """The queue as a SyncQueue."""
        ...

    @property
    def async_q(self) -> AsyncQueue[T]:
        """The queue as an AsyncQueue."""
        ...

    @property
    def green_proxy(self) -> GreenQueue[T]:
        """The queue as a GreenQueue."""
        ...

    @property
    def async_proxy(self) -> AsyncQueue[T]:
        """The queue as an AsyncQueue."""
        ...
