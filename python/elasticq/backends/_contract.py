"""What every work queue can do, whatever its engine, as protocols."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

__all__ = ["DeadItem", "WorkLease", "WorkQueue"]

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class DeadItem(Protocol[T_co]):
    """An item that was given up: it was delivered too often, or a worker said so with `term`."""

    @property
    def number(self) -> int:
        """What `retry_dead` and `purge_dead` call it."""
        ...

    @property
    def item(self) -> T_co:
        """The item."""
        ...

    @property
    def deliveries(self) -> int:
        """How often it was delivered."""
        ...

    @property
    def reason(self) -> str:
        """Why it was given up."""
        ...


@runtime_checkable
class WorkLease(Protocol[T_co]):
    """An item that stays in its queue until it is acknowledged. Nobody else gets it meanwhile.

    `with lease:` acknowledges it at the end, and gives it back if there was an exception; so does
    `async with`. A lease that was ended inside is left as it is. A lease that nobody has any more is given
    back. Any thread and any task may end it.
    """

    @property
    def item(self) -> T_co:
        """The item."""
        ...

    @property
    def id(self) -> str | None:
        """The name that it was put in with, or None if it has none."""
        ...

    @property
    def deliveries(self) -> int:
        """How often it was delivered: 1 the first time."""
        ...

    @property
    def headers(self) -> Any:
        """What came with the item from programs that use the engine itself; None if nothing did."""
        ...

    @property
    def active(self) -> bool:
        """Whether no call has ended the lease. That its time is over shows when it is used."""
        ...

    def ack(self) -> None:
        """Say that the work is done: the item leaves the queue. When this returns, the engine has noted it.

        Raises:
            InvalidOperation: The lease has ended, by its time or by another call.
            Unreachable: The server did not confirm it. The item may be delivered once more.
        """
        ...

    async def aack(self) -> None:
        """Do `ack` in a coroutine."""
        ...

    def nack(self, delay: float | timedelta | None = None) -> None:
        """Give the item back, to be delivered again at once or after `delay` seconds.

        An item that was delivered `max_deliveries` times is dead then. Raises what `ack` raises.
        """
        ...

    async def anack(self, delay: float | timedelta | None = None) -> None:
        """Do `nack` in a coroutine."""
        ...

    def extend(self, ttl: float | timedelta | None = None) -> None:
        """Let the lease end `ttl` seconds from now; None: after the queue's own `ttl`, as a new lease would.

        Raises what `ack` raises.
        """
        ...

    async def aextend(self, ttl: float | timedelta | None = None) -> None:
        """Do `extend` in a coroutine."""
        ...

    def term(self, reason: str = "") -> None:
        """Give the item up: it is dead, with this reason. Raises what `ack` raises."""
        ...

    async def aterm(self, reason: str = "") -> None:
        """Do `term` in a coroutine."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...


