"""Producers and consumers of tests/test_work_cluster.py, each a process of its own.

A producer puts numbered messages, each with a name, and notes a number when its put has returned. A consumer
notes a number when it has the item, and again when its acknowledgement has returned. Both write to files, a
line at a time, so that what they know outlives them.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import elasticq
from elasticq.backends import Unreachable

BATCH = 50
PATIENCE = 300.0
"""Seconds after which a process gives up."""


def produce(url: str, log: Path, first: int, count: int) -> None:
    """Puts messages, in batches and one by one by turns. What was not acknowledged is put again."""
    with elasticq.connect(url) as queue, log.open("w", encoding="ascii") as acknowledged:
        end = time.monotonic() + PATIENCE
        for start in range(first, first + count, BATCH):
            numbers = list(range(start, min(start + BATCH, first + count)))
            while True:
                try:
                    if start // BATCH % 5:
                        queue.put_many([b"%d" % n for n in numbers], ids=[f"m{n}" for n in numbers])
                    else:
                        for n in numbers:
                            queue.put(b"%d" % n, id=f"m{n}")
                    break
                except Unreachable:
                    if time.monotonic() > end:
                        raise
            acknowledged.write("".join(f"{n}\n" for n in numbers))
            acknowledged.flush()


def consume(url: str, log: Path, stop: Path) -> None:
    """Takes messages in batches and acknowledges them, until a file says that all is done."""
    with elasticq.connect(url) as queue, log.open("w", encoding="ascii") as notes:
        end = time.monotonic() + PATIENCE
        while not stop.exists() and time.monotonic() < end:
            try:
                leases = queue.lease_many(BATCH, wait=0.5)
            except (elasticq.Empty, Unreachable):
                continue
            notes.write("".join(f"had {int(lease.item)}\n" for lease in leases))
            notes.flush()
            try:
                queue.ack_many(leases)
            except (Unreachable, elasticq.InvalidOperation):
                continue  # they may come once more
            notes.write("".join(f"done {int(lease.item)}\n" for lease in leases))
            notes.flush()


if __name__ == "__main__":
    job, url, log, *more = sys.argv[1:]
    if job == "produce":
        produce(url, Path(log), int(more[0]), int(more[1]))
    else:
        consume(url, Path(log), Path(more[0]))
