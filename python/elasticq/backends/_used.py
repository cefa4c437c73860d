"""What all work queues have alike: `with` and `async with` close a queue, `for` and `async for` lease item by
item, and end with it."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from elasticq._errors import ShutDown

from ._contract import WorkLease

L = TypeVar("L")
T = TypeVar("T")


class Leases(Generic[L]):
    """Leases item by item, blocking for each, until the queue is closed."""

    __slots__ = ("_lease",)

    def __init__(self, lease: Callable[[], L]) -> None:
        self._lease = lease

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> L:
        try:
            return self._lease()
        except ShutDown:
            raise StopIteration from None


class AsyncLeases(Generic[L]):
    """Leases item by item, waiting for each, until the queue is closed."""

    __slots__ = ("_lease",)

    def __init__(self, lease: Callable[[], Awaitable[L]]) -> None:
        self._lease = lease

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> L:
        try:
            return await self._lease()
        except ShutDown:
            raise StopAsyncIteration from None


class Used(Generic[T]):
    """A queue that is used until it is closed."""

    __slots__ = ()

    @abstractmethod
    def lease(self) -> WorkLease[T]: ...

    @abstractmethod
    async def alease(self) -> WorkLease[T]: ...

    @abstractmethod
    def close(self) -> None: ...

    async def aclose(self) -> None:
        await asyncio.to_thread(self.close)

    def __iter__(self) -> Leases[WorkLease[T]]:
        return Leases(self.lease)

    def __aiter__(self) -> AsyncLeases[WorkLease[T]]:
        return AsyncLeases(self.alease)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
