"""Queues in files that take part: each made anew in a folder, with plain callables for its ends."""

from __future__ import annotations

import importlib
import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import elasticq

PAYLOAD = b"x" * 100

OURS = "elasticq.PersistentCircularBuffer"
QUEUELIB = "queuelib.FifoDiskQueue"
SQLITE_ACK = "persistqueue.SQLiteAckQueue"
LEANQUEUE = "leanqueue"
SQLITE = "sqlite3 by hand, WAL, FULL"
BARE = "os.pwrite and os.fdatasync"


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


Make = Callable[[Path], Files]


def folder() -> Path:
    """A new folder on the disk of the working directory: what is under `/tmp` may be in memory."""
    parent = Path(".benchmarks")
    parent.mkdir(exist_ok=True)
    return Path(tempfile.mkdtemp(dir=parent)).absolute()


def remove(path: Path) -> None:
    """Removes such a folder."""
    rmtree(path)


def ours(path: Path) -> Files:
    """Ours, without a sync."""
    queue = elasticq.PersistentCircularBuffer[bytes](path / "queue", "no_sync")
    return Files(queue.push, queue.pop, queue.__len__, queue.close)


def ours_synced(path: Path) -> Files:
    """Ours, durable when a call returns, with leases."""
    queue = elasticq.PersistentCircularBuffer[bytes](path / "queue", "every_write")

    def get() -> None:
        queue.lease(block=False).ack()

    return Files(queue.push, get, queue.__len__, queue.close)


def queuelib(path: Path) -> Files:
    """Scrapy's queue, which syncs nothing and is for one thread."""
    queue = importlib.import_module("queuelib").FifoDiskQueue(str(path / "queue"))
    return Files(queue.push, queue.pop, queue.__len__, queue.close)


def sqlite_ack(path: Path) -> Files:
    """persist-queue's queue with acknowledgements."""
    queue = importlib.import_module("persistqueue").SQLiteAckQueue(str(path / "queue"), multithreading=True)

    def get() -> None:
        queue.ack(queue.get(block=False))

    return Files(queue.put, get, queue.__len__, queue.close)


def leanqueue(path: Path) -> Files:
    """A queue with a core in Rust and leases, which syncs each put and each acknowledgement."""
    queue = importlib.import_module("leanqueue").LeanQueueCore(str(path / "queue"))

    def get() -> None:
        queue.ack(queue.dequeue()[0])

    return Files(queue.enqueue, get, queue.available)


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


def sqlite(path: Path) -> Files:
    """SQLite by hand. A lease and its end are two transactions, since the work is done between them."""
    queue = _Sqlite(path)
    return Files(queue.put, queue.get, queue.size)


def bare(path: Path) -> Files:
    """No queue: an overwrite of a written file, made durable. The least that a durable call takes."""
    file = os.open(path / "file", os.O_RDWR | os.O_CREAT)
    os.pwrite(file, bytes(1 << 20), 0)
    os.fsync(file)

    def put(item: bytes) -> None:
        os.pwrite(file, item, 0)
        os.fdatasync(file)

    return Files(put, nothing, lambda: 0, lambda: os.close(file))


def there(*peers: tuple[str, str, Make]) -> list[tuple[str, Make]]:
    """Those whose module can be imported. Some have no wheel for a Python without a GIL."""

    def is_there(module: str) -> bool:
        try:
            importlib.import_module(module)
        except ImportError:
            return False
        return True

    return [(name, make) for module, name, make in peers if is_there(module)]
