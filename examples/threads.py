"""Producers and a consumer in threads: batches, backpressure, and an orderly end.

python examples/threads.py
"""

from __future__ import annotations

import threading

import elasticq

PRODUCERS = 4
EACH = 50_000


def produce(queue: elasticq.Queue[tuple[int, int]], producer: int) -> None:
    """Put items in batches; a full queue makes it wait."""
    for start in range(0, EACH, 500):
        queue.put_many([(producer, n) for n in range(start, start + 500)])


def consume(queue: elasticq.Queue[tuple[int, int]], counts: list[int]) -> None:
    """Take what is there, at most 1,000 at a time, until the queue is shut down and empty."""
    while True:
        try:
            batch = queue.get_many(1_000)
        except elasticq.ShutDown:
            return
        for producer, n in batch:
            assert n == counts[producer], "each producer's items come in order"
            counts[producer] += 1


def main() -> None:
    queue: elasticq.Queue[tuple[int, int]] = elasticq.Queue(maxsize=10_000)
    counts = [0] * PRODUCERS
    consumer = threading.Thread(target=consume, args=(queue, counts))
    producers = [threading.Thread(target=produce, args=(queue, n)) for n in range(PRODUCERS)]
    for thread in [consumer, *producers]:
        thread.start()
    for thread in producers:
        thread.join()
    queue.shutdown()  # what is inside can still be taken
    consumer.join()
    assert counts == [EACH] * PRODUCERS
    print(f"{sum(counts):,} items; {queue.stats()}")


if __name__ == "__main__":
    main()
