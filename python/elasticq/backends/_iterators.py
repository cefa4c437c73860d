"""`for lease in queue` and `async for lease in queue`: they wait for each lease, and end with the queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, Self, TypeVar

from elasticq._errors import ShutDown

L = TypeVar("L")


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
