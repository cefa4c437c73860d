"""The standard machinery: it serves a queue that needs more than the compiled one has.

In the standard library a queue consists of a container, a lock and three conditions, which its users may use
directly, and of four methods that a subclass may override. `Standard` is all this for one queue, the *owner*.
A queue moves there for good when somebody uses one of these things (`Hooks`). From then on the methods of the
compiled class find their own storage closed, and call the method of the same name here.

The lock is re-entrant, so that a `__del__` or a signal handler may use the same queue while its thread is in
this code. Such an interruption may come between any two instructions of this file. So nothing here relies on
what it saw before: whatever looks and acts is one step of the compiled `Contents`. If that step finds no room
or no item, the thread waits and tries again. If comparing items may run Python code, they are compared
without the lock.

`Standard` doesn't hold its owner. Otherwise no queue would be freed before the garbage collector runs.
"""

from __future__ import annotations

import sys
import threading
from collections import deque

from . import _core
from ._condition import Condition
from ._errors import Empty, Full, InvalidOperation, MaxCapacityReached, ShutDown
from ._stand_ins import CONDITION, CONTAINER, LOCK, Attribute
from ._typing import TYPE_CHECKING, T

if TYPE_CHECKING:
    from typing import Any, ClassVar


HOOKS = ("_init", "_qsize", "_put", "_get")
"""The methods that a subclass may override, as in the standard library."""

OWN_HOOKS = ("_peek", "_in_order", "_evict")
"""Those that the standard library does not have."""


