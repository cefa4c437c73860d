"""A batch of items that is put, and what remains of it when a put is refused."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Generic, Self, TypeVar

from elasticq._errors import Full, ShutDown, StorageError, Timeout

from ._errors import Unreachable

T = TypeVar("T")


class Batch(Generic[T]):
    """Items, of which the first `settled` ones are in the queue. A refusal in its `with` has `remaining`."""

    __slots__ = ("items", "settled")

    def __init__(self, items: Iterable[T]) -> None:
        self.items = list(items)
        self.settled = 0

    def next(self, most: int | None = None) -> list[T]:
        """Those that come next: so many, at least one; None: all."""
        end = None if most is None else self.settled + max(1, most)
        return self.items[self.settled : end]

    @property
    def is_done(self) -> bool:
        """Whether all are in."""
        return self.settled == len(self.items)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        refused = isinstance(error, (Full, Timeout, ShutDown, StorageError, Unreachable))
        if refused and not hasattr(error, "remaining"):
            error.remaining = self.items[self.settled :]  # type: ignore[union-attr]
