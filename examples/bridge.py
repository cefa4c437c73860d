"""One queue between a thread and an event loop, both ways.

python examples/bridge.py
"""

from __future__ import annotations

import asyncio
import threading

import elasticq


def square(requests: elasticq.Queue[int], replies: elasticq.Queue[tuple[int, int]]) -> None:
    """A worker thread: it takes numbers until the queue is shut down."""
    for number in requests.consume():
        replies.put((number, number * number))
    replies.shutdown()


async def ask(requests: elasticq.Queue[int]) -> None:
    """A task: it waits for room without blocking the event loop."""
    for number in range(10_000):
        await requests.aput(number)
    requests.shutdown()


async def main() -> None:
    requests: elasticq.Queue[int] = elasticq.Queue(maxsize=100)
    replies: elasticq.Queue[tuple[int, int]] = elasticq.Queue(maxsize=100)
    worker = threading.Thread(target=square, args=(requests, replies))
    worker.start()
    asking = asyncio.create_task(ask(requests))
    total = 0
    async for number, result in replies:  # ends when the queue is shut down and empty
        assert result == number * number
        total += 1
    await asking
    worker.join()
    print(f"{total:,} replies; {replies.stats()}")


if __name__ == "__main__":
    asyncio.run(main())
