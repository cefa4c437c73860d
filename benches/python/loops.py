"""The loops of producers and consumers, in threads and in tasks. The consumer adds up the items."""

from __future__ import annotations

from collections.abc import Awaitable, Callable


def put_range(put: Callable[[int], object], first: int, count: int) -> None:
    """Puts consecutive numbers, in a thread."""
    for number in range(first, first + count):
        put(number)


def get_sum(get: Callable[[], int], count: int) -> int:
    """Takes this many numbers, in a thread."""
    total = 0
    for _ in range(count):
        total += get()
    return total


def get_sum_of_pairs(get: Callable[[], tuple[object, int]], count: int) -> int:
    """Takes this many numbers, each with the queue that it comes from, in a thread."""
    total = 0
    for _ in range(count):
        _, number = get()
        total += number
    return total


async def aput_range(put: Callable[[int], Awaitable[object]], first: int, count: int) -> None:
    """Puts consecutive numbers, in a task."""
    for number in range(first, first + count):
        await put(number)


async def aget_sum(get: Callable[[], Awaitable[int]], count: int) -> int:
    """Takes this many numbers, in a task."""
    total = 0
    for _ in range(count):
        total += await get()
    return total
