"""The standard machinery: what serves a queue that needs more than the compiled one has.

In the standard library a queue is a container, a lock and three conditions, which its users may take hold of,
and four methods that a subclass may override. `Standard` is that for one queue, the *owner*. A queue moves
there for good when somebody uses one of these things (`Hooks`), and from then on every method of the compiled
class that finds its own storage closed goes to the method of the same name here.

The lock is a re-entrant one, so that a `__del__` or a signal handler that comes while its thread is in here
may use the same queue. `Standard` doesn't hold its owner, or no queue would be freed before the garbage
collector runs.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from . import _core
from ._errors import Empty, Full, MaxCapacityReached, ShutDown

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
V = TypeVar("V")

HOOKS = ("_init", "_qsize", "_put", "_get")


class Condition(threading.Condition):
    """A condition of which tasks are told as well as threads."""

    def __init__(self, lock: Any, owner: Hooks[Any], wake_tasks: Callable[[Hooks[Any], int], None]) -> None:
        super().__init__(lock)
        self._owner = weakref.ref(owner)
        self._wake_tasks = wake_tasks

    def notify(self, n: int = 1) -> None:
        # Mostly nobody waits, and then a method of the standard library's need not be called to find that.
        if self._waiters or not self._is_owned():  # type: ignore[attr-defined]
            threading.Condition.notify(self, n)
        # Without an owner there is nobody who waits: a task that does holds it.
        if (owner := self._owner()) is not None:
            self._wake_tasks(owner, n)

    def notify_all(self) -> None:
        self.notify(sys.maxsize)


class Standard:
    """What a moved queue consists of. Each method stands for the queue's method of the same name."""

    __slots__ = (
        "added",
        "all_tasks_done",
        "is_shutdown",
        "maxsize",
        "mutex",
        "not_empty",
        "not_full",
        "queue",
        "refused",
        "unfinished_tasks",
    )

    def __init__(self, owner: Hooks[Any], maxsize: Any) -> None:
        self.maxsize = maxsize
        self.mutex: Any = threading.RLock()
        self.not_empty: threading.Condition = Condition(self.mutex, owner, _core.Elastic._wake_getters)
        self.not_full: threading.Condition = Condition(self.mutex, owner, _core.Elastic._wake_putters)
        self.all_tasks_done: threading.Condition = Condition(self.mutex, owner, _core.Elastic._wake_joiners)
        self.queue: Any = None  # made by `_init`
        self.unfinished_tasks = 0
        self.is_shutdown = False
        self.added = 0
        self.refused = 0

    def restart(self, owner: Hooks[Any], maxsize: Any) -> None:
        """Begin anew: `Queue.__init__` was called once more."""
        with self.mutex:
            self.maxsize = maxsize
            self.unfinished_tasks = self.added = 0
            self.is_shutdown = False
            owner._init(maxsize)

    # Single items.

    def put(self, owner: Hooks[Any], item: Any, block: bool, timeout: float | None) -> None:
        with self.mutex:
            if self.is_shutdown or (self.maxsize > 0 and owner._qsize() >= self.maxsize):
                try:
                    self._wait_for_room(owner, block, _deadline(timeout))
                except (Full, ShutDown):
                    self.refused += 1
                    raise
            self._add(owner, item)

    def get(self, owner: Hooks[Any], block: bool, timeout: float | None) -> Any:
        with self.mutex:
            if not owner._qsize():
                self._wait_for_item(owner, block, _deadline(timeout))
            item = owner._get()
            self.not_full.notify()
            return item

    def offer(self, owner: Hooks[Any], item: Any) -> bool:
        """Add an item if there is room: true."""
        with self.mutex:
            if self._is_full(owner) and not self.is_shutdown:
                return False
            self.put(owner, item, False, None)
            return True

    def poll(self, owner: Hooks[Any], default: Any) -> Any:
        """Take an item, or give `default` if there is none."""
        with self.mutex:
            if not owner._qsize() and not self.is_shutdown:
                return default
            return self.get(owner, False, None)

    def put_dropping(self, owner: Hooks[Any], item: Any, oldest: bool) -> None:
        """Add an item; where there is no room, the oldest one is dropped for it, or it is dropped itself."""
        dropped: list[Any] = []  # until the lock is free
        with self.mutex:
            self._add_dropping(owner, item, oldest, dropped)

    def put_unlimited(self, owner: Hooks[Any], item: Any) -> bool:
        """Add an item if no timeout is looked at, for want of a limit or after the end: true."""
        with self.mutex:
            if self.maxsize > 0 and not self.is_shutdown:
                return False
            self.put(owner, item, False, None)
            return True

    def check_ended(self, owner: Hooks[Any]) -> None:
        """Raise ShutDown if there is nothing to take and never will be."""
        with self.mutex:
            if self.is_shutdown and not owner._qsize():
                raise ShutDown(_CLOSED)

    def _add(self, owner: Hooks[Any], item: Any) -> None:
        owner._put(item)
        self.unfinished_tasks += 1
        self.added += 1
        self.not_empty.notify()

    def _add_dropping(self, owner: Hooks[Any], item: Any, oldest: bool, dropped: list[Any]) -> None:
        if self.is_shutdown:
            self.refused += 1
            raise ShutDown(_CLOSED)
        if self._is_full(owner):
            dropped.append(owner._evict() if oldest else item)
            self.refused += 1
            if not oldest:
                return
            self.finish(1)
        self._add(owner, item)

    def _wait_for_room(self, owner: Hooks[Any], block: bool, deadline: float | None) -> None:
        while True:
            if self.is_shutdown:
                raise ShutDown(_CLOSED)
            if not self._is_full(owner):
                return
            if not block or not _wait(self.not_full, deadline):
                raise MaxCapacityReached(_at_most(self.maxsize))

    def _wait_for_item(self, owner: Hooks[Any], block: bool, deadline: float | None) -> None:
        while not owner._qsize():
            if self.is_shutdown:
                raise ShutDown(_CLOSED)
            if not block or not _wait(self.not_empty, deadline):
                raise Empty("the buffer is empty")

    # Many items.

    def put_many(self, owner: Hooks[Any], items: list[Any], block: bool, timeout: float | None) -> None:
        deadline = _deadline(timeout)
        added = 0
        with self.mutex:
            try:
                if not block or not items:
                    self._check_room(owner, len(items))
                for item in items:
                    self._wait_for_room(owner, block, deadline)
                    self._add(owner, item)
                    added += 1
            except BaseException as error:
                error.remaining = items[added:]  # type: ignore[attr-defined]
                if isinstance(error, (Full, ShutDown)):
                    self.refused += len(items) - added
                raise

    def put_many_dropping(self, owner: Hooks[Any], items: list[Any], oldest: bool) -> None:
        """Do for each item what `put_dropping` does."""
        dropped: list[Any] = []  # until the lock is free
        added = 0
        with self.mutex:
            try:
                for item in items:
                    self._add_dropping(owner, item, oldest, dropped)
                    added += 1
            except BaseException as error:
                error.remaining = items[added:]  # type: ignore[attr-defined]
                if isinstance(error, ShutDown):
                    self.refused += len(items) - added - 1  # the first was counted
                raise

    def get_many(self, owner: Hooks[Any], n: int, block: bool, timeout: float | None) -> list[Any]:
        with self.mutex:
            self._wait_for_item(owner, block, _deadline(timeout))
            return self._take_many(owner, n)

    def offer_some(self, owner: Hooks[Any], items: deque[Any]) -> bool:
        """Add items, and take them out of `items`, as long as there is room; true if all are in."""
        with self.mutex:
            try:
                while items and self.offer(owner, items[0]):
                    items.popleft()
            except ShutDown:
                self.refused += len(items) - 1  # the first was counted
                raise
        return not items

    def poll_many(self, owner: Hooks[Any], n: int) -> list[Any]:
        """Take up to `n` items, or none if there are none."""
        with self.mutex:
            if not owner._qsize() and not self.is_shutdown:
                return []
            return self.get_many(owner, n, False, None)

    def drain(self, owner: Hooks[Any]) -> list[Any]:
        with self.mutex:
            return self._take_many(owner, sys.maxsize)

    def clear(self, owner: Hooks[Any]) -> int:
        with self.mutex:
            items = self._take_many(owner, sys.maxsize)
            self.finish(len(items))
        return len(items)  # they are dropped after the lock

    def _take_many(self, owner: Hooks[Any], n: int) -> list[Any]:
        items: list[Any] = []
        n = min(n, owner._qsize())  # a hook that adds while it takes could keep this busy for ever
        while len(items) < n and owner._qsize():
            try:
                item = owner._get()
            except Exception:
                if not items:
                    raise
                break  # those that were taken are not to be lost, and the next call raises
            items.append(item)
        if items:
            self.not_full.notify(len(items))
        return items

    def _check_room(self, owner: Hooks[Any], count: int) -> None:
        if self.is_shutdown:
            raise ShutDown(_CLOSED)
        size = owner._qsize() if self.maxsize > 0 else 0
        if 0 < self.maxsize < size + count:
            if size < self.maxsize and count <= self.maxsize:
                raise Full("the buffer has too little room for the batch")
            raise MaxCapacityReached(_at_most(self.maxsize))

    # Tasks done, and the end.

    def task_done(self) -> None:
        with self.mutex:
            if self.unfinished_tasks <= 0:
                raise ValueError("task_done() called too many times")
            self.finish(1)

    def finish(self, items: int) -> None:
        """Count items as done."""
        with self.mutex:
            self.unfinished_tasks = max(0, self.unfinished_tasks - items)
            if not self.unfinished_tasks:
                self.all_tasks_done.notify_all()

    def join(self) -> None:
        with self.mutex:
            while self.unfinished_tasks:
                self.all_tasks_done.wait()

    def is_all_done(self) -> bool:
        with self.mutex:
            return not self.unfinished_tasks

    def shutdown(self, owner: Hooks[Any], immediate: bool) -> None:
        items: list[Any] = []
        with self.mutex:
            self.is_shutdown = True
            try:
                while immediate and owner._qsize():
                    items.append(owner._get())
            finally:
                self.finish(len(items))
                if immediate:
                    self.all_tasks_done.notify_all()
                self.not_empty.notify_all()
                self.not_full.notify_all()

    def resize(self, maxsize: Any) -> None:
        """Change the limit. Whoever waits for room looks again."""
        with self.mutex:
            self.maxsize = maxsize
            self.not_full.notify_all()

    # Looking.

    def qsize(self, owner: Hooks[Any]) -> int:
        with self.mutex:
            return owner._qsize()

    def full(self, owner: Hooks[Any]) -> bool:
        with self.mutex:
            return self._is_full(owner)

    def _is_full(self, owner: Hooks[Any]) -> bool:
        # Without a limit the hook is not called, as in the standard library.
        return bool(self.maxsize > 0 and owner._qsize() >= self.maxsize)

    def snapshot(self, owner: Hooks[Any]) -> list[Any]:
        with self.mutex:
            items = list(self.queue)
        return owner._in_order(items)

    def peek(self, owner: Hooks[Any]) -> Any:
        with self.mutex:
            self._wait_for_item(owner, False, None)
            return owner._peek()

    def counts(self, owner: Hooks[Any]) -> tuple[int, int, int, int]:
        """Items ever added, refused, here now, and how many fit."""
        with self.mutex:
            size = owner._qsize()
            limited = isinstance(self.maxsize, int) and self.maxsize > 0
            return max(self.added, size), self.refused, size, max(self.maxsize if limited else 0, size)