class Standard(_core.Contents):
    """What a moved queue consists of. Each method does the work of the queue's method of the same name."""

    __slots__ = (
        "_made",
        "_turn",
        "all_tasks_done",
        "maxsize",
        "mutex",
        "not_empty",
        "not_full",
        "queue",
    )

    def __init__(self, owner: Hooks[Any], maxsize: Any) -> None:
        lock = threading.RLock()
        self._made = (
            lock,
            Condition(lock, owner, _core.Elastic._wake_getters),
            Condition(lock, owner, _core.Elastic._wake_putters),
            Condition(lock, owner, _core.Elastic._wake_joiners),
        )
        self._begin(maxsize)
        self.queue: Any = None  # `_init` makes it
        self._turn = threading.RLock()

    def restart(self, owner: Hooks[Any], maxsize: Any) -> None:
        """Begin anew: `Queue.__init__` is called again, or for the first time but after an assignment."""
        with self._made[0]:
            self._limit(maxsize)
            self._begin(maxsize)
            self.unfinished_tasks = self.added = self.dropped = 0
            self.is_shutdown = False
            try:
                owner._init(maxsize)
            finally:
                self.all_tasks_done.notify_all()
                self.not_full.notify_all()

    def _begin(self, maxsize: Any) -> None:
        """Set what `queue.Queue.__init__` sets, whatever was assigned before."""
        self.maxsize = maxsize
        self.mutex: Any
        self.not_empty: threading.Condition
        self.not_full: threading.Condition
        self.all_tasks_done: threading.Condition
        self.mutex, self.not_empty, self.not_full, self.all_tasks_done = self._made

    # Single items.

    def put(self, owner: Hooks[Any], item: Any, block: bool, timeout: float | None) -> None:
        deadline = None if timeout is None else _deadline(timeout)
        try:
            while not self._insert(owner, item):
                self._wait_for_room(owner, 1, block, deadline)
        except (Full, ShutDown):
            self._refuse(1)
            raise

    def get(self, owner: Hooks[Any], block: bool, timeout: float | None) -> Any:
        deadline = None if timeout is None else _deadline(timeout)
        while (item := self._remove(owner)) is EMPTY:
            self._wait_for_item(owner, block, deadline)
        return item

    def offer(self, owner: Hooks[Any], item: Any) -> bool:
        """Put an item if there is room. Tell whether it was put."""
        try:
            return self._insert(owner, item)
        except ShutDown:
            self._refuse(1)
            raise

    def poll(self, owner: Hooks[Any], default: Any) -> Any:
        """Take an item, or return `default` if there is none."""
        item = self._remove(owner)
        return default if item is EMPTY else item

    def put_dropping(self, owner: Hooks[Any], item: Any, oldest: bool) -> None:
        """Put an item. If there is no room, drop the oldest item (if `oldest`) or the new one."""
        try:
            self._insert_dropping(owner, [item], oldest)
        except ShutDown:
            self._refuse(1)
            raise

    def put_unlimited(self, owner: Hooks[Any], item: Any) -> bool:
        """Put an item if a timeout would not be looked at: there is no limit, or the queue was shut down.

        Returns false, and puts nothing, if a timeout would be looked at.
        """
        with self.mutex:
            if self.maxsize > 0 and not self.is_shutdown:
                return False
        self.put(owner, item, False, None)
        return True

    def check_ended(self, owner: Hooks[Any]) -> None:
        """Raise ShutDown if there is nothing to take and never will be."""
        with self.mutex:
            self._look(owner, EMPTY)

    def _insert(self, owner: Hooks[Any], item: Any) -> bool:
        """Put an item if there is room. Tell whether it was put."""
        if not self._foreign:
            with self.mutex:
                if added := self._add(owner, item):
                    self.not_empty.notify()
            if added is not None:
                return added
        return self._insert_compared(owner, [item], False) > 0

    def _remove(self, owner: Hooks[Any]) -> Any:
        """Take an item, or return EMPTY."""
        if not self._foreign:
            with self.mutex:
                item = self._take(owner, EMPTY, COMPARE)
                if item is not EMPTY and item is not COMPARE:
                    self.not_full.notify()
            if item is not COMPARE:
                return item
        for item in self._remove_compared(owner, 1, True):
            return item
        return EMPTY

    def _wait_for_room(self, owner: Hooks[Any], count: int, block: bool, deadline: float | None) -> None:
        """Wait until it is worth trying again to put some of `count` items."""
        with self.mutex:
            if self.is_shutdown or (block and not self._is_full(owner)):
                return
            if not block or not _wait(self.not_full, deadline):
                if count > 1 and count <= self.maxsize and not self._is_full(owner):
                    raise _too_little_room()
                raise _no_room(self.maxsize)

    def _wait_for_item(self, owner: Hooks[Any], block: bool, deadline: float | None) -> None:
        """Wait until it is worth trying again to take an item."""
        with self.mutex:
            if self.is_shutdown or (block and not self._is_empty(owner)):
                return
            if not block or not _wait(self.not_empty, deadline):
                raise _no_item()

    # Many items. They come in a list. The step that puts some of them takes the same ones out of the list. So
    # the caller finds in it the items that are left, whatever cuts the call short.

    def put_many(self, owner: Hooks[Any], items: list[Any], block: bool, timeout: float | None) -> None:
        deadline = None if timeout is None else _deadline(timeout)
        try:
            while True:
                self._insert_many(owner, items, not block)
                if not items:
                    return
                self._wait_for_room(owner, len(items), block, deadline)
        except (Full, ShutDown):
            self._refuse(len(items))
            raise

    def put_many_dropping(self, owner: Hooks[Any], items: list[Any], oldest: bool) -> None:
        """Do for each item what `put_dropping` does."""
        try:
            self._insert_dropping(owner, items, oldest)
        except ShutDown:
            self._refuse(len(items))
            raise

    def get_many(self, owner: Hooks[Any], n: int, block: bool, timeout: float | None) -> list[Any]:
        deadline = None if timeout is None else _deadline(timeout)
        while not (items := self._remove_many(owner, n, True)):
            self._wait_for_item(owner, block, deadline)
        return items

    def offer_some(self, owner: Hooks[Any], items: list[Any]) -> bool:
        """Put items while there is room, and take them out of `items`. Tell whether all were put."""
        try:
            self._insert_many(owner, items, False)
        except ShutDown:
            self._refuse(len(items))
            raise
        return not items

    def poll_many(self, owner: Hooks[Any], n: int) -> list[Any]:
        """Take up to `n` items; an empty list if there are none."""
        return self._remove_many(owner, n, True)

    def drain(self, owner: Hooks[Any]) -> list[Any]:
        return self._remove_many(owner, sys.maxsize, False)

    def clear(self, owner: Hooks[Any]) -> int:
        with self.mutex:
            items = self._take_all(owner)
            self._drop(len(items))
            self._tell_if_done()
            if items:
                self.not_full.notify(len(items))
        return len(items)  # the items are dropped without the lock

    def _insert_many(self, owner: Hooks[Any], items: list[Any], whole: bool) -> int:
        """Put items while there is room, or with `whole` all or none. Return how many were put."""
        added = self._insert_drafted(owner, items, whole, None)
        return added if added is not None else self._insert_compared(owner, items, whole)

    def _insert_compared(self, owner: Hooks[Any], items: list[Any], whole: bool) -> int:
        """Do the same where comparisons run Python code: compare without the lock."""
        self._foreign = True
        draft = self._draft_adding(items, whole)
        if (added := self._insert_drafted(owner, items, whole, draft)) is not None:
            return added
        ours = self._turn.acquire(True, COURTESY)
        try:
            while added is None:
                draft = self._draft_adding(items, whole)
                added = self._insert_drafted(owner, items, whole, draft)
            return added
        finally:
            if ours:
                self._turn.release()

    def _insert_drafted(self, owner: Hooks[Any], items: list[Any], whole: bool, draft: Any) -> int | None:
        with self.mutex:
            before = self.added
            try:
                return self._add_many(owner, items, whole, draft)
            finally:  # even if a hook raises after some were put
                if self.added > before:
                    self.not_empty.notify(self.added - before)

    def _insert_dropping(self, owner: Hooks[Any], items: list[Any], oldest: bool) -> None:
        if not oldest:
            self._insert_many(owner, items, False)
            with self.mutex:
                self._drop_on_arrival(len(items))
            return
        dropped: list[Any] = []  # keeps the evicted items until the lock is free
        with self.mutex:
            while self._insert_many(owner, items, False) or items:
                if not items:
                    return
                # Evict no more items than there are now: an `_evict` may put back what it takes.
                for _ in range(self._size(owner)):
                    if (evicted := self._make_room(owner, EMPTY)) is EMPTY:
                        break
                    dropped.append(evicted)
                    self._tell_if_done()
                if self._is_full(owner):  # counting what an interrupted hook is about to add, too
                    self._drop_on_arrival(len(items))
                    return

    def _remove_many(self, owner: Hooks[Any], n: int, ends: bool) -> list[Any]:
        """Take up to `n` items. With `ends`, raise ShutDown if there are none and never will be."""
        taken = self._remove_drafted(owner, n, ends, None)
        return taken if taken is not None else self._remove_compared(owner, n, ends)

    def _remove_compared(self, owner: Hooks[Any], n: int, ends: bool) -> list[Any]:
        """Do the same where comparisons run Python code: compare without the lock."""
        self._foreign = True
        draft = self._draft_taking(n)
        if (taken := self._remove_drafted(owner, n, ends, draft)) is not None:
            return taken
        ours = self._turn.acquire(True, COURTESY)
        try:
            while taken is None:
                draft = self._draft_taking(n)
                taken = self._remove_drafted(owner, n, ends, draft)
            return taken
        finally:
            if ours:
                self._turn.release()

    def _remove_drafted(self, owner: Hooks[Any], n: int, ends: bool, draft: Any) -> list[Any] | None:
        with self.mutex:
            taken = self._take_many(owner, n, ends, draft)
            if taken:
                self.not_full.notify(len(taken))
            return taken

    # Tasks done, and the end.

    def task_done(self) -> None:
        with self.mutex:
            none_left = self._task_done()
            if none_left is None:
                raise ValueError("task_done() called too many times")
            if none_left:
                self.all_tasks_done.notify_all()

    def finish(self, items: int) -> None:
        """Count items as done."""
        with self.mutex:
            if self._finish(items):
                self.all_tasks_done.notify_all()

    def _tell_if_done(self) -> None:
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
                # Repeated, since `_take_all` ends early where a hook raises. It ends at the number of items
                # that were there first, since a `_get` may put back what it takes.
                there = self._size(owner) if immediate else 0
                while len(items) < there and (some := self._take_all(owner)):
                    items += some
                    self._drop(len(some))
            finally:
                self._tell_if_done()
                if immediate:
                    self.all_tasks_done.notify_all()
                self.not_empty.notify_all()
                self.not_full.notify_all()

    def resize(self, maxsize: Any) -> None:
        """Change the limit. All threads and tasks that wait for room look again."""
        with self.mutex:
            self._limit(maxsize)
            self.maxsize = maxsize
        with self.not_full:  # a subclass may have replaced it by a condition with a lock of its own
            self.not_full.notify_all()

    # Looking.

    def qsize(self, owner: Hooks[Any]) -> int:
        with self.mutex:
            return self._size(owner)

    def full(self, owner: Hooks[Any]) -> bool:
        with self.mutex:
            return self._is_full(owner)

    def snapshot(self, owner: Hooks[Any]) -> list[Any]:
        _check_sight(owner, "_in_order", "iter()")
        with self.mutex:
            items = [] if self.queue is None else list(self.queue)
        return owner._in_order(items)

    def peek(self, owner: Hooks[Any], block: bool, timeout: float | None) -> Any:
        deadline = None if timeout is None else _deadline(timeout)
        has_waited = False
        while (item := self.glimpse(owner, EMPTY)) is EMPTY:
            self._wait_for_item(owner, block, deadline)
            has_waited = True
        if has_waited:  # it may have been woken for this item, which others may take
            with self.mutex:
                self.not_empty.notify()
        return item

    def glimpse(self, owner: Hooks[Any], default: Any) -> Any:
        """Look at the next item, or return `default` if there is none."""
        _check_sight(owner, "_peek", "peek()")
        with self.mutex:
            return self._look(owner, default)

    def glance(self, owner: Hooks[Any]) -> tuple[int, int, bool, tuple[int, int]] | None:
        """Return the number of items, the limit or 0, whether it is shut down, and how many threads wait.

        None, if another thread holds the lock, or a hook can't tell the number yet (in the midst of `_init`).
        """
        if not self.mutex.acquire(blocking=False):
            return None
        try:
            size = self._size(owner)
        except Exception:
            return None
        finally:
            self.mutex.release()
        _, not_empty, not_full, _ = self._made
        threads = (not_empty.waiters(), not_full.waiters())
        return size, _countable(self.maxsize), self.is_shutdown, threads

    def waiting(self) -> tuple[tuple[int, float | None], tuple[int, float | None]]:
        """Return who waits for an item, and for room: how many threads, and for how long the first."""
        _, not_empty, not_full, _ = self._made
        return not_empty.waiting(), not_full.waiting()

    def counts_soon(self, owner: Hooks[Any]) -> tuple[int, int, int, int, int]:
        """Return `counts`, or raise InvalidOperation if another thread has the lock and keeps it.

        After a fork that may be a thread that this process doesn't have.
        """
        if not self.mutex.acquire(timeout=_SOON):
            raise InvalidOperation("another thread holds the queue's lock")
        try:
            return self.counts(owner)
        finally:
            self.mutex.release()

    def counts(self, owner: Hooks[Any]) -> tuple[int, int, int, int, int]:
        """Return how many items were ever put, how many were dropped, were refused, are here now, and fit."""
        with self.mutex:
            # In this order: a signal handler may come between any two of these lines, and only what was read
            # first may be behind.
            dropped = self.dropped
            size = self._size(owner)
            added = max(self.added, size + dropped)  # hooks may bring items of their own
            return added, dropped, self.refused, size, max(_countable(self.maxsize), size)