@runtime_checkable
class WorkQueue(Protocol[T]):
    """A queue of work that is done at least once: what `elasticq.connect` gives.

    Items are leased, and leave the queue when their lease is acknowledged. Any thread may call any method.
    Methods that begin with `a` are for tasks, of any event loop of asyncio, and never block it. `with` and
    `async with` close the queue; `for` and `async for` lease item by item, and end when it is closed.
    """

    @property
    def native(self) -> Any:
        """The engine's own object: a PersistentCircularBuffer, or the client of nats-py."""
        ...

    @property
    def max_deliveries(self) -> int | None:
        """How often an item is delivered before it is dead; None: without a limit."""
        ...

    @property
    def max_depth(self) -> int | None:
        """The most items that the queue holds; None: as many as its engine has room for."""
        ...

    def put(self, item: T, *, id: str | None = None, delay: float | timedelta | None = None) -> bool:
        """Add an item. When this returns, the engine has it.

        Args:
            item: The item. `bytes` are stored as they are, plain values exactly.
            id: A name of the item. A name that is known already adds nothing, so a put may be repeated.
            delay: Seconds for which nobody gets the item.

        Returns:
            True; False if an item of that name is known already.

        Raises:
            Full: The queue holds `max_depth` items.
            Timeout: The same, and there was no room within the setting `put_timeout` either.
            TypeError: The item can't be stored exactly.
            TooLarge: The item is larger than the engine accepts.
            Unsupported: The engine knows no delays of puts.
            ShutDown: The queue was closed.
            Unreachable: No server has acknowledged the item in time. Put it again with the same `id`.
        """
        ...

    async def aput(self, item: T, *, id: str | None = None, delay: float | timedelta | None = None) -> bool:
        """Do `put` in a coroutine."""
        ...

    def put_many(self, items: Iterable[T], *, ids: Iterable[str] | None = None) -> int:
        """Add many items, in their order; far quicker than one by one.

        Args:
            items: The items.
            ids: Their names, as many as there are items; None: they have none.

        Returns:
            How many were added: all, but for those whose names were known already.

        Raises what `put` raises. Full, Timeout, ShutDown, StorageError and Unreachable have a list
        `remaining` then: the items that were not added. Nothing was added after TypeError, ValueError or
        TooLarge. With `put_timeout`, a batch that is larger than `max_depth` is added part by part.
        """
        ...

    async def aput_many(self, items: Iterable[T], *, ids: Iterable[str] | None = None) -> int:
        """Do `put_many` in a coroutine."""
        ...

    def lease(self, wait: float | None = None, ttl: float | timedelta | None = None) -> WorkLease[T]:
        """Take an item on lease.

        Args:
            wait: Seconds to wait for an item; None waits for ever, 0 answers at once.
            ttl: Seconds after which the item goes to somebody else unless the lease has ended before; None:
                the queue's own `ttl`.

        Raises:
            Empty: There is none, or none in time.
            ShutDown: The queue was closed, before or meanwhile.
            Unreachable: The time is over, and the server can't be asked. A call that waits for ever waits
                for the server, too.
        """
        ...

    async def alease(self, wait: float | None = None, ttl: float | timedelta | None = None) -> WorkLease[T]:
        """Do `lease` in a coroutine. A task that is cancelled has given the item back."""
        ...

    def lease_many(
        self, n: int, wait: float | None = None, ttl: float | timedelta | None = None
    ) -> list[WorkLease[T]]:
        """Take up to `n` items on lease, and wait for the first: a list of at least one.

        Raises what `lease` raises; ValueError if `n` is below 1.
        """
        ...

    async def alease_many(
        self, n: int, wait: float | None = None, ttl: float | timedelta | None = None
    ) -> list[WorkLease[T]]:
        """Do `lease_many` in a coroutine."""
        ...

    def ack_many(self, leases: Iterable[WorkLease[T]]) -> None:
        """Acknowledge leases of this queue; far quicker than one by one.

        Raises:
            InvalidOperation: One of them has ended. None of them was acknowledged.
            TypeError: One of them is no lease of this queue. None of them was acknowledged.
            Unreachable: The server did not confirm all. Some items may be delivered once more.
        """
        ...

    async def aack_many(self, leases: Iterable[WorkLease[T]]) -> None:
        """Do `ack_many` in a coroutine."""
        ...

    def dead_letters(self) -> list[DeadItem[T]]:
        """Look at the items that were given up, the oldest first. None is taken."""
        ...

    async def adead_letters(self) -> list[DeadItem[T]]:
        """Do `dead_letters` in a coroutine."""
        ...

    def retry_dead(self, numbers: Iterable[int] | None = None) -> int:
        """Let dead items be taken again: those with these numbers, or all. Returns how many that were."""
        ...

    async def aretry_dead(self, numbers: Iterable[int] | None = None) -> int:
        """Do `retry_dead` in a coroutine."""
        ...

    def purge_dead(self, numbers: Iterable[int] | None = None) -> int:
        """Drop dead items: those with these numbers, or all. Returns how many that were."""
        ...

    async def apurge_dead(self, numbers: Iterable[int] | None = None) -> int:
        """Do `purge_dead` in a coroutine."""
        ...

    def depth(self) -> int:
        """Count the items: those that wait, are leased or are held back. Dead ones do not count."""
        ...

    async def adepth(self) -> int:
        """Do `depth` in a coroutine."""
        ...

    def close(self) -> None:
        """End the use of the queue, which stays where it is. Calls that wait for an item get ShutDown.

        Items on lease can be taken again at once. A queue in memory goes with the last that has it open.
        """
        ...

    async def aclose(self) -> None:
        """Do `close` in a coroutine."""
        ...

    def __iter__(self) -> Iterator[WorkLease[T]]:
        """Lease item by item, waiting for each, until the queue is closed."""
        ...

    def __aiter__(self) -> AsyncIterator[WorkLease[T]]:
        """Lease item by item, waiting for each, until the queue is closed."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
