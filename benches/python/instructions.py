"""Counts with callgrind how many instructions an item costs in Python: `python instructions.py [CASE...]`.

Other work on the machine does not change these figures. Two runs of different length are compared, so only
the cost of the items counts, the loop around the calls included. Three such pairs are made, and the smallest
difference is printed. valgrind must be there.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable

import elasticq

SHORT, LONG, PAIRS = 20_000, 60_000, 3


def put_get(rounds: int) -> None:
    queue = elasticq.Queue[int]()
    for _ in range(rounds):
        queue.put(1)
        queue.get()


def nowait(rounds: int) -> None:
    queue = elasticq.Queue[int]()
    for _ in range(rounds):
        queue.put_nowait(1)
        queue.get_nowait()


def batches(rounds: int) -> None:
    queue, batch = elasticq.Queue[int](), [1] * 100
    for _ in range(rounds // 100):
        queue.put_many(batch)
        queue.get_many(100)


def stack(rounds: int) -> None:
    queue = elasticq.LifoQueue[int]()
    for _ in range(rounds):
        queue.put(1)
        queue.get()


def heap(rounds: int) -> None:
    queue = elasticq.PriorityQueue[int]()
    for _ in range(rounds):
        queue.put(1)
        queue.get()


def simple(rounds: int) -> None:
    queue = elasticq.SimpleQueue[int]()
    for _ in range(rounds):
        queue.put(1)
        queue.get()


def levels(rounds: int) -> None:
    queue = elasticq.PriorityCircularBuffer[int]()
    for _ in range(rounds):
        queue.push_with_priority(1, 1)
        queue.pop()


def lock_free(rounds: int) -> None:
    queue = elasticq.LockFreeMPSCQueue[int]()
    for _ in range(rounds):
        queue.try_enqueue(1)
        queue.try_dequeue()


def awaited(rounds: int) -> None:
    async def main() -> None:
        queue = elasticq.Queue[int]()
        for _ in range(rounds):
            await queue.aput(1)
            await queue.aget()

    asyncio.run(main())


def asyncio_view(rounds: int) -> None:
    async def main() -> None:
        queue = elasticq.Queue[int]().async_q
        for _ in range(rounds):
            await queue.put(1)
            await queue.get()

    asyncio.run(main())


CASES: dict[str, Callable[[int], None]] = {
    case.__name__: case
    for case in (put_get, nowait, batches, stack, heap, simple, levels, lock_free, awaited, asyncio_view)
}


def count(case: str, rounds: int) -> int:
    """The instructions of a whole run."""
    command = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", sys.executable, __file__]
    environment = os.environ | {"PYTHONHASHSEED": "0"}
    run = subprocess.run(
        [*command, "--run", case, str(rounds)], env=environment, capture_output=True, text=True, check=True
    )
    found = re.search(r"Collected : (\d+)", run.stderr)
    assert found is not None, run.stderr
    return int(found[1])


def main() -> None:
    if sys.argv[1:2] == ["--run"]:
        CASES[sys.argv[2]](int(sys.argv[3]))
        return
    print(f"{'per item':14} instructions, Python {sys.version.split()[0]}")
    for case in sys.argv[1:] or CASES:
        costs = [count(case, LONG) - count(case, SHORT) for _ in range(PAIRS)]
        print(f"{case:14} {min(costs) / (LONG - SHORT):12.1f}", flush=True)


if __name__ == "__main__":
    main()
