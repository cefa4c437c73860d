"""What one server carries: processes that put and processes that take, as quickly as they can.

python benches/python/carry.py nats://127.0.0.1:4222 --producers 2 --consumers 2 --size 100 --replicas 1

Each pair of a producer and a consumer may have a stream of its own (`--streams`): that is what sharding does.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
import uuid
from typing import Any

import elasticq

SPAWN = multiprocessing.get_context("spawn")


def produce(url: str, size: int, batch: int, end: float, counts: Any) -> None:
    """Puts batches until the time is over."""
    with elasticq.connect(url, timeout=60) as queue:
        done = 0
        items = [b"x" * size] * batch
        began = time.time()
        while time.time() < end:
            done += queue.put_many(items)
        counts.put(("put", done / (time.time() - began)))


def consume(url: str, batch: int, end: float, counts: Any) -> None:
    """Leases and acknowledges batches until the time is over."""
    with elasticq.connect(url, timeout=60) as queue:
        done = 0
        began = time.time()
        while time.time() < end:
            try:
                leases = queue.lease_many(batch, wait=0.2)
            except elasticq.Empty:
                continue
            queue.ack_many(leases)
            done += len(leases)
        counts.put(("done", done / (time.time() - began)))


def main() -> None:
    """Starts all processes, and prints what they have done together."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("server", help="nats://host:port, or several hosts with commas between")
    parser.add_argument("--producers", type=int, default=1)
    parser.add_argument("--consumers", type=int, default=1)
    parser.add_argument("--streams", type=int, default=1)
    parser.add_argument("--replicas", type=int, default=1)
    parser.add_argument("--size", type=int, default=100, help="bytes of an item")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5.0)
    given = parser.parse_args()
    name = uuid.uuid4().hex[:8]
    urls = [f"{given.server}/carry{name}s{n}?replicas={given.replicas}" for n in range(given.streams)]
    for url in urls:
        elasticq.connect(url, timeout=60).close()
    counts = SPAWN.Queue()
    end = time.time() + given.seconds + 2  # they start within two seconds
    processes = [
        SPAWN.Process(target=produce, args=(urls[n % len(urls)], given.size, given.batch, end, counts))
        for n in range(given.producers)
    ]
    processes += [
        SPAWN.Process(target=consume, args=(urls[n % len(urls)], given.batch, end, counts))
        for n in range(given.consumers)
    ]
    for process in processes:
        process.start()
    rates = [counts.get() for _ in processes]
    for process in processes:
        process.join()
    put = sum(rate for what, rate in rates if what == "put")
    done = sum(rate for what, rate in rates if what == "done")
    print(
        f"{given.producers} producers put {put:,.0f} items per second, {put * given.size / 1e6:.1f} MB/s;",
        end=" ",
    )
    print(f"{given.consumers} consumers did {done:,.0f}")


if __name__ == "__main__":
    main()
