"""Those queues in files that only these benchmarks have."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import elasticq
from elasticq.bench.files import Files, nothing

QUEUELIB = "queuelib.FifoDiskQueue"
LEANQUEUE = "leanqueue"
BARE = "os.pwrite and os.fdatasync"


def parent() -> Path:
    """A folder on the disk of the working directory: what is under `/tmp` may be in memory."""
    made = Path(".benchmarks").absolute()
    made.mkdir(exist_ok=True)
    return made


def ours(path: Path) -> Files:
    """Ours, without a sync."""
    queue = elasticq.PersistentCircularBuffer[bytes](path / "queue", "no_sync")
    return Files(queue.push, queue.pop, queue.__len__, queue.close)


def queuelib(path: Path) -> Files:
    """Scrapy's queue, which syncs nothing and is for one thread."""
    queue = importlib.import_module("queuelib").FifoDiskQueue(str(path / "queue"))
    return Files(queue.push, queue.pop, queue.__len__, queue.close)


def leanqueue(path: Path) -> Files:
    """A queue with a core in Rust and leases, which syncs each put and each acknowledgement."""
    queue = importlib.import_module("leanqueue").LeanQueueCore(str(path / "queue"))

    def get() -> None:
        queue.ack(queue.dequeue()[0])

    return Files(queue.enqueue, get, queue.available)


def bare(path: Path) -> Files:
    """No queue: an overwrite of a written file, made durable. The least that a durable call takes."""
    file = os.open(path / "file", os.O_RDWR | os.O_CREAT)
    os.pwrite(file, bytes(1 << 20), 0)
    os.fsync(file)

    def put(item: bytes) -> None:
        os.pwrite(file, item, 0)
        os.fdatasync(file)

    return Files(put, nothing, lambda: 0, lambda: os.close(file), holds=False)