_SOON = 0.1
"""Seconds for which who only wants to know something waits for a queue's lock."""

EMPTY: Any = object()
"""Returned instead of an item if there is none."""

COMPARE: Any = object()
"""Returned instead of an item if items have to be compared first."""


COURTESY = 0.05
"""For how many seconds a thread waits for its turn to compare.

The turn keeps threads from comparing in vain again and again. A thread must not wait for it longer, as the
other thread's comparison may wait for this thread. Going on without the turn is safe: the step that uses the
result finds out whether it is still valid."""


def _countable(maxsize: Any) -> int:
    """Return a limit; 0 if there is none, or one that is too large to count up to."""
    return maxsize if isinstance(maxsize, int) and 0 < maxsize <= sys.maxsize else 0


# The compiled classes say the same in the same case.


def _no_item() -> Empty:
    return Empty("the queue is empty")


def _no_room(maxsize: Any) -> MaxCapacityReached:
    return MaxCapacityReached(f"the queue is full: maxsize = {maxsize}")


def _too_little_room() -> Full:
    return Full("the queue has too little room for the batch")


def _deadline(timeout: float) -> float:
    return _core._now() + timeout


def _wait(condition: threading.Condition, deadline: float | None) -> bool:
    """Wait to be woken. False if no time is left to wait."""
    if deadline is None:
        return condition.wait()
    left = deadline - _core._now()
    if left <= 0:
        return False
    condition.wait(min(left, threading.TIMEOUT_MAX))
    return True


