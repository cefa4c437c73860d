"""The kinds of queues, in one table: how each is made and called. The suites of promises run over it.

A new class of queues is a line of the table. `test_kinds` fails as long as that line is missing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from support import PATIENCE, moved

import elasticq
from elasticq import _core

FILES = "ELASTICQ_TEST_FILES"
"""The variable that names the folder for queues in files, also to processes that the tests start."""

Settings = Callable[[int | None, float | None], dict[str, Any]]


@dataclass(frozen=True)
class Calls:
    """The names of the plain calls of a family of queues. Each of these calls can be made to wait."""

    put: str
    get: str
    put_many: str
    get_many: str
    take_timeouts: bool
    """Whether a timeout is an argument of the calls. Otherwise it is a setting of the queue."""
    batches: str
    """How a batch waits for room: "in pieces", "as one", or "never"."""


DROP_IN = Calls("put", "get", "put_many", "get_many", take_timeouts=True, batches="in pieces")
BUFFER = Calls("push", "pop", "push_batch", "pop_batch", take_timeouts=False, batches="as one")
LOCK_FREE = Calls("put", "get", "enqueue_batch", "dequeue_batch", take_timeouts=True, batches="never")
CHANNEL = Calls("send", "recv", "send_many", "recv_many", take_timeouts=True, batches="in pieces")
BY_SYNC_Q = Calls(
    "sync_q.put", "sync_q.get", "sync_q.put_many", "sync_q.get_many", take_timeouts=True, batches="in pieces"
)


@dataclass(frozen=True)
class Kind:
    """A class of queues, or a setting that makes it work in another way."""

    name: str
    cls: type[Any]
    settings: Settings
    """The arguments for a limit, if any, and for a timeout, where that is a setting."""
    calls: Calls = DROP_IN
    bounded: bool = True
    """Whether it can have a limit. Otherwise it ignores one."""
    standard: bool = False
    """Whether it consists of Python's own locks. A fork amid its traffic may leave them locked."""
    finish: Callable[[Any], Any] = lambda queue: queue
    """What is done with each new one."""

    def make(self, limit: int | None = None, timeout: float | None = PATIENCE) -> Any:
        """An empty queue, which holds at most `limit` items. Its plain calls wait for so many seconds."""
        return self.finish(self.cls(**self.settings(limit, timeout)))

    def ends(self, queue: Any) -> tuple[Callable[..., object], Callable[..., Any]]:
        """The queue's own methods that put and take one item."""
        put, get = attrgetter(self.calls.put, self.calls.get)(queue)
        return put, get

    def put(self, queue: Any, item: Any, **keywords: Any) -> object:
        return attrgetter(self.calls.put)(queue)(item, **keywords)

    def get(self, queue: Any, **keywords: Any) -> Any:
        return attrgetter(self.calls.get)(queue)(**keywords)

    def put_many(self, queue: Any, items: Iterable[Any], **keywords: Any) -> object:
        return attrgetter(self.calls.put_many)(queue)(items, **keywords)

    def get_many(self, queue: Any, n: int, **keywords: Any) -> list[Any]:
        items: list[Any] = attrgetter(self.calls.get_many)(queue)(n, **keywords)
        return items


def capacity(limit: int | None) -> dict[str, Any]:
    """The settings of a buffer that holds at most so many items, and has room for all from the start."""
    names = ("initial_capacity", "min_capacity", "max_capacity")
    return {} if limit is None else dict.fromkeys(names, limit)


def small_levels(limit: int, **settings: Any) -> elasticq.PriorityCircularBuffer[Any]:
    """A buffer with levels that holds at most so many items."""
    return elasticq.PriorityCircularBuffer(**capacity(limit), **settings)


def _none(_limit: int | None, _timeout: float | None) -> dict[str, Any]:
    return {}


def _maxsize(limit: int | None, _: float | None) -> dict[str, Any]:
    return {"maxsize": limit or 0}


def _max_weight(limit: int | None, _: float | None) -> dict[str, Any]:
    return {"max_weight": limit or 1_000_000, "weigh": lambda _: 1}


def _capacity(limit: int | None, _: float | None) -> dict[str, Any]:
    return capacity(limit)


def _capacity_and_timeouts(limit: int | None, timeout: float | None) -> dict[str, Any]:
    timeouts = {} if timeout is None else {"push_timeout": timeout, "pop_timeout": timeout}
    return {**capacity(limit), **timeouts}


