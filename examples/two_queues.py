"""A worker waits for two queues at once: work to do, and orders that go before it.

python examples/two_queues.py
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import elasticq


@dataclass
class Worker:
    """Adds numbers up. Answers each order as soon as it is done with its present number."""

    numbers: elasticq.Queue[int]
    orders: elasticq.Queue[str] = field(default_factory=elasticq.Queue)
    reports: elasticq.Queue[str] = field(default_factory=elasticq.Queue)
    total: int = 0

    def run(self) -> None:
        while True:
            try:
                # In this order, so that no amount of work delays an order.
                queue, item = elasticq.select([self.orders, self.numbers], ordered=True)
            except elasticq.ShutDown:  # both queues were shut down, and are empty
                break
            if queue is self.numbers:
                self.total += item
            else:
                self.reports.put(f"{self.total:,} {item}")
        self.reports.put(f"{self.total:,} in the end")


def main() -> None:
    numbers: elasticq.Queue[int] = elasticq.Queue(maxsize=100)
    workers = [Worker(numbers) for _ in range(3)]
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    numbers.put_many(range(50_000))
    for worker in workers:
        worker.orders.put("so far")
        print("a worker has", worker.reports.get())
    numbers.put_many(range(50_000, 100_000))
    for worker in workers:
        worker.orders.shutdown()
    numbers.shutdown()
    for thread, worker in zip(threads, workers, strict=True):
        thread.join()
        print("a worker has", worker.reports.get())
    assert sum(worker.total for worker in workers) == sum(range(100_000))


if __name__ == "__main__":
    main()
