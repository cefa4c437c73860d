"""What the views have in common that have the interface of `queue.Queue`, and are not the queue itself."""

from __future__ import annotations

from ._typing import TYPE_CHECKING, Generic, T

if TYPE_CHECKING:
    from ._protocols import Buffer


class SyncView(Generic[T]):
    """A view holds nothing itself: all views of one buffer are equal, and share the count of tasks done."""

    __slots__ = ("_buffer",)

    _buffer: Buffer[T]

    def get(self, block: bool = True, timeout: float | None = None) -> T:
        """Take the next item, and wait for one if need be.

        Raises:
            Empty: There is no item, or none came in time.
            ShutDown: There is no item, and the queue was closed, before the call or during it.
            ValueError: `timeout` is negative.
        """
        return self._buffer._get(block, timeout)

    def get_nowait(self) -> T:
        """Take the next item if there is one: `get(block=False)`."""
        return self._buffer._get(False, None)

    def get_many(self, n: int | None = None, block: bool = True, timeout: float | None = None) -> list[T]:
        """Take up to `n` items in their order, and wait for the first: a list of at least one.

        Raises:
            Empty: There is no item, or none came in time.
            ShutDown: There is no item, and the queue was closed, before the call or during it.
            ValueError: `n` is below 1, or `timeout` is negative.
        """
        return self._buffer._get_many(n, block, timeout)

    def qsize(self) -> int:
        """Give the number of items that can be taken now (int)."""
        return len(self._buffer)

    def empty(self) -> bool:
        """Tell whether no item can be taken now."""
        return not len(self._buffer)

    def full(self) -> bool:
        """Tell whether there is no room now."""
        return self._buffer._is_full()

    def task_done(self) -> None:
        """Report that an item that was taken has been dealt with.

        Raises:
            ValueError: There were more such reports than items.
        """
        self._buffer._task_done()

    def join(self) -> None:
        """Block until every item that was put has been taken, and reported with `task_done`."""
        self._buffer._join()

    @property
    def unfinished_tasks(self) -> int:
        """How many items `join` waits for (int)."""
        return self._buffer._unfinished_tasks()

    @property
    def is_shutdown(self) -> bool:
        """Whether the queue was closed (bool)."""
        return self._buffer.is_closed

    def __eq__(self, other: object) -> bool:
        if isinstance(other, SyncView):
            return self._buffer is other._buffer
        return NotImplemented

    def __hash__(self) -> int:
        return hash((SyncView, id(self._buffer)))

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__qualname__} of {self._buffer!r}>"