class Hooks(_core.Queue[T]):
    """What moves a queue to the standard machinery: attributes, and hooks that a subclass may override."""

    mutex: Attribute[threading.RLock] = Attribute(
        LOCK, "The lock around everything, a re-entrant one. Its first use moves the queue to it for good."
    )
    not_empty: Attribute[threading.Condition] = Attribute(
        CONDITION, "An item was added. Its first use moves the queue to the standard locks for good."
    )
    not_full: Attribute[threading.Condition] = Attribute(
        CONDITION, "An item was taken. Its first use moves the queue to the standard locks for good."
    )
    all_tasks_done: Attribute[threading.Condition] = Attribute(
        CONDITION, "No task is unfinished. Its first use moves the queue to the standard locks for good."
    )
    queue: Attribute[Any] = Attribute(
        CONTAINER, "The items in what `_init` made, a deque. Its first use moves the queue for good."
    )

    __order: ClassVar[str | None] = "fifo"
    """Which order the hooks keep: "fifo", "lifo", "heap", or None if a subclass overrides one.

    `_core` reads this and `__hooked` by their mangled names."""

    __blind: ClassVar[frozenset[str]] = frozenset()
    """The hooks for looking that don't know a subclass's `_get`: it overrides `_get`, and not them."""

    __hooked = False
    """Whether the compiled class does not do what the hooks do, so that a queue moves at once. It does so in
    the orders "fifo" and "lifo"."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        orders = next(base for base in cls.__mro__ if "_Hooks__order" in vars(base))
        if _overrides(cls, orders, (*HOOKS, *OWN_HOOKS)):
            cls.__order = None
        cls.__hooked = cls.__order != "lifo" and _overrides(cls, Hooks, HOOKS)
        blind = {
            hook for hook in ("_peek", "_in_order", "_evict") if _definer(cls, hook) > _definer(cls, "_get")
        }
        if "_evict" in blind:
            cls._evict = Hooks._evict  # type: ignore[method-assign]
        cls.__blind = frozenset(blind)

    def __dir__(self) -> list[str]:
        names = list(super().__dir__())
        try:
            _core._moved_of(self)
        except AttributeError:  # a queue that can't move has none of these
            return [name for name in names if not isinstance(getattr(Hooks, name, None), Attribute)]
        return names

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
        """Return the item that `_get` would take. The queue is not empty."""
        item: T = next(iter(_core._standard_of(self).queue))
        return item

    def _evict(self) -> T:
        """Take the item that makes room for a newer one: the oldest, or in a subclass the next one."""
        return self._get()

    def _in_order(self, items: list[T]) -> list[T]:
        """Return `items`, a list of what is in `queue`, in the order in which `_get` would take them."""
        return items


def _overrides(cls: type, base: type, names: tuple[str, ...]) -> bool:
    return any(getattr(cls, name) is not getattr(base, name) for name in names)


def _definer(cls: type, name: str) -> int:
    """Which base class a method comes from, as an index: lower means more derived."""
    return next(place for place, base in enumerate(cls.__mro__) if name in vars(base))


_BLIND = "_Hooks__blind"  # the mangled name: the plain one is free for subclasses


def _check_sight(owner: Hooks[Any], hook: str, call: str) -> None:
    if hook in getattr(owner, _BLIND):
        name = type(owner).__name__
        raise InvalidOperation(
            f"{call} of {name}, which overrides _get and not {hook}: only _get knows what is next"
        )
