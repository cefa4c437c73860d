"""The queues of elasticq behind a culsans queue that overrides hooks, or whose items have sizes.

An `Adapter` keeps no items of its own: its hooks are the culsans queue's. What the standard hooks don't count
is counted here. An item that is put may bring any number of items, or none, and `_clear` drops all at once.

A `SizedAdapter` limits the sum of the items' sizes. Its own limit is none: it hands each item on when there
is room for it. Whoever has to wait for room takes a ticket, a queue that gets one item as soon as it is worth
trying again. So threads and tasks wait in the same line. A ticket that nobody waits for is harmless: all in
the line are told at once.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, TypeVar

from .. import _core
from .._errors import Empty, Full
from .._queue import Queue, SimpleQueue

if TYPE_CHECKING:
    from ._queues import Queue as MixedQueue

T = TypeVar("T")


class Adapter(Queue[T]):
    """A queue of elasticq whose hooks are those of the culsans queue `outer`."""

    _outer: MixedQueue[T]
    _sees_next: bool
    """Whether `_peek` tells what `_get` will take."""

    def attach(self, outer: MixedQueue[T], maxsize: int) -> None:
        """Begin to work for `outer`, which already refers to this queue: its `_init` may use it."""
        self._outer = outer
        super().__init__(maxsize)

    def _init(self, maxsize: int) -> None:
        self._outer._init(maxsize)

    def _qsize(self) -> int:
        return self._outer._qsize()

    def _put(self, item: T) -> None:
        before = self._outer._qsize()
        self._outer._put(item)
        grown = self._outer._qsize() - before
        if grown != 1:  # the machinery counts one
            self.unfinished_tasks += grown - 1
            self.not_empty.notify(max(0, grown - 1))

    def _get(self) -> T:
        return self._outer._get()

    def _peek(self) -> T:
        return self._outer._peek()

    def clear(self) -> int:
        """Let the hook `_clear` drop all items, and count them as done. Return how many there were."""
        with self.mutex:
            before = self._outer._qsize()
            self._outer._clear()
            gone = before - self._outer._qsize()
            if gone:
                self.unfinished_tasks = max(0, self.unfinished_tasks - gone)
                if not self.unfinished_tasks:
                    self.all_tasks_done.notify_all()
                self.not_full.notify(gone)
        return gone

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse items from now on. With `immediate`, drop those inside by `_clear`, else by `_get`."""
        with self.mutex:
            super().shutdown()
            if immediate:
                if self._outer._clearable():
                    self.clear()
                super().shutdown(True)


class SizedAdapter(Adapter[T]):
    """An adapter that limits the sum of its items' sizes, not their number.

    An item that is taken is measured first, if the hooks that look and take are culsans' own. So if the sizer
    raises, the item stays. Only a subclass's `_get` knows what it will take: that is measured when it is out.
    """

    _size = 0
    _drops = False
    """Whether items are taken to be dropped, and so need not be measured."""

    def attach(self, outer: MixedQueue[T], maxsize: int) -> None:
        self._limit = _checked(maxsize)
        self._tickets: dict[SimpleQueue[None], None] = {}
        super().attach(outer, 0)

    def put(self, item: T, block: bool = True, timeout: float | None = None) -> None:
        """Put an item. If there is no room for its size, wait up to `timeout` seconds, or for ever."""
        deadline = None
        if block and timeout is not None:
            deadline = _core._now() + min(timeout, threading.TIMEOUT_MAX)
        while (ticket := self._insert(item)) is not None:
            try:
                if not block:
                    raise Empty
                ticket.get(True, None if deadline is None else max(0.0, deadline - _core._now()))
            except Empty:
                raise Full(self._why_full(item)) from None
            finally:
                self._leave(ticket)

    async def aput(self, item: T) -> None:
        """Put an item, and wait for room for its size if need be."""
        while (ticket := self._insert(item)) is not None:
            try:
                await ticket.aget()
            finally:
                self._leave(ticket)

    def _offer(self, item: T) -> bool:
        """Put an item if there is room for its size. Tell whether it was put."""
        ticket = self._insert(item)
        if ticket is not None:
            self._leave(ticket)
        return ticket is None

    def _insert(self, item: T) -> SimpleQueue[None] | None:
        """Put an item if there is room for it, or if the queue was shut down, which raises ShutDown.

        Otherwise return a ticket.
        """
        size = self._size_of(item)
        with self.mutex:
            if self.is_shutdown or not 0 < self._limit <= self._size + size - 1:
                super().put(item, False)
                return None
            ticket = SimpleQueue[None]()
            self._tickets[ticket] = None
            return ticket

    def _leave(self, ticket: SimpleQueue[None]) -> None:
        with self.mutex:
            self._tickets.pop(ticket, None)

    def _call(self) -> None:
        """Tell all who wait for room to look again. The lock is held."""
        for ticket in self._tickets:
            ticket.put(None)
        self._tickets.clear()

    def _size_of(self, item: T) -> int:
        size = self._outer.isize(item)
        if size < 0:
            raise ValueError(f"the size of an item is {size}: it must not be negative")
        return size

    def _why_full(self, item: T) -> str:
        return (
            f"no room for an item of size {self._size_of(item)}: maxsize = {self._limit}, size = {self._size}"
        )

    def _put(self, item: T) -> None:
        before, size = self._outer._qsize(), self._size_of(item)  # if that raises, nothing has happened
        super()._put(item)
        if self._outer._qsize() > before:
            self._size += size

    def _get(self) -> T:
        if self._drops:
            return super()._get()
        before = self._outer._qsize()
        size = self._size_of(self._outer._peek()) if self._sees_next else None
        item = super()._get()
        left = self._outer._qsize()
        if left < before:
            size = self._size_of(item) if size is None else size
            self._size = self._size - size if left > 0 else 0  # items may have changed inside
            self._call()
        return item

    def _peek(self) -> T:  # beside `_get`: whoever overrides that one has to say what is next
        return super()._peek()

    def clear(self) -> int:
        with self.mutex:
            gone = super().clear()
            if gone:
                self._size = 0
                self._call()
        return gone

    def shutdown(self, immediate: bool = False) -> None:
        with self.mutex:
            self._drops = immediate
            try:
                super().shutdown(immediate)
            finally:  # even if a hook raises, nobody is left waiting
                self._drops = False
                self._call()
            if immediate:
                self._size = 0

    def full(self) -> bool:
        """Tell whether the sizes have reached the limit."""
        with self.mutex:
            return 0 < self._limit <= self._size

    @property
    def limit(self) -> int:
        """The most that all items may measure together. Zero or below means no limit."""
        return self._limit

    @limit.setter
    def limit(self, value: int) -> None:
        value = _checked(value)
        with self.mutex:
            self._limit = value
            self._call()

    @property
    def size(self) -> int:
        """What all items measure together."""
        return self._size


def _checked(limit: int) -> int:
    number: Any = limit  # callers may have ignored the annotation
    if isinstance(number, (int, float)):
        return limit
    raise TypeError(f"maxsize = {limit!r}: must be a number")