def _files(limit: int | None, timeout: float | None) -> dict[str, Any]:
    timeouts = {} if timeout is None else {"push_timeout": timeout, "pop_timeout": timeout}
    path = Path(mkdtemp(dir=os.environ[FILES])) / "queue"
    # Some items of the suites are objects that only pickle can store.
    return {"path": path, "codec": "pickle", "maxsize": limit or 0, **timeouts}


def _in_memory(limit: int | None, timeout: float | None) -> dict[str, Any]:
    return {**_files(limit, timeout), "path": None}


def _level_capacities(limit: int | None, _: float | None) -> dict[str, Any]:
    return {"level_capacities": dict.fromkeys(range(3), limit or 1000)}


KINDS = [
    Kind("Queue", elasticq.Queue, _maxsize),
    Kind("Weighted", elasticq.Queue, _max_weight),
    Kind("Moved", elasticq.Queue, _maxsize, standard=True, finish=moved),
    Kind("LifoQueue", elasticq.LifoQueue, _maxsize),
    Kind("Moved stack", elasticq.LifoQueue, _maxsize, standard=True, finish=moved),
    Kind("PriorityQueue", elasticq.PriorityQueue, _maxsize, standard=True),
    Kind("SimpleQueue", elasticq.SimpleQueue, _none, bounded=False),
    Kind("DynamicCircularBuffer", elasticq.DynamicCircularBuffer, _capacity_and_timeouts, BUFFER),
    Kind("PriorityCircularBuffer", elasticq.PriorityCircularBuffer, _capacity_and_timeouts, BUFFER),
    Kind("Limited levels", elasticq.PriorityCircularBuffer, _level_capacities, BY_SYNC_Q),
    Kind("BufferChannel", elasticq.BufferChannel, _capacity, CHANNEL),
    Kind("LockFreeMPSCQueue", elasticq.LockFreeMPSCQueue, _capacity, LOCK_FREE),
    Kind("LockFreeMPMCQueue", elasticq.LockFreeMPMCQueue, _capacity, LOCK_FREE),
    Kind("LockFreeSPSCQueue", elasticq.LockFreeSPSCQueue, _capacity, LOCK_FREE),
]
BOUNDED = [kind for kind in KINDS if kind.bounded]

IN_FILES = Kind("PersistentCircularBuffer", elasticq.PersistentCircularBuffer, _files, BUFFER)
"""The queue in files. Its items are values and not objects, so not all suites fit it."""

LOG_IN_MEMORY = Kind("Log in memory", elasticq.PersistentCircularBuffer, _in_memory, BUFFER)
"""The same without files."""

ALL = [*KINDS, IN_FILES, LOG_IN_MEMORY]

VIEWS = [
    Kind("AsyncQueue", elasticq.Queue, _maxsize, finish=attrgetter("async_q")),
    Kind("PrioritySyncQueue", elasticq.PriorityCircularBuffer, _capacity, finish=attrgetter("sync_q")),
    Kind("PriorityAsyncQueue", elasticq.PriorityCircularBuffer, _capacity, finish=attrgetter("async_q")),
    Kind("PersistentSyncQueue", elasticq.PersistentCircularBuffer, _files, finish=attrgetter("sync_q")),
    Kind("PersistentAsyncQueue", elasticq.PersistentCircularBuffer, _files, finish=attrgetter("async_q")),
]
"""The views. They put and take as queues do, but the calls of `async_q` are awaited."""


def by_name(name: str) -> Kind:
    """The kind of that name. A kind without special settings has the name of its class."""
    (found,) = (kind for kind in ALL if kind.name == name)
    return found


def has_moved(queue: Any) -> bool:
    """Whether the queue's items have moved to the standard machinery."""
    try:
        return _core._moved_of(queue) is not None
    except (AttributeError, TypeError):  # a queue with weights never moves, and only a Queue can
        return False


PLAIN = [kind for kind in KINDS if kind.name == kind.cls.__name__]
"""Each class once, without special settings."""

CLASSES: list[Any] = [kind.cls for kind in PLAIN]
DROP_INS: list[Any] = [cls for cls in CLASSES if issubclass(cls, elasticq.Queue)]
LOCK_FREE_CLASSES: list[Any] = [cls for cls in CLASSES if issubclass(cls, _core.LockFree)]
