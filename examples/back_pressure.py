"""A fast producer and a slow consumer: who gives way is the queue's `overflow=`.

python examples/back_pressure.py
"""

from __future__ import annotations

import contextlib
import threading
import time
from typing import Literal, NamedTuple

import elasticq

ITEMS = 100
ROOM = 10
PACE = 0.002  # what the consumer takes for an item, in seconds

Overflow = Literal["block", "error", "drop_oldest", "drop_newest"]


class Outcome(NamedTuple):
    taken: list[int]
    dropped: int
    refused: int
    seconds: float
    """How long the producer took."""


def consume(queue: elasticq.Queue[int], taken: list[int]) -> None:
    for item in queue.consume():
        time.sleep(PACE)
        taken.append(item)


def produce(queue: elasticq.Queue[int]) -> float:
    """Puts items as fast as it may, shows how far it is, and gives the time that it took."""
    began = time.monotonic()
    for number in range(ITEMS):
        with contextlib.suppress(elasticq.Full):  # "error": a real producer would send less, or try later
            queue.put(number)
        if (number + 1) % 20 == 0:
            inside = "#" * len(queue)
            print(f"  {number + 1:3} put after {time.monotonic() - began:5.3f} s  [{inside:{ROOM}}]")
    return time.monotonic() - began


def run(overflow: Overflow) -> Outcome:
    queue: elasticq.Queue[int] = elasticq.Queue(maxsize=ROOM, overflow=overflow)
    taken: list[int] = []
    consumer = threading.Thread(target=consume, args=(queue, taken))
    consumer.start()
    try:
        seconds = produce(queue)
    finally:  # also on Ctrl-C: the consumer ends when it has taken what is inside
        queue.shutdown()
        consumer.join()
    stats = queue.stats()
    return Outcome(taken, stats.messages_dropped, stats.messages_refused, seconds)


def main() -> None:
    says: dict[Overflow, str] = {
        "block": "the producer waits, and becomes as slow as the consumer; nothing is lost",
        "error": "the producer is refused at once, and decides itself",
        "drop_oldest": "the producer never waits; the newest items are kept",
        "drop_newest": "the producer never waits; the oldest items are kept",
    }
    for overflow, meaning in says.items():
        print(f'overflow="{overflow}": {meaning}')
        outcome = run(overflow)
        taken = f"{len(outcome.taken)} taken (the first {outcome.taken[0]}, the last {outcome.taken[-1]})"
        print(f"  {taken}, {outcome.dropped} dropped, {outcome.refused} refused")


if __name__ == "__main__":
    main()