_CLOSED = "the buffer is closed"


def _at_most(maxsize: object) -> str:
    return f"the buffer has reached its max_capacity of {maxsize} items"


def _deadline(timeout: float | None) -> float | None:
    return None if timeout is None else monotonic() + timeout


def _wait(condition: threading.Condition, deadline: float | None) -> bool:
    """Wait to be woken; false if there is no time left to wait in."""
    if deadline is None:
        return condition.wait()
    left = deadline - monotonic()
    if left <= 0:
        return False
    condition.wait(min(left, threading.TIMEOUT_MAX))
    return True


class Attribute(Generic[V]):
    """An attribute of the standard machinery: whoever uses it moves the queue there."""

    def __init__(self, doc: str) -> None:
        self.__doc__ = doc

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, queue: None, _: type | None = None) -> Attribute[V]: ...
    @overload
    def __get__(self, queue: Hooks[Any], _: type | None = None) -> V: ...
    def __get__(self, queue: Hooks[Any] | None, _: type | None = None) -> Any:
        return self if queue is None else getattr(_core._standard_of(queue), self._name)

    def __set__(self, queue: Hooks[Any], value: V) -> None:
        setattr(_core._standard_of(queue), self._name, value)


class Hooks(_core.Queue[T]):
    """What moves a queue to the standard machinery: attributes, and methods that a subclass may override."""

    mutex = Attribute["threading.RLock"](
        "The lock around everything, a re-entrant one. Its first use moves the queue to it for good."
    )
    not_empty = Attribute[threading.Condition](
        "An item was added. Its first use moves the queue to the standard locks for good."
    )
    not_full = Attribute[threading.Condition](
        "An item was taken. Its first use moves the queue to the standard locks for good."
    )
    all_tasks_done = Attribute[threading.Condition](
        "No task is unfinished. Its first use moves the queue to the standard locks for good."
    )
    queue = Attribute[Any]("The items in what `_init` made, a deque. Its first use moves the queue for good.")

    __hooked = False  # `_core` asks for it by its mangled name

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls.__hooked = any(getattr(cls, hook) is not getattr(Hooks, hook) for hook in HOOKS)

    def _init(self, maxsize: int) -> None:
        _core._standard_of(self).queue = deque()

    def _qsize(self) -> int:
        return len(_core._standard_of(self).queue)

    def _put(self, item: T) -> None:
        _core._standard_of(self).queue.append(item)

    def _get(self) -> T:
        item: T = _core._standard_of(self).queue.popleft()
        return item

    def _peek(self) -> T:
        """Give the item that is next, of a queue that is not empty."""
        item: T = next(iter(_core._standard_of(self).queue))
        return item

    def _evict(self) -> T:
        """Take the item that goes for a newer one: the oldest, or in a subclass the next one."""
        return self._get()

    def _in_order(self, items: list[T]) -> list[T]:
        """Put the items as they stand in `queue` into the order in which they will be taken."""
        return items
