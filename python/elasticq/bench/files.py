"""Queues in files that take part, each made anew in a folder, and the loops over them."""

from __future__ import annotations

import importlib
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import elasticq
from elasticq.bench.contest import unshared
from elasticq.bench.trials import Daemons

PAYLOAD = b"x" * 100

OURS = "elasticq.PersistentCircularBuffer"
SQLITE_ACK = "persistqueue.SQLiteAckQueue"
SQLITE = "sqlite3 by hand, WAL, FULL"


def nothing() -> None:
    """There is nothing to close."""


@dataclass(frozen=True)
class Files:
    """The ends of a queue, for any thread."""

    put: Callable[[bytes], object]
    get: Callable[[], object]
    """Takes an item for good; where there are leases, leases it and acknowledges it."""
    size: Callable[[], int]
    close: Callable[[], object] = nothing
    holds: bool = True
    """Whether what is put stays inside until it is taken."""


Make = Callable[[Path], Files]


def ours_synced(path: Path) -> Files:
    """Ours, durable when a call returns, with leases."""
    queue = elasticq.PersistentCircularBuffer[bytes](path / "queue", "every_write")

    def get() -> None:
        queue.lease(block=False).ack()

    return Files(queue.push, get, queue.__len__, queue.close)


def sqlite_ack(path: Path) -> Files:
    """persist-queue's queue with acknowledgements."""
    queue = importlib.import_module("persistqueue").SQLiteAckQueue(str(path / "queue"), multithreading=True)

    def get() -> None:
        queue.ack(queue.get(block=False))

    return Files(queue.put, get, queue.__len__, queue.close)


class _Sqlite(threading.local):
    """What one would write by hand: a table, and a connection for each thread."""

    def __init__(self, path: Path) -> None:
        self.db = sqlite3.connect(path / "queue.db", timeout=60, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        self.db.execute("PRAGMA synchronous=FULL")
        self.db.execute(
            "CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, item BLOB, leased INTEGER)"
        )

    def put(self, item: bytes) -> None:
        self.db.execute("INSERT INTO items (item, leased) VALUES (?, 0)", (item,))

    def get(self) -> None:
        oldest = "SELECT id FROM items WHERE leased = 0 ORDER BY id LIMIT 1"
        lease = f"UPDATE items SET leased = 1 WHERE id = ({oldest}) RETURNING id, item"
        ((number, _),) = self.db.execute(lease).fetchall()
        self.db.execute("DELETE FROM items WHERE id = ?", (number,))

    def size(self) -> int:
        ((count,),) = self.db.execute("SELECT count(*) FROM items").fetchall()
        return int(count)

    def close(self) -> None:
        """Closes this thread's connection; the others end with their threads."""
        self.db.close()


def sqlite(path: Path) -> Files:
    """SQLite by hand. A lease and its end are two transactions, since the work is done between them."""
    queue = _Sqlite(path)
    return Files(queue.put, queue.get, queue.size, queue.close)


def there(*peers: tuple[str, str, Make]) -> list[tuple[str, Make]]:
    """Those whose module can be imported. Some have no wheel for a Python without a GIL."""

    def is_there(module: str) -> bool:
        try:
            importlib.import_module(module)
        except ImportError:
            return False
        return True

    return [(name, make) for module, name, make in peers if is_there(module)]


def puts(queue: Files, items: int) -> None:
    """Puts so many items."""
    put = queue.put
    for _ in range(items):
        put(PAYLOAD)


def gets(queue: Files, items: int) -> None:
    """Takes so many items."""
    get = queue.get
    for _ in range(items):
        get()


def both(queue: Files, items: int) -> None:
    """Puts and takes item by item."""
    put, get = queue.put, queue.get
    for _ in range(items):
        put(PAYLOAD)
        get()


class Work:
    """A loop over the ends of a queue, in one thread or in many."""

    def __init__(
        self,
        loop: Callable[[Files, int], None],
        make: Make,
        parent: Path,
        items: int,
        *,
        threads: int = 1,
        used: int = 0,
    ) -> None:
        self._loop = unshared(loop)
        self._each, self._count = items, threads
        self._folder = tempfile.TemporaryDirectory(dir=parent)
        self._queue = make(Path(self._folder.name))
        # What is no queue has nothing inside.
        self._left = items * threads if loop is puts and self._queue.holds else 0
        self._threads = Daemons() if threads > 1 else None
        used = min(used, 8 * items)
        puts(self._queue, used)
        gets(self._queue, used)
        if loop is gets:
            puts(self._queue, items * threads)

    def run(self) -> None:
        if self._threads is None:
            self._loop(self._queue, self._each)
            return
        work = [self._threads.submit(self._loop, self._queue, self._each) for _ in range(self._count)]
        for part in work:
            part.result()

    def check(self) -> None:
        assert self._queue.size() == self._left
        self._queue.close()
        self._folder.cleanup()
